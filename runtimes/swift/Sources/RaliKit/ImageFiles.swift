#if canImport(ImageIO)
  import CoreGraphics
  import Foundation
  import ImageIO
  import RaliCore

  /// Photos in the formats that ImageIO reads.
  extension Photo {
    /// Decode a file's first picture, without its colours being converted.
    static func decoded(_ data: Data, name: String, limit: Int) throws(PhotoError) -> Photo {
      let start = ContinuousClock.now
      let source = CGImageSourceCreateWithData(NSData(data: data) as CFData, nil)
      guard let source, CGImageSourceGetCount(source) > 0,
        let found = CGImageSourceCopyPropertiesAtIndex(source, 0, nil)
      else {
        let words = data.isEmpty ? "the file is empty" : "is no photo that can be read"
        throw PhotoError("\(name): \(words)")
      }
      let properties = found as NSDictionary
      do throws(PhotoError) {
        try check(properties, limit: limit)
        // Not cached by the system: a photo is looked at once.
        let options = NSDictionary(
          object: NSNumber(value: false), forKey: kCGImageSourceShouldCache as NSString)
        guard let image = CGImageSourceCreateImageAtIndex(source, 0, options as CFDictionary) else {
          throw PhotoError("cannot be decoded; get a complete copy")
        }
        let orientation = (properties[kCGImagePropertyOrientation] as? NSNumber)?.intValue ?? 1
        var photo = try Photo(image, orientation: orientation)
        let complete = CGImageSourceGetStatusAtIndex(source, 0) == .statusComplete
        photo = try photo.with(
          notes: notes(source)
            + (complete ? [] : ["the file is cut off: part of the picture is lost"]),
          decodeSeconds: (ContinuousClock.now - start).seconds)
        return photo
      } catch {
        throw error.named(name)
      }
    }

    /// What the header gives away before a pixel is decoded.
    private static func check(_ properties: NSDictionary, limit: Int) throws(PhotoError) {
      func number(_ key: CFString) -> Int? { (properties[key] as? NSNumber)?.intValue }
      try PhotoLimits.check(
        width: number(kCGImagePropertyPixelWidth) ?? 0,
        height: number(kCGImagePropertyPixelHeight) ?? 0, limit: limit)
      if (properties[kCGImagePropertyIsFloat] as? NSNumber)?.boolValue == true {
        throw PhotoError("has floating-point pixels, expected 8 or 16 bits of gray, RGB or CMYK")
      }
      if properties[kCGImagePropertyDNGDictionary] != nil
        || properties[kCGImagePropertyRawDictionary] != nil
      {
        throw PhotoError(
          "is a camera raw file, whose first picture is a preview; develop it to JPEG or TIFF first"
        )
      }
    }

    private static func notes(_ source: CGImageSource) -> [String] {
      let map = CGImageSourceCopyAuxiliaryDataInfoAtIndex(
        source, 0, kCGImageAuxiliaryDataTypeHDRGainMap)
      return map == nil
        ? [] : ["its HDR gain map was left out: the standard-range picture was scored"]
    }
  }
#endif
