import Foundation
import RaliCore
import Testing

@testable import DemoLogic

private actor FakeSubject: BenchmarkSubject {
  nonisolated let unit: String
  nonisolated let loadSeconds = 0.75
  private var calls = 0
  private let log: Log

  init(_ unit: String, log: Log) {
    self.unit = unit
    self.log = log
  }

  func inference() async throws -> Timings {
    calls += 1
    await log.add(unit)
    return Timings(decode: 0, resize: 0, inference: calls == 1 ? 0.5 : Double(calls) / 1024)
  }

  func largePhoto() async throws -> Timings {
    await log.add("\(unit) large")
    return Timings(decode: 0.125, resize: 0.25, inference: 0.125)
  }
}

private actor Log {
  var lines: [String] = []
  func add(_ line: String) { lines.append(line) }
}

@Suite("Percentiles")
struct PercentileTests {
  @Test("what numpy gives, in any order")
  func numpy() {
    #expect(Percentile.of([0, 0.25, 0.5, 0.9, 1], in: [4, 1, 3, 2]) == [1, 1.75, 2.5, 3.7, 4])
    #expect(Percentile.of(0.99, in: [7]) == 7)
    #expect(Percentile.of(0.5, in: []) == nil)
  }
}

@Suite("The benchmark")
struct BenchmarkTests {
  private let plan = BenchmarkPlan(
    quick: true, warmUps: 2, rounds: 2, samples: 3, cooldown: 0.5, large: 1)

  private func measured(_ units: [String], log: Log = Log()) async throws -> [UnitMeasurement] {
    let benchmark = Benchmark(
      plan: plan, state: { DeviceState(thermal: "fair", power: "battery", footprint: 9 << 20) },
      sleep: { await log.add("sleep \($0)") })
    return try await benchmark.run(units.map { FakeSubject($0, log: log) })
  }

