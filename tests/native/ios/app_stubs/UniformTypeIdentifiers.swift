// Hand-written declarations of the part of Uniform Type Identifiers that the demo uses.
import Foundation

public struct UTType: Sendable, Hashable {
  public init?(filenameExtension: String) { nil }
  private init() {}
  public var identifier: String { "" }
  public static var image: UTType { UTType() }
  public static var jpeg: UTType { UTType() }
  public static var package: UTType { UTType() }
  public static var folder: UTType { UTType() }
}
