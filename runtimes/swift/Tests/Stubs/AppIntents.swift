// swift-format-ignore-file
// (the names are Apple's)

// Hand-written declarations of the part of App Intents that RaliKit uses, from Apple's documentation.
import Foundation

public struct LocalizedStringResource: ExpressibleByStringLiteral, Sendable {
  public init(stringLiteral value: String) {}
}

public struct IntentDescription: Sendable {
  public init(_ descriptionText: LocalizedStringResource) {}
}

public struct IntentFile: Sendable {
  public var data: Data { fatalError() }
  public var filename: String { fatalError() }
}

public protocol IntentResult: Sendable {}
public protocol ReturnsValue<Value> {
  associatedtype Value: Sendable
}

public struct IntentResultContainer<Value: Sendable>: IntentResult, ReturnsValue {}

extension IntentResult {
  public static func result<Value: Sendable>(
    value: Value
  ) -> IntentResultContainer<Value> where Self == IntentResultContainer<Value> { fatalError() }
}

public protocol PersistentlyIdentifiable {}

public protocol AppIntent: PersistentlyIdentifiable, Sendable {
  associatedtype PerformResult: IntentResult
  static var title: LocalizedStringResource { get }
  static var description: IntentDescription? { get }
  init()
  func perform() async throws -> PerformResult
}

extension AppIntent {
  public static var description: IntentDescription? { nil }
}

@propertyWrapper
public final class IntentParameter<Value: Sendable>: @unchecked Sendable {
  public init(title: LocalizedStringResource) {}
  public var wrappedValue: Value {
    get { fatalError() }
    set { fatalError() }
  }
}

extension AppIntent {
  public typealias Parameter = IntentParameter
}

@propertyWrapper
public final class AppDependency<Value: Sendable>: @unchecked Sendable {
  public init() {}
  public var wrappedValue: Value { fatalError() }
}

extension AppIntent {
  public typealias Dependency = AppDependency
}
