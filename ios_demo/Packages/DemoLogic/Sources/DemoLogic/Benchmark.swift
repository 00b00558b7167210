import RaliCore

/// How a benchmark is run.
public struct BenchmarkPlan: Sendable, Hashable {
  /// A short look, not a final figure.
  public let quick: Bool
  /// Inferences thrown away before the first sample.
  public let warmUps: Int
  /// Fewest rounds; in each, every compute unit has its turn.
  public let rounds: Int
  /// Samples a round and unit.
  public let samples: Int
  /// Fewest seconds of inferences a unit: rounds are added until each has them.
  public let seconds: Double
  /// Pause before each round, seconds.
  public let cooldown: Double
  /// Photos of 12 megapixels scored from file to score, a unit.
  public let large: Int

  public init(
    quick: Bool, warmUps: Int, rounds: Int, samples: Int, seconds: Double = 0, cooldown: Double,
    large: Int
  ) {
    self.quick = quick
    self.warmUps = warmUps
    self.rounds = rounds
    self.samples = samples
    self.seconds = seconds
    self.cooldown = cooldown
    self.large = large
  }

  /// 1,024 inferences and 60 seconds of them, as a final figure wants.
  public static let final = BenchmarkPlan(
    quick: false, warmUps: 5, rounds: 16, samples: 64, seconds: 60, cooldown: 1, large: 5)
  /// 64 inferences and 6 seconds of them.
  public static let rapid = BenchmarkPlan(
    quick: true, warmUps: 5, rounds: 4, samples: 16, seconds: 6, cooldown: 0.5, large: 3)
  public static let quick = BenchmarkPlan(
    quick: true, warmUps: 3, rounds: 3, samples: 16, seconds: 1, cooldown: 0.2, large: 3)

  /// The plan of that name, as `ralikit bench` has them; nil: there is none.
  public static func named(_ name: String) -> BenchmarkPlan? {
    ["final": final, "rapid": rapid, "quick": quick][name]
  }

  /// Fewest inferences and photos, over all units.
  public func steps(units: Int) -> Int { units * (warmUps + rounds * samples + large) }
}

/// The device's state at one moment, in its own words.
public struct DeviceState: Sendable, Hashable {
  public let thermal: String
  public let power: String
  /// `phys_footprint`, bytes: what the system counts against the app.
  public let footprint: Int

  public init(thermal: String, power: String, footprint: Int) {
    self.thermal = thermal
    self.power = power
    self.footprint = footprint
  }
}

/// The model on one compute unit, loaded.
public protocol BenchmarkSubject: Sendable {
  /// As records name it: `cpu`, `gpu`, `neural engine` or what was allowed, e.g. `all`.
  var unit: String { get }
  var loadSeconds: Double { get }
  /// One inference on a photo that fits the model: nearly nothing is decoded or resized.
  func inference() async throws -> Timings
  /// One photo of 12 megapixels, from file to score.
  func largePhoto() async throws -> Timings
}

/// Raw samples of one unit.
public struct UnitMeasurement: Sendable, Equatable {
  public let unit: String
  public let loadSeconds: Double
  public internal(set) var firstSeconds = 0.0
  public internal(set) var inference: [Double] = []
  /// Round of each sample of `inference`.
  public internal(set) var round: [Int] = []
  public internal(set) var large: [Timings] = []
  public internal(set) var before: DeviceState
  public internal(set) var after: DeviceState
  /// Largest footprint that was seen between samples, bytes.
  public internal(set) var peakFootprint: Int
  /// Models that were loaded at the same time, this one among them.
  public let loaded: Int

  public static let shown = [0.5, 0.9, 0.99]
  /// Median, 90th and 99th percentile of an inference, seconds.
  public var percentiles: [Double] { Percentile.of(Self.shown, in: inference) }
}

/// Measures a model on one or more compute units in interleaved rounds.
public struct Benchmark: Sendable {
  public let plan: BenchmarkPlan
  public let state: @Sendable () -> DeviceState
  public let sleep: @Sendable (Double) async throws -> Void

  public init(
    plan: BenchmarkPlan, state: @escaping @Sendable () -> DeviceState,
    sleep: @escaping @Sendable (Double) async throws -> Void = {
      try await Task.sleep(for: .seconds($0))
    }
  ) {
    self.plan = plan
    self.state = state
    self.sleep = sleep
  }

  /// - Parameter progress: 0 to 1, after each inference.
  /// - Throws: What a subject throws, and `CancellationError`.
  public func run(
    _ subjects: [any BenchmarkSubject], progress: @Sendable (Double) -> Void = { _ in }
  ) async throws -> [UnitMeasurement] {
    let steps = max(1, plan.steps(units: subjects.count))
    var step = 0
    var measured: [UnitMeasurement] = []
    func advance(_ at: Int) throws {
      try Task.checkCancellation()
      measured[at].peakFootprint = max(measured[at].peakFootprint, state().footprint)
      step += 1
      progress(min(1, Double(step) / Double(steps)))
    }
    for (at, subject) in subjects.enumerated() {
      let before = state()
      measured.append(
        UnitMeasurement(
          unit: subject.unit, loadSeconds: subject.loadSeconds, before: before, after: before,
          peakFootprint: before.footprint, loaded: subjects.count))
      for warmUp in 0..<plan.warmUps {
        let timings = try await subject.inference()
        if warmUp == 0 { measured[at].firstSeconds = timings.inference }
        try advance(at)
      }
      for _ in 0..<plan.large {
        measured[at].large.append(try await subject.largePhoto())
        try advance(at)
      }
    }
    var round = 0
    while round < plan.rounds || !measured.allSatisfy(enough) {
      try await sleep(plan.cooldown)
      for (at, subject) in subjects.enumerated() {
        for _ in 0..<plan.samples {
          measured[at].inference.append(try await subject.inference().inference)
          measured[at].round.append(round)
          try advance(at)
        }
      }
      round += 1
    }
    let after = state()
    for at in measured.indices { measured[at].after = after }
    return measured
  }

  /// Records hold no more samples than this.
  private static let most = 100_000

  private func enough(_ unit: UnitMeasurement) -> Bool {
    unit.inference.reduce(0, +) >= plan.seconds || unit.inference.count >= Self.most
  }
}
