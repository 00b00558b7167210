/// A reason that the model names: at least as likely as not, a person would say so.
public struct Reason: Sendable, Hashable, Codable {
  /// Stands for its meaning in every language; translate by it.
  public let id: String
  /// English words for it, from the model's file.
  public let words: String
  /// How likely a person would say so, 0 to 1; here at least 0.5.
  public let value: Double

  public init(id: String, words: String, value: Double) {
    self.id = id
    self.words = words
    self.value = value
  }
}

/// One number of the output `reasons`.
public struct ReasonValue: Sendable, Hashable, Codable {
  public let id: String
  /// 0 to 1.
  public let value: Double

  public init(id: String, value: Double) {
    self.id = id
    self.value = value
  }
}

/// How long the parts of one score took, in seconds.
public struct Timings: Sendable, Hashable, Codable {
  /// From the file to stored pixels; 0 where pixels were given.
  public let decode: Double
  /// From stored pixels to the model's views: colours, turning and resize.
  public let resize: Double
  public let inference: Double

  public init(decode: Double, resize: Double, inference: Double) {
    self.decode = decode
    self.resize = resize
    self.inference = inference
  }

  /// All of it, seconds.
  public var total: Double { decode + resize + inference }
}

/// What a model says of one photo.
public struct Score: Sendable, Hashable, Codable {
  /// On the model's scale; higher is better.
  public let value: Double
  /// Lower end of the scale.
  public let minimum: Double
  /// Upper end of the scale.
  public let maximum: Double
  /// Scores closer than this are a tie; nil: not measured.
  public let tieWidth: Double?
  /// The named reasons, highest first; empty where none is named or the model has none.
  public let reasons: [Reason]
  /// Every reason's value, in the output's order; empty where the model has none.
  public let reasonValues: [ReasonValue]
  /// Where the file gives it and the configuration asks for it.
  public let embedding: [Float]?
  /// Of the upright photo, pixels.
  public let width: Int
  public let height: Int
  /// Sentences that a user should see.
  public let notes: [String]
  public let timings: Timings

  public init(
    value: Double, minimum: Double, maximum: Double, tieWidth: Double?, reasons: [Reason] = [],
    reasonValues: [ReasonValue] = [], embedding: [Float]? = nil, width: Int, height: Int,
    notes: [String] = [], timings: Timings = Timings(decode: 0, resize: 0, inference: 0)
  ) {
    self.value = value
    self.minimum = minimum
    self.maximum = maximum
    self.tieWidth = tieWidth
    self.reasons = reasons
    self.reasonValues = reasonValues
    self.embedding = embedding
    self.width = width
    self.height = height
    self.notes = notes
    self.timings = timings
  }

  /// Whether two photos cannot be told apart by their scores.
  public func ties(with other: Score) -> Bool {
    guard let tieWidth else { return value == other.value }
    return abs(value - other.value) < tieWidth
  }
}
