import Foundation
import RaliCore

/// Writes what was measured as a record that `ralikit report` reads (docs/records.md).
public struct BenchmarkRecord: Sendable {
  /// The file that ran.
  public struct Model: Sendable {
    public let facts: Facts
    /// SHA-256 of the file or folder.
    public let hash: String
    public let bytes: Int
    /// `coreml` or `coreai`.
    public let format: String

    public init(facts: Facts, hash: String, bytes: Int, format: String) {
      self.facts = facts
      self.hash = hash
      self.bytes = bytes
      self.format = format
    }
  }

  /// What it ran on.
  public struct Device: Sendable, Hashable {
    public let name: String
    public let system: String
    public let chip: String
    public let cores: Int
    public let memory: Int
    /// A simulator: its figures say nothing of a phone.
    public let simulated: Bool

    public init(
      name: String, system: String, chip: String, cores: Int, memory: Int, simulated: Bool
    ) {
      self.name = name
      self.system = system
      self.chip = chip
      self.cores = cores
      self.memory = memory
      self.simulated = simulated
    }
  }

  public let model: Model
  public let device: Device
  public let plan: BenchmarkPlan
  /// Name and version of what runs the model, e.g. `coreml`, `iOS 18.2`.
  public let runtime: (name: String, version: String)
  /// Operations a device, from Core ML's own plan; empty where it does not tell.
  public let residency: [String: Int]
  /// Same for all units that took turns.
  public let run: String
  public let time: Date
  /// How to do it again.
  public let command: String

  public init(
    model: Model, device: Device, plan: BenchmarkPlan, runtime: (name: String, version: String),
    residency: [String: Int], run: String, time: Date, command: String
  ) {
    self.model = model
    self.device = device
    self.plan = plan
    self.runtime = runtime
    self.residency = residency
    self.run = run
    self.time = time
    self.command = command
  }

  /// The record as a sealed line, its line feed included.
  ///
  /// - Throws: ``UsageError`` where there are no samples, or one is no time.
  public func line(_ measurement: UnitMeasurement) throws -> String {
    try check(measurement)
    return try Record.seal(values(measurement))
  }

  private func check(_ measurement: UnitMeasurement) throws {
    var times = measurement.inference
    times.append(contentsOf: [measurement.loadSeconds, measurement.firstSeconds])
    for photo in measurement.large {
      times.append(contentsOf: [photo.total, photo.decode, photo.resize])
    }
    guard !measurement.inference.isEmpty else {
      throw UsageError("a record needs samples, there are none: run the benchmark to its end")
    }
    guard times.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw UsageError("a time is negative or no number: the record was not written")
    }
  }

  // Members one by one: a compiler takes minutes over one large literal of mixed values.
  private func values(_ measurement: UnitMeasurement) -> [JSONMember] {
    [
      text("kind", "latency"), text("run", run), text("time", time.formatted(.iso8601)),
      text("commit", ""),
      JSONMember("model", modelValues),
      JSONMember("device", deviceValues),
      JSONMember("runtime", runtimeValues(measurement)),
      JSONMember("protocol", protocolValues),
      JSONMember("samples", sampleValues(measurement)),
      number("load_s", measurement.loadSeconds), number("first_s", measurement.firstSeconds),
      JSONMember("memory", memoryValues(measurement)),
      JSONMember("state", stateValues(measurement)),
      JSONMember("figures", figureValues),
      JSONMember("photos", .array([])),
    ]
  }

  private var modelValues: JSONValue {
    let weights = model.facts.model.weights == "random" ? "random" : "trained"
    return .object([
      text("name", model.facts.model.name), text("hash", model.hash),
      text("bundle", model.facts.model.bundle), text("format", model.format),
      text("precision", model.facts.precision), integer("size_bytes", model.bytes),
      text("weights", weights), integers("input", model.facts.inputShape),
    ])
  }

  private var deviceValues: JSONValue {
    .object([
      text("kind", "phone"), text("name", device.name), text("os", device.system),
      text("chip", device.chip), integer("cores", device.cores),
      integer("memory_bytes", device.memory), JSONMember("emulated", .bool(device.simulated)),
    ])
  }

  private func runtimeValues(_ measurement: UnitMeasurement) -> JSONValue {
    .object([
      text("name", runtime.name), text("version", runtime.version),
      text("unit", measurement.unit), integer("threads", 0), integer("batch", 1),
    ])
  }

  private var protocolValues: JSONValue {
    let large = "end_to_end_s, decode_s and resize_s: a JPEG of 12 megapixels made on the device"
    return .object([
      JSONMember("quick", .bool(plan.quick)), integer("rounds", plan.rounds),
      integer("warmups", plan.warmUps), number("cooldown_s", plan.cooldown),
      text("command", command),
      text("note", device.simulated ? large + "; a simulator, not a phone" : large),
    ])
  }

  private func sampleValues(_ measurement: UnitMeasurement) -> JSONValue {
    .object([
      numbers("inference_s", measurement.inference), integers("round", measurement.round),
      numbers("end_to_end_s", measurement.large.map(\.total)),
      numbers("decode_s", measurement.large.map(\.decode)),
      numbers("resize_s", measurement.large.map(\.resize)),
    ])
  }

  private func memoryValues(_ measurement: UnitMeasurement) -> JSONValue {
    let others = measurement.loaded - 1
    let alone = "phys_footprint of the whole app, read after every inference"
    return .object([
      integer("peak_bytes", measurement.peakFootprint),
      integer("steady_bytes", measurement.after.footprint), integer("private_bytes", 0),
      text(
        "how", others == 0 ? alone : alone + "; the model loaded \(others) times more beside it"),
    ])
  }

  private func stateValues(_ measurement: UnitMeasurement) -> JSONValue {
    .object([
      text("thermal_before", measurement.before.thermal),
      text("thermal_after", measurement.after.thermal),
      text("power_before", measurement.before.power),
      text("power_after", measurement.after.power),
    ])
  }

  private var figureValues: JSONValue {
    .object(
      residency.sorted { $0.key < $1.key }.map { integer("planned_operations_\($0.key)", $0.value) }
    )
  }

  private func text(_ name: String, _ value: String) -> JSONMember {
    JSONMember(name, .string(value))
  }

  private func integer(_ name: String, _ value: Int) -> JSONMember {
    JSONMember(name, .integer(value))
  }

  private func number(_ name: String, _ value: Double) -> JSONMember {
    JSONMember(name, .number(value))
  }

  private func integers(_ name: String, _ values: [Int]) -> JSONMember {
    JSONMember(name, .array(values.map { .integer($0) }))
  }

  private func numbers(_ name: String, _ values: [Double]) -> JSONMember {
    JSONMember(name, .array(values.map { .number($0) }))
  }
}
