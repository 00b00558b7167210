import DemoLogic
import Foundation
import RaliCore
import RaliKit

/// One benchmark: a model on its compute units, measured in turns.
struct BenchmarkSession {
  let package: URL
  let units: [ComputeUnits]
  let plan: BenchmarkPlan
  let run: String
  var command = "iOS demo, Benchmark"

  /// What came of it.
  struct Outcome {
    let measured: [UnitMeasurement]
    /// Operations by device, for each unit's record name.
    let residency: [String: [String: Int]]
    /// Sealed records, one a line.
    let lines: String
  }

  /// - Parameter progress: 0 to 1, after each inference.
  /// - Throws: What opening and scoring throw, and `CancellationError`.
  @MainActor
  func measure(progress: @escaping @Sendable (Double) -> Void = { _ in }) async throws -> Outcome {
    let large = try await LargePhoto.make()
    var scorers: [RaliScorer] = []
    var subjects: [any BenchmarkSubject] = []
    var residency: [String: [String: Int]] = [:]
    for unit in units {
      let scorer = try await RaliScorer(
        modelAt: package, configuration: .init(computeUnits: unit, acceleratorCheck: .never))
      scorers.append(scorer)
      subjects.append(try ScorerSubject(scorer, unit: unit.recordName, large: large))
      residency[unit.recordName] = await ComputePlan.residency(package, units: unit)
    }
    let benchmark = Benchmark(plan: plan, state: { DeviceProbe.state() })
    let measured = try await benchmark.run(subjects, progress: progress)
    let lines = try zip(measured, scorers).map { measurement, scorer in
      try record(of: scorer, residency: residency[measurement.unit] ?? [:]).line(measurement)
    }
    for scorer in scorers { await scorer.close() }
    return Outcome(measured: measured, residency: residency, lines: lines.joined())
  }

  @MainActor
  private func record(of scorer: RaliScorer, residency: [String: Int]) -> BenchmarkRecord {
    let device = DeviceProbe.device()
    let format = scorer.model.format == "aimodel" ? "coreai" : "coreml"
    return BenchmarkRecord(
      model: .init(
        facts: scorer.facts, hash: scorer.model.hash, bytes: scorer.model.bytes, format: format),
      device: device, plan: plan, runtime: (format, device.system), residency: residency, run: run,
      time: Date(), command: command)
  }
}

/// A loaded model as the benchmark sees it.
private struct ScorerSubject: BenchmarkSubject {
  let unit: String
  private let scorer: RaliScorer
  private let small: Photo
  private let large: URL

  init(_ scorer: RaliScorer, unit: String, large: URL) throws {
    self.unit = unit
    self.scorer = scorer
    self.large = large
    // It fits the model: what is decoded and resized is next to nothing.
    let edge = scorer.facts.preprocess.shortestEdge ?? scorer.facts.preprocess.size
    let bytes = (0..<edge * edge * 3).map { UInt8(truncatingIfNeeded: $0 % 251) }
    small = try Photo(rgb: bytes, width: edge, height: edge)
  }

  var loadSeconds: Double { scorer.model.loadSeconds }

  func inference() async throws -> Timings { try await scorer.score(small).timings }

  func largePhoto() async throws -> Timings { try await scorer.score(large).timings }
}
