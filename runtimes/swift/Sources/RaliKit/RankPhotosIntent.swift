#if canImport(AppIntents)
  import AppIntents
  import Foundation
  import RaliCore

  /// Which model the intent scores with. The app registers one as it starts:
  ///
  /// ```swift
  /// AppDependencyManager.shared.add(dependency: RankingModel { try await RaliScorer(modelAt: url) })
  /// ```
  public struct RankingModel: Sendable {
    let open: @Sendable () async throws -> any PhotoScoring

    public init(_ open: @escaping @Sendable () async throws -> any PhotoScoring) {
      self.open = open
    }
  }

  /// Ranks photos for Shortcuts and Siri: the same files, best first. What cannot be read goes last.
  @available(iOS 16, macOS 13, *)
  public struct RankPhotosIntent: AppIntent {
    public static var title: LocalizedStringResource { "Rank photos" }
    public static var description: IntentDescription? {
      IntentDescription("Sorts photos by image quality, best first, on this device.")
    }

    @Parameter(title: "Photos")
    public var photos: [IntentFile]

    @Dependency
    private var model: RankingModel

    public init() {}

    public func perform() async throws -> some IntentResult & ReturnsValue<[IntentFile]> {
      let scorer = try await model.open()
      let files = photos
      let sources = files.enumerated().map { index, file in
        let (data, name) = (file.data, file.filename)
        return PhotoSource.loading(id: String(index)) { try Photo.read(data, name: name) }
      }
      var scored: [(id: String, score: Score)] = []
      var unread: [IntentFile] = []
      for try await entry in scorer.scores(for: sources, total: files.count) {
        switch entry.result {
        case .success(let score): scored.append((entry.id, score))
        case .failure: unread.append(files[entry.index])
        }
      }
      let ranked = Ranking.places(scored).compactMap { Int($0.id) }.map { files[$0] }
      return .result(value: ranked + unread)
    }
  }
#endif
