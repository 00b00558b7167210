import DemoLogic
import RaliCore
import SwiftUI

/// One photo large, with everything that is known of it.
struct DetailView: View {
  let ranked: Ranked
  let pictures: Pictures

  private var score: RaliCore.Score { ranked.score }

  var body: some View {
    List {
      Section {
        PhotoPicture(photo: ranked.photo, pictures: pictures, edge: 1600)
          .aspectRatio(CGFloat(score.width) / CGFloat(max(score.height, 1)), contentMode: .fit)
          .listRowInsets(EdgeInsets())
        ScoreLabel(score: score)
        Text(ReasonWords.why(score))
      }
      Section {
        LabeledContent(
          Words.Detail.size, value: Words.Detail.pixels(width: score.width, height: score.height))
        LabeledContent(Words.Detail.time, value: timings)
        if let taken = ranked.photo.takenAt {
          LabeledContent(
            Words.Detail.taken, value: taken.formatted(date: .abbreviated, time: .shortened))
        }
      }
      Section(Words.Detail.reasons) {
        if score.reasonValues.isEmpty { Text(Words.Detail.noReasons) }
        ForEach(score.reasonValues, id: \.id) { reason in
          ReasonBar(words: ReasonWords.words(reason.id, otherwise: reason.id), value: reason.value)
        }
      }
      if !score.notes.isEmpty {
        Section(Words.Detail.notes) {
          ForEach(score.notes, id: \.self) { note in Text(note) }
        }
      }
    }
    .navigationTitle(ranked.photo.name)
    .navigationBarTitleDisplayMode(.inline)
  }

  private var timings: String {
    Words.Detail.timings(
      decode: Figures.milliseconds(seconds: score.timings.decode),
      resize: Figures.milliseconds(seconds: score.timings.resize),
      model: Figures.milliseconds(seconds: score.timings.inference))
  }
}

/// How much a reason holds, as a bar and in words.
struct ReasonBar: View {
  let words: String
  let value: Double

  var body: some View {
    let text = Words.Detail.reasonValue(words: words, percent: Figures.percent(value))
    VStack(alignment: .leading, spacing: 4) {
      Text(text)
      ProgressView(value: min(max(value, 0), 1)).tint(Color("Poor"))
    }
    .accessibilityElement(children: .ignore)
    .accessibilityLabel(text)
  }
}

/// Two photos beside each other, and whether the model tells them apart.
struct CompareView: View {
  let first: Ranked
  let second: Ranked
  let pictures: Pictures
  @Environment(\.dynamicTypeSize) private var typeSize

  var body: some View {
    ScrollView {
      VStack(alignment: .leading, spacing: 16) {
        let layout =
          typeSize.isAccessibilitySize
          ? AnyLayout(VStackLayout(spacing: 12)) : AnyLayout(HStackLayout(spacing: 12))
        layout {
          PhotoCard(ranked: first, pictures: pictures, selected: false)
          PhotoCard(ranked: second, pictures: pictures, selected: false)
        }
        if let comparison {
          Text(verdict(comparison)).font(.title3)
          if !comparison.differences.isEmpty {
            Text(Words.Compare.differences).font(.headline)
            ForEach(comparison.differences) { difference in
              DifferenceRow(difference: difference)
            }
          }
        }
      }
      .padding()
    }
    .navigationTitle(Words.Compare.title)
    .navigationBarTitleDisplayMode(.inline)
  }

  private var comparison: Comparison? {
    Comparison(
      Entry(photo: first.photo, outcome: .scored(first.score)),
      Entry(photo: second.photo, outcome: .scored(second.score)))
  }

  private func verdict(_ comparison: Comparison) -> String {
    switch comparison.verdict {
    case .tie(let gap): Words.Compare.tie(Figures.score(gap))
    case .better(let photo, let gap):
      Words.Compare.better(name: photo.name, gap: Figures.score(gap))
    }
  }
}

private struct DifferenceRow: View {
  let difference: Comparison.Difference

  var body: some View {
    let words = ReasonWords.words(difference.id, otherwise: difference.id)
    HStack {
      ReasonBar(words: words, value: difference.first)
      ReasonBar(words: words, value: difference.second)
    }
  }
}
