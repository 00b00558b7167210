// Hand-written declarations of the part of SwiftUI that the demo uses, from Apple's documentation: enough to
// type-check its views off a Mac. Nothing here draws. Titles take strings alone, as the demo's texts come
// from one place: a literal that SwiftUI would look up does not compile.
@_exported import CoreGraphics
@_exported import CoreTransferable
import Foundation
@_exported import Observation
@_exported import UIKit
import UniformTypeIdentifiers

// MARK: What a view is

@MainActor @preconcurrency
public protocol View {
  associatedtype Body: View
  @ViewBuilder @MainActor @preconcurrency var body: Self.Body { get }
}

extension Never: View {
  public var body: Never { fatalError() }
}

@MainActor @preconcurrency
public protocol PrimitiveView: View where Body == Never {}
extension PrimitiveView {
  public var body: Never { fatalError() }
}

@resultBuilder
@MainActor
public struct ViewBuilder {
  public static func buildExpression<Content: View>(_ content: Content) -> Content { content }
  public static func buildBlock() -> EmptyView { EmptyView() }
  public static func buildBlock<Content: View>(_ content: Content) -> Content { content }
  public static func buildBlock<each Content: View>(
    _ content: repeat each Content
  ) -> TupleView<(repeat each Content)> { TupleView() }
  public static func buildIf<Content: View>(_ content: Content?) -> Content? { content }
  public static func buildEither<A: View, B: View>(first: A) -> ConditionalContent<A, B> {
    ConditionalContent()
  }
  public static func buildEither<A: View, B: View>(second: B) -> ConditionalContent<A, B> {
    ConditionalContent()
  }
}

extension Optional: View where Wrapped: View {
  public var body: Never { fatalError() }
}
public struct TupleView<Content>: PrimitiveView {}
public struct ConditionalContent<A: View, B: View>: PrimitiveView {}
public struct EmptyView: PrimitiveView {
  public init() {}
}

// MARK: App and scenes

@MainActor @preconcurrency
public protocol Scene {}
@resultBuilder
public struct SceneBuilder {
  public static func buildBlock<Content: Scene>(_ content: Content) -> Content { content }
}
@MainActor @preconcurrency
public protocol App {
  associatedtype Content: Scene
  @SceneBuilder @MainActor @preconcurrency var body: Content { get }
  init()
}
extension App {
  public static func main() {}
}
public struct WindowGroup<Content: View>: Scene {
  public init(@ViewBuilder content: () -> Content) {}
}

// MARK: State

@propertyWrapper
public struct State<Value> {
  public init(wrappedValue: Value) {}
  public init() where Value: ExpressibleByNilLiteral {}
  public var wrappedValue: Value {
    get { fatalError() }
    nonmutating set {}
  }
  public var projectedValue: Binding<Value> { fatalError() }
}

@propertyWrapper @dynamicMemberLookup
public struct Binding<Value> {
  public init(get: @escaping () -> Value, set: @escaping (Value) -> Void) {}
  public static func constant(_ value: Value) -> Binding<Value> { fatalError() }
  public var wrappedValue: Value {
    get { fatalError() }
    nonmutating set {}
  }
  public var projectedValue: Binding<Value> { self }
  public subscript<Member>(
    dynamicMember path: WritableKeyPath<Value, Member>
  ) -> Binding<Member> { fatalError() }
}

@propertyWrapper @dynamicMemberLookup
public struct Bindable<Value> {
  public init(wrappedValue: Value) where Value: Observable & AnyObject {}
  public var wrappedValue: Value {
    get { fatalError() }
    set {}
  }
  public var projectedValue: Bindable<Value> { self }
  public subscript<Member>(
    dynamicMember path: ReferenceWritableKeyPath<Value, Member>
  ) -> Binding<Member> { fatalError() }
}

@propertyWrapper
public struct Environment<Value> {
  public init(_ path: KeyPath<EnvironmentValues, Value>) {}
  public var wrappedValue: Value { fatalError() }
}

public struct EnvironmentValues {
  public var dynamicTypeSize: DynamicTypeSize { fatalError() }
  public var scenePhase: ScenePhase { fatalError() }
  @MainActor public var dismiss: DismissAction { fatalError() }
}
public enum DynamicTypeSize: Sendable {
  case large
  public var isAccessibilitySize: Bool { false }
}
public enum ScenePhase: Sendable { case background, inactive, active }
@MainActor public struct DismissAction {
  public func callAsFunction() {}
}

// MARK: Styles

