/// What the camera screen shows: the score without flicker, frames a second, milliseconds a frame.
public struct LiveMeter: Sendable, Equatable {
  private struct Frame: Sendable, Equatable {
    let end: Double
    let milliseconds: Double
    let score: Double
  }

  /// Seconds that the figures are taken over.
  public let window: Double
  /// Scores whose median is shown.
  private static let smoothed = 5
  private var frames: [Frame] = []
  private var skippedAt: [Double] = []

  public init(window: Double = 2) {
    self.window = window
  }

  /// A frame was scored.
  ///
  /// - Parameters:
  ///   - end: Seconds of a clock that only goes forward.
  ///   - milliseconds: From the camera's frame to its score.
  public mutating func scored(at end: Double, milliseconds: Double, score: Double) {
    frames.append(Frame(end: end, milliseconds: milliseconds, score: score))
    forget(before: end - window)
  }

  /// A frame came while another was being scored.
  public mutating func skipped(at time: Double) {
    skippedAt.append(time)
    forget(before: time - window)
  }

  /// Scored frames a second; nil until there are two within the window.
  public var framesPerSecond: Double? {
    guard let first = frames.first, let last = frames.last, last.end > first.end else { return nil }
    return Double(frames.count - 1) / (last.end - first.end)
  }

  /// Median time of a frame; nil where there is none.
  public var milliseconds: Double? { Percentile.of(0.5, in: frames.map(\.milliseconds)) }

  /// Median of the last scores; nil where there is none.
  public var score: Double? { Percentile.of(0.5, in: frames.suffix(Self.smoothed).map(\.score)) }

  /// Share of the camera's frames that were not scored, 0 to 1.
  public var skippedShare: Double {
    let all = frames.count + skippedAt.count
    return all == 0 ? 0 : Double(skippedAt.count) / Double(all)
  }

  private mutating func forget(before time: Double) {
    frames.removeAll { $0.end < time }
    skippedAt.removeAll { $0 < time }
  }
}
