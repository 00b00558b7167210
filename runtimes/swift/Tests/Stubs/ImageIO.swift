// swift-format-ignore-file
// (the names are Apple's)

// Hand-written declarations of the part of ImageIO that RaliKit uses, from Apple's documentation.
@_exported import CoreGraphics
import Foundation

public final class CGImageSource {}

public enum CGImageSourceStatus: Int32, Sendable {
  case statusUnexpectedEOF = -5
  case statusInvalidData, statusUnknownType, statusReadingHeader, statusIncomplete, statusComplete
}

// The real ones are constants of the system; a computed one stands in, which Swift 6 lets be global.
public var kCGImageSourceShouldCache: CFString { "kCGImageSourceShouldCache" }
public var kCGImagePropertyOrientation: CFString { "Orientation" }
public var kCGImagePropertyPixelWidth: CFString { "PixelWidth" }
public var kCGImagePropertyPixelHeight: CFString { "PixelHeight" }
public var kCGImagePropertyIsFloat: CFString { "IsFloat" }
public var kCGImagePropertyDNGDictionary: CFString { "{DNG}" }
public var kCGImagePropertyRawDictionary: CFString { "{Raw}" }
public var kCGImageAuxiliaryDataTypeHDRGainMap: CFString { "HDRGainMap" }

public func CGImageSourceCreateWithData(_ data: CFData, _ options: CFDictionary?) -> CGImageSource?
{
  fatalError()
}
public func CGImageSourceGetCount(_ isrc: CGImageSource) -> Int { fatalError() }
public func CGImageSourceCopyPropertiesAtIndex(
  _ isrc: CGImageSource, _ index: Int, _ options: CFDictionary?
) -> CFDictionary? { fatalError() }
public func CGImageSourceCreateImageAtIndex(
  _ isrc: CGImageSource, _ index: Int, _ options: CFDictionary?
) -> CGImage? { fatalError() }
public func CGImageSourceGetStatusAtIndex(
  _ isrc: CGImageSource, _ index: Int
) -> CGImageSourceStatus { fatalError() }
public func CGImageSourceCopyAuxiliaryDataInfoAtIndex(
  _ isrc: CGImageSource, _ index: Int, _ auxiliaryImageDataType: CFString
) -> CFDictionary? { fatalError() }
