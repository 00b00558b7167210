/// Pillow's antialiased resize, byte for byte: rows first, then columns, each rounded to 8 bits. Only
/// the wanted rectangle of the result is computed, so that a photo of 1 x 5000 pixels does not become
/// a picture of a million rows on its way to a small square.
struct Resize {
  /// Bytes of upright rows that are made at a time where stored pixels are not upright sRGB.
  private static let strip = 2 << 20
  private static let half: Int32 = 1 << (Taps.bits - 1)

  let across: Taps
  let down: Taps
  let width: Int
  let height: Int

  /// - Parameters:
  ///   - from: Size of the upright photo.
  ///   - to: Size of the whole result.
  ///   - columns, rows: The wanted rectangle of it.
  init(
    from: (width: Int, height: Int), to: (width: Int, height: Int), filter: Filter,
    columns: Range<Int>, rows: Range<Int>
  ) {
    across = Taps(from: from.width, to: to.width, filter: filter, part: columns)
    down = Taps(from: from.height, to: to.height, filter: filter, part: rows)
    width = columns.count
    height = rows.count
  }

  /// The wanted rectangle, RGB, of a photo whose upright rows are `rows`.
  func callAsFunction(_ rows: UprightRows, width sourceWidth: Int) -> [UInt8] {
    let reach = down.reach
    let middle = [UInt8](unsafeUninitializedCapacity: reach.count * width * 3) { out, count in
      guard let out = out.baseAddress else { return }
      if let stored = rows.asTheyAre {
        narrow(
          stored.base + reach.lowerBound * stored.rowBytes, rowBytes: stored.rowBytes,
          rows: reach.count, layout: stored.layout, to: out)
      } else {
        narrowInStrips(rows, reach: reach, sourceWidth: sourceWidth, to: out)
      }
      count = reach.count * width * 3
    }
    return shorten(middle, begin: reach.lowerBound)
  }

  private func narrowInStrips(
    _ rows: UprightRows, reach: Range<Int>, sourceWidth: Int, to out: UnsafeMutablePointer<UInt8>
  ) {
    let rowBytes = sourceWidth * 3
    let step = max(1, min(reach.count, Self.strip / rowBytes))
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: step * rowBytes) { buffer in
      guard let buffer = buffer.baseAddress else { return }
      for top in stride(from: reach.lowerBound, to: reach.upperBound, by: step) {
        let part = top..<min(top + step, reach.upperBound)
        rows.write(part, to: buffer)
        narrow(
          buffer, rowBytes: rowBytes, rows: part.count, layout: .rgb,
          to: out + (top - reach.lowerBound) * width * 3)
      }
    }
  }

  /// The horizontal pass over `rows` rows of upright sRGB pixels.
  private func narrow(
    _ from: UnsafePointer<UInt8>, rowBytes: Int, rows: Int, layout: PixelLayout,
    to out: UnsafeMutablePointer<UInt8>
  ) {
    for row in 0..<rows {
      let line = from + row * rowBytes
      let to = out + row * width * 3
      switch layout {
      case .rgbx: narrow(line, step: 4, red: 0, blue: 2, to: to)
      case .bgrx: narrow(line, step: 4, red: 2, blue: 0, to: to)
      default: narrow(line, step: 3, red: 0, blue: 2, to: to)
      }
    }
  }

  @inline(__always)
  private func narrow(
    _ line: UnsafePointer<UInt8>, step: Int, red: Int, blue: Int,
    to out: UnsafeMutablePointer<UInt8>
  ) {
    across.first.withUnsafeBufferPointer { first in
      across.count.withUnsafeBufferPointer { count in
        across.weights.withUnsafeBufferPointer { weights in
          for i in 0..<width {
            var pixel = line + first[i] &* step
            var (r, g, b) = (Self.half, Self.half, Self.half)
            let start = i &* across.size
            for k in start..<start &+ count[i] {
              let weight = weights[k]
              r = r &+ Int32(pixel[red]) &* weight
              g = g &+ Int32(pixel[1]) &* weight
              b = b &+ Int32(pixel[blue]) &* weight
              pixel += step
            }
            let to = out + 3 &* i
            to[0] = Self.clipped(r)
            to[1] = Self.clipped(g)
            to[2] = Self.clipped(b)
          }
        }
      }
    }
  }

  /// The vertical pass; `middle` begins at source row `begin`. A row of sums at a time: the inner
  /// loops run along memory, so that the compiler makes them wide.
  private func shorten(_ middle: [UInt8], begin: Int) -> [UInt8] {
    let line = width * 3
    return [UInt8](unsafeUninitializedCapacity: height * line) { out, filled in
      middle.withUnsafeBufferPointer { middle in
        guard let from = middle.baseAddress, let out = out.baseAddress else { return }
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: line) { sums in
          guard let sums = sums.baseAddress else { return }
          for y in 0..<height {
            for x in 0..<line { sums[x] = Self.half }
            for k in 0..<down.count[y] {
              let weight = down.weights[y * down.size + k]
              let row = from + (down.first[y] - begin + k) * line
              for x in 0..<line { sums[x] = sums[x] &+ Int32(row[x]) &* weight }
            }
            let to = out + y * line
            for x in 0..<line { to[x] = Self.clipped(sums[x]) }
          }
        }
      }
      filled = height * line
    }
  }

  @inline(__always)
  private static func clipped(_ sum: Int32) -> UInt8 {
    UInt8(truncatingIfNeeded: max(0, min(255, sum >> Taps.bits)))
  }
}
