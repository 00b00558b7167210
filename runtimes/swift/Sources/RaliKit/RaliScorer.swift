import Foundation
import RaliCore

/// Scores photos with a model that `ralikit export` wrote. Open it once and keep it; any task may use
/// it, one inference runs at a time, and nothing is computed on the main thread.
///
/// ```swift
/// let scorer = try await RaliScorer(modelAt: url)
/// let score = try await scorer.score(photoURL)
/// print(score.value, score.reasons.map(\.words))
/// ```
public final class RaliScorer: PhotoScoring {
  public typealias Configuration = ScorerConfiguration

  public let facts: Facts
  public let model: LoadedModel
  public let maximumPixels: Int
  private let embedding: Bool
  private let engine: EngineHolder

  /// Shown while a model is opened or warmed up for the first time.
  public static let firstLoadSentence =
    "The first use of a model on a device takes longer: the system prepares it for the neural "
    + "engine, a few seconds for a small model and up to minutes for a large one. Later starts are "
    + "quick."

  /// Open a `.mlpackage` (iOS 16, macOS 13) or `.aimodel` (iOS 27, macOS 27).
  ///
  /// The file is held against its digest, compiled where it was not before, loaded, and its
  /// accelerator compared with the processor once. All of it happens off the main thread.
  ///
  /// - Throws: ``ModelError`` if the file is foreign, damaged, or does not fit its facts;
  ///   ``RuntimeLoadError`` if this system cannot run it; `CancellationError`.
  public convenience init(
    modelAt url: URL, configuration: Configuration = Configuration()
  ) async throws {
    try await self.init(modelAt: url, configuration: configuration) {
      file, units, cache, progress in
      try await Engines.open(file, units: units, cache: cache, progress: progress)
    }
  }

  package init(
    modelAt url: URL, configuration: Configuration, open: EngineOpener
  ) async throws {
    let start = ContinuousClock.now
    let progress = configuration.progress
    progress(.checking)
    // Hashing some hundred megabytes: not on the caller's thread, whoever the caller is.
    let file = try await Task.detached { try ModelFile(at: url) }.value
    try Task.checkCancellation()
    let opened = try await Self.opened(file, configuration, open)
    progress(.ready)
    facts = file.facts
    maximumPixels = configuration.maximumPixels
    embedding = configuration.embedding
    engine = EngineHolder(opened.engine)
    model = LoadedModel(
      url: url, hash: file.hash, bytes: file.bytes, format: url.pathExtension.lowercased(),
      runtime: opened.engine.name, units: opened.units,
      loadSeconds: (ContinuousClock.now - start).seconds,
      note: [opened.engine.note, opened.note].filter { !$0.isEmpty }.joined(separator: " "))
  }

  private static func opened(
    _ file: ModelFile, _ configuration: Configuration, _ open: EngineOpener
  ) async throws -> (engine: any Engine, units: ComputeUnits, note: String) {
    let cache = CompiledCache(directory: configuration.cacheDirectory)
    let progress = configuration.progress
    let units = configuration.computeUnits
    let check = AcceleratorCheck(
      facts: file.facts, hash: file.hash, units: units, directory: configuration.cacheDirectory,
      progress: progress)
    let wanted = units != .cpuOnly && configuration.acceleratorCheck == .oncePerDevice
    if wanted, let verdict = check.known(), !verdict.agrees {
      let processor = try await open(file, .cpuOnly, cache, progress)
      return (processor, .cpuOnly, AcceleratorCheck.sentence(verdict))
    }
    let engine = try await open(file, units, cache, progress)
    guard wanted, check.known() == nil, !file.facts.golden.isEmpty else {
      return (engine, units, "")
    }
    let processor = try await open(file, .cpuOnly, cache, progress)
    let verdict = try await check.run(accelerated: engine, processor: processor)
    if verdict.agrees { return (engine, units, "") }
    return (processor, .cpuOnly, AcceleratorCheck.sentence(verdict))
  }

  public func score(_ photo: Photo) async throws -> Score {
    try Task.checkCancellation()
    let preprocess = facts.preprocess
    let run: EngineRun
    do {
      run = try await engine.get().run { try photo.write(preprocess, to: $0) }
    } catch let error as UsageError where error != EngineHolder.closed {
      throw PhotoError(error.message)
    }
    let timings = Timings(decode: photo.decodeSeconds, resize: run.fill, inference: run.inference)
    return try facts.score(
      run.outputs, of: photo, embedding: embedding,
      notes: model.note.isEmpty ? [] : [model.note], timings: timings)
  }

  /// Run one inference on an empty picture, so that the first photo does not wait.
  ///
  /// On a phone the first inference of a new file makes the system prepare it for the neural engine.
  /// For a large model that took 97 s on one device; show ``firstLoadSentence`` meanwhile.
  public func warmUp() async throws -> WarmUp {
    let side = facts.preprocess.size
    let empty = try Photo(
      rgb: [UInt8](repeating: 0, count: side * side * 3), width: side, height: side)
    let start = ContinuousClock.now
    _ = try await score(empty)
    let seconds = (ContinuousClock.now - start).seconds
    let sentence =
      seconds < 2
      ? "The model is ready."
      : "The model is ready; preparing it for this device took \(Int(seconds)) s."
    return WarmUp(seconds: seconds, sentence: sentence)
  }

  /// Free the model; calls after it are a ``UsageError``.
  public func close() async { await engine.close() }
}

private actor EngineHolder {
  static let closed = UsageError("this scorer is closed; open a new one")
  private var engine: (any Engine)?

  init(_ engine: any Engine) { self.engine = engine }

  func get() throws -> any Engine {
    guard let engine else { throw Self.closed }
    return engine
  }

  func close() { engine = nil }
}
