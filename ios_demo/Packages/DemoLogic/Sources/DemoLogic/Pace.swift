/// How quickly a scan goes and how long it still takes, the time it was paused left out.
public struct Pace: Sendable, Equatable {
  /// Photos that the pace is taken over.
  private static let window = 64

  private var active = 0.0
  private var since: Double?
  private var ends: [Double] = []

  public init() {}

  /// - Parameter now: Seconds of any clock that only goes forward.
  public mutating func run(at now: Double) {
    if since == nil { since = now }
  }

  public mutating func rest(at now: Double) {
    active = time(at: now)
    since = nil
  }

  public mutating func photoEnded(at now: Double) {
    ends.append(time(at: now))
    if ends.count > Self.window { ends.removeFirst() }
  }

  /// Photos a second over the last ones; nil until there are two.
  public var photosPerSecond: Double? {
    guard let first = ends.first, let last = ends.last, last > first else { return nil }
    return Double(ends.count - 1) / (last - first)
  }

  /// Seconds for so many photos more; nil while nobody can tell.
  public func seconds(for photos: Int) -> Double? {
    photosPerSecond.map { Double(photos) / $0 }
  }

  private func time(at now: Double) -> Double {
    since.map { active + max(0, now - $0) } ?? active
  }
}
