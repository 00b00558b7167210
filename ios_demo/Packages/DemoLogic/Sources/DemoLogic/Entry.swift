import Foundation
import RaliCore

/// What is known of a photo before it is opened.
public struct PhotoInfo: Sendable, Hashable, Codable, Identifiable {
  /// The library's own identifier, or a file's path.
  public let id: String
  /// What a person calls it.
  public let name: String
  /// Nil where nobody wrote it down.
  public let takenAt: Date?

  public init(id: String, name: String, takenAt: Date? = nil) {
    self.id = id
    self.name = name
    self.takenAt = takenAt
  }
}

/// What became of a photo that was looked at.
public enum Outcome: Sendable, Hashable, Codable {
  case scored(Score)
  /// The sentence that says why not.
  case failed(String)
}

/// A photo and what became of it. Never holds pixels, and never an embedding.
public struct Entry: Sendable, Hashable, Codable, Identifiable {
  public let photo: PhotoInfo
  public let outcome: Outcome
  /// Tells the photo's scene from others; nil where nobody asked for it.
  public let fingerprint: Fingerprint?

  public init(photo: PhotoInfo, outcome: Outcome, fingerprint: Fingerprint? = nil) {
    self.photo = photo
    self.fingerprint = fingerprint
    if case .scored(let score) = outcome, score.embedding != nil {
      self.outcome = .scored(score.withoutEmbedding)
    } else {
      self.outcome = outcome
    }
  }

  public var id: String { photo.id }
  public var score: Score? { if case .scored(let score) = outcome { score } else { nil } }
  public var failure: String? { if case .failed(let why) = outcome { why } else { nil } }
}

/// What looking at a photo gave.
public struct Seen: Sendable {
  public let score: Score
  public let fingerprint: Fingerprint?
  /// The file's name, where it was not known before; nil: as it was.
  public let name: String?

  public init(score: Score, fingerprint: Fingerprint? = nil, name: String? = nil) {
    self.score = score
    self.fingerprint = fingerprint
    self.name = name
  }
}

extension Score {
  /// The same without its embedding: ten thousand of those would fill a phone's memory.
  public var withoutEmbedding: Score {
    Score(
      value: value, minimum: minimum, maximum: maximum, tieWidth: tieWidth, reasons: reasons,
      reasonValues: reasonValues, embedding: nil, width: width, height: height, notes: notes,
      timings: timings)
  }
}
