import DemoLogic
import RaliKit
import SwiftUI

/// The best photo of each burst of the scanned library.
struct BurstScreen: View {
  let store: ModelStore
  let library: LibraryModel

  var body: some View {
    NavigationStack {
      WithModel(store: store) { scorer in
        List {
          Section {
            Text(Words.Bursts.intro).font(.caption).foregroundStyle(Color("Quiet"))
            if library.results.isEmpty {
              Text(Words.Bursts.scanFirst)
            } else if library.bursts.isEmpty {
              Text(Words.Bursts.none)
            }
          }
          ForEach(library.bursts) { burst in
            Section(Words.Bursts.group(burst.entries.count)) {
              BurstRow(burst: burst, library: library)
            }
          }
        }
        .task(id: scorer.model.hash) { await library.use(scorer) }
      }
      .navigationTitle(Words.Bursts.title)
    }
  }
}

/// One burst: its photos in the order they were taken, the best one marked.
private struct BurstRow: View {
  let burst: Burst
  let library: LibraryModel

  var body: some View {
    ScrollView(.horizontal) {
      HStack(alignment: .top) {
        ForEach(burst.entries) { entry in
          VStack {
            PhotoPicture(photo: entry.photo, pictures: PhotoLibrary.pictures, edge: 320)
              .frame(width: 120, height: 120)
            if let score = entry.score { ScoreLabel(score: score) }
            if burst.isSure, entry.id == burst.best.id {
              Label(Words.Bursts.best, systemImage: "star.fill").font(.caption)
            }
          }
          .accessibilityElement(children: .combine)
        }
      }
    }
    if !burst.isSure { Text(Words.Bursts.cannotTell).font(.caption) }
    if !burst.others.isEmpty {
      Button(Words.Library.delete(burst.others.count), role: .destructive) {
        Task { await library.delete(Set(burst.others.map(\.id))) }
      }
    }
  }
}
