import Foundation

/// What tells photos of one scene from others: the mean colours of 8 x 8 cells (docs/contract.md, "Best
/// shot"). An embedding cannot: it holds how good a photo is, not what is on it.
public struct Fingerprint: Sendable, Hashable, Codable {
  private static let cells = 8
  /// Rows or columns that are looked at along the shorter side.
  private static let samples = 256
  /// Its length.
  public static let count = cells * cells * 3

  /// R, G, B of cells from left to right, rows from the top.
  public let bytes: [UInt8]

  /// - Throws: ``UsageError`` if there are not 192 bytes.
  public init(bytes: [UInt8]) throws(UsageError) {
    guard bytes.count == Self.count else {
      throw UsageError("a fingerprint has \(Self.count) bytes, not \(bytes.count)")
    }
    self.bytes = bytes
  }

  /// Of an upright photo in sRGB. Rows are made one at a time.
  ///
  /// - Throws: ``UsageError`` if the photo's pixels are gone.
  public init(_ photo: Photo) throws {
    let step = max(1, min(photo.width, photo.height) / Self.samples)
    let columns = (0..<Self.cells).map { Self.places($0, of: photo.width, step: step) }
    bytes = try photo.stored.withRows { base in
      let rows = UprightRows(photo: photo, base: base)
      var means: [UInt8] = []
      for cell in 0..<Self.cells {
        let lines = Self.places(cell, of: photo.height, step: step)
        let sums = Self.sums(rows, lines, columns, width: photo.width)
        for (index, sum) in sums.enumerated() {
          let n = lines.count * columns[index / 3].count
          means.append(UInt8((2 * sum + n) / (2 * n)))
        }
      }
      return means
    }
  }

  /// Rows or columns that count in a cell.
  private static func places(_ cell: Int, of length: Int, step: Int) -> [Int] {
    let start = cell * length / cells
    return Array(stride(from: start, to: max(start + 1, (cell + 1) * length / cells), by: step))
  }

  /// R, G, B sums of a row of cells.
  private static func sums(
    _ rows: UprightRows, _ lines: [Int], _ columns: [[Int]], width: Int
  ) -> [Int] {
    var sums = [Int](repeating: 0, count: cells * 3)
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: width * 3) { line in
      guard let line = line.baseAddress else { return }
      for y in lines {
        rows.write(y..<y + 1, to: line)
        for (cell, places) in columns.enumerated() {
          for x in places {
            for c in 0..<3 { sums[cell * 3 + c] += Int(line[x * 3 + c]) }
          }
        }
      }
    }
    return sums
  }

  /// Correlation with another, -1 to 1. Where either is one colour only: 1 if both are equal, else 0.
  public func likeness(to other: Fingerprint) -> Double {
    if bytes == other.bytes { return 1 }
    let n = Self.count
    var (a, b, aa, bb, ab) = (0, 0, 0, 0, 0)
    for (x, y) in zip(bytes, other.bytes) {
      let (x, y) = (Int(x), Int(y))
      a += x
      b += y
      aa += x * x
      bb += y * y
      ab += x * y
    }
    let (spreadA, spreadB) = (n * aa - a * a, n * bb - b * b)
    guard spreadA > 0, spreadB > 0 else { return 0 }
    return Double(n * ab - a * b) / (Double(spreadA).squareRoot() * Double(spreadB).squareRoot())
  }
}

/// Photos of one scene, and the best of each: the rule that every runtime repeats.
public enum BestShot {
  /// One scored photo.
  public struct Shot: Sendable, Hashable {
    /// Its score.
    public let value: Double
    public let fingerprint: Fingerprint
    /// When it was taken, seconds since any moment that all share; nil: not known.
    public let taken: Double?

    public init(value: Double, fingerprint: Fingerprint, taken: Double?) {
      self.value = value
      self.fingerprint = fingerprint
      self.taken = taken
    }
  }

