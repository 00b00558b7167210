import DemoLogic
import RaliKit
import SwiftUI
import UIKit
import UniformTypeIdentifiers

/// Ranks the photos that another app shares, without leaving it.
final class ShareViewController: UIViewController {
  override func viewDidLoad() {
    super.viewDidLoad()
    Handed.clear()
    let items = extensionContext?.inputItems.compactMap { $0 as? NSExtensionItem } ?? []
    let providers = items.flatMap { $0.attachments ?? [] }
    let view = ShareView(photos: SharedPhotos(providers)) { [weak self] in
      Handed.clear()
      self?.extensionContext?.completeRequest(returningItems: nil)
    }
    show(UIHostingController(rootView: view))
  }

  private func show(_ child: UIViewController) {
    addChild(child)
    child.view.frame = self.view.bounds
    child.view.autoresizingMask = [.flexibleWidth, .flexibleHeight]
    self.view.addSubview(child.view)
    child.didMove(toParent: self)
  }
}

/// What was shared, as files of our own.
@MainActor
final class SharedPhotos {
  private let providers: [NSItemProvider]

  init(_ providers: [NSItemProvider]) {
    let image = UTType.image.identifier
    self.providers = providers.filter { $0.hasItemConformingToTypeIdentifier(image) }
  }

  var isEmpty: Bool { providers.isEmpty }

  /// Copies one photo at a time; what cannot be had is left out.
  func hand(to take: @MainActor (PhotoInfo) -> Void) async {
    for provider in providers {
      if let file = await Self.file(provider) { take(Handed.info(file)) }
    }
  }

  private static func file(_ provider: NSItemProvider) async -> URL? {
    await withCheckedContinuation { done in
      _ = provider.loadFileRepresentation(forTypeIdentifier: UTType.image.identifier) { file, _ in
        // The file is gone when this returns: the copy is made here.
        done.resume(returning: file.flatMap { try? Handed.keep($0) })
      }
    }
  }
}

/// The extension's only screen.
private struct ShareView: View {
  let photos: SharedPhotos
  let done: () -> Void
  // An extension may use about 120 MB: the processor needs least.
  @State private var store = ModelStore(units: .cpuOnly)
  @State private var session = RankSession()

  var body: some View {
    NavigationStack {
      WithModel(store: store) { scorer in
        content(scorer)
          .task { await photos.hand { session.add([$0], scorer: scorer) } }
      }
      .navigationTitle(Words.Share.title)
      .toolbar {
        ToolbarItem(placement: .confirmationAction) {
          Button(Words.Common.done) {
            session.stop()
            done()
          }
        }
      }
    }
    .task { store.openFirst() }
  }

  @ViewBuilder private func content(_ scorer: RaliScorer) -> some View {
    if photos.isEmpty {
      Text(Words.Share.nothing).padding()
    } else {
      RankList(session: session, scorer: scorer, pictures: .files)
    }
  }
}
