import Foundation
import Testing

@testable import RaliCore

/// The cases of `runtimes/golden/best.json`, step by step.
@Suite struct BestShotTests {
  private func golden(_ name: String) throws -> JSONValue {
    try #require(try Repository.json(Repository.golden.appendingPathComponent("best.json"))[name])
  }

  private func fingerprint(_ value: JSONValue?) throws -> Fingerprint {
    let digits = Array(try #require(value?.string).utf8)
    let bytes = stride(from: 0, to: digits.count, by: 2).map { i in
      UInt8(String(decoding: digits[i..<i + 2], as: UTF8.self), radix: 16) ?? 0
    }
    return try Fingerprint(bytes: bytes)
  }

  @Test func patterns() throws {
    let patterns = try #require(try golden("patterns").array)
    #expect(patterns.count >= 4)
    for pattern in patterns {
      let width = try #require(pattern["width"]?.integer)
      let height = try #require(pattern["height"]?.integer)
      var rgb: [UInt8] = []
      for y in 0..<height {
        for x in 0..<width {
          let place: Int = 7 * x + 13 * y
          let product: Int = (x * y) % 11
          for c in 0..<3 {
            let value: Int = place + 29 * c + product
            rgb.append(UInt8(truncatingIfNeeded: value))
          }
        }
      }
      let photo = try Photo(rgb: rgb, width: width, height: height)
      #expect(try Fingerprint(photo) == fingerprint(pattern["fingerprint"]), "\(width) x \(height)")
    }
  }

  @Test func photos() throws {
    for photo in try #require(try golden("photos").object) where !photo.name.hasSuffix(".jpg") {
      #expect(
        try Fingerprint(Repository.photo(photo.name)) == fingerprint(photo.value), "\(photo.name)")
    }
  }

  @Test func likenesses() throws {
    for pair in try #require(try golden("likenesses").array) {
      let (one, other) = (try fingerprint(pair["one"]), try fingerprint(pair["other"]))
      #expect(one.likeness(to: other) == pair["likeness"]?.double)
      #expect(other.likeness(to: one) == pair["likeness"]?.double)
    }
  }

  @Test func cases() throws {
    let cases = try #require(try golden("cases").array)
    #expect(cases.count >= 10)
    for entry in cases {
      let shots = try #require(entry["shots"]?.array).map { shot in
        BestShot.Shot(
          value: try #require(shot["value"]?.double),
          fingerprint: try fingerprint(shot["fingerprint"]), taken: shot["taken"]?.double)
      }
      let rule = try BestShot.Rule(
        seconds: entry["rule"]?["seconds"]?.double ?? -1,
        likeness: entry["rule"]?["likeness"]?.double ?? -2,
        copyLikeness: entry["rule"]?["copy_likeness"]?.double ?? -2)
      let scenes = BestShot.scenes(shots, tieWidth: entry["tie_width"]?.double, rule: rule)
      let wanted = try #require(entry["scenes"]?.array)
      #expect(wanted.compactMap { $0["best"]?.integer } == scenes.map(\.best))
      #expect(wanted.map { Self.integers($0["rivals"]) } == scenes.map(\.rivals))
      #expect(wanted.map { Self.integers($0["shots"]) } == scenes.map(\.shots))
    }
  }

  private static func integers(_ value: JSONValue?) -> [Int] {
    value?.array?.compactMap(\.integer) ?? []
  }

  @Test func wrongRulesAndFingerprints() {
    #expect(throws: UsageError.self) { try Fingerprint(bytes: [1, 2]) }
    #expect(throws: UsageError.self) {
      try BestShot.Rule(seconds: -1, likeness: 0, copyLikeness: 0)
    }
    #expect(throws: UsageError.self) {
      try BestShot.Rule(seconds: 1, likeness: 2, copyLikeness: 0)
    }
  }
}
