// Hand-written declarations of the part of UIKit (and of Foundation on Apple's systems) that the demo uses.
@_exported import CoreGraphics
@_exported import Foundation

public final class UIImage: Sendable {
  public init(cgImage: CGImage) {}
}
@MainActor open class CALayer {}
@MainActor open class UIView {
  public struct AutoresizingMask: OptionSet, Sendable {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }
    public static let flexibleWidth = AutoresizingMask(rawValue: 2)
    public static let flexibleHeight = AutoresizingMask(rawValue: 16)
  }
  public init() {}
  open class var layerClass: AnyClass { CALayer.self }
  public var layer: CALayer { fatalError() }
  public var frame = CGRect.zero
  public var bounds = CGRect.zero
  public var autoresizingMask: AutoresizingMask = []
  public func addSubview(_ view: UIView) {}
}
@MainActor open class UIViewController {
  public init() {}
  open func viewDidLoad() {}
  public var view: UIView! { fatalError() }
  public var extensionContext: NSExtensionContext? { nil }
  public func addChild(_ child: UIViewController) {}
  public func didMove(toParent parent: UIViewController?) {}
}
@MainActor open class UIScene {}
@MainActor public final class UIWindow: UIView {
  public var rootViewController: UIViewController? { nil }
}
@MainActor public final class UIWindowScene: UIScene {
  public var keyWindow: UIWindow? { nil }
}
@MainActor public final class UIApplication {
  public static var shared: UIApplication { fatalError() }
  public var isIdleTimerDisabled: Bool { get { false } set {} }
  public nonisolated static let openSettingsURLString = ""
  public var connectedScenes: Set<SceneBox> { fatalError() }
}
// UIKit gives a Set<UIScene>; what matters is that it can be cast.
public typealias SceneBox = AnyHashable
@MainActor public final class UIDevice {
  public static var current: UIDevice { fatalError() }
  public var systemName: String { "" }
  public var systemVersion: String { "" }
}
@MainActor public final class NSExtensionContext {
  public var inputItems: [Any] { [] }
  public func completeRequest(
    returningItems items: [Any]?, completionHandler: (@Sendable (Bool) -> Void)? = nil
  ) {}
}
@MainActor public final class NSExtensionItem {
  public var attachments: [NSItemProvider]? { nil }
}
public final class NSItemProvider: @unchecked Sendable {
  public func hasItemConformingToTypeIdentifier(_ identifier: String) -> Bool { false }
  public func loadFileRepresentation(
    forTypeIdentifier: String,
    completionHandler: @escaping @Sendable (URL?, (any Error)?) -> Void
  ) -> Progress { fatalError() }
}
