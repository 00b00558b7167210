import DemoLogic
import RaliCore
import SwiftUI
import UIKit

/// A photo's picture, loaded when it comes into view and let go when it leaves.
struct PhotoPicture: View {
  let photo: PhotoInfo
  let pictures: Pictures
  let edge: Int
  @State private var image: UIImage?

  var body: some View {
    Rectangle()
      .fill(Color("Card"))
      .overlay {
        if let image {
          Image(uiImage: image).resizable().scaledToFit()
        }
      }
      .clipped()
      .task(id: photo.id) { image = await pictures.picture(photo, edge) }
      .onDisappear { image = nil }
      .accessibilityHidden(true)
  }
}

/// A score with its band's sign, word and colour.
struct ScoreLabel: View {
  let score: RaliCore.Score

  var body: some View {
    let band = Band(score)
    HStack(spacing: 4) {
      Image(systemName: band.symbol).accessibilityHidden(true)
      Text(Figures.score(score.value)).font(.headline).monospacedDigit()
      Text(band.word).font(.subheadline)
    }
    .foregroundStyle(Color(band.colour))
    .accessibilityElement(children: .ignore)
    .accessibilityLabel(
      Words.Score.spoken(value: Figures.score(score.value), top: Figures.score(score.maximum))
    )
    .accessibilityValue(band.word)
  }
}

/// One photo of a grid: place, score and why.
struct PhotoCard: View {
  let ranked: Ranked
  let pictures: Pictures
  let selected: Bool

  var body: some View {
    VStack(alignment: .leading, spacing: 6) {
      PhotoPicture(photo: ranked.photo, pictures: pictures, edge: 480)
        .aspectRatio(1, contentMode: .fit)
      ScoreLabel(score: ranked.score)
      Text(ranked.tied ? Words.Score.tied(ranked.place) : Words.Score.place(ranked.place))
        .font(.caption)
      Text(ReasonWords.why(ranked.score)).font(.caption).foregroundStyle(Color("Quiet"))
      Text(ranked.photo.name).font(.caption2).lineLimit(1).truncationMode(.middle)
        .foregroundStyle(Color("Quiet"))
    }
    .padding(8)
    .frame(maxWidth: .infinity, alignment: .leading)
    .background(Color("Card"))
    .overlay {
      RoundedRectangle(cornerRadius: 10)
        .strokeBorder(selected ? Color.accentColor : Color.clear, lineWidth: 3)
    }
    .clipShape(RoundedRectangle(cornerRadius: 10))
    .accessibilityElement(children: .combine)
    .accessibilityAddTraits(selected ? .isSelected : [])
  }
}

/// Photos side by side, as many as fit: one a row at accessibility sizes.
struct RankedGrid: View {
  let ranked: [Ranked]
  let pictures: Pictures
  /// Nil: a tap opens the photo. Else it selects, and so many may be selected.
  var selecting: Int?
  @Binding var selection: Set<String>
  @Environment(\.dynamicTypeSize) private var typeSize

  var body: some View {
    LazyVGrid(columns: columns, spacing: 12) {
      ForEach(ranked) { item in
        if let selecting {
          Button {
            toggle(item.id, most: selecting)
          } label: {
            PhotoCard(ranked: item, pictures: pictures, selected: selection.contains(item.id))
          }
          .buttonStyle(.plain)
        } else {
          NavigationLink {
            DetailView(ranked: item, pictures: pictures)
          } label: {
            PhotoCard(ranked: item, pictures: pictures, selected: false)
          }
          .buttonStyle(.plain)
        }
      }
    }
    .padding(.horizontal)
  }

  private var columns: [GridItem] {
    [GridItem(.adaptive(minimum: typeSize.isAccessibilitySize ? 320 : 160), spacing: 12)]
  }

  private func toggle(_ id: String, most: Int) {
    if selection.remove(id) == nil, selection.count < most { selection.insert(id) }
  }
}
