import Foundation
import Testing

@testable import RaliCore

@Suite struct HashTests {
  /// FIPS 180-4's examples, and lengths around a block's end against Python's hashlib.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func knownTexts(_ text: String, _ hash: String) {
    #expect(Hash.sha256(of: Array(text.utf8)) == hash)
  }

  @Test func aMillionLettersInPieces() {
    var state = SHA256State()
    for size in [1, 63, 64, 65, 127, 128, 1000] {
      state.update([UInt8](repeating: UInt8(ascii: "a"), count: size))
    }
    state.update([UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000 - 1448))
    #expect(
      state.digits() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }
}

@Suite struct JSONTests {
  @Test func values() throws {
    let text = #" {"a": [1, -2.5e3, true, false, null, "x\u00e9\n\ud83d\ude00\ud800"], "b": {}} "#
    let value = try JSONValue(parsing: text.utf8)
    let wanted: [JSONValue] = [
      .integer(1), .number(-2500), .bool(true), .bool(false), .null, .string("xé\n😀\u{FFFD}"),
    ]
    #expect(value["a"]?.array == wanted)
    #expect(value["b"] == .object([]))
    #expect(try JSONValue(parsing: value.text.utf8) == value)
  }

  @Test(arguments: [
    "", "{", "[1,]", "{\"a\":1,}", "{\"a\":1,\"a\":1}", "01", "1.", "1e", "-", "+1", ".5", "1e999",
    "nul",
    "\"\u{1}\"", "\"\\x\"", "\"", "[1] 2", "\u{FEFF}1", "NaN", "Infinity", "'a'", "{a:1}",
    "\"\\u12\"",
  ])
  func refused(_ text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: text.utf8) }
  }

  @Test func deepNestingIsRefused() {
    #expect(throws: JSONError.self) {
      try JSONValue(parsing: String(repeating: "[", count: 100_000).utf8)
    }
    #expect(throws: JSONError.self) {
      try JSONValue(parsing: [0x22, 0xFF, 0x22] as [UInt8])
    }
  }

  @Test func largeWholeNumbersBecomeDoubles() throws {
    #expect(try JSONValue(parsing: "9223372036854775807".utf8) == .integer(.max))
    #expect(
      try JSONValue(parsing: "9223372036854775808".utf8) == .number(9_223_372_036_854_775_808))
  }
}

@Suite struct InflateTests {
  private func unpack(_ bytes: [UInt8], limit: Int = 1 << 20) throws -> [UInt8] {
    try bytes.withUnsafeBufferPointer { bytes throws(InflateError) in
      try Inflate.unpack(bytes, limit: limit)
    }
  }

  @Test func storedFixedAndRepeated() throws {
    // zlib.compress(b"abc", 0) and zlib.compress(b"a" * 100), as Python writes them.
    let stored: [UInt8] = [
      0x78, 0x01, 0x01, 0x03, 0x00, 0xFC, 0xFF, 0x61, 0x62, 0x63, 0x02, 0x4D, 0x01, 0x27,
    ]
    #expect(try unpack(stored) == Array("abc".utf8))
    let fixed: [UInt8] = [0x78, 0x9C, 0x4B, 0x4C, 0xA4, 0x3D, 0x00, 0x00, 0x73, 0x05, 0x25, 0xE5]
    #expect(try unpack(fixed) == [UInt8](repeating: UInt8(ascii: "a"), count: 100))
    #expect(try unpack(fixed, limit: 7).count == 7)
  }

  @Test(
    arguments: [
      [], [0x78], [0x79, 0x9C, 0x03], [0x78, 0x9C], [0x78, 0x9C, 0x07], [0x78, 0x9C, 0x4B],
      [0x78, 0x01, 0x01, 0x03, 0x00, 0xFC, 0xFE, 0x61], [0x78, 0x9C, 0x4B, 0xFF, 0xFF, 0xFF, 0xFF],
    ] as [[UInt8]])
  func damaged(_ bytes: [UInt8]) {
    #expect(throws: InflateError.self) { try unpack(bytes) }
  }
}

