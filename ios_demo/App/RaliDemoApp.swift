import AppIntents
import RaliKit
import RaliMini
import SwiftUI

@main
struct RaliDemoApp: App {
  @State private var store = ModelStore()
  private let ordered = Result { try OrderedBenchmark.order() }

  init() {
    Handed.clear()
    AppDependencyManager.shared.add(
      dependency: RankingModel {
        guard let model = RaliMini.modelURL else { throw MissingModel() }
        return try await RaliScorer(modelAt: model)
      })
  }

  var body: some Scene {
    WindowGroup {
      switch ordered {
      case .success(nil): RootView(store: store)
      case .success(.some(let order)): OrderedScreen(order: .success(order))
      case .failure(let error): OrderedScreen(order: .failure(error))
      }
    }
  }
}

/// The app was built without its model.
private struct MissingModel: LocalizedError {
  var errorDescription: String? { Words.Model.missing }
}

/// The five places of the app.
struct RootView: View {
  let store: ModelStore
  @State private var library = LibraryModel()

  var body: some View {
    TabView {
      RankScreen(store: store)
        .tabItem { Label(Words.Tab.rank, systemImage: "list.number") }
      LibraryScreen(store: store, library: library)
        .tabItem { Label(Words.Tab.library, systemImage: "photo.on.rectangle.angled") }
      BurstScreen(store: store, library: library)
        .tabItem { Label(Words.Tab.bursts, systemImage: "square.stack.3d.down.right") }
      CameraScreen(store: store)
        .tabItem { Label(Words.Tab.camera, systemImage: "camera") }
      MoreScreen(store: store)
        .tabItem { Label(Words.Tab.more, systemImage: "ellipsis.circle") }
    }
    .task { store.openFirst() }
  }
}
