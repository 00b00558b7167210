import DemoLogic
import RaliCore
import RaliKit
import SwiftUI

/// The ranked photos of a session: progress, filter, comparison, CSV. The app and its share extension
/// show the same.
struct RankList: View {
  @Bindable var session: RankSession
  let scorer: RaliScorer
  let pictures: Pictures
  @State private var filtering = false
  @State private var comparing = false
  @State private var selection: Set<String> = []

  var body: some View {
    ScrollView {
      VStack(alignment: .leading, spacing: 12) {
        if session.isWorking { progress }
        if let trouble = session.trouble { Text(trouble).foregroundStyle(Color("Poor")) }
        if session.ranked.isEmpty, !session.results.isEmpty, !session.filter.isOff {
          Text(Words.Filter.none)
        }
      }
      .frame(maxWidth: .infinity, alignment: .leading)
      .padding(.horizontal)
      RankedGrid(
        ranked: session.ranked, pictures: pictures, selecting: comparing ? 2 : nil,
        selection: $selection)
      if !session.failures.isEmpty { FailureList(entries: session.failures) }
    }
    .searchable(text: $session.filter.name, prompt: Words.Filter.search)
    .toolbar {
      ToolbarItemGroup(placement: .bottomBar) {
        Button(Words.Filter.title, systemImage: "line.3.horizontal.decrease.circle") {
          filtering = true
        }
        Spacer()
        compareButton
        Spacer()
        CSVButton(ranked: session.ranked, scorer: scorer)
      }
    }
    .sheet(isPresented: $filtering) {
      FilterView(
        filter: $session.filter, entries: session.results.entries,
        scale: scorer.facts.scale.minimum...scorer.facts.scale.maximum)
    }
  }

  private var progress: some View {
    VStack(alignment: .leading) {
      ProgressView(value: Double(session.done), total: Double(max(session.total, 1)))
      HStack {
        Text(Words.Rank.progress(done: session.done, total: session.total)).font(.caption)
        Spacer()
        Button(Words.Common.cancel) { session.stop() }
      }
    }
  }

  @ViewBuilder private var compareButton: some View {
    let pair = session.ranked.filter { selection.contains($0.id) }
    if comparing, pair.count == 2 {
      NavigationLink(Words.Rank.compare) {
        CompareView(first: pair[0], second: pair[1], pictures: pictures)
      }
    } else {
      Toggle(comparing ? Words.Rank.select : Words.Rank.compare, isOn: $comparing)
        .onChange(of: comparing) { selection = [] }
    }
  }
}

/// Photos that could not be scored, each with its sentence.
struct FailureList: View {
  let entries: [Entry]

  var body: some View {
    VStack(alignment: .leading, spacing: 8) {
      Text(Words.Rank.unreadable(entries.count)).font(.headline)
      ForEach(entries) { entry in
        Text(entry.failure ?? entry.photo.name).font(.caption)
      }
    }
    .frame(maxWidth: .infinity, alignment: .leading)
    .padding()
  }
}

/// Writes the table when it is asked for, then hands it to the share sheet.
struct CSVButton: View {
  let ranked: [Ranked]
  let scorer: RaliScorer
  @State private var file: URL?
  @State private var trouble: String?

  var body: some View {
    if let file {
      ShareLink(item: file)
    } else {
      Button(Words.Common.save, systemImage: "tablecells") { Task { await write() } }
        .disabled(ranked.isEmpty)
        .onChange(of: ranked.count) { file = nil }
        .alert(trouble ?? "", isPresented: .constant(trouble != nil)) {
          Button(Words.Common.done) { trouble = nil }
        }
    }
  }

  private func write() async {
    let (ranked, facts) = (ranked, scorer.facts)
    let model = CSV.Model(
      name: facts.model.name, precision: facts.precision, hash: scorer.model.hash)
    do {
      file = try await Task.detached {
        let file = FileManager.default.temporaryDirectory.appending(path: "ralikit.csv")
        try CSV.write(ranked, model: model, to: file)
        return file
      }.value
    } catch {
      trouble = error.localizedDescription
    }
  }
}

/// Shows its content once a model is ready, and until then why not.
struct WithModel<Content: View>: View {
  let store: ModelStore
  @ViewBuilder let content: @MainActor (RaliScorer) -> Content

  var body: some View {
    switch store.state {
    case .ready(let scorer): content(scorer)
    case .none: ProgressView()
    case .opening(let step):
      VStack(spacing: 12) {
        ProgressView(ReasonWords.words(step))
        Text(Words.Model.firstLoad).font(.caption).foregroundStyle(Color("Quiet"))
      }
      .padding()
    case .failed(let why):
      ContentUnavailableView {
        Label(Words.Model.title, systemImage: "exclamationmark.triangle")
      } description: {
        Text(why)
      } actions: {
        Button(Words.Model.bundled) { store.openBundled() }
      }
    }
  }
}
