import Foundation
import RaliCore

/// Scores photos; `RaliScorer` does, and whatever stands in for it in an app's tests.
public protocol PhotoScoring: Sendable {
  var facts: Facts { get }
  /// Larger photos are refused, pixels.
  var maximumPixels: Int { get }

  /// Score one decoded photo.
  ///
  /// - Throws: ``PhotoError`` if this photo cannot be scored, ``ModelError`` if the model gives no
  ///   score, `CancellationError`.
  func score(_ photo: Photo) async throws -> Score
}

extension PhotoScoring {
  public var maximumPixels: Int { PhotoLimits.pixels }

  /// Read and score a photo's file.
  ///
  /// - Throws: ``PhotoError`` if it cannot be read; one sentence that names it.
  public func score(_ url: URL) async throws -> Score {
    try await score(try Photo.read(url, limit: maximumPixels))
  }

  /// Score many photos, one at a time; the next is decoded while one is scored, and none is kept. What
  /// cannot be read is an entry with its error. Leave the loop, or cancel the task around it, to stop; a
  /// cancelled loop throws `CancellationError` and never just ends.
  ///
  /// - Parameters:
  ///   - photos: Gone through as results are taken, never ahead by more than one.
  ///   - total: Their number, for progress, where it is known.
  public func scores<Photos: Sequence & Sendable>(
    for photos: Photos, total: Int? = nil
  ) -> ScoreStream where Photos.Element == PhotoSource {
    let feed = ScoreFeed(scorer: self, photos: photos, total: total)
    return ScoreStream { try await feed.next() }
  }

  /// Score files; see the other `scores(for:total:)`.
  public func scores(for files: [URL]) -> ScoreStream {
    scores(for: files.map(PhotoSource.url), total: files.count)
  }
}

/// The entries of `scores(for:total:)`, gone through once; every iterator takes the next of them.
///
/// `AsyncThrowingStream` ends without an error if its task is cancelled between two entries, which reads as
/// "all photos are scored". This throws `CancellationError` whenever it happens.
public struct ScoreStream: AsyncSequence, Sendable {
  public typealias Element = ScoredPhoto

  let pull: @Sendable () async throws -> ScoredPhoto?

  public struct AsyncIterator: AsyncIteratorProtocol {
    let pull: @Sendable () async throws -> ScoredPhoto?

    public mutating func next() async throws -> ScoredPhoto? {
      try Task.checkCancellation()
      return try await pull()
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(pull: pull) }
}

/// A photo that is not decoded yet.
public struct PhotoSource: Sendable, Identifiable {
  public let id: String
  let load: @Sendable (_ limit: Int) async throws -> Photo

  /// A file; its path is the id.
  public static func url(_ url: URL) -> PhotoSource {
    PhotoSource(id: url.path) { try Photo.read(url, limit: $0) }
  }

  /// A decoded photo.
  public static func photo(id: String, _ photo: Photo) -> PhotoSource {
    PhotoSource(id: id) { _ in photo }
  }

  /// Whatever gives a photo when its turn comes, e.g. from the photo library.
  public static func loading(
    id: String, _ load: @escaping @Sendable () async throws -> Photo
  ) -> PhotoSource {
    PhotoSource(id: id) { _ in try await load() }
  }
}

/// One entry of `scores(for:)`.
public struct ScoredPhoto: Sendable {
  /// Place in the given order, from 0.
  public let index: Int
  /// The source's.
  public let id: String
  public let result: Result<Score, PhotoError>
  /// Photos finished, this one included.
  public let done: Int
  /// All of them, where it is known.
  public let total: Int?

  public init(index: Int, id: String, result: Result<Score, PhotoError>, done: Int, total: Int?) {
    self.index = index
    self.id = id
    self.result = result
    self.done = done
    self.total = total
  }
}

/// Gives one entry after the other; holds at most one decoded photo beside the one that is scored.
private actor ScoreFeed<Photos: Sequence & Sendable> where Photos.Element == PhotoSource {
  private struct Waiting {
    let index: Int
    let id: String
    let photo: Task<Photo, any Error>
  }

  private let scorer: any PhotoScoring
  private let total: Int?
  private var photos: Photos.Iterator
  private var given = 0
  private var waiting: Waiting?

  init(scorer: any PhotoScoring, photos: Photos, total: Int?) {
    self.scorer = scorer
    self.photos = photos.makeIterator()
    self.total = total
  }

  deinit { waiting?.photo.cancel() }

  private func begin() -> Waiting? {
    guard let source = photos.next() else { return nil }
    defer { given += 1 }
    let limit = scorer.maximumPixels
    return Waiting(
      index: given, id: source.id, photo: Task.detached { try await source.load(limit) })
  }

  func next() async throws -> ScoredPhoto? {
    guard let current = waiting ?? begin() else { return nil }
    waiting = nil
    // A cancelled caller stops the decoding too.
    let decoded = await withTaskCancellationHandler {
      await current.photo.result
    } onCancel: {
      current.photo.cancel()
    }
    try Task.checkCancellation()
    waiting = begin()
    do {
      let score = try await scorer.score(try decoded.get())
      return entry(current, .success(score))
    } catch let error as PhotoError {
      return entry(current, .failure(error))
    } catch {
      waiting?.photo.cancel()
      throw error
    }
  }

  private func entry(_ photo: Waiting, _ result: Result<Score, PhotoError>) -> ScoredPhoto {
    ScoredPhoto(
      index: photo.index, id: photo.id, result: result, done: photo.index + 1, total: total)
  }
}