public protocol ShapeStyle: Sendable {}
public struct Color: ShapeStyle, PrimitiveView, Hashable {
  public init(_ name: String) {}
  public static var accentColor: Color { Color("") }
  public static var clear: Color { Color("") }
}
public struct Font: Sendable {
  public static var largeTitle: Font { Font() }
  public static var title3: Font { Font() }
  public static var headline: Font { Font() }
  public static var subheadline: Font { Font() }
  public static var caption: Font { Font() }
  public static var caption2: Font { Font() }
}
@MainActor @preconcurrency
public protocol PrimitiveButtonStyle {}
public struct PlainButtonStyle: PrimitiveButtonStyle {}
public struct BorderedButtonStyle: PrimitiveButtonStyle {}
public struct BorderedProminentButtonStyle: PrimitiveButtonStyle {}
extension PrimitiveButtonStyle where Self == PlainButtonStyle {
  public static var plain: Self { PlainButtonStyle() }
}
extension PrimitiveButtonStyle where Self == BorderedButtonStyle {
  public static var bordered: Self { BorderedButtonStyle() }
}
extension PrimitiveButtonStyle where Self == BorderedProminentButtonStyle {
  public static var borderedProminent: Self { BorderedProminentButtonStyle() }
}
@MainActor @preconcurrency
public protocol PickerStyle {}
public struct InlinePickerStyle: PickerStyle {}
extension PickerStyle where Self == InlinePickerStyle {
  public static var inline: Self { InlinePickerStyle() }
}
public enum HorizontalAlignment: Sendable { case leading, center, trailing }
public enum VerticalAlignment: Sendable { case top, center, bottom }
public enum Alignment: Sendable { case leading, center, trailing }
public enum ContentMode: Sendable { case fit, fill }
public struct Edge: Sendable {
  public struct Set: OptionSet, Sendable {
    public let rawValue: Int8
    public init(rawValue: Int8) { self.rawValue = rawValue }
    public static let all = Set(rawValue: 3)
    public static let horizontal = Set(rawValue: 1)
  }
}
public struct Axis: Sendable {
  public struct Set: OptionSet, Sendable {
    public let rawValue: Int8
    public init(rawValue: Int8) { self.rawValue = rawValue }
    public static let horizontal = Set(rawValue: 1)
    public static let vertical = Set(rawValue: 2)
  }
}
public struct EdgeInsets: Sendable {
  public init() {}
}
public struct AccessibilityTraits: Sendable, ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: AccessibilityTraits...) {}
  public static let isSelected: AccessibilityTraits = []
  public static let updatesFrequently: AccessibilityTraits = []
}
public enum AccessibilityChildBehavior: Sendable { case ignore, contain, combine }
public struct ButtonRole: Sendable {
  public static let destructive = ButtonRole()
  public static let cancel = ButtonRole()
}

// MARK: Shapes and pictures

@MainActor @preconcurrency
public protocol Shape: View {}
extension Shape {
  public func fill(_ content: some ShapeStyle) -> some View { self }
}
public struct Rectangle: Shape, PrimitiveView {
  public init() {}
}
public struct RoundedRectangle: Shape, PrimitiveView {
  public init(cornerRadius: CGFloat) {}
  public func strokeBorder(_ content: some ShapeStyle, lineWidth: CGFloat = 1) -> some View { self }
}
public struct Image: PrimitiveView {
  public init(systemName: String) {}
  public init(uiImage: UIImage) {}
  public func resizable() -> Image { self }
}
public struct Text: PrimitiveView {
  public init(_ content: String) {}
  public init(verbatim: String) {}
  public enum TruncationMode: Sendable { case head, tail, middle }
}
public struct Label: PrimitiveView {
  public init(_ title: String, systemImage: String) {}
}
public struct Spacer: PrimitiveView {
  public init(minLength: CGFloat? = nil) {}
}

// MARK: Layout