@Suite struct PNGTests {
  /// A PNG of one row.
  static func png(
    _ samples: [UInt8], colour: UInt8, depth: UInt8 = 8, width: Int,
    blocks: [(String, [UInt8])] = [], damaged: Set<String> = []
  ) -> [UInt8] {
    func block(_ kind: String, _ body: [UInt8]) -> [UInt8] {
      var covered = Array(kind.utf8)
      covered += body
      var crc = covered.withUnsafeBufferPointer { CRC32.of($0) }
      if damaged.contains(kind) { crc ^= 1 }
      var out = big(UInt32(body.count))
      out += covered
      out += big(crc)
      return out
    }
    var header = big(UInt32(width))
    header += big(1)
    header += [depth, colour, 0, 0, 0]
    // One stored block of zlib; its checksum is not looked at.
    let size = UInt16(samples.count + 1)
    let low = UInt8(truncatingIfNeeded: size)
    let high = UInt8(truncatingIfNeeded: size >> 8)
    var packed: [UInt8] = [0x78, 0x01, 0x01, low, high, ~low, ~high, 0]
    packed += samples
    packed += [0, 0, 0, 0]
    var file = PNG.signature
    file += block("IHDR", header)
    for extra in blocks { file += block(extra.0, extra.1) }
    file += block("IDAT", packed)
    file += block("IEND", [])
    return file
  }

  static func big(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  private func rgb(_ bytes: [UInt8]) throws -> [UInt8] {
    try Photo(png: bytes, name: "x").upright().rgb
  }

  /// Python reads these three the same.
  @Test func palettes() throws {
    let colours: [UInt8] = [10, 20, 30, 40, 50, 60]
    let samples: [UInt8] = [0, 1, 2, 5, 255]
    #expect(
      try rgb(Self.png(samples, colour: 3, width: 5, blocks: [("PLTE", colours)]))
        == [10, 20, 30, 40, 50, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(
      try rgb(
        Self.png(samples, colour: 3, width: 5, blocks: [("PLTE", colours), ("tRNS", [128, 0])]))
        == [132, 137, 142, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(throws: PhotoError.self) { try rgb(Self.png(samples, colour: 3, width: 5)) }
  }

  @Test func transparentKeys() throws {
    let gray: [UInt8] = [0, 1, 2]
    #expect(
      try rgb(Self.png(gray, colour: 0, width: 3, blocks: [("tRNS", [0, 1])]))
        == [0, 0, 0, 255, 255, 255, 2, 2, 2])
    // 257 is no 8-bit value, so nothing is transparent.
    #expect(
      try rgb(Self.png(gray, colour: 0, width: 3, blocks: [("tRNS", [1, 1])]))
        == [0, 0, 0, 1, 1, 1, 2, 2, 2])
    #expect(throws: PhotoError.self) {
      try rgb(Self.png(gray, colour: 0, width: 3, blocks: [("tRNS", [1])]))
    }
    // 16-bit colours are compared by their high bytes.
    #expect(
      try rgb(
        Self.png(
          [9, 1, 8, 2, 7, 3], colour: 2, depth: 16, width: 1,
          blocks: [("tRNS", [9, 0, 8, 0, 7, 0])])) == [255, 255, 255])
  }

