// What the demo uses of ImageIO beside what RaliKit does.
import Foundation

public var kCGImageSourceCreateThumbnailFromImageAlways: CFString { "" }
public var kCGImageSourceCreateThumbnailWithTransform: CFString { "" }
public var kCGImageSourceThumbnailMaxPixelSize: CFString { "" }
public var kCGImageDestinationLossyCompressionQuality: CFString { "" }
public final class CGImageDestination {}
public func CGImageSourceCreateWithURL(_ url: CFURL, _ options: CFDictionary?) -> CGImageSource? {
  nil
}
public func CGImageSourceCreateThumbnailAtIndex(
  _ isrc: CGImageSource, _ index: Int, _ options: CFDictionary?
) -> CGImage? { nil }
public func CGImageDestinationCreateWithURL(
  _ url: CFURL, _ type: CFString, _ count: Int, _ options: CFDictionary?
) -> CGImageDestination? { nil }
public func CGImageDestinationAddImage(
  _ idst: CGImageDestination, _ image: CGImage, _ properties: CFDictionary?
) {}
public func CGImageDestinationFinalize(_ idst: CGImageDestination) -> Bool { false }
