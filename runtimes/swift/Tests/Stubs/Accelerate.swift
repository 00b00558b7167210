// swift-format-ignore-file
// (the names are Apple's)

// Hand-written declarations of the part of vImage that RaliKit uses, from Apple's documentation.
import CoreGraphics
import Foundation

public struct vImage_CGImageFormat {
  public init?(
    bitsPerComponent: Int, bitsPerPixel: Int, colorSpace: CGColorSpace, bitmapInfo: CGBitmapInfo
  ) { fatalError() }
}

public struct vImage_Buffer {
  public struct Options: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let noFlags: Options = []
  }
  public var data: UnsafeMutableRawPointer!
  public var height: UInt
  public var width: UInt
  public var rowBytes: Int
  public init(
    cgImage: CGImage, format: vImage_CGImageFormat, flags options: Options = .noFlags
  ) throws { fatalError() }
  public func free() {}
}