  @Test func smallDepths() throws {
    #expect(
      try rgb(Self.png([0b1010_0000], colour: 0, depth: 1, width: 3)) == [
        255, 255, 255, 0, 0, 0, 255, 255, 255,
      ])
    #expect(
      try rgb(Self.png([0b0110_0000], colour: 0, depth: 2, width: 2)) == [
        85, 85, 85, 170, 170, 170,
      ])
    #expect(
      try rgb(Self.png([0x3F], colour: 0, depth: 4, width: 2)) == [51, 51, 51, 255, 255, 255])
  }

  @Test func damage() throws {
    let text = ("tEXt", Array("a\0b".utf8))
    let photo = try Photo(
      png: Self.png([7], colour: 0, width: 1, blocks: [text], damaged: ["tEXt"]), name: "x")
    #expect(photo.notes == ["its tEXt block has a wrong checksum and was left out"])
    for kind in ["IHDR", "IDAT"] {
      #expect {
        try Photo(png: Self.png([7], colour: 0, width: 1, damaged: [kind]), name: "x.png")
      } throws: { error in
        (error as? PhotoError)?.message
          == "x.png: is damaged (the checksum of its \(kind) block is wrong); get a whole copy"
      }
    }
    #expect(throws: PhotoError("x: the file is empty")) { try Photo(png: [UInt8](), name: "x") }
  }

  @Test func highDynamicRangeIsRefused() {
    #expect(throws: PhotoError.self) {
      try rgb(Self.png([7], colour: 0, width: 1, blocks: [("cICP", [9, 16, 0, 1])]))
    }
  }

  @Test func colourByNumbers() throws {
    // Display P3's green is outside of sRGB: red and blue are clipped to 0, green is full.
    let blocks: [(String, [UInt8])] = [("cICP", [12, 13, 0, 1])]
    #expect(
      try rgb(Self.png([0, 255, 0], colour: 2, width: 1, blocks: blocks)) == [0, 255, 0])
    #expect(
      try rgb(Self.png([200, 30, 40], colour: 2, width: 1, blocks: blocks)) != [200, 30, 40])
    let unknown = try Photo(
      png: Self.png([1, 2, 3], colour: 2, width: 1, blocks: [("cICP", [77, 13, 0, 1])]), name: "x")
    #expect(unknown.notes.count == 1)
    #expect(try unknown.upright().rgb == [1, 2, 3])
  }

  @Test func tooLargeIsRefusedBeforeDecoding() {
    var bytes = Self.png([7], colour: 0, width: 1)
    bytes.replaceSubrange(16..<20, with: Self.big(90_000))
    bytes.replaceSubrange(20..<24, with: Self.big(90_000))
    let crc = bytes[12..<29].withUnsafeBufferPointer { CRC32.of($0) }
    bytes.replaceSubrange(29..<33, with: Self.big(crc))
    #expect {
      try Photo(png: bytes, name: "x")
    } throws: { "\($0)".contains("the limit is 100 megapixels") }
  }
}

@Suite struct EXIFTests {
  private func orientation(_ bytes: [UInt8]) -> Int {
    bytes.withUnsafeBufferPointer { EXIF.orientation($0) }
  }

  private func block(_ value: UInt16, type: UInt16 = 3, little: Bool = true) -> [UInt8] {
    func two(_ v: UInt16) -> [UInt8] {
      let big = [UInt8(v >> 8), UInt8(v & 255)]
      return little ? big.reversed() : big
    }
    func four(_ v: UInt8) -> [UInt8] { little ? [v, 0, 0, 0] : [0, 0, 0, v] }
    var out: [UInt8] = little ? [0x49, 0x49, 0x2A, 0] : [0x4D, 0x4D, 0, 0x2A]
    out += four(8)
    for part in [two(1), two(0x0112), two(type), four(1), two(value)] { out += part }
    out += [0, 0]
    return out
  }

  @Test func bothByteOrders() {
    for value in 1...8 {
      #expect(orientation(block(UInt16(value))) == value)
      #expect(orientation(block(UInt16(value), little: false)) == value)
    }
  }

  @Test func anythingElseIsUpright() {
    #expect(orientation(block(0)) == 1)
    #expect(orientation(block(9)) == 1)
    #expect(orientation(block(6, type: 4)) == 1)
    #expect(orientation([]) == 1)
    #expect(orientation(Array(block(6).prefix(20))) == 1)
    #expect(orientation([0x49, 0x49, 0x2A, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0]) == 1)
  }
}
