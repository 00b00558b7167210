import Foundation
import RaliCore

@testable import DemoLogic

/// A score on the scale 1 to 5, with the reasons that are named and their values.
func score(
  _ value: Double, reasons: KeyValuePairs<String, Double> = [:], tieWidth: Double? = 0.25,
  embedding: [Float]? = nil
) -> Score {
  Score(
    value: value, minimum: 1, maximum: 5, tieWidth: tieWidth,
    reasons: reasons.filter { $0.value >= 0.5 }.map {
      Reason(id: $0.key, words: $0.key, value: $0.value)
    },
    reasonValues: reasons.map { ReasonValue(id: $0.key, value: $0.value) },
    embedding: embedding, width: 40, height: 30)
}

func photo(_ id: String, at seconds: Double? = nil) -> PhotoInfo {
  PhotoInfo(
    id: id, name: "\(id).jpg", takenAt: seconds.map { Date(timeIntervalSince1970: $0) })
}

func entry(_ id: String, _ value: Double, reasons: KeyValuePairs<String, Double> = [:]) -> Entry {
  Entry(photo: photo(id), outcome: .scored(score(value, reasons: reasons)))
}

func failure(_ id: String) -> Entry {
  Entry(photo: photo(id), outcome: .failed("\(id) is cut off: make it anew"))
}

/// A folder of its own that is gone afterwards.
func withFolder<Value>(_ work: (URL) async throws -> Value) async throws -> Value {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("demologic-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try await work(folder)
}

extension LibraryScan {
  /// Wait until the scan stands where `reached` says.
  func wait(until reached: @Sendable (Snapshot) -> Bool) async throws {
    let end = ContinuousClock.now + .seconds(300)
    while !reached(snapshot) {
      guard ContinuousClock.now < end else { throw Late(snapshot: snapshot) }
      try await Task.sleep(for: .milliseconds(5))
    }
  }
}

struct Late: Error {
  let snapshot: LibraryScan.Snapshot
}
