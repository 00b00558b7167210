import DemoLogic
import PhotosUI
import RaliCore
import RaliKit
import SwiftUI

/// Finds weak photos in the library: asks, scans, pauses, resumes, shows.
struct LibraryScreen: View {
  let store: ModelStore
  @Bindable var library: LibraryModel
  @Environment(\.scenePhase) private var scenePhase
  @State private var selection: Set<String> = []
  @State private var selecting = false
  @State private var filtering = false

  var body: some View {
    NavigationStack {
      WithModel(store: store) { scorer in
        ScrollView {
          VStack(alignment: .leading, spacing: 12) {
            AccessRow(library: library)
            if library.access.canScan { ScanRow(library: library) }
            if let trouble = library.trouble { Text(trouble).foregroundStyle(Color("Poor")) }
          }
          .frame(maxWidth: .infinity, alignment: .leading)
          .padding(.horizontal)
          if !library.results.isEmpty { weak(scorer) }
        }
        .task(id: scorer.model.hash) { await library.use(scorer) }
      }
      .navigationTitle(Words.Library.title)
    }
    .onChange(of: scenePhase) { Task { await library.isInFront(scenePhase == .active) } }
  }

  private func weak(_ scorer: RaliScorer) -> some View {
    VStack(alignment: .leading, spacing: 12) {
      Threshold(limit: $library.filter.below, scale: scorer.facts.scale)
      Text(Words.Library.weak(library.weak.count)).font(.headline)
      Toggle(Words.Library.selectAll, isOn: $selecting)
        .onChange(of: selecting) { selection = selecting ? Set(library.weak.map(\.id)) : [] }
      Button(Words.Filter.title, systemImage: "line.3.horizontal.decrease.circle") {
        filtering = true
      }
      if !selection.isEmpty {
        Button(Words.Library.delete(selection.count), role: .destructive) {
          let chosen = selection
          selection = []
          Task { await library.delete(chosen) }
        }
      }
      CSVButton(ranked: library.weak, scorer: scorer)
      RankedGrid(
        ranked: library.weak, pictures: PhotoLibrary.pictures,
        selecting: selecting ? library.weak.count : nil, selection: $selection)
    }
    .padding(.horizontal)
    .sheet(isPresented: $filtering) {
      FilterView(
        filter: $library.filter, entries: library.results.entries,
        scale: scorer.facts.scale.minimum...scorer.facts.scale.maximum)
    }
  }
}

/// The score below which a photo is called weak.
private struct Threshold: View {
  @Binding var limit: Double?
  let scale: Scale

  var body: some View {
    let value = limit ?? scale.minimum
    let words = Words.Library.threshold(Figures.score(value))
    VStack(alignment: .leading) {
      Text(words)
      Slider(
        value: Binding(get: { value }, set: { limit = $0 }), in: scale.minimum...scale.maximum
      ) {
        Text(words)
      }
      .accessibilityValue(Figures.score(value))
    }
  }
}

/// What the person shares, and how to share more.
private struct AccessRow: View {
  let library: LibraryModel

  var body: some View {
    switch library.access {
    case .notAsked:
      Text(Words.Library.intro)
      Button(Words.Library.ask) { Task { await library.ask() } }.prominent()
    case .denied:
      Text(Words.Library.denied)
      if let settings = URL(string: UIApplication.openSettingsURLString) {
        Link(Words.Common.settings, destination: settings)
      }
    case .restricted: Text(Words.Library.restricted)
    case .limited:
      Text(Words.Library.limited(library.snapshot?.total ?? library.results.count))
      Button(Words.Library.pickMore) { LimitedPicker.show() }
    case .full: Text(Words.Library.intro).font(.caption).foregroundStyle(Color("Quiet"))
    }
  }
}

/// Where the scan stands, and its buttons.
private struct ScanRow: View {
  let library: LibraryModel

  var body: some View {
    VStack(alignment: .leading, spacing: 8) {
      if let snapshot = library.snapshot { figures(snapshot) }
      HStack {
        switch library.phase {
        case .running:
          Button(Words.Library.pause) { Task { await library.pause() } }
          Button(Words.Library.stop, role: .cancel) { Task { await library.stop() } }
        case .paused:
          Button(Words.Library.resume) { Task { await library.resume() } }
            .disabled(library.snapshot?.pauses.contains(.person) != true)
          Button(Words.Library.stop, role: .cancel) { Task { await library.stop() } }
        case .idle, .finished:
          Button(Words.Library.start) { Task { await library.start() } }
            .prominent()
        case .failed:
          Button(Words.Common.again) { Task { await library.start() } }
        }
      }
      .buttonStyle(.bordered)
    }
  }

  @ViewBuilder private func figures(_ snapshot: LibraryScan.Snapshot) -> some View {
    switch snapshot.phase {
    case .idle: EmptyView()
    case .running, .paused:
      ProgressView(value: snapshot.share)
        .accessibilityLabel(
          Words.Library.progress(done: snapshot.done, total: snapshot.total))
      Text(Words.Library.progress(done: snapshot.done, total: snapshot.total))
      if let rate = snapshot.photosPerSecond { Text(Words.Library.pace(Figures.one(rate))) }
      if let seconds = snapshot.secondsLeft { Text(Words.Library.left(Figures.duration(seconds))) }
      ForEach(ScanMachine.Pause.allCases.filter(snapshot.pauses.contains), id: \.self) { pause in
        Text(words(pause)).font(.caption)
      }
    case .finished: Text(Words.Library.finished(snapshot.done))
    case .failed(let why): Text(why).foregroundStyle(Color("Poor"))
    }
    if snapshot.failures > 0 {
      NavigationLink(Words.Rank.unreadable(snapshot.failures)) {
        ScrollView {
          FailureList(entries: library.results.entries.filter { $0.failure != nil })
        }
        .navigationTitle(Words.Rank.unreadableTitle)
      }
    }
    if let why = snapshot.journalTrouble { Text(Words.Library.notKept(why)).font(.caption) }
  }

  private func words(_ pause: ScanMachine.Pause) -> String {
    switch pause {
    case .person: Words.Library.pausedPerson
    case .background: Words.Library.pausedBackground
    case .heat: Words.Library.pausedHeat
    case .lowPower: Words.Library.pausedLowPower
    }
  }
}