public struct HStack<Content: View>: PrimitiveView {
  public init(
    alignment: VerticalAlignment = .center, spacing: CGFloat? = nil,
    @ViewBuilder content: () -> Content
  ) {}
}
public struct VStack<Content: View>: PrimitiveView {
  public init(
    alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil,
    @ViewBuilder content: () -> Content
  ) {}
}
public protocol Layout: Sendable {}
public struct HStackLayout: Layout {
  public init(alignment: VerticalAlignment = .center, spacing: CGFloat? = nil) {}
}
public struct VStackLayout: Layout {
  public init(alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil) {}
}
public struct AnyLayout: Layout {
  public init(_ layout: some Layout) {}
  @MainActor public func callAsFunction(@ViewBuilder _ content: () -> some View) -> some View {
    content()
  }
}
public struct GridItem: Sendable {
  public enum Size: Sendable {
    case fixed(CGFloat)
    case adaptive(minimum: CGFloat, maximum: CGFloat = .infinity)
  }
  public init(_ size: Size = .fixed(1), spacing: CGFloat? = nil, alignment: Alignment? = nil) {}
}
public struct LazyVGrid<Content: View>: PrimitiveView {
  public init(columns: [GridItem], spacing: CGFloat? = nil, @ViewBuilder content: () -> Content) {}
}
public struct ScrollView<Content: View>: PrimitiveView {
  public init(_ axes: Axis.Set = .vertical, @ViewBuilder content: () -> Content) {}
}
public struct List<Content: View>: PrimitiveView {
  public init(@ViewBuilder content: () -> Content) {}
}
public struct Form<Content: View>: PrimitiveView {
  public init(@ViewBuilder content: () -> Content) {}
}
public struct Section<Content: View>: PrimitiveView {
  public init(@ViewBuilder content: () -> Content) {}
  public init(_ title: String, @ViewBuilder content: () -> Content) {}
}
public struct ForEach<Data: RandomAccessCollection, ID: Hashable, Content: View>: PrimitiveView {
  public init(_ data: Data, @ViewBuilder content: @escaping (Data.Element) -> Content)
  where Data.Element: Identifiable, ID == Data.Element.ID {}
  public init(
    _ data: Data, id: KeyPath<Data.Element, ID>,
    @ViewBuilder content: @escaping (Data.Element) -> Content
  ) {}
}
public struct TabView<Content: View>: PrimitiveView {
  public init(@ViewBuilder content: () -> Content) {}
}
public struct NavigationStack<Content: View>: PrimitiveView {
  public init(@ViewBuilder root: () -> Content) {}
}
public struct LabeledContent<Content: View>: PrimitiveView {
  public init(_ title: String, @ViewBuilder content: () -> Content) {}
}
extension LabeledContent where Content == Text {
  public init(_ title: String, value: String) {}
}
public struct ContentUnavailableView<A: View, B: View, C: View>: PrimitiveView {
  public init(
    @ViewBuilder label: () -> A, @ViewBuilder description: () -> B, @ViewBuilder actions: () -> C
  ) {}
}

// MARK: Controls

public struct Button<Content: View>: PrimitiveView {
  public init(action: @escaping @MainActor () -> Void, @ViewBuilder label: () -> Content) {}
}
extension Button where Content == Label {
  public init(_ title: String, systemImage: String, action: @escaping @MainActor () -> Void) {}
}
extension Button where Content == Text {
  public init(_ title: String, action: @escaping @MainActor () -> Void) {}
  public init(_ title: String, role: ButtonRole?, action: @escaping @MainActor () -> Void) {}
}
public struct NavigationLink<Content: View, Destination: View>: PrimitiveView {
  public init(@ViewBuilder destination: () -> Destination, @ViewBuilder label: () -> Content) {}
}
extension NavigationLink where Content == Text {
  public init(_ title: String, @ViewBuilder destination: () -> Destination) {}
}
public struct Toggle: PrimitiveView {
  public init(_ title: String, isOn: Binding<Bool>) {}
}
public struct Slider<Content: View>: PrimitiveView {
  public init<Value: BinaryFloatingPoint>(
    value: Binding<Value>, in bounds: ClosedRange<Value>, @ViewBuilder label: () -> Content
  ) {}
}
public struct Picker<Selection: Hashable, Content: View>: PrimitiveView {
  public init(_ title: String, selection: Binding<Selection>, @ViewBuilder content: () -> Content) {
  }
}
public struct Menu<Content: View>: PrimitiveView {
  public init(_ title: String, systemImage: String, @ViewBuilder content: () -> Content) {}
}
public struct Link: PrimitiveView {
  public init(_ title: String, destination: URL) {}
}
public struct ShareLink: PrimitiveView {
  public init(item: URL) {}
  public init(_ title: String, item: URL) {}
}
public struct ProgressView: PrimitiveView {
  public init() {}
  public init(_ title: String) {}
  public init<Value: BinaryFloatingPoint>(value: Value?, total: Value = 1.0) {}
}

// MARK: Toolbars

