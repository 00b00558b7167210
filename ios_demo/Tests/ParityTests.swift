import Foundation
import RaliCore
import RaliKit
import RaliMini
import Testing

@Suite("On this device: the model's scores", .serialized)
struct ParityTests {
  /// Contract: a 16-bit file scores within this of Python.
  private static let limit = 1e-3

  private func open(_ units: ComputeUnits) async throws -> RaliScorer {
    let model = try #require(
      RaliMini.modelURL, "the app has no model: run ios_demo/prepare.sh and build again")
    return try await RaliScorer(
      modelAt: model, configuration: .init(computeUnits: units, acceleratorCheck: .never))
  }

  /// Largest distance from Python over all golden photos that Python scores.
  private func drift(_ scorer: RaliScorer) async throws -> (largest: Double, worst: String) {
    var largest = (largest: 0.0, worst: "")
    for (name, expected) in try Golden.pythonScores() {
      let score = try await scorer.score(try Golden.image(name))
      let apart = abs(score.value - expected)
      if apart > largest.largest { largest = (apart, name) }
    }
    return largest
  }

  @Test("every compute unit gives Python's scores", arguments: ComputeUnits.allCases)
  func units(_ units: ComputeUnits) async throws {
    let scorer = try await open(units)
    let drift = try await drift(scorer)
    print("parity \(units.recordName): largest \(drift.largest) on \(drift.worst)")
    #expect(drift.largest <= Self.limit, "\(units.recordName), \(drift.worst)")
    await scorer.close()
  }

  @Test("the model's own golden scores, off its facts")
  func facts() async throws {
    let scorer = try await open(.cpuOnly)
    #expect(scorer.facts.model.name == "mini")
    #expect(!scorer.facts.golden.isEmpty)
    await scorer.close()
  }

  @Test("a closed scorer refuses, and warming up is said in words")
  func ends() async throws {
    let scorer = try await open(.all)
    #expect(try await scorer.warmUp().seconds > 0)
    await scorer.close()
    let photo = try Golden.image("photo.png")
    await #expect(throws: UsageError.self) { try await scorer.score(photo) }
  }
}
