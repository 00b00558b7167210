import Foundation
import Testing

@testable import RaliCore

/// A thousand damaged files: each gives a photo or one sentence, and none stops the process.
@Suite struct MutationTests {
  private func mutated(_ bytes: [UInt8], _ dice: inout Dice) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...3, using: &dice) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &dice)
      switch Int.random(in: 0..<6, using: &dice) {
      case 0: bytes[at] = .random(in: 0...255, using: &dice)
      case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &dice)
      case 2: bytes.removeSubrange(at...)
      case 3: bytes.insert(.random(in: 0...255, using: &dice), at: at)
      case 4:
        let end = min(at + 4, bytes.count)
        bytes.replaceSubrange(at..<end, with: [0xFF, 0xFF, 0xFF, 0xFF])
      default:
        let end = min(at + .random(in: 1...64, using: &dice), bytes.count)
        bytes.removeSubrange(at..<end)
      }
    }
    return bytes
  }

  /// A PNG with every checksum right, so that damage reaches what lies behind them.
  private func mended(_ bytes: [UInt8]) -> [UInt8] {
    var bytes = bytes
    var at = 8
    while at + 12 <= bytes.count {
      let length = bytes.withUnsafeBufferPointer { Int($0.u32(at)) }
      guard length <= bytes.count - at - 12 else { break }
      let crc = bytes.withUnsafeBufferPointer { CRC32.of($0.part(at + 4, length + 4)) }
      bytes.replaceSubrange(at + 8 + length..<at + 12 + length, with: PNGTests.big(crc))
      at += 12 + length
    }
    return bytes
  }

  @Test(.timeLimit(.minutes(5)))
  func images() throws {
    var dice = Dice(18)
    let preprocess = try Preprocess(
      size: 8, shortestEdge: 9, anchors: [Anchor(x: 0, y: 0), Anchor(x: 1, y: 1)])
    let small = try Repository.pngs.map { try Repository.bytes($0) }.filter { $0.count < 12_000 }
    #expect(small.count > 10)
    var (read, refused) = (0, 0)
    for round in 0..<700 {
      var bytes = mutated(small[round % small.count], &dice)
      if round % 3 > 0 { bytes = mended(bytes) }
      do {
        let photo = try Photo(png: bytes, name: "x", limit: 1 << 20)
        #expect(try photo.views(preprocess).count == 384)
        read += 1
      } catch let error as PhotoError {
        #expect(error.message.hasPrefix("x: ") && error.message.count < 400)
        refused += 1
      }
    }
    #expect(read > 20 && refused > 100, "\(read) read, \(refused) refused")
  }

  /// Files that are whole but odd: any type, depth, palette, key, profile and turn, in any order.
  @Test(.timeLimit(.minutes(2)))
  func oddButWholeImages() throws {
    var dice = Dice(21)
    let preprocess = try Preprocess(size: 8, shortestEdge: 9)
    let kinds = ["PLTE", "tRNS", "iCCP", "eXIf", "cICP", "tEXt", "zTXt", "iTXt", "abCd"]
    var read = 0
    for _ in 0..<300 {
      var blocks: [(String, [UInt8])] = []
      for _ in 0..<Int.random(in: 0...3, using: &dice) {
        let size = Int.random(in: 0...40, using: &dice)
        let body = (0..<size).map { _ in UInt8.random(in: 0...255, using: &dice) }
        blocks.append((kinds.randomElement(using: &dice) ?? "tEXt", body))
      }
      let depth: UInt8 = [1, 2, 4, 8, 16].randomElement(using: &dice) ?? 8
      let colour: UInt8 = [0, 2, 3, 4, 6].randomElement(using: &dice) ?? 0
      let width = Int.random(in: 1...9, using: &dice)
      let samples = (0..<width * 8).map { _ in UInt8.random(in: 0...255, using: &dice) }
      let bytes = PNGTests.png(samples, colour: colour, depth: depth, width: width, blocks: blocks)
      do {
        let photo = try Photo(png: bytes, name: "x")
        #expect(try photo.views(preprocess).count == 192)
        read += 1
      } catch let error as PhotoError {
        #expect(error.message.hasPrefix("x: ") && error.message.count < 400)
      }
    }
    #expect(read > 60, "\(read) read")
  }

  @Test(.timeLimit(.minutes(2)))
  func profilesAndEXIF() throws {
    var dice = Dice(19)
    var profiles: [[UInt8]] = []
    for name in ["display_p3.png", "adobe_rgb.png", "gray_profile.png", "sampled_curve.png"] {
      let bytes = try Repository.bytes(name)
      let profile = try bytes.withUnsafeBufferPointer { try PNG($0, limit: 1 << 24).profile }
      profiles.append(try #require(profile))
    }
    var damaged = 0
    for round in 0..<400 {
      let bytes = mutated(profiles[round % profiles.count], &dice)
      guard let profile = ICCProfile(bytes) else {
        damaged += 1
        continue
      }
      if case .conversion(.shaper(let products)) = profile.kind {
        #expect(products.count == 9 * 256 && products.allSatisfy(\.isFinite))
      }
      bytes.withUnsafeBufferPointer { #expect((1...8).contains(EXIF.orientation($0))) }
    }
    #expect(damaged > 50)
  }

  @Test(.timeLimit(.minutes(2)))
  func metadata() throws {
    var dice = Dice(20)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("x.onnx")
    // ModelProto with a graph and one metadata entry; under 128 bytes' keys, lengths as varints.
    let facts = Array(FactsTests.plain.utf8)
    func field(_ number: UInt8, _ body: [UInt8]) -> [UInt8] {
      let size = body.count
      let length = size < 128 ? [UInt8(size)] : [UInt8(size & 127) | 128, UInt8(size >> 7)]
      return [number << 3 | 2] + length + body
    }
    let whole = field(7, []) + field(14, field(1, Array("ralikit".utf8)) + field(2, facts))
    try Data(whole).write(to: file)
    #expect(try ModelFile(at: file).facts.model.name == "mini")
    var refused = 0
    for _ in 0..<400 {
      try Data(mutated(whole, &dice)).write(to: file)
      do {
        _ = try ModelFile(at: file)
      } catch is ModelError {
        refused += 1
      }
      _ = try? Record.open(mutated(whole, &dice))
    }
    #expect(refused > 200)
  }
}