public struct ToolbarItemPlacement: Sendable {
  public static let primaryAction = ToolbarItemPlacement()
  public static let confirmationAction = ToolbarItemPlacement()
  public static let cancellationAction = ToolbarItemPlacement()
  public static let bottomBar = ToolbarItemPlacement()
}
@MainActor @preconcurrency
public protocol ToolbarContent {}
public struct ToolbarItem<Content: View>: ToolbarContent {
  public init(placement: ToolbarItemPlacement, @ViewBuilder content: () -> Content) {}
}
public struct ToolbarItemGroup<Content: View>: ToolbarContent {
  public init(placement: ToolbarItemPlacement, @ViewBuilder content: () -> Content) {}
}
public struct ToolbarTuple<Content>: ToolbarContent {}
@resultBuilder
@MainActor
public struct ToolbarContentBuilder {
  public static func buildBlock<Content: ToolbarContent>(_ content: Content) -> Content { content }
  public static func buildBlock<each Content: ToolbarContent>(
    _ content: repeat each Content
  ) -> ToolbarTuple<(repeat each Content)> { ToolbarTuple() }
}
public enum NavigationBarTitleDisplayMode: Sendable { case automatic, inline, large }

// MARK: Modifiers

extension View {
  public func overlay(@ViewBuilder content: () -> some View) -> some View { self }
  public func background(_ style: some ShapeStyle) -> some View { self }
  public func clipped() -> some View { self }
  public func clipShape(_ shape: some Shape) -> some View { self }
  public func scaledToFit() -> some View { self }
  public func aspectRatio(_ ratio: CGFloat?, contentMode: ContentMode) -> some View { self }
  public func frame(width: CGFloat, height: CGFloat) -> some View { self }
  public func frame(maxWidth: CGFloat, alignment: Alignment = .center) -> some View { self }
  public func padding(_ length: CGFloat) -> some View { self }
  public func padding(_ edges: Edge.Set = .all, _ length: CGFloat? = nil) -> some View { self }
  public func font(_ font: Font?) -> some View { self }
  public func monospacedDigit() -> some View { self }
  public func lineLimit(_ number: Int?) -> some View { self }
  public func truncationMode(_ mode: Text.TruncationMode) -> some View { self }
  public func foregroundStyle(_ style: some ShapeStyle) -> some View { self }
  public func tint(_ tint: Color?) -> some View { self }
  public func buttonStyle(_ style: some PrimitiveButtonStyle) -> some View { self }
  public func pickerStyle(_ style: some PickerStyle) -> some View { self }
  public func labelsHidden() -> some View { self }
  public func disabled(_ disabled: Bool) -> some View { self }
  public func tag(_ tag: some Hashable) -> some View { self }
  public func listRowInsets(_ insets: EdgeInsets?) -> some View { self }
  public func tabItem(@ViewBuilder _ label: () -> some View) -> some View { self }
  public func navigationTitle(_ title: String) -> some View { self }
  public func navigationBarTitleDisplayMode(
    _ mode: NavigationBarTitleDisplayMode
  ) -> some View { self }
  public func toolbar(@ToolbarContentBuilder content: () -> some ToolbarContent) -> some View {
    self
  }
  public func searchable(text: Binding<String>, prompt: String) -> some View { self }
  public func sheet(
    isPresented: Binding<Bool>, @ViewBuilder content: @escaping () -> some View
  ) -> some View { self }
  public func alert(
    _ title: String, isPresented: Binding<Bool>, @ViewBuilder actions: () -> some View
  ) -> some View { self }
  public func fileImporter(
    isPresented: Binding<Bool>, allowedContentTypes: [UTType],
    onCompletion: @escaping (Result<URL, any Error>) -> Void
  ) -> some View { self }
  public func task(
    @_inheritActorContext _ action: @escaping @Sendable () async -> Void
  ) -> some View { self }
  public func task(
    id: some Equatable, @_inheritActorContext _ action: @escaping @Sendable () async -> Void
  ) -> some View { self }
  public func onDisappear(perform action: @escaping @MainActor () -> Void) -> some View { self }
  public func onChange(of value: some Equatable, _ action: @escaping @MainActor () -> Void)
    -> some View
  { self }
  public func accessibilityHidden(_ hidden: Bool) -> some View { self }
  public func accessibilityLabel(_ label: String) -> some View { self }
  public func accessibilityValue(_ value: String) -> some View { self }
  public func accessibilityElement(children: AccessibilityChildBehavior) -> some View { self }
  public func accessibilityAddTraits(_ traits: AccessibilityTraits) -> some View { self }
}

// MARK: UIKit

@MainActor @preconcurrency
public protocol UIViewRepresentable: View where Body == Never {
  associatedtype UIViewType: UIView
  typealias Context = UIViewRepresentableContext<Self>
  func makeUIView(context: Context) -> UIViewType
  func updateUIView(_ uiView: UIViewType, context: Context)
}
extension UIViewRepresentable {
  public var body: Never { fatalError() }
}
public struct UIViewRepresentableContext<Representable> {}
open class UIHostingController<Content: View>: UIViewController {
  public init(rootView: Content) {}
}
