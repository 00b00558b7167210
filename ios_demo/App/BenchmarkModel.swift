import DemoLogic
import Foundation
import Observation
import RaliCore
import RaliKit

/// Runs the benchmark and keeps its records as a file.
@MainActor @Observable
final class BenchmarkModel {
  enum State {
    case idle
    /// Opening models and making the photo.
    case preparing
    case running(Double)
    case done([UnitMeasurement])
    case failed(String)
  }

  private(set) var state = State.idle
  /// Record lines of this run, to share.
  private(set) var file: URL?
  /// Operations by device, for each unit's record name.
  private(set) var residency: [String: [String: Int]] = [:]
  @ObservationIgnored private var work: Task<Void, Never>?

  func run(_ package: URL, units: [ComputeUnits], plan: BenchmarkPlan) {
    work?.cancel()
    (state, file, residency) = (.preparing, nil, [:])
    work = Task {
      do {
        state = .done(try await measure(package, units: units, plan: plan))
      } catch is CancellationError {
        state = .idle
      } catch {
        state = .failed(error.localizedDescription)
      }
    }
  }

  func stop() { work?.cancel() }

  private func measure(
    _ package: URL, units: [ComputeUnits], plan: BenchmarkPlan
  ) async throws -> [UnitMeasurement] {
    let large = try await LargePhoto.make()
    var scorers: [RaliScorer] = []
    var subjects: [any BenchmarkSubject] = []
    for unit in units {
      let scorer = try await RaliScorer(
        modelAt: package, configuration: .init(computeUnits: unit, acceleratorCheck: .never))
      scorers.append(scorer)
      subjects.append(try ScorerSubject(scorer, unit: unit.recordName, large: large))
      residency[unit.recordName] = await ComputePlan.residency(package, units: unit)
    }
    let (shares, tell) = AsyncStream<Double>.makeStream(bufferingPolicy: .bufferingNewest(1))
    let showing = Task { for await share in shares { state = .running(share) } }
    defer { showing.cancel() }
    let benchmark = Benchmark(plan: plan, state: { DeviceProbe.state() })
    let measured = try await benchmark.run(subjects) { tell.yield($0) }
    file = try write(measured, of: scorers, plan: plan)
    for scorer in scorers { await scorer.close() }
    return measured
  }

  private func write(
    _ measured: [UnitMeasurement], of scorers: [RaliScorer], plan: BenchmarkPlan
  ) throws -> URL {
    let now = Date()
    let run = "ios-\(now.formatted(.iso8601))"
    let device = DeviceProbe.device()
    var lines = ""
    for (measurement, scorer) in zip(measured, scorers) {
      let format = scorer.model.format == "aimodel" ? "coreai" : "coreml"
      let record = BenchmarkRecord(
        model: .init(
          facts: scorer.facts, hash: scorer.model.hash, bytes: scorer.model.bytes, format: format),
        device: device, plan: plan, runtime: (format, device.system),
        residency: residency[measurement.unit] ?? [:], run: run, time: now)
      lines += try record.line(measurement)
    }
    let name = run.replacing(":", with: "-") + ".jsonl"
    let file = FileManager.default.temporaryDirectory.appending(path: name)
    try Data(lines.utf8).write(to: file)
    return file
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
