import Foundation
import RaliCore

/// Photos taken within seconds of each other: only those can be a burst, and only those are scored
/// with their embeddings. One series is held at a time.
public enum Bursts {
  /// Photos of one series lie no further apart than this, seconds.
  public static let gap = 10.0
  /// Longest series that is compared at once; a longer one is cut.
  public static let longest = 60

  /// Series of two photos and more, oldest first. Photos without a date belong to none.
  public static func series(
    of photos: some Sequence<PhotoInfo>, gap: Double = gap, longest: Int = longest
  ) -> [[PhotoInfo]] {
    let dated = photos.filter { $0.takenAt != nil }.sorted(by: earlier)
    var all: [[PhotoInfo]] = []
    var current: [PhotoInfo] = []
    var last: Date?
    for photo in dated {
      if isFar(photo.takenAt, from: last, gap: gap) || current.count >= max(2, longest) {
        all.append(current)
        current = []
      }
      current.append(photo)
      last = photo.takenAt
    }
    all.append(current)
    return all.filter { $0.count > 1 }
  }

  private static func earlier(_ a: PhotoInfo, _ b: PhotoInfo) -> Bool {
    let (first, second) = (a.takenAt ?? .distantPast, b.takenAt ?? .distantPast)
    return first != second ? first < second : a.id < b.id
  }

  private static func isFar(_ date: Date?, from last: Date?, gap: Double) -> Bool {
    guard let date, let last else { return false }
    return date.timeIntervalSince(last) > gap
  }
}
