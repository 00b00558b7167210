import Foundation
import RaliCore

/// Accelerators have given wrong outputs without a word, so each is held against the processor on the
/// file's golden photos before its scores are shown: once for a file, a device and a system version.
package struct AcceleratorCheck {
  /// What the check found.
  package struct Verdict: Sendable, Equatable {
    /// Largest difference of a score from the processor's.
    package let largest: Double
    /// The photo where it was.
    package let photo: String
    package let agrees: Bool
  }

  /// A difference that float16 sums may make; what is looked for is far larger.
  private static let least = 0.05

  let facts: Facts
  let hash: String
  let units: ComputeUnits
  let directory: URL
  let progress: @Sendable (LoadStep) -> Void

  private var limit: Double { max(facts.written["limits"]?["golden"]?.double ?? 0, Self.least) }

  /// Another system may bring another compiler for the accelerator.
  private var record: URL {
    let system = ProcessInfo.processInfo.operatingSystemVersionString
    let key = Hash.sha256(of: Array("\(hash) \(units.rawValue) \(system)".utf8))
    return directory.appendingPathComponent("accelerator-\(key).json")
  }

  /// The verdict from an earlier start; nil where there is none.
  package func known() -> Verdict? {
    guard let data = try? Data(contentsOf: record), let values = try? JSONValue(parsing: data),
      let largest = values["largest"]?.double, let photo = values["photo"]?.string
    else { return nil }
    return Verdict(largest: largest, photo: photo, agrees: largest <= limit)
  }

  /// Compare now, and remember.
  ///
  /// - Throws: What an engine or a foreign golden photo throws.
  package func run(accelerated: any Engine, processor: any Engine) async throws -> Verdict {
    var worst = Verdict(largest: 0, photo: "", agrees: true)
    for golden in try GoldenPhoto.named(by: facts) {
      progress(.comparing(golden.name))
      let fast = try await score(golden, accelerated)
      let sure = try await score(golden, processor)
      let difference = abs(fast - sure)
      // What is no number is further away than any number.
      let largest = difference.isFinite ? difference : .greatestFiniteMagnitude
      if largest > worst.largest {
        worst = Verdict(largest: largest, photo: golden.name, agrees: largest <= limit)
      }
    }
    let values = JSONValue.object([
      JSONMember("largest", .number(worst.largest)), JSONMember("photo", .string(worst.photo)),
    ])
    try? FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    try? Data(values.text.utf8).write(to: record, options: .atomic)
    return worst
  }

  private func score(_ golden: GoldenPhoto, _ engine: any Engine) async throws -> Double {
    let preprocess = facts.preprocess
    let photo = golden.photo
    let run = try await engine.run { try photo.write(preprocess, to: $0) }
    return run.outputs["score"]?.first.map(Double.init) ?? .nan
  }

  /// For the user, where they differ.
  static func sentence(_ verdict: Verdict) -> String {
    let apart = verdict.largest < 1000 ? String(format: "%.3f", verdict.largest) : "no number"
    return
      "This device's accelerator gives other scores than its processor (\(verdict.photo): \(apart) "
      + "apart), so the processor is used."
  }
}