  @Test("units take turns in each round; warm-ups leave no sample")
  func turns() async throws {
    let log = Log()
    let all = try await measured(["cpu", "all"], log: log)
    let three = { (unit: String) in [String](repeating: unit, count: 3) }
    let round = ["sleep 0.5"] + three("cpu") + three("all")
    #expect(
      await log.lines == ["cpu", "cpu", "cpu large", "all", "all", "all large"] + round + round)
    #expect(all.map(\.unit) == ["cpu", "all"] && all[0].loaded == 2)
    #expect(all[0].firstSeconds == 0.5 && all[0].round == [0, 0, 0, 1, 1, 1])
    #expect(all[1].inference == [3, 4, 5, 6, 7, 8].map { $0 / 1024 })
    #expect(all[1].percentiles[0] == 5.5 / 1024)
    #expect(all[0].large.map(\.total) == [0.5] && all[0].peakFootprint == 9 << 20)
  }

  @Test("a final figure has 1,024 samples")
  func final() {
    let final = BenchmarkPlan.final
    let rapid = BenchmarkPlan.rapid
    #expect(final.rounds * final.samples == 1024 && final.seconds == 60 && !final.quick)
    #expect(rapid.rounds * rapid.samples == 64 && rapid.seconds == 6 && rapid.quick)
    #expect(BenchmarkPlan.quick.quick)
    #expect(plan.steps(units: 2) == 18)
  }

  @Test("rounds are added until every unit has its seconds")
  func seconds() async throws {
    let plan = BenchmarkPlan(
      quick: true, warmUps: 1, rounds: 1, samples: 2, seconds: 20 / 1024, cooldown: 0, large: 0)
    let benchmark = Benchmark(
      plan: plan, state: { DeviceState(thermal: "fair", power: "battery", footprint: 1) },
      sleep: { _ in })
    let all = try await benchmark.run(["cpu", "all"].map { FakeSubject($0, log: Log()) }) {
      #expect($0 <= 1)
    }
    let six: [Double] = [2, 3, 4, 5, 6, 7]
    #expect(all.map { $0.inference.map { $0 * 1024 } } == [six, six])
    #expect(all[0].round == [0, 0, 1, 1, 2, 2])
  }

  @Test("stops when it is cancelled")
  func cancelled() async {
    let task = Task { try await measured(["cpu"]) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  @Test("the record opens, and says what was measured")
  func record() async throws {
    let lines = try await measured(["cpu", "all"]).map { try writer().line($0) }
    for line in lines {
      #expect(line.hasSuffix("\"}\n") && !line.dropLast().contains("\n"))
      let values = JSONValue.object(try Record.open(Array(line.utf8.dropLast())))
      #expect(values["kind"] == "latency" && values["run"] == "r1")
      #expect(values["time"] == "2026-11-27T00:00:00Z")
      #expect(values["protocol"]?["command"] == "again")
      #expect(values["device"]?["emulated"] == .bool(true))
      #expect(values["samples"]?["inference_s"]?.array?.count == 6)
      #expect(values["samples"]?["end_to_end_s"]?.array?.first?.double == 0.5)
      #expect(values["memory"]?["peak_bytes"] == .integer(9 << 20))
      #expect(values["figures"]?["planned_operations_neural_engine"] == 41)
      #expect(values["model"]?["input"] == [5, 256, 256, 3])
    }
    // For Python's reader: tests/native/ios/app_record.py.
    if let folder = ProcessInfo.processInfo.environment["DEMOLOGIC_RECORDS"] {
      try Data(lines.joined().utf8).write(
        to: URL(fileURLWithPath: folder).appendingPathComponent("ios.jsonl"))
    }
  }

  @Test("no samples, or a time that is none, make no record")
  func refused() async throws {
    let one = try #require(try await measured(["cpu"]).first)
    var empty = one
    empty.inference = []
    #expect(throws: UsageError.self) { try writer().line(empty) }
    var broken = one
    broken.inference[2] = -1
    #expect(throws: UsageError.self) { try writer().line(broken) }
    broken.inference[2] = .nan
    #expect(throws: UsageError.self) { try writer().line(broken) }
  }

  private func writer() throws -> BenchmarkRecord {
    let facts = try Facts(json: factsText, where: "test")
    return BenchmarkRecord(
      model: .init(
        facts: facts, hash: String(repeating: "a", count: 64), bytes: 5_500_000, format: "coreml"),
      device: .init(
        name: "iPhone \"test\"", system: "iOS 18.2", chip: "arm64", cores: 6, memory: 8 << 30,
        simulated: true),
      plan: plan, runtime: ("coreml", "iOS 18.2"),
      residency: ["neural_engine": 41, "cpu": 3], run: "r1",
      time: Date(timeIntervalSince1970: 1_795_737_600), command: "again")
  }
}

@Suite("What ralikit bench ios asks for")
struct BenchmarkOrderTests {
  private let asked = [
    "RALIKIT_BENCH": "rapid", "RALIKIT_BENCH_RUNNER": "app",
    "RALIKIT_BENCH_UNITS": "cpu,neural engine", "RALIKIT_BENCH_RUN": "ios-1",
    "RALIKIT_BENCH_COMMAND": "ralikit bench ios --mode rapid",
  ]

  @Test("is read from the environment")
  func read() throws {
    let order = try #require(try BenchmarkOrder(environment: asked))
    #expect(order.plan == .rapid && order.runner == .app && order.run == "ios-1")
    #expect(order.units == ["cpu", "neural engine"])
    #expect(order.command == "ralikit bench ios --mode rapid")
  }

  @Test("is none where nobody asks")
  func none() throws { #expect(try BenchmarkOrder(environment: ["PATH": "/bin"]) == nil) }

  @Test(
    "is refused where it is unknown or not whole",
    arguments: [
      ("RALIKIT_BENCH", "slow"), ("RALIKIT_BENCH_RUNNER", "me"), ("RALIKIT_BENCH_RUN", ""),
      ("RALIKIT_BENCH_UNITS", nil),
    ] as [(String, String?)])
  func refused(name: String, value: String?) {
    var wrong = asked
    wrong[name] = value
    #expect(throws: UsageError.self) { try BenchmarkOrder(environment: wrong) }
  }
}

private let factsText = """
  {"schema": 1, "model": {"name": "mini", "bundle": "bb", "tower": "made-up", "weights": "trained",
  "licence": "none", "notice": "none", "tie_width": 0.25, "tie_width_note": "made up"},
  "preprocess": {"size": 256, "shortest_edge": 512, "resample": "bicubic",
  "anchors": [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5]],
  "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
  "scale": {"minimum": 1.0, "maximum": 5.0, "meaning": "made up"},
  "target": "coreml", "precision": "fp16", "outputs": ["score"]}
  """