  /// When two photos are of one scene.
  public struct Rule: Sendable, Hashable {
    /// Longest pause within a scene, between photos whose times are known.
    public let seconds: Double
    /// Least likeness to the scene's first photo, where both times are known.
    public let likeness: Double
    /// The same where a time is not known: only near-copies are alike enough.
    public let copyLikeness: Double

    public static let standard = Rule(unchecked: 60, 0.70, 0.95)

    /// - Throws: ``UsageError`` if a value is out of its range.
    public init(seconds: Double, likeness: Double, copyLikeness: Double) throws(UsageError) {
      guard seconds >= 0 else { throw UsageError("seconds must be 0 or more, not \(seconds)") }
      for (name, least) in [("likeness", likeness), ("copyLikeness", copyLikeness)]
      where !(-1...1).contains(least) {
        throw UsageError("\(name) must lie within -1 and 1, not \(least)")
      }
      self.init(unchecked: seconds, likeness, copyLikeness)
    }

    private init(unchecked seconds: Double, _ likeness: Double, _ copyLikeness: Double) {
      self.seconds = seconds
      self.likeness = likeness
      self.copyLikeness = copyLikeness
    }
  }

  /// Photos of one scene, as places in the list that was given.
  public struct Scene: Sendable, Hashable {
    /// All of them, in the order they were taken.
    public let shots: [Int]
    /// The one of the highest score; of equal ones the first that was taken.
    public let best: Int
    /// Those whose score is not told apart from the best's, highest first.
    public let rivals: [Int]

    /// Whether the model can tell which is the best.
    public var isSure: Bool { rivals.isEmpty }
  }

  private struct Open {
    let lead: Shot
    var latest: Double?
    var shots: [Int]
  }

  /// Put photos of one scene together and name the best of each.
  ///
  /// - Parameters:
  ///   - shots: Scored photos.
  ///   - tieWidth: Scores closer than this are not told apart; nil: only equal ones are not.
  /// - Returns: All scenes, also those of one photo, in the order of their first photos.
  public static func scenes(
    _ shots: [Shot], tieWidth: Double?, rule: Rule = .standard
  ) -> [Scene] {
    var scenes: [Open] = []
    for index in inOrder(shots) {
      let shot = shots[index]
      if let scene = closest(shot, scenes, rule) {
        scenes[scene].shots.append(index)
        scenes[scene].latest = shot.taken ?? scenes[scene].latest
      } else {
        scenes.append(Open(lead: shot, latest: shot.taken, shots: [index]))
      }
    }
    return scenes.map { judged($0.shots, shots, tieWidth) }
  }

  /// By time, those without one last, otherwise as given.
  private static func inOrder(_ shots: [Shot]) -> [Int] {
    shots.indices.sorted { a, b in
      switch (shots[a].taken, shots[b].taken) {
      case (let x?, let y?) where x != y: x < y
      case (.some, nil): true
      case (nil, .some): false
      default: a < b
      }
    }
  }

  /// The scene that a photo joins; nil: it begins one.
  private static func closest(_ shot: Shot, _ scenes: [Open], _ rule: Rule) -> Int? {
    var found: Int?
    var highest = -2.0
    for (index, scene) in scenes.enumerated() {
      var least = rule.copyLikeness
      if let taken = shot.taken, let latest = scene.latest {
        if taken - latest > rule.seconds { continue }
        least = rule.likeness
      }
      let likeness = shot.fingerprint.likeness(to: scene.lead.fingerprint)
      if likeness >= least && likeness > highest { (found, highest) = (index, likeness) }
    }
    return found
  }

  private static func judged(_ members: [Int], _ shots: [Shot], _ tieWidth: Double?) -> Scene {
    let ordered = members.enumerated().sorted { a, b in
      let (x, y) = (shots[a.element].value, shots[b.element].value)
      return x == y ? a.offset < b.offset : x > y
    }.map(\.element)
    let best = shots[ordered[0]].value
    let rivals = ordered.dropFirst().filter { index in
      let value = shots[index].value
      return value == best || best - value < (tieWidth ?? 0)
    }
    return Scene(shots: members, best: ordered[0], rivals: rivals)
  }
}
