// What the demo uses of Core Video beside what RaliKit does.
import CoreGraphics
public var kCVPixelBufferPixelFormatTypeKey: CFString { "" }
