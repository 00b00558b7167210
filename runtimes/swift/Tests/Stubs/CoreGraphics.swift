// swift-format-ignore-file
// (the names are Apple's)

// Hand-written declarations of the part of Core Graphics (and of Core Foundation, which it exports) that
// RaliKit uses, from Apple's documentation. Toll-free bridged types are one type here.
@_exported import Foundation

public typealias CFString = NSString
public typealias CFData = NSData
public typealias CFDictionary = NSDictionary

public final class CGColorSpace {
  public static var sRGB: CFString { "kCGColorSpaceSRGB" }
  public init?(name: CFString) {}
  public var model: CGColorSpaceModel { fatalError() }
  public var baseColorSpace: CGColorSpace? { fatalError() }
  public func copyICCData() -> CFData? { fatalError() }
}

public enum CGColorSpaceModel: Int32, Sendable {
  case unknown = -1
  case monochrome, rgb, cmyk, lab, deviceN, indexed, pattern, XYZ
}

public func CGColorSpaceCreateDeviceRGB() -> CGColorSpace { fatalError() }
public func CGColorSpaceUsesITUR_2100TF(_ space: CGColorSpace) -> Bool { fatalError() }

public enum CGImageAlphaInfo: UInt32, Sendable {
  case none, premultipliedLast, premultipliedFirst, last, first, noneSkipLast, noneSkipFirst
  case alphaOnly
}

public struct CGBitmapInfo: OptionSet, Sendable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  public static let byteOrder16Little = CGBitmapInfo(rawValue: 1 << 12)
}

public final class CGImage {
  public var width: Int { fatalError() }
  public var height: Int { fatalError() }
  public var bitsPerComponent: Int { fatalError() }
  public var alphaInfo: CGImageAlphaInfo { fatalError() }
  public var colorSpace: CGColorSpace? { fatalError() }
}
