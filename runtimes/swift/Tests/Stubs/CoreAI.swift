// swift-format-ignore-file
// (the names are Apple's)

// Hand-written declarations of the part of Core AI (iOS 27) that RaliKit uses, from Apple's
// documentation. Enough to compile against off a Mac; nothing here computes.
import Foundation

public enum ComputeUnitKind: Sendable {
  case cpu, gpu, neuralEngine
}

public struct SpecializationOptions: Sendable {
  public static let `default` = SpecializationOptions(preferredComputeUnitKind: .neuralEngine)
  public static let cpuOnly = SpecializationOptions(preferredComputeUnitKind: .cpu)
  public init(preferredComputeUnitKind: ComputeUnitKind) {}
}

/// The standard library's from Swift 6.2 on.
public struct Span<Element> {
  public var count: Int { fatalError() }
  public subscript(index: Int) -> Element { fatalError() }
}

public struct NDArray {
  public enum ScalarType: Sendable {
    case uint8, float16, bfloat16, float32
  }
  public struct RawView {
    public func withUnsafeBytes<R, E: Error>(
      _ body: (UnsafeRawPointer, Span<Int>, Span<Int>) throws(E) -> R
    ) throws(E) -> R { fatalError() }
  }
  public struct MutableRawView: ~Copyable {
    public func withUnsafeMutableBytes<R, E: Error>(
      _ body: (UnsafeMutableRawPointer, Span<Int>, Span<Int>) throws(E) -> R
    ) throws(E) -> R { fatalError() }
  }
  public init(descriptor: NDArrayDescriptor) { fatalError() }
  public var scalarType: ScalarType { fatalError() }
  public func rawView() -> RawView { fatalError() }
  public mutating func mutableRawView() -> MutableRawView { fatalError() }
}

public struct NDArrayDescriptor: Sendable {
  public var shape: [Int] { fatalError() }
  public var scalarType: NDArray.ScalarType { fatalError() }
}

public struct InferenceValue: ~Copyable {
  public enum Descriptor: Sendable {
    case ndArray(NDArrayDescriptor)
    case pixelBuffer
  }
  public var ndArray: NDArray? { consuming get { fatalError() } }
}

public struct InferenceFunctionDescriptor: Sendable {
  public var inputNames: [String] { fatalError() }
  public var outputNames: [String] { fatalError() }
  public func inputDescriptor(of name: String) -> InferenceValue.Descriptor? { fatalError() }
  public func outputDescriptor(of name: String) -> InferenceValue.Descriptor? { fatalError() }
}

public struct InferenceFunction: Sendable {
  public struct MutableViews: ~Copyable {
    public init() {}
  }
  public struct Outputs: ~Copyable {
    public mutating func remove(_ outputName: String) -> InferenceValue? { fatalError() }
  }
  public var descriptor: InferenceFunctionDescriptor { fatalError() }
  public func run(
    inputs: [String: NDArray], states: consuming MutableViews = MutableViews(),
    outputViews: consuming MutableViews = MutableViews()
  ) async throws -> Outputs { fatalError() }
}

public struct AIModel: Sendable {
  public init(contentsOf url: URL, options: SpecializationOptions = .default) async throws {
    fatalError()
  }
  public func loadFunction(named name: String) throws -> InferenceFunction? { fatalError() }
}
