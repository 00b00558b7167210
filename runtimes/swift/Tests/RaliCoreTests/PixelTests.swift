import Foundation
import Testing

@testable import RaliCore

/// What the golden photos do not reach: layouts of cameras, every orientation, parts of a resize.
@Suite struct PixelTests {
  private static let width = 37
  private static let height = 23

  private func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var dice = Dice(seed)
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &dice) }
  }

  private func photo(
    _ bytes: [UInt8], _ layout: PixelLayout, orientation: Int = 1, padding: Int = 0
  ) throws -> Photo {
    let row = Self.width * layout.bytes
    var memory: [UInt8] = []
    for y in 0..<Self.height {
      memory += bytes[y * row..<(y + 1) * row] + [UInt8](repeating: 99, count: padding)
    }
    return try Photo(
      stored: StoredPixels(
        memory: ArrayMemory(memory), layout: layout, width: Self.width, height: Self.height,
        rowBytes: row + padding),
      orientation: orientation)
  }

  @Test(arguments: 1...8)
  func orientations(_ orientation: Int) throws {
    let rgb = noise(Self.width * Self.height * 3)
    let upright = try photo(rgb, .rgb, orientation: orientation, padding: 5).upright()
    let (w, h) = (Self.width, Self.height)
    for y in 0..<upright.height {
      for x in 0..<upright.width {
        // docs/pixels.md, section 4, word for word.
        let (sx, sy) =
          switch orientation {
          case 2: (w - 1 - x, y)
          case 3: (w - 1 - x, h - 1 - y)
          case 4: (x, h - 1 - y)
          case 5: (y, x)
          case 6: (y, h - 1 - x)
          case 7: (w - 1 - y, h - 1 - x)
          case 8: (w - 1 - y, x)
          default: (x, y)
          }
        let (got, wanted) = ((y * upright.width + x) * 3, (sy * w + sx) * 3)
        #expect(upright.rgb[got..<got + 3] == rgb[wanted..<wanted + 3])
      }
    }
  }

  @Test(arguments: [PixelLayout.rgbx, .bgrx, .rgba])
  func fourBytesAPixel(_ layout: PixelLayout) throws {
    let rgb = noise(Self.width * Self.height * 3)
    var four: [UInt8] = []
    for i in stride(from: 0, to: rgb.count, by: 3) {
      let pixel = Array(rgb[i..<i + 3])
      four +=
        (layout == .bgrx ? pixel.reversed() : pixel) + [layout == .rgba ? 255 : UInt8(i & 255)]
    }
    let plain = try photo(rgb, .rgb)
    let wide = try photo(four, layout, padding: 8)
    #expect(try wide.upright() == plain.upright())
    for filter in Filter.allCases {
      #expect(
        try wide.resized(width: 11, height: 40, filter: filter)
          == plain.resized(width: 11, height: 40, filter: filter))
    }
  }

  @Test func opacityOverWhite() throws {
    let pixels = noise(Self.width * Self.height * 4)
    let upright = try photo(pixels, .rgba).upright()
    for i in 0..<Self.width * Self.height {
      let a = Int(pixels[4 * i + 3])
      for c in 0..<3 {
        let exact = Double(Int(pixels[4 * i + c]) * a + 255 * (255 - a)) / 255
        #expect(Int(upright.rgb[3 * i + c]) == Int(exact.rounded()))
      }
    }
  }

  /// Pillow 13.0 on the same six pixels.
  @Test func inksWithoutAProfile() throws {
    let inks: [UInt8] = [
      0, 0, 0, 0, 255, 0, 0, 0, 100, 50, 25, 10, 200, 180, 220, 90, 1, 2, 3, 254, 30, 30, 30, 255,
    ]
    let stored = try StoredPixels(
      memory: ArrayMemory(inks), layout: .cmyk, width: 6, height: 1, rowBytes: 24)
    #expect(
      try Photo(stored: stored).upright().rgb == [
        255, 255, 255, 0, 255, 255, 149, 197, 221, 36, 49, 23, 1, 1, 1, 0, 0, 0,
      ])
  }

  @Test(arguments: Filter.allCases)
  func aPartIsTheWholeCut(_ filter: Filter) throws {
    let photo = try photo(noise(Self.width * Self.height * 3), .rgb)
    let whole = try photo.resized(width: 50, height: 19, filter: filter)
    let preprocess = try Preprocess(
      size: 7, shortestEdge: 19, anchors: [Anchor(x: 0, y: 0), Anchor(x: 1, y: 1)], resample: filter
    )
    // 19 * 37 / 23 = 30: another size, so that corners are those of the views.
    let same = try photo.resized(width: 30, height: 19, filter: filter)
    let views = try photo.views(preprocess)
    for (index, corner) in preprocess.corners(width: 30, height: 19).enumerated() {
      for y in 0..<7 {
        let from = ((corner.top + y) * 30 + corner.left) * 3
        let to = index * 147 + y * 21
        #expect(views[to..<to + 21] == same.rgb[from..<from + 21])
      }
    }
    #expect(whole.rgb.count == 50 * 19 * 3)
  }

  @Test func floatsAreTheBytes() throws {
    let photo = try photo(noise(Self.width * Self.height * 3), .rgb)
    let preprocess = try Preprocess(size: 9, shortestEdge: 9)
    let bytes = try photo.views(preprocess)
    var floats = [Float](repeating: -1, count: bytes.count)
    try floats.withUnsafeMutableBufferPointer { try photo.writeViews(preprocess, to: $0) }
    #expect(floats == bytes.map(Float.init))
    var short = [Float](repeating: 0, count: 3)
    #expect(throws: UsageError.self) {
      try short.withUnsafeMutableBufferPointer { try photo.writeViews(preprocess, to: $0) }
    }
  }

  @Test func memoryThatIsTooShortIsRefused() throws {
    let stored = try StoredPixels(
      memory: ArrayMemory([UInt8](repeating: 0, count: 10)), layout: .rgb, width: 4, height: 4,
      rowBytes: 12)
    #expect(throws: UsageError.self) { try Photo(stored: stored).upright() }
    #expect(throws: UsageError.self) { try Photo(rgb: [1, 2, 3], width: 2, height: 1) }
  }

  @Test func limits() {
    #expect(throws: PhotoError.self) { try PhotoLimits.check(width: 0, height: 5) }
    #expect(throws: PhotoError.self) { try PhotoLimits.check(width: 100_001, height: 1) }
    #expect(throws: PhotoError.self) { try PhotoLimits.check(width: 20_000, height: 6_000) }
    #expect(throws: Never.self) { try PhotoLimits.check(width: 10_240, height: 10_240) }
  }
}
