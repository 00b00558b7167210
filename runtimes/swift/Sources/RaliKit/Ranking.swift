import RaliCore

/// Photos by score, best first.
public enum Ranking {
  /// A photo with its place.
  public struct Place: Sendable, Identifiable {
    public let id: String
    /// From 1; photos that tie share the place of the first of them.
    public let rank: Int
    public let score: Score
  }

  /// Rank scored photos. A photo shares its predecessor's place where it ties with that place's first.
  public static func places(_ photos: [(id: String, score: Score)]) -> [Place] {
    let sorted = photos.enumerated().sorted { a, b in
      let (x, y) = (a.element.score.value, b.element.score.value)
      return x == y ? a.offset < b.offset : x > y
    }
    var places: [Place] = []
    var first: Place?
    for (index, (_, photo)) in sorted.enumerated() {
      let ties = first.map { $0.score.ties(with: photo.score) } ?? false
      let rank = ties ? first?.rank ?? index + 1 : index + 1
      let place = Place(id: photo.id, rank: rank, score: photo.score)
      if !ties { first = place }
      places.append(place)
    }
    return places
  }
}
