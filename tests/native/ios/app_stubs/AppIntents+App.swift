// What the demo uses of App Intents beside what RaliKit does.
public final class AppDependencyManager: Sendable {
  public static let shared = AppDependencyManager()
  public func add<Dependency: Sendable>(
    key: String? = nil, dependency: @autoclosure @escaping @Sendable () -> Dependency
  ) {}
}
