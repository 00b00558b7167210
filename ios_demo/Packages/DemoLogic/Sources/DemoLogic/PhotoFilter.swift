import Foundation
import RaliCore

/// Which photos a person wants to see.
public struct PhotoFilter: Sendable, Hashable, Codable {
  /// Only scores below this; nil: no limit. A score equal to it stays out.
  public var below: Double?
  /// Only scores of at least this; nil: no limit.
  public var atLeast: Double?
  /// Only photos for which any of these reasons is named; empty: all.
  public var reasons: Set<String>
  /// Only names that hold this, whatever its case and accents; empty: all.
  public var name: String

  public init(
    below: Double? = nil, atLeast: Double? = nil, reasons: Set<String> = [], name: String = ""
  ) {
    self.below = below
    self.atLeast = atLeast
    self.reasons = reasons
    self.name = name
  }

  /// Whether it lets everything through.
  public var isOff: Bool { self == PhotoFilter() }

  /// Whether a photo is shown. One without a score never is.
  public func shows(_ entry: Entry) -> Bool {
    guard let score = entry.score else { return false }
    if let below, score.value >= below { return false }
    if let atLeast, score.value < atLeast { return false }
    if !reasons.isEmpty, !score.reasons.contains(where: { reasons.contains($0.id) }) {
      return false
    }
    return name.isEmpty || entry.photo.name.range(of: name, options: Self.loosely) != nil
  }

  /// How often each reason is named, most often first, equal ones by id. For the filter's buttons.
  public static func named(in entries: some Sequence<Entry>) -> [(reason: Reason, count: Int)] {
    var counts: [String: (reason: Reason, count: Int)] = [:]
    for entry in entries {
      for reason in entry.score?.reasons ?? [] {
        counts[reason.id, default: (reason, 0)].count += 1
      }
    }
    return counts.values.sorted {
      $0.count != $1.count ? $0.count > $1.count : $0.reason.id < $1.reason.id
    }
  }

  private static let loosely: String.CompareOptions = [.caseInsensitive, .diacriticInsensitive]
}
