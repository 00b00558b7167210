/// From a photo to the views that a tower looks at.
extension Photo {
  /// All views, (V, S, S, 3), RGB.
  ///
  /// - Throws: ``UsageError`` if the photo's pixels are gone.
  public func views(_ preprocess: Preprocess) throws -> [UInt8] {
    let count = preprocess.shape.reduce(1, *)
    var failure: (any Error)?
    let views = [UInt8](unsafeUninitializedCapacity: count) { out, filled in
      do {
        try writeViews(preprocess, to: out)
        filled = count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return views
  }

  /// Write all views, (V, S, S, 3), into memory that the model reads.
  package func writeViews(
    _ preprocess: Preprocess, to out: UnsafeMutableBufferPointer<UInt8>
  ) throws {
    try cut(preprocess, to: out) { $0 }
  }

  /// The same as floats, 0 to 255.
  package func writeViews(
    _ preprocess: Preprocess, to out: UnsafeMutableBufferPointer<Float>
  ) throws {
    try cut(preprocess, to: out) { Float($0) }
  }

  private func cut<T>(
    _ preprocess: Preprocess, to out: UnsafeMutableBufferPointer<T>,
    _ value: (UInt8) -> T
  ) throws {
    let size = preprocess.size
    guard let start = out.baseAddress, out.count == preprocess.shape.reduce(1, *) else {
      throw UsageError(
        "the views' memory has room for \(out.count) values, expected \(preprocess.shape)")
    }
    let to = preprocess.resized(width: width, height: height)
    let corners = preprocess.corners(width: to.width, height: to.height)
    let left = corners.map(\.left).min() ?? 0
    let top = corners.map(\.top).min() ?? 0
    let right = (corners.map(\.left).max() ?? 0) + size
    let bottom = (corners.map(\.top).max() ?? 0) + size
    // Views overlap on ordinary photos: one resize of their common rectangle. On a very long photo
    // that rectangle is mostly what no view looks at, so each view is resized alone.
    let together = (right - left) * (bottom - top) <= 2 * corners.count * size * size
    try stored.withRows { base in
      let rows = UprightRows(photo: self, base: base)
      func resized(_ columns: Range<Int>, _ lines: Range<Int>) -> [UInt8] {
        let resize = Resize(
          from: (width, height), to: to, filter: preprocess.resample, columns: columns, rows: lines)
        return resize(rows, width: width)
      }
      let sheet = together ? resized(left..<right, top..<bottom) : []
      for (index, corner) in corners.enumerated() {
        let view = start + index * size * size * 3
        if together {
          let place = (corner.left - left, corner.top - top)
          Self.copy(sheet, width: right - left, place, size: size, to: view, value)
        } else {
          let alone = resized(
            corner.left..<corner.left + size, corner.top..<corner.top + size)
          Self.copy(alone, width: size, (0, 0), size: size, to: view, value)
        }
      }
    }
  }

  @inline(__always)
  private static func copy<T>(
    _ sheet: [UInt8], width: Int, _ place: (left: Int, top: Int), size: Int,
    to view: UnsafeMutablePointer<T>, _ value: (UInt8) -> T
  ) {
    sheet.withUnsafeBufferPointer { sheet in
      for y in 0..<size {
        let from = ((place.top + y) * width + place.left) * 3
        let to = y * size * 3
        for x in 0..<size * 3 { view[to + x] = value(sheet[from + x]) }
      }
    }
  }

  /// The whole resized photo, RGB.
  ///
  /// - Throws: ``UsageError`` if the size is none, or the photo's pixels are gone.
  public func resized(width: Int, height: Int, filter: Filter) throws -> Pixels {
    guard width > 0, height > 0, width * height <= PhotoLimits.pixels else {
      throw UsageError(
        "a photo is resized to 1 to \(PhotoLimits.pixels) pixels, not \(width) x \(height)")
    }
    return try stored.withRows { base in
      let resize = Resize(
        from: (self.width, self.height), to: (width, height), filter: filter,
        columns: 0..<width, rows: 0..<height)
      let rgb = resize(UprightRows(photo: self, base: base), width: self.width)
      return try Pixels(width: width, height: height, rgb: rgb)
    }
  }
}
