import Foundation

/// Upright sRGB pixels, rows from the top, three bytes each.
public struct Pixels: Sendable, Hashable {
  public let width: Int
  public let height: Int
  public let rgb: [UInt8]

  /// - Throws: ``UsageError`` if the bytes are not width times height times three.
  public init(width: Int, height: Int, rgb: [UInt8]) throws(UsageError) {
    guard width > 0, height > 0, rgb.count == width * height * 3 else {
      throw UsageError("\(width) x \(height) RGB pixels are not \(rgb.count) bytes")
    }
    self.width = width
    self.height = height
    self.rgb = rgb
  }
}

/// A decoded photo: its pixels as they were stored, and how they become upright sRGB. Turning and
/// colours are done a strip at a time as views are made, so that no second full copy exists.
public struct Photo: Sendable {
  /// Width of the upright photo, pixels.
  public let width: Int
  /// Height of the upright photo, pixels.
  public let height: Int
  /// Sentences that a user should see.
  public let notes: [String]
  /// Seconds that decoding took.
  public let decodeSeconds: Double

  package let stored: StoredPixels
  package let conversion: Conversion?
  /// EXIF orientation of the stored pixels, 1 to 8.
  package let orientation: Int

  package init(
    stored: StoredPixels, colour: Colour = .plain, orientation: Int = 1, notes: [String] = [],
    decodeSeconds: Double = 0
  ) throws(PhotoError) {
    try self.init(
      stored: stored, conversion: colour.conversion, orientation: orientation,
      notes: notes + colour.notes, decodeSeconds: decodeSeconds)
  }

  package init(
    stored: StoredPixels, conversion: Conversion?, orientation: Int, notes: [String],
    decodeSeconds: Double
  ) throws(PhotoError) {
    try PhotoLimits.check(width: stored.width, height: stored.height)
    self.stored = stored
    self.conversion = conversion
    self.orientation = (1...8).contains(orientation) ? orientation : 1
    self.notes = notes
    self.decodeSeconds = decodeSeconds
    let turned = self.orientation >= 5
    width = turned ? stored.height : stored.width
    height = turned ? stored.width : stored.height
  }

  /// Upright sRGB pixels, rows from the top.
  ///
  /// - Throws: ``UsageError`` if the bytes do not fit the size, ``PhotoError`` beyond the limits.
  public init(rgb: [UInt8], width: Int, height: Int) throws {
    let pixels = try Pixels(width: width, height: height, rgb: rgb)
    let stored = try StoredPixels(
      memory: ArrayMemory(pixels.rgb), layout: .rgb, width: width, height: height,
      rowBytes: width * 3)
    try self.init(stored: stored)
  }

  /// Decode a PNG; other formats are read by RaliKit on Apple's systems.
  ///
  /// - Parameters:
  ///   - png: The file's bytes.
  ///   - name: Named in errors.
  ///   - limit: Larger photos are refused, pixels.
  /// - Throws: ``PhotoError`` if it cannot be read; one sentence that names it.
  public init(png data: some ContiguousBytes, name: String, limit: Int = PhotoLimits.pixels)
    throws(PhotoError)
  {
    let start = ContinuousClock.now
    do {
      let png: PNG = try data.withUnsafeBytes { bytes in
        let bytes = bytes.bindMemory(to: UInt8.self)
        guard !bytes.isEmpty else { throw PhotoError("the file is empty") }
        guard bytes.starts(with: PNG.signature) else {
          throw PhotoError("is no PNG, the only kind of file that is read here")
        }
        return try PNG(bytes, limit: limit)
      }
      let colour = try Colour(
        png.isGray ? .gray : .rgb, profile: png.profile, coded: png.coded)
      let stored = try StoredPixels(
        memory: ArrayMemory(png.pixels), layout: png.layout, width: png.width, height: png.height,
        rowBytes: png.width * png.layout.bytes)
      try self.init(
        stored: stored, colour: colour, orientation: png.orientation, notes: png.notes,
        decodeSeconds: (ContinuousClock.now - start).seconds)
    } catch let error as PhotoError {
      throw error.named(name)
    } catch {
      throw PhotoError("\(name): cannot be decoded (\(error))")
    }
  }

  /// Read a PNG file.
  ///
  /// - Throws: ``PhotoError`` if it cannot be read; one sentence that names it.
  public init(pngAt url: URL, limit: Int = PhotoLimits.pixels) throws(PhotoError) {
    let data = try Photo.bytes(of: url)
    try self.init(png: data, name: url.lastPathComponent, limit: limit)
  }

  /// A file's bytes.
  ///
  /// - Throws: ``PhotoError`` if they cannot be read.
  package static func bytes(of url: URL) throws(PhotoError) -> Data {
    do {
      return try Data(contentsOf: url, options: .mappedIfSafe)
    } catch {
      throw PhotoError("\(url.lastPathComponent): cannot be read (\(error.localizedDescription))")
    }
  }

  /// The whole photo upright and in sRGB, made anew at every call.
  ///
  /// - Throws: ``PhotoError`` if its pixels are gone, e.g. a camera's buffer that was recycled.
  public func upright() throws -> Pixels {
    try stored.withRows { base in
      let rgb = [UInt8](unsafeUninitializedCapacity: width * height * 3) { out, count in
        guard let to = out.baseAddress else { return }
        UprightRows(photo: self, base: base).write(0..<height, to: to)
        count = width * height * 3
      }
      return try Pixels(width: width, height: height, rgb: rgb)
    }
  }
}

extension Duration {
  package var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) / 1e18
  }
}
