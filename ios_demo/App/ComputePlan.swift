import CoreML
import DemoLogic
import Foundation
import RaliKit

/// Where Core ML means to run a model's operations: what it plans, not what it measured.
enum ComputePlan {
  /// Operations by device: `cpu`, `gpu`, `neural_engine`, `unknown`; empty where the system does not
  /// tell (before iOS 17.4, or a model that is no ML program).
  static func residency(_ package: URL, units: ComputeUnits) async -> [String: Int] {
    guard #available(iOS 17.4, macOS 14.4, *), package.pathExtension == "mlpackage" else {
      return [:]
    }
    do {
      let compiled = try await MLModel.compileModel(at: package)
      defer { try? FileManager.default.removeItem(at: compiled) }
      let configuration = MLModelConfiguration()
      configuration.computeUnits = coreML(units)
      let plan = try await MLComputePlan.load(contentsOf: compiled, configuration: configuration)
      guard case .program(let program) = plan.modelStructure, let main = program.functions["main"]
      else { return [:] }
      var counts: [String: Int] = [:]
      // Constants are no work: the plan names no device for them.
      for operation in main.block.operations where operation.operatorName != "const" {
        let usage = plan.deviceUsage(for: operation)
        counts[usage.map { name($0.preferred) } ?? "unknown", default: 0] += 1
      }
      return counts
    } catch {
      return [:]
    }
  }

  private static func coreML(_ units: ComputeUnits) -> MLComputeUnits {
    switch units {
    case .all: .all
    case .cpuOnly: .cpuOnly
    case .cpuAndGPU: .cpuAndGPU
    case .cpuAndNeuralEngine: .cpuAndNeuralEngine
    }
  }

  @available(iOS 17.4, macOS 14.4, *)
  private static func name(_ device: MLComputeDevice) -> String {
    switch device {
    case .cpu: "cpu"
    case .gpu: "gpu"
    case .neuralEngine: "neural_engine"
    @unknown default: "unknown"
    }
  }
}
