/// How the bytes of a pixel stand in memory, 8 bits each.
package enum PixelLayout: Sendable {
  case gray
  /// Gray and straight opacity.
  case grayAlpha
  case rgb
  /// Four bytes, the last of which says nothing.
  case rgbx
  /// Straight opacity last.
  case rgba
  /// As Apple's cameras and video give it; opaque.
  case bgrx
  /// Ink, 0 none to 255 full.
  case cmyk

  package var bytes: Int {
    switch self {
    case .gray: 1
    case .grayAlpha: 2
    case .rgb: 3
    case .rgbx, .rgba, .bgrx, .cmyk: 4
    }
  }
}

/// Memory that holds pixels; a conforming type says how long the pointer lives.
package protocol PixelMemory: Sendable {
  func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) throws -> R
}

package struct ArrayMemory: PixelMemory {
  package let bytes: [UInt8]
  package init(_ bytes: [UInt8]) { self.bytes = bytes }
  package func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) throws -> R {
    try bytes.withUnsafeBytes(body)
  }
}

/// Pixels as a file or a camera stores them, rows from the top.
package struct StoredPixels: Sendable {
  package let memory: any PixelMemory
  package let layout: PixelLayout
  package let width: Int
  package let height: Int
  /// Bytes from one row to the next.
  package let rowBytes: Int

  /// - Throws: ``UsageError`` if the rows overlap or there are none.
  package init(
    memory: any PixelMemory, layout: PixelLayout, width: Int, height: Int, rowBytes: Int
  ) throws(UsageError) {
    guard width > 0, height > 0, rowBytes >= width * layout.bytes else {
      throw UsageError("\(width) x \(height) pixels do not fit in rows of \(rowBytes) bytes")
    }
    self.memory = memory
    self.layout = layout
    self.width = width
    self.height = height
    self.rowBytes = rowBytes
  }

  /// Call `body` with the pixels, once all rows are known to be there.
  ///
  /// - Throws: ``UsageError`` if the memory is shorter than its rows.
  package func withRows<R>(_ body: (UnsafePointer<UInt8>) throws -> R) throws -> R {
    try memory.withBytes { bytes in
      guard bytes.count >= (height - 1) * rowBytes + width * layout.bytes,
        let base = bytes.bindMemory(to: UInt8.self).baseAddress
      else { throw UsageError("the pixels are \(bytes.count) bytes, too few for \(height) rows") }
      return try body(base)
    }
  }
}
