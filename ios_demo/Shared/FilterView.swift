import DemoLogic
import RaliCore
import SwiftUI

/// Chooses which photos are shown: by score and by reason.
struct FilterView: View {
  @Binding var filter: PhotoFilter
  let entries: [Entry]
  let scale: ClosedRange<Double>
  @Environment(\.dismiss) private var dismiss

  var body: some View {
    NavigationStack {
      Form {
        Section {
          LimitRow(
            limit: $filter.below, scale: scale, title: Words.Filter.useBelow,
            words: { Words.Filter.below($0) })
          LimitRow(
            limit: $filter.atLeast, scale: scale, title: Words.Filter.useAtLeast,
            words: { Words.Filter.atLeast($0) })
        }
        Section(Words.Filter.reasons) {
          ForEach(PhotoFilter.named(in: entries), id: \.reason.id) { named in
            Toggle(
              Words.Filter.reason(words: ReasonWords.words(named.reason), count: named.count),
              isOn: chosen(named.reason.id))
          }
        }
        Button(Words.Filter.off) { filter = PhotoFilter(name: filter.name) }
      }
      .navigationTitle(Words.Filter.title)
      .toolbar {
        ToolbarItem(placement: .confirmationAction) {
          Button(Words.Common.done) { dismiss() }
        }
      }
    }
  }

  private func chosen(_ id: String) -> Binding<Bool> {
    Binding(
      get: { filter.reasons.contains(id) },
      set: { on in
        if on { filter.reasons.insert(id) } else { filter.reasons.remove(id) }
      })
  }
}

/// A limit that is off, or a score.
private struct LimitRow: View {
  @Binding var limit: Double?
  let scale: ClosedRange<Double>
  let title: String
  let words: (String) -> String

  var body: some View {
    Toggle(
      title,
      isOn: Binding(
        get: { limit != nil },
        set: { limit = $0 ? (scale.lowerBound + scale.upperBound) / 2 : nil }))
    if let value = limit {
      Slider(value: Binding(get: { value }, set: { limit = $0 }), in: scale) { Text(title) }
        .accessibilityValue(words(Figures.score(value)))
      Text(words(Figures.score(value))).font(.caption)
    }
  }
}
