import Foundation

/// Whatever this package refuses: one clear sentence of what was expected, what came and what to do.
public protocol RaliError: LocalizedError, CustomStringConvertible, Sendable {
  /// The sentence.
  var message: String { get }
}

extension RaliError {
  public var errorDescription: String? { message }
  public var description: String { message }
}

/// The model file is foreign, damaged, of another schema, or does not fit its facts.
public struct ModelError: RaliError, Equatable {
  public let message: String
  public init(_ message: String) { self.message = message }
}

/// This photo cannot be read or scored; the others can.
public struct PhotoError: RaliError, Equatable {
  public let message: String
  public init(_ message: String) { self.message = message }
}

/// What runs the model is missing on this device, or refuses to start.
public struct RuntimeLoadError: RaliError, Equatable {
  public let message: String
  public init(_ message: String) { self.message = message }
}

/// The caller's mistake: a closed scorer, an unknown option, wrong shapes.
public struct UsageError: RaliError, Equatable {
  public let message: String
  public init(_ message: String) { self.message = message }
}
