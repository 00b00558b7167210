import Foundation
import RaliCore

/// What stands in the repository beside this package.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../../..").standardizedFileURL
  static let golden = root.appendingPathComponent("runtimes/golden")

  static func json(_ url: URL) throws -> JSONValue { try JSONValue(parsing: Data(contentsOf: url)) }

  /// Names of the golden photos of a suffix, sorted.
  static let photos: [String] = {
    let names = try? FileManager.default.contentsOfDirectory(
      atPath: golden.appendingPathComponent("images").path)
    return (names ?? []).sorted()
  }()
  static let pngs = photos.filter { $0.hasSuffix(".png") }
  static let jpegs = photos.filter { $0.hasSuffix(".jpg") }

  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: golden.appendingPathComponent("images/\(name)")))
  }

  /// A golden photo; a JPEG as Pillow decoded and turned it, since there is no JPEG decoder off Apple.
  static func photo(_ name: String) throws -> Photo {
    if name.hasSuffix(".png") {
      return try Photo(pngAt: golden.appendingPathComponent("images/\(name)"))
    }
    let stem = name.dropLast(4)
    return try Photo(pngAt: golden.appendingPathComponent("expected/\(stem).upright.png"))
  }

  static let expected = Result { try json(golden.appendingPathComponent("golden.json")) }
}

extension Preprocess {
  /// From the JSON of a bundle or of `golden.json`.
  init(golden table: JSONValue) throws {
    let anchors = table["anchors"]?.array?.compactMap { pair -> Anchor? in
      guard let x = pair.array?.first?.double, let y = pair.array?.last?.double else { return nil }
      return Anchor(x: x, y: y)
    }
    try self.init(
      size: table["size"]?.integer ?? 0, shortestEdge: table["shortest_edge"]?.integer,
      anchors: anchors ?? [],
      resample: Filter(rawValue: table["resample"]?.string ?? "") ?? .bicubic)
  }
}

/// SplitMix64: the same numbers on every machine.
struct Dice: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
