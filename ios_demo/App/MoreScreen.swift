import RaliKit
import SwiftUI
import UniformTypeIdentifiers

/// The model, another one, and the benchmark.
struct MoreScreen: View {
  let store: ModelStore
  @State private var picking = false

  var body: some View {
    NavigationStack {
      WithModel(store: store) { scorer in
        List {
          ModelSection(scorer: scorer)
          NavigationLink(Words.Bench.title) { BenchmarkScreen(scorer: scorer) }
        }
      }
      .navigationTitle(Words.Tab.more)
      .toolbar {
        ToolbarItem(placement: .primaryAction) {
          Menu(Words.Model.title, systemImage: "cpu") {
            Button(Words.Model.open, systemImage: "folder") { picking = true }
            Button(Words.Model.bundled, systemImage: "shippingbox") { store.openBundled() }
              .disabled(store.isBundled)
          }
        }
      }
      .fileImporter(isPresented: $picking, allowedContentTypes: Self.types) { result in
        if case .success(let file) = result { store.openPicked(file) }
      }
    }
  }

  /// Packages are folders: a folder may be picked too, and is refused by name where it is no model.
  private static var types: [UTType] {
    [
      UTType(filenameExtension: "mlpackage"), UTType(filenameExtension: "aimodel"), .package,
      .folder,
    ]
    .compactMap(\.self)
  }
}

/// What the model says of itself, its notice first.
private struct ModelSection: View {
  let scorer: RaliScorer

  var body: some View {
    let facts = scorer.facts
    Section(Words.Model.title) {
      if facts.model.weights == "random" { Text(Words.Model.random) }
      if !scorer.model.note.isEmpty { Text(scorer.model.note) }
      LabeledContent(Words.Model.name, value: facts.model.name)
      LabeledContent(Words.Model.precision, value: facts.precision)
      LabeledContent(Words.Model.units, value: ReasonWords.words(scorer.model.units))
      LabeledContent(Words.Model.runtime, value: scorer.model.runtime)
      LabeledContent(
        Words.Model.scale,
        value: "\(Figures.one(facts.scale.minimum))–\(Figures.one(facts.scale.maximum))")
      LabeledContent(
        Words.Model.tieWidth,
        value: facts.model.tieWidth.map(Figures.score) ?? Words.Model.notMeasured)
    }
    Section(Words.Model.licence) { Text(facts.model.licence) }
    if !facts.model.notice.isEmpty {
      Section(Words.Model.notice) { Text(facts.model.notice) }
    }
  }
}
