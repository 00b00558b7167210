// What the demo uses of Core Graphics beside what RaliKit does.
import Foundation

public typealias CFURL = NSURL
public final class CGDataProvider {
  public init?(data: CFData) {}
}
public enum CGColorRenderingIntent: Int32, Sendable { case defaultIntent }
extension CGImage {
  public convenience init?(
    width: Int, height: Int, bitsPerComponent: Int, bitsPerPixel: Int, bytesPerRow: Int,
    space: CGColorSpace, bitmapInfo: CGBitmapInfo, provider: CGDataProvider,
    decode: UnsafePointer<CGFloat>?, shouldInterpolate: Bool, intent: CGColorRenderingIntent
  ) { nil }
}
