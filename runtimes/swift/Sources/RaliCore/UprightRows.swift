/// Rows of the upright photo in sRGB, from stored pixels in whatever layout and orientation.
///
/// Stored rows are run through in order, each as one run of pixels whose results lie a fixed step
/// apart: 3 bytes, or a whole row where the photo lies on its side.
package struct UprightRows {
  private let layout: PixelLayout
  private let conversion: Conversion?
  private let orientation: Int
  private let width: Int
  private let storedWidth: Int
  private let storedHeight: Int
  private let rowBytes: Int
  private let base: UnsafePointer<UInt8>

  package init(photo: Photo, base: UnsafePointer<UInt8>) {
    layout = photo.stored.layout
    conversion = photo.conversion
    orientation = photo.orientation
    width = photo.width
    storedWidth = photo.stored.width
    storedHeight = photo.stored.height
    rowBytes = photo.stored.rowBytes
    self.base = base
  }

  /// Where the stored pixels are upright sRGB already: how they stand, and nil where they are not.
  package var asTheyAre: (base: UnsafePointer<UInt8>, rowBytes: Int, layout: PixelLayout)? {
    guard orientation == 1, conversion == nil, [.rgb, .rgbx, .bgrx].contains(layout) else {
      return nil
    }
    return (base, rowBytes, layout)
  }

  /// Write upright rows, `width` times 3 bytes each.
  package func write(_ rows: Range<Int>, to out: UnsafeMutablePointer<UInt8>) {
    if orientation < 5 {
      let mirrored = orientation == 2 || orientation == 3
      for y in rows {
        let stored = orientation == 3 || orientation == 4 ? storedHeight - 1 - y : y
        let line = out + (y - rows.lowerBound) * width * 3
        convert(
          base + stored * rowBytes, count: storedWidth,
          to: mirrored ? line + (width - 1) * 3 : line, step: mirrored ? -3 : 3)
      }
      return
    }
    // Upright rows are stored columns: from the left for 5 and 6, from the right for 7 and 8.
    let backwards = orientation == 7 || orientation == 8
    let first = backwards ? storedWidth - rows.upperBound : rows.lowerBound
    for y in 0..<storedHeight {
      // Stored rows are upright columns: from the left for 5 and 8, from the right for 6 and 7.
      let column = orientation == 6 || orientation == 7 ? storedHeight - 1 - y : y
      let line = out + column * 3
      convert(
        base + y * rowBytes + first * layout.bytes, count: rows.count,
        to: backwards ? line + (rows.count - 1) * width * 3 : line,
        step: backwards ? -width * 3 : width * 3)
    }
  }

  /// Convert `count` stored pixels in a row.
  private func convert(
    _ from: UnsafePointer<UInt8>, count: Int, to: UnsafeMutablePointer<UInt8>, step: Int
  ) {
    switch layout {
    case .gray:
      each(count, to, step, opaque: true) { i in
        (from[i], from[i], from[i], 255)
      }
    case .grayAlpha:
      each(count, to, step, opaque: false) { i in
        (from[2 &* i], from[2 &* i], from[2 &* i], from[2 &* i &+ 1])
      }
    case .rgb:
      each(count, to, step, opaque: true) { i in
        (from[3 &* i], from[3 &* i &+ 1], from[3 &* i &+ 2], 255)
      }
    case .rgbx:
      each(count, to, step, opaque: true) { i in
        (from[4 &* i], from[4 &* i &+ 1], from[4 &* i &+ 2], 255)
      }
    case .rgba:
      each(count, to, step, opaque: false) { i in
        (from[4 &* i], from[4 &* i &+ 1], from[4 &* i &+ 2], from[4 &* i &+ 3])
      }
    case .bgrx:
      each(count, to, step, opaque: true) { i in
        (from[4 &* i &+ 2], from[4 &* i &+ 1], from[4 &* i], 255)
      }
    case .cmyk:
      each(count, to, step, opaque: true) { i in
        let k = 255 &- from[4 &* i &+ 3]
        return (
          Self.withoutInk(from[4 &* i], k), Self.withoutInk(from[4 &* i &+ 1], k),
          Self.withoutInk(from[4 &* i &+ 2], k), 255
        )
      }
    }
  }

  @inline(__always)
  private func each(
    _ count: Int, _ to: UnsafeMutablePointer<UInt8>, _ step: Int, opaque: Bool,
    _ pixel: (Int) -> (UInt8, UInt8, UInt8, UInt8)
  ) {
    switch conversion {
    case nil:
      for i in 0..<count {
        let (r, g, b, a) = pixel(i)
        Self.put(to + i &* step, r, g, b, opaque ? 255 : a)
      }
    case .gray(let table):
      table.withUnsafeBufferPointer { table in
        for i in 0..<count {
          let (r, _, _, a) = pixel(i)
          let v = table[Int(r)]
          Self.put(to + i &* step, v, v, v, opaque ? 255 : a)
        }
      }
    case .shaper(let products):
      products.withUnsafeBufferPointer { m in
        ColourMath.encode.withUnsafeBufferPointer { encode in
          for i in 0..<count {
            let (r, g, b, a) = pixel(i)
            let (r0, g0, b0) = (Int(r), Int(g) &+ 256, Int(b) &+ 512)
            let red = (m[r0] + m[g0]) + m[b0]
            let green = (m[r0 &+ 768] + m[g0 &+ 768]) + m[b0 &+ 768]
            let blue = (m[r0 &+ 1536] + m[g0 &+ 1536]) + m[b0 &+ 1536]
            Self.put(
              to + i &* step, encode[ColourMath.index(red)], encode[ColourMath.index(green)],
              encode[ColourMath.index(blue)], opaque ? 255 : a)
          }
        }
      }
    }
  }

  /// Lay a pixel over white.
  @inline(__always)
  private static func put(
    _ to: UnsafeMutablePointer<UInt8>, _ r: UInt8, _ g: UInt8, _ b: UInt8, _ a: UInt8
  ) {
    to[0] = over(r, a)
    to[1] = over(g, a)
    to[2] = over(b, a)
  }

  @inline(__always)
  private static func over(_ c: UInt8, _ a: UInt8) -> UInt8 {
    if a == 255 { return c }
    let t = Int(c) &* Int(a) &+ 255 &* (255 &- Int(a)) &+ 128
    return UInt8(truncatingIfNeeded: (t &+ t >> 8) >> 8)
  }

  /// CMYK without a profile, one channel: k' - muldiv(ink, k'), never below 0.
  @inline(__always)
  private static func withoutInk(_ ink: UInt8, _ k: UInt8) -> UInt8 {
    let t = Int(ink) &* Int(k) &+ 128
    return UInt8(truncatingIfNeeded: max(0, Int(k) &- (t &+ t >> 8) >> 8))
  }
}
