import Foundation
import RaliCore

extension Photo {
  /// Read a photo's file: PNG everywhere; on Apple's systems also JPEG, HEIC, TIFF, WebP, GIF and BMP.
  ///
  /// - Parameter limit: Larger photos are refused before they are decoded, pixels.
  /// - Throws: ``PhotoError`` if it cannot be read; one sentence that names it.
  public static func read(_ url: URL, limit: Int = PhotoLimits.pixels) throws(PhotoError) -> Photo {
    try read(try Photo.bytes(of: url), name: url.lastPathComponent, limit: limit)
  }

  /// Read a photo from its file's bytes.
  ///
  /// - Parameter name: Named in errors.
  /// - Throws: ``PhotoError`` as above.
  public static func read(
    _ data: Data, name: String, limit: Int = PhotoLimits.pixels
  ) throws(PhotoError) -> Photo {
    #if canImport(ImageIO)
      guard data.starts(with: [0x89, 0x50, 0x4E, 0x47]) else {
        return try decoded(data, name: name, limit: limit)
      }
      do {
        return try Photo(png: data, name: name, limit: limit)
      } catch let error where error == Colour.tableRefused.named(name) {
        return try decoded(data, name: name, limit: limit)
      }
    #else
      return try Photo(png: data, name: name, limit: limit)
    #endif
  }
}
