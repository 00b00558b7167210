import Foundation

/// Which files a person may open as a model.
public enum PickedFile: Sendable, Equatable {
  case coreML
  case coreAI
  /// Core ML's compiled form: its digest cannot be checked any more.
  case compiled
  /// A model for another runtime, by its suffix.
  case foreign(String)

  public init(_ file: URL) {
    switch file.pathExtension.lowercased() {
    case "mlpackage": self = .coreML
    case "aimodel": self = .coreAI
    case "mlmodelc": self = .compiled
    case let other: self = .foreign(other)
    }
  }

  public var opens: Bool { self == .coreML || self == .coreAI }
}
