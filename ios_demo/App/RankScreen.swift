import CoreTransferable
import DemoLogic
import PhotosUI
import RaliKit
import SwiftUI
import UniformTypeIdentifiers

/// Photos from the picker, which needs no permission, ranked.
struct RankScreen: View {
  let store: ModelStore
  @State private var session = RankSession()
  @State private var picked: [PhotosPickerItem] = []
  @State private var loading = false

  var body: some View {
    NavigationStack {
      WithModel(store: store) { scorer in
        content(scorer)
          .onChange(of: picked) { take(picked, scorer) }
          .task(id: scorer.model.hash) { session.use(scorer) }
      }
      .navigationTitle(Words.Tab.rank)
      .toolbar {
        ToolbarItem(placement: .primaryAction) {
          PhotosPicker(selection: $picked, matching: .images) {
            Label(Words.Rank.choose, systemImage: "plus")
          }
          .disabled(store.scorer == nil || loading)
        }
        ToolbarItem(placement: .cancellationAction) {
          Button(Words.Common.clear) {
            session.clear()
            Handed.clear()
          }
          .disabled(session.isEmpty)
        }
      }
    }
  }

  @ViewBuilder private func content(_ scorer: RaliScorer) -> some View {
    if session.isEmpty {
      ContentUnavailableView {
        Label(Words.Rank.choose, systemImage: "photo.badge.plus")
      } description: {
        Text(Words.Rank.empty)
      } actions: {
        PhotosPicker(Words.Rank.choose, selection: $picked, matching: .images)
          .disabled(loading)
      }
    } else {
      RankList(session: session, scorer: scorer, pictures: .files)
    }
  }

  /// Files are taken over one at a time: the picker hands out copies, and each is a whole photo.
  private func take(_ items: [PhotosPickerItem], _ scorer: RaliScorer) {
    guard !items.isEmpty else { return }
    picked = []
    loading = true
    Task {
      defer { loading = false }
      for item in items {
        guard let photo = try? await item.loadTransferable(type: HandedPhoto.self) else { continue }
        session.add([Handed.info(photo.file)], scorer: scorer)
      }
    }
  }
}

/// A picked photo as the file it is: decoding is RaliKit's work.
struct HandedPhoto: Transferable {
  let file: URL

  static var transferRepresentation: some TransferRepresentation {
    FileRepresentation(importedContentType: .image) { received in
      HandedPhoto(file: try Handed.keep(received.file))
    }
  }
}
