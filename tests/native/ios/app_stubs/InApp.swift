// Compiled with the app: what Foundation has on Apple's systems alone, and the casts between its types and
// Core Foundation's and the sort by a property's name, which the check writes as calls.
import CoreGraphics
import Foundation

func sortDescriptor(key: String, ascending: Bool) -> NSSortDescriptor { fatalError() }
func bridged<From, To>(_ value: From) -> To { fatalError() }

extension String {
  struct LocalizationValue: ExpressibleByStringInterpolation {
    struct StringInterpolation: StringInterpolationProtocol {
      init(literalCapacity: Int, interpolationCount: Int) {}
      mutating func appendLiteral(_ literal: String) {}
      mutating func appendInterpolation(_ value: Int) {}
      mutating func appendInterpolation(_ value: String) {}
    }
    init(stringLiteral value: String) {}
    init(stringInterpolation: StringInterpolation) {}
  }
  init(localized key: StaticString, defaultValue: LocalizationValue) { fatalError() }
}
extension ProcessInfo {
  enum ThermalState: Int, Sendable { case nominal, fair, serious, critical }
  var thermalState: ThermalState { .nominal }
  var isLowPowerModeEnabled: Bool { false }
  static var thermalStateDidChangeNotification: Notification.Name { fatalError() }
}
extension Notification.Name {
  static var NSProcessInfoPowerStateDidChange: Notification.Name { fatalError() }
}
extension NotificationCenter {
  func notifications(named name: Notification.Name) -> AsyncStream<Void> { fatalError() }
}
extension URL {
  static var applicationSupportDirectory: URL { fatalError() }
  static var documentsDirectory: URL { fatalError() }
  func startAccessingSecurityScopedResource() -> Bool { false }
  func stopAccessingSecurityScopedResource() {}
}
