import RaliCore

/// Two photos beside each other: whether the model tells them apart, and by what.
public struct Comparison: Sendable, Equatable {
  public enum Verdict: Sendable, Equatable {
    /// So close that the model does not tell them apart.
    case tie(gap: Double)
    case better(PhotoInfo, gap: Double)
  }

  /// One reason's value in both photos.
  public struct Difference: Sendable, Equatable, Identifiable {
    public let id: String
    public let first: Double
    public let second: Double
    /// Positive where the first photo has more of it.
    public var gap: Double { first - second }
  }

  /// Smaller differences of a reason are not worth a line.
  public static let worthNaming = 0.2

  public let verdict: Verdict
  /// Reasons in which the photos differ, the largest difference first.
  public let differences: [Difference]

  /// - Returns: Nil where a photo has no score.
  public init?(_ first: Entry, _ second: Entry) {
    guard let a = first.score, let b = second.score else { return nil }
    let gap = abs(a.value - b.value)
    verdict =
      a.ties(with: b)
      ? .tie(gap: gap) : .better(a.value > b.value ? first.photo : second.photo, gap: gap)
    let others = Dictionary(
      b.reasonValues.map { ($0.id, $0.value) }, uniquingKeysWith: { first, _ in first })
    differences = a.reasonValues
      .compactMap { reason in
        others[reason.id].map { Difference(id: reason.id, first: reason.value, second: $0) }
      }
      .filter { abs($0.gap) >= Self.worthNaming }
      .sorted { abs($0.gap) != abs($1.gap) ? abs($0.gap) > abs($1.gap) : $0.id < $1.id }
  }
}
