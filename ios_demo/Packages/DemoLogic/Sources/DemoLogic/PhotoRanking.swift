import RaliCore

/// One photo's place among others.
public struct Ranked: Sendable, Hashable, Identifiable {
  /// 1 for the best; photos that are not told apart share the best of their places.
  public let place: Int
  /// Whether it shares its place.
  public let tied: Bool
  public let photo: PhotoInfo
  public let score: Score

  public var id: String { photo.id }
}

/// The order of photos by their scores, with those that a model cannot tell apart marked as such.
public enum PhotoRanking {
  /// Best first. A group is the best photo not yet placed and all that score less than the tie width
  /// below it, so that the scores of one group lie within one such width. Equal scores keep their
  /// order. The same rule as `ralikit rank`.
  ///
  /// - Parameters:
  ///   - entries: Any order; failures are left out.
  ///   - tieWidth: Scores closer than this share a place; nil: only equal ones do.
  public static func rank(_ entries: some Sequence<Entry>, tieWidth: Double?) -> [Ranked] {
    var scored: [(at: Int, photo: PhotoInfo, score: Score)] = []
    for entry in entries {
      if let score = entry.score { scored.append((scored.count, entry.photo, score)) }
    }
    // Sorting is not promised to be stable: the place of arrival decides between equals.
    scored.sort {
      $0.score.value != $1.score.value ? $0.score.value > $1.score.value : $0.at < $1.at
    }
    var ranked: [Ranked] = []
    ranked.reserveCapacity(scored.count)
    var start = 0
    while start < scored.count {
      let lead = scored[start].score.value
      var end = start + 1
      while end < scored.count, same(lead, scored[end].score.value, tieWidth) { end += 1 }
      for item in scored[start..<end] {
        ranked.append(
          Ranked(place: start + 1, tied: end - start > 1, photo: item.photo, score: item.score))
      }
      start = end
    }
    return ranked
  }

  private static func same(_ lead: Double, _ value: Double, _ tieWidth: Double?) -> Bool {
    value == lead || lead - value < (tieWidth ?? 0)
  }
}
