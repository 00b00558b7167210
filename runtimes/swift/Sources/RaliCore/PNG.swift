import Foundation

/// What a PNG file holds: its samples at 8 bits, and what its blocks say of colour and turning.
struct PNG {
  let layout: PixelLayout
  let width: Int
  let height: Int
  let pixels: [UInt8]
  /// Whether pixels are gray: which profiles fit.
  let isGray: Bool
  let orientation: Int
  let coded: CodedColour?
  let profile: [UInt8]?
  let notes: [String]

  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// - Throws: ``PhotoError`` without the photo's name.
  init(_ bytes: UnsafeBufferPointer<UInt8>, limit: Int) throws(PhotoError) {
    var blocks = PNGBlocks(bytes)
    try blocks.read(limit: limit)
    guard let header = blocks.header else { throw PhotoError("is not a whole PNG file") }
    guard !blocks.data.isEmpty else { throw PhotoError("the file is cut off; get a complete copy") }
    width = header.width
    height = header.height
    isGray = header.colour == 0 || header.colour == 4
    orientation = blocks.orientation
    coded = blocks.coded
    profile = blocks.profile
    notes = blocks.notes
    let samples = try header.samples(of: blocks.data)
    (layout, pixels) = try header.expanded(
      samples, palette: blocks.palette, transparency: blocks.transparency)
  }
}

/// The fields of IHDR.
struct PNGHeader {
  let width: Int
  let height: Int
  let depth: Int
  /// 0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGB and alpha.
  let colour: Int
  let interlaced: Bool

  var channels: Int { [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][colour] ?? 0 }

