/// What is refused before a pixel is decoded.
public enum PhotoLimits {
  /// Largest photo that is read, pixels: 100 megapixels, with room for cameras named so.
  public static let pixels = 100 * 1024 * 1024
  /// Longest edge that is read, pixels.
  public static let edge = 100_000

  /// - Throws: ``PhotoError`` without the photo's name.
  package static func check(width: Int, height: Int, limit: Int = pixels) throws(PhotoError) {
    guard width >= 1, height >= 1 else {
      throw PhotoError("has no pixels (\(width) x \(height))")
    }
    guard width <= edge, height <= edge, width * height <= limit else {
      throw PhotoError(
        "is \(width) x \(height) pixels; the limit is \(limit / 1_048_576) megapixels and \(edge) "
          + "on an edge")
    }
  }
}

extension PhotoError {
  /// The same sentence, with the photo's name before it.
  package func named(_ name: String) -> PhotoError { PhotoError("\(name): \(message)") }

  package static func highDynamicRange(_ kind: String) -> PhotoError {
    PhotoError(
      "is high dynamic range (\(kind)), which is not scored; export it as a standard-range photo")
  }
}
