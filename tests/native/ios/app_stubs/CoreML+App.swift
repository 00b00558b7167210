// What the demo uses of Core ML beside what RaliKit does: where operations are planned.
import Foundation

public enum MLComputeDevice: Sendable {
  case cpu(Int)
  case gpu(Int)
  case neuralEngine(Int)
}
public final class MLModelStructure {
  public struct Program: Sendable {
    public struct Operation: Sendable {
      public var operatorName: String { "" }
    }
    public struct Block: Sendable {
      public var operations: [Operation] { [] }
    }
    public struct Function: Sendable {
      public var block: Block { fatalError() }
    }
    public var functions: [String: Function] { [:] }
  }
}
public enum MLModelStructureKind: Sendable {
  case neuralNetwork
  case program(MLModelStructure.Program)
  case pipeline
  case unsupported
}
public final class MLComputePlan: Sendable {
  public struct DeviceUsage {
    public var preferred: MLComputeDevice { fatalError() }
  }
  public static func load(
    contentsOf url: URL, configuration: MLModelConfiguration
  ) async throws -> MLComputePlan { fatalError() }
  public var modelStructure: MLModelStructureKind { fatalError() }
  public func deviceUsage(for operation: MLModelStructure.Program.Operation) -> DeviceUsage? { nil }
}