  init(_ body: UnsafeBufferPointer<UInt8>, limit: Int) throws(PhotoError) {
    let damaged = PhotoError("cannot be decoded (its PNG header is damaged)")
    guard body.count == 13 else { throw damaged }
    width = Int(body.u32(0))
    height = Int(body.u32(4))
    depth = Int(body[8])
    colour = Int(body[9])
    interlaced = body[12] != 0
    try PhotoLimits.check(width: width, height: height, limit: limit)
    let depths = [0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16]]
    guard depths[colour]?.contains(depth) == true, body[10] == 0, body[11] == 0, body[12] < 2 else {
      throw damaged
    }
  }

  private struct Pass {
    let x: Int
    let y: Int
    let dx: Int
    let dy: Int
    let width: Int
    let height: Int
  }

  private var passes: [Pass] {
    let adam7 = [
      (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
      (0, 1, 1, 2),
    ]
    return (interlaced ? adam7 : [(0, 0, 1, 1)]).map { x, y, dx, dy in
      Pass(
        x: x, y: y, dx: dx, dy: dy, width: max(0, (width - x + dx - 1) / dx),
        height: max(0, (height - y + dy - 1) / dy))
    }.filter { $0.width > 0 && $0.height > 0 }
  }

  private func stride(_ width: Int) -> Int { (width * channels * depth + 7) / 8 }

  /// The stored samples, one byte each; of 16 bits, two.
  func samples(of data: [UInt8]) throws(PhotoError) -> [UInt8] {
    let passes = passes
    let wanted = passes.reduce(0) { $0 + (stride($1.width) + 1) * $1.height }
    var raw: [UInt8]
    do {
      raw = try data.withUnsafeBufferPointer { bytes throws(InflateError) in
        try Inflate.unpack(bytes, limit: wanted)
      }
    } catch { throw PhotoError("cannot be decoded (its compressed pixels are damaged)") }
    guard raw.count == wanted else {
      throw PhotoError("the file is cut off; get a complete copy")
    }
    let step = max(1, channels * depth / 8)
    let deep = depth == 16 ? 2 : 1
    if !interlaced && depth >= 8 {
      try Self.unfilter(&raw, from: 0, stride: stride(width), height: height, step: step)
      return Self.withoutFilterBytes(raw, stride: stride(width), height: height)
    }
    var samples = [UInt8](repeating: 0, count: width * height * channels * deep)
    var start = 0
    for pass in passes {
      let stride = stride(pass.width)
      try Self.unfilter(&raw, from: start, stride: stride, height: pass.height, step: step)
      for row in 0..<pass.height {
        let line = start + row * (stride + 1) + 1
        let to = (pass.y + row * pass.dy) * width + pass.x
        for column in 0..<pass.width {
          let pixel = (to + column * pass.dx) * channels * deep
          for part in 0..<channels * deep {
            let index = column * channels * deep + part
            samples[pixel + part] = depth >= 8 ? raw[line + index] : sample(raw, line, index)
          }
        }
      }
      start += (stride + 1) * pass.height
    }
    return samples
  }

  private func sample(_ raw: [UInt8], _ line: Int, _ index: Int) -> UInt8 {
    let bit = index * depth
    return raw[line + bit / 8] >> UInt8(8 - depth - bit % 8) & UInt8(1 << depth - 1)
  }

  private static func withoutFilterBytes(_ raw: [UInt8], stride: Int, height: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: stride * height) { out, count in
      raw.withUnsafeBufferPointer { from in
        for row in 0..<height {
          let line = UnsafeBufferPointer(rebasing: from[(row * (stride + 1) + 1)...].prefix(stride))
          _ = UnsafeMutableBufferPointer(rebasing: out[(row * stride)...].prefix(stride))
            .update(from: line)
        }
      }
      count = stride * height
    }
  }

  /// Undo the filters of a pass in place; each row stands behind its filter byte.
  private static func unfilter(
    _ raw: inout [UInt8], from start: Int, stride: Int, height: Int, step: Int
  ) throws(PhotoError) {
    let right = raw.withUnsafeMutableBufferPointer { raw in
      for row in 0..<height {
        let line = start + row * (stride + 1) + 1
        let above = row > 0 ? line - stride - 1 : nil
        guard unfilter(raw, line, above: above, stride: stride, step: step) else { return false }
      }
      return true
    }
    guard right else { throw PhotoError("cannot be decoded (its pixels are damaged)") }
  }

  private static func unfilter(
    _ raw: UnsafeMutableBufferPointer<UInt8>, _ line: Int, above: Int?, stride: Int, step: Int
  ) -> Bool {
    switch (raw[line - 1], above) {
    case (0, _), (2, nil): break
    case (1, _), (4, nil):
      // Paeth below nothing is the byte to the left.
      for i in line + min(step, stride)..<line + stride { raw[i] &+= raw[i - step] }
    case (2, let above?):
      for i in 0..<stride { raw[line + i] &+= raw[above + i] }
    case (3, _):
      for i in 0..<stride {
        let left = i >= step ? Int(raw[line + i - step]) : 0
        let up = above.map { Int(raw[$0 + i]) } ?? 0
        raw[line + i] &+= UInt8((left + up) >> 1)
      }
    case (4, let above?):
      for i in 0..<stride {
        let a = i >= step ? Int(raw[line + i - step]) : 0
        let b = Int(raw[above + i])
        let c = i >= step ? Int(raw[above + i - step]) : 0
        let (pa, pb, pc) = (abs(b - c), abs(a - c), abs(a + b - 2 * c))
        raw[line + i] &+= UInt8(pa <= pb && pa <= pc ? a : pb <= pc ? b : c)
      }
    default: return false
    }
    return true
  }

  /// Samples as pixels of 8 bits: high bytes, spread small depths, palette and transparent key.
  func expanded(
    _ samples: [UInt8], palette: [UInt8]?, transparency: [UInt8]?
  ) throws(PhotoError) -> (PixelLayout, [UInt8]) {
    if colour == 3 {
      guard let palette else { throw PhotoError("cannot be decoded (it has no palette)") }
      return Self.coloured(samples, palette: palette, transparency: transparency)
    }
    let plain: PixelLayout = [0: .gray, 2: .rgb, 4: .grayAlpha][colour] ?? .rgba
    let narrow: [UInt8] =
      switch depth {
      case 16: Swift.stride(from: 0, to: samples.count, by: 2).map { samples[$0] }
      case 8: samples
      default: samples.map { $0 * UInt8(255 / (1 << depth - 1)) }
      }
    guard let transparency, colour == 0 || colour == 2 else { return (plain, narrow) }
    return (colour == 0 ? .grayAlpha : .rgba, try keyed(samples, narrow, key: transparency))
  }

  private static func coloured(
    _ samples: [UInt8], palette: [UInt8], transparency: [UInt8]?
  ) -> (PixelLayout, [UInt8]) {
    let colours = palette.count / 3
    var pixels: [UInt8] = []
    pixels.reserveCapacity(samples.count * (transparency == nil ? 3 : 4))
    for sample in samples {
      let index = Int(sample)
      // As Pillow has it: an index beyond the palette is black, one beyond tRNS opaque.
      for part in 0..<3 { pixels.append(index < colours ? palette[3 * index + part] : 0) }
      if let transparency {
        pixels.append(index < transparency.count ? transparency[index] : 255)
      }
    }
    return (transparency == nil ? .rgb : .rgba, pixels)
  }

  /// Pixels with opacity: 0 where they equal the key. 16-bit colours are compared by high bytes.
  private func keyed(
    _ samples: [UInt8], _ narrow: [UInt8], key: [UInt8]
  ) throws(PhotoError) -> [UInt8] {
    guard key.count >= 2 * channels else {
      throw PhotoError("the file is cut off; get a complete copy")
    }
    let wanted = (0..<channels).map { Int(key[2 * $0]) << 8 | Int(key[2 * $0 + 1]) }
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * (channels + 1))
    for pixel in 0..<width * height {
      var clear = true
      for c in 0..<channels {
        let i = pixel * channels + c
        pixels.append(narrow[i])
        let (found, sought) =
          switch (depth, channels) {
          case (16, 1): (Int(samples[2 * i]) << 8 | Int(samples[2 * i + 1]), wanted[c])
          case (16, _): (Int(narrow[i]), wanted[c] >> 8)
          default: (Int(samples[i]), wanted[c])
          }
        clear = clear && found == sought
      }
      pixels.append(clear ? 0 : 255)
    }
    return pixels
  }
}
