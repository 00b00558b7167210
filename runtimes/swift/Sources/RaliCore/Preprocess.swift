/// The resize's filter.
public enum Filter: String, Sendable, Hashable, CaseIterable {
  case bicubic, bilinear, lanczos
}

/// Where a view lies: 0..1 of the room left, (0.5, 0.5) the centre.
public struct Anchor: Sendable, Hashable {
  public let x: Double
  public let y: Double

  public init(x: Double, y: Double) {
    self.x = x
    self.y = y
  }
}

/// From photo to views, as a model's file declares it.
public struct Preprocess: Sendable, Hashable {
  /// All views of a photo together are at most this many pixels.
  private static let most = 1 << 26
  private static let longestEdge = 1 << 15

  /// Edge of a view, pixels.
  public let size: Int
  /// Edge to resize to, pixels; nil squashes to the square.
  public let shortestEdge: Int?
  public let anchors: [Anchor]
  public let resample: Filter

  /// - Throws: ``UsageError`` if a value is out of its range.
  public init(
    size: Int, shortestEdge: Int?, anchors: [Anchor] = [Anchor(x: 0.5, y: 0.5)],
    resample: Filter = .bicubic
  ) throws(UsageError) {
    guard (1...4096).contains(size) else {
      throw UsageError("size must be 1 to 4096 pixels, not \(size)")
    }
    if let edge = shortestEdge, edge < size || edge > Self.longestEdge {
      throw UsageError("shortest_edge must be \(size) to \(Self.longestEdge), not \(edge)")
    }
    guard !anchors.isEmpty else { throw UsageError("anchors must name at least one view") }
    guard anchors.count <= Self.most / (size * size) else {
      throw UsageError("\(anchors.count) views of \(size) x \(size) are over \(Self.most) pixels")
    }
    guard anchors.allSatisfy({ (0...1).contains($0.x) && (0...1).contains($0.y) }) else {
      throw UsageError("anchors must lie in 0..1")
    }
    self.size = size
    self.shortestEdge = shortestEdge
    self.anchors = anchors
    self.resample = resample
  }

  /// Shape of one photo's views, (V, S, S, 3).
  public var shape: [Int] { [anchors.count, size, size, 3] }

  /// Size of a photo after the resize, pixels; the long edge is cut to a whole pixel.
  public func resized(width: Int, height: Int) -> (width: Int, height: Int) {
    guard let edge = shortestEdge else { return (size, size) }
    return width <= height ? (edge, edge * height / width) : (edge * width / height, edge)
  }

  /// Left and top of every view inside a resized photo, pixels.
  public func corners(width: Int, height: Int) -> [(left: Int, top: Int)] {
    anchors.map { anchor in
      (
        Int((Double(width - size) * anchor.x).rounded(.down)),
        Int((Double(height - size) * anchor.y).rounded(.down))
      )
    }
  }
}
