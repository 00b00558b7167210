#if canImport(CoreGraphics) && canImport(Accelerate)
  import Accelerate
  import CoreGraphics
  import Foundation
  import RaliCore

  /// Pixels that vImage decoded; written once, freed with the last photo that shows them.
  private final class VImageMemory: PixelMemory, @unchecked Sendable {
    // Never written to after `init`: that is what makes it Sendable.
    private let buffer: vImage_Buffer

    init(_ buffer: vImage_Buffer) { self.buffer = buffer }
    deinit { buffer.free() }

    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) throws -> R {
      try body(
        UnsafeRawBufferPointer(start: buffer.data, count: buffer.rowBytes * Int(buffer.height)))
    }
  }

  extension Photo {
    /// A decoded image's pixels, in its own colour space, converted by this package's own arithmetic as
    /// views are made. The pixels are unpacked once, into memory that the resize reads directly.
    ///
    /// - Parameter orientation: EXIF orientation of the image, 1 to 8.
    /// - Throws: ``PhotoError`` if it is high dynamic range, too large, or cannot be unpacked.
    public init(_ image: CGImage, orientation: Int = 1) throws(PhotoError) {
      let start = ContinuousClock.now
      try PhotoLimits.check(width: image.width, height: image.height)
      guard image.bitsPerComponent <= 16 else {
        throw PhotoError("has \(image.bitsPerComponent)-bit pixels, expected 8 or 16 bits")
      }
      var space = image.colorSpace ?? CGColorSpaceCreateDeviceRGB()
      if let base = space.baseColorSpace { space = base }
      if CGColorSpaceUsesITUR_2100TF(space) { throw PhotoError.highDynamicRange("PQ or HLG") }
      let form = try ImageForm(image, space)
      let profile = space.copyICCData().map { Array(Data(referencing: $0 as NSData)) }
      do {
        let colour = try Colour(form.kind, profile: profile)
        try self.init(
          stored: try form.pixels(of: image, in: space), colour: colour, orientation: orientation,
          decodeSeconds: (ContinuousClock.now - start).seconds)
      } catch Colour.tableRefused {
        // Tables are what the system's colour management is for; its result may differ by a level.
        let srgb = CGColorSpace(name: CGColorSpace.sRGB) ?? CGColorSpaceCreateDeviceRGB()
        let form = ImageForm.converted(image)
        try self.init(
          stored: try form.pixels(of: image, in: srgb), orientation: orientation,
          notes: [
            "its colour profile is a table, which the system converted: the score may differ a little"
          ],
          decodeSeconds: (ContinuousClock.now - start).seconds)
      } catch {
        throw error
      }
    }

    func with(notes more: [String], decodeSeconds: Double) throws(PhotoError) -> Photo {
      try Photo(
        stored: stored, conversion: conversion, orientation: orientation, notes: notes + more,
        decodeSeconds: decodeSeconds)
    }
  }

  /// How an image's pixels are asked for: 8 or 16 bits, straight opacity, no change of colours.
  private struct ImageForm {
    let kind: Colour.Kind
    let layout: PixelLayout
    let deep: Bool

    init(_ image: CGImage, _ space: CGColorSpace) throws(PhotoError) {
      let opaque = [.none, .noneSkipLast, .noneSkipFirst].contains(image.alphaInfo)
      deep = image.bitsPerComponent > 8
      switch space.model {
      case .monochrome:
        kind = .gray
        layout = opaque ? .gray : .grayAlpha
      case .rgb:
        kind = .rgb
        layout = opaque ? .rgbx : .rgba
      case .cmyk where opaque:
        kind = .cmyk
        layout = .cmyk
      default:
        throw PhotoError("has pixels of a kind that is not scored, expected gray, RGB or CMYK")
      }
    }

    private init(kind: Colour.Kind, layout: PixelLayout, deep: Bool) {
      self.kind = kind
      self.layout = layout
      self.deep = deep
    }

    static func converted(_ image: CGImage) -> ImageForm {
      let opaque = [.none, .noneSkipLast, .noneSkipFirst].contains(image.alphaInfo)
      return ImageForm(kind: .rgb, layout: opaque ? .rgbx : .rgba, deep: false)
    }

    private var alpha: CGImageAlphaInfo {
      switch layout {
      case .rgba, .grayAlpha: .last
      case .rgbx: .noneSkipLast
      default: .none
      }
    }

    func pixels(of image: CGImage, in space: CGColorSpace) throws(PhotoError) -> StoredPixels {
      let bits = deep ? 16 : 8
      var info = CGBitmapInfo(rawValue: alpha.rawValue)
      if deep { info.insert(.byteOrder16Little) }
      guard
        let format = vImage_CGImageFormat(
          bitsPerComponent: bits, bitsPerPixel: bits * layout.bytes, colorSpace: space,
          bitmapInfo: info)
      else { throw PhotoError("cannot be unpacked: its pixels are of an unknown kind") }
      do {
        let buffer = try vImage_Buffer(cgImage: image, format: format)
        if deep { Self.keepHighBytes(buffer, samples: image.width * layout.bytes) }
        return try StoredPixels(
          memory: VImageMemory(buffer), layout: layout, width: image.width, height: image.height,
          rowBytes: buffer.rowBytes)
      } catch {
        throw PhotoError("cannot be unpacked (\(error.localizedDescription))")
      }
    }

    /// 16-bit samples to their high bytes, in place: a row of bytes at the start of each row.
    private static func keepHighBytes(_ buffer: vImage_Buffer, samples: Int) {
      for row in 0..<Int(buffer.height) {
        let line = (buffer.data + row * buffer.rowBytes).assumingMemoryBound(to: UInt8.self)
        for i in 0..<samples { line[i] = line[2 * i + 1] }
      }
    }
  }

  extension PhotoScoring {
    /// Score an image.
    ///
    /// - Parameter orientation: EXIF orientation of the image, 1 to 8.
    /// - Throws: ``PhotoError`` if this image cannot be scored.
    public func score(_ image: sending CGImage, orientation: Int = 1) async throws -> Score {
      try await score(try Photo(image, orientation: orientation))
    }
  }
