import DemoLogic
import Foundation
import Observation
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
    let run = "ios-\(Date().formatted(.iso8601))"
    let session = BenchmarkSession(package: package, units: units, plan: plan, run: run)
    let (shares, tell) = AsyncStream<Double>.makeStream(bufferingPolicy: .bufferingNewest(1))
    let showing = Task { for await share in shares { state = .running(share) } }
    defer { showing.cancel() }
    let outcome = try await session.measure { tell.yield($0) }
    residency = outcome.residency
    let name = run.replacing(":", with: "-") + ".jsonl"
    let place = FileManager.default.temporaryDirectory.appending(path: name)
    try Data(outcome.lines.utf8).write(to: place)
    file = place
    return outcome.measured
  }
}
