import RaliCore

/// What `ralikit bench ios` asks the app for, in the environment of its process.
public struct BenchmarkOrder: Sendable, Hashable {
  /// Who measures.
  public enum Runner: String, Sendable {
    /// The app, as it is launched; it ends afterwards.
    case app
    /// The app's test, whose host it is.
    case test
  }

  public let runner: Runner
  public let plan: BenchmarkPlan
  /// As records name them; at least one.
  public let units: [String]
  /// The record's `run`: by it the Mac knows today's record from an older one.
  public let run: String
  /// The record's `command`.
  public let command: String

  /// Where the records are left, in the app's folder of documents.
  public static let file = "ralikit-benchmark.jsonl"

  /// The order in these variables; nil where `RALIKIT_BENCH` is none of them.
  ///
  /// - Throws: ``UsageError`` where one says what is unknown, or is missing.
  public init?(environment: [String: String]) throws {
    guard let mode = environment["RALIKIT_BENCH"] else { return nil }
    func value(_ name: String) throws -> String {
      guard let value = environment["RALIKIT_BENCH_" + name], !value.isEmpty else {
        throw UsageError("RALIKIT_BENCH_\(name) is missing: ralikit bench ios sets it")
      }
      return value
    }
    guard let plan = BenchmarkPlan.named(mode) else {
      throw UsageError("RALIKIT_BENCH is quick, rapid or final, not \(mode)")
    }
    let asked = try value("RUNNER")
    guard let runner = Runner(rawValue: asked) else {
      throw UsageError("RALIKIT_BENCH_RUNNER is app or test, not \(asked)")
    }
    self.runner = runner
    self.plan = plan
    units = try value("UNITS").split(separator: ",").map(String.init)
    run = try value("RUN")
    command = try value("COMMAND")
  }
}
