import CoreGraphics
import Foundation
import ImageIO
import RaliCore
import UniformTypeIdentifiers

/// A JPEG of 12 megapixels with detail everywhere, made here so that everybody measures the same kind.
enum LargePhoto {
  private static let width = 4000
  private static let height = 3000

  /// - Throws: ``UsageError`` where the device cannot make it.
  static func make() async throws -> URL {
    try await Task.detached { try write() }.value
  }

  private static func write() throws -> URL {
    let file = FileManager.default.temporaryDirectory.appending(path: "benchmark-12mp.jpg")
    guard let image = image(),
      let to = CGImageDestinationCreateWithURL(
        file as CFURL, UTType.jpeg.identifier as CFString, 1, nil)
    else { throw UsageError("this device cannot make the benchmark's photo: free some memory") }
    let quality = [kCGImageDestinationLossyCompressionQuality: 0.9]
    CGImageDestinationAddImage(to, image, quality as CFDictionary)
    guard CGImageDestinationFinalize(to) else {
      throw UsageError("the benchmark's photo cannot be written: free some space")
    }
    return file
  }

  private static func image() -> CGImage? {
    guard let space = CGColorSpace(name: CGColorSpace.sRGB),
      let provider = CGDataProvider(data: pixels as CFData)
    else { return nil }
    return CGImage(
      width: width, height: height, bitsPerComponent: 8, bitsPerPixel: 32, bytesPerRow: width * 4,
      space: space, bitmapInfo: CGBitmapInfo(rawValue: CGImageAlphaInfo.noneSkipLast.rawValue),
      provider: provider, decode: nil, shouldInterpolate: false, intent: .defaultIntent)
  }

  /// A gradient with noise of its own seed: no photo of anybody, and the same everywhere.
  private static var pixels: Data {
    var bytes = [UInt8](repeating: 255, count: width * height * 4)
    var seed: UInt32 = 1
    for y in 0..<height {
      for x in 0..<width {
        seed = seed &* 1_664_525 &+ 1_013_904_223
        let noise = Int(seed >> 27)
        let at = (y * width + x) * 4
        bytes[at] = UInt8(x * 200 / width + noise)
        bytes[at + 1] = UInt8(y * 200 / height + noise)
        bytes[at + 2] = UInt8((x / 16 + y / 16) % 2 * 100 + 60 + noise)
      }
    }
    return Data(bytes)
  }
}
