// swift-format-ignore-file
// (the names are Apple's)

// Hand-written declarations of the part of CryptoKit that RaliCore uses, from Apple's documentation.
import Foundation

public struct SHA256Digest: Sequence, Sendable {
  public func makeIterator() -> Array<UInt8>.Iterator { fatalError() }
}

public struct SHA256: Sendable {
  public init() {}
  public mutating func update(bufferPointer: UnsafeRawBufferPointer) {}
  public func finalize() -> SHA256Digest { fatalError() }
}