#endif

#if canImport(CoreVideo)
  import CoreGraphics
  import CoreVideo
  import Foundation
  import RaliCore

  /// A camera's pixels, read where they are.
  private final class PixelBufferMemory: PixelMemory, @unchecked Sendable {
    // Only read, and only between lock and unlock.
    private let buffer: CVPixelBuffer

    init(_ buffer: CVPixelBuffer) { self.buffer = buffer }

    func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) throws -> R {
      guard CVPixelBufferLockBaseAddress(buffer, .readOnly) == kCVReturnSuccess else {
        throw UsageError("the pixel buffer cannot be locked")
      }
      defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
      guard let base = CVPixelBufferGetBaseAddress(buffer) else {
        throw UsageError("the pixel buffer has no memory")
      }
      let count = CVPixelBufferGetBytesPerRow(buffer) * CVPixelBufferGetHeight(buffer)
      return try body(UnsafeRawBufferPointer(start: base, count: count))
    }
  }

  extension Photo {
    /// A video or camera frame of 32BGRA pixels, without a copy: keep it from being recycled until the
    /// score is there, by holding one frame at a time.
    ///
    /// - Parameter orientation: EXIF orientation of the frame, 1 to 8.
    /// - Throws: ``UsageError`` for another pixel format, ``PhotoError`` for high dynamic range.
    public init(_ buffer: CVPixelBuffer, orientation: Int = 1) throws {
      let format = CVPixelBufferGetPixelFormatType(buffer)
      guard format == kCVPixelFormatType_32BGRA else {
        throw UsageError(
          "expected a pixel buffer of 32BGRA, not of format \(format); set the "
            + "camera's video settings to kCVPixelFormatType_32BGRA")
      }
      var profile: [UInt8]?
      if let attachments = CVBufferCopyAttachments(buffer, .shouldPropagate),
        let space = CVImageBufferCreateColorSpaceFromAttachments(attachments)?.takeRetainedValue()
      {
        if CGColorSpaceUsesITUR_2100TF(space) { throw PhotoError.highDynamicRange("PQ or HLG") }
        profile = space.copyICCData().map { Array(Data(referencing: $0 as NSData)) }
      }
      let stored = try StoredPixels(
        memory: PixelBufferMemory(buffer), layout: .bgrx, width: CVPixelBufferGetWidth(buffer),
        height: CVPixelBufferGetHeight(buffer), rowBytes: CVPixelBufferGetBytesPerRow(buffer))
      try self.init(
        stored: stored, colour: try Colour(.rgb, profile: profile), orientation: orientation)
    }
  }

  extension PhotoScoring {
    /// Score a camera frame; see `Photo.init(_:orientation:)`.
    ///
    /// - Throws: ``UsageError`` for another pixel format than 32BGRA.
    public func score(_ buffer: sending CVPixelBuffer, orientation: Int = 1) async throws -> Score {
      try await score(try Photo(buffer, orientation: orientation))
    }
  }
#endif
