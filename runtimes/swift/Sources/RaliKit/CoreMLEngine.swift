#if canImport(CoreML)
  import CoreML
  import Foundation
  import RaliCore

  /// Core ML. The model and its input live in this actor: predictions take their turn, and views are
  /// written straight into the memory that the model reads.
  package actor CoreMLEngine: Engine {
    /// Name of the input, and what the export makes of it.
    package static let input = "image"
    package static let inputType = MLMultiArrayDataType.float32

    package nonisolated let name: String
    package nonisolated let note = ""
    private let model: MLModel
    private let image: MLMultiArray
    private let outputs: [String]

    private init(model: sending MLModel, facts: Facts) throws {
      self.model = model
      outputs = facts.outputs
      image = try MLMultiArray(
        shape: facts.inputShape.map { NSNumber(value: $0) }, dataType: Self.inputType)
      let system = ProcessInfo.processInfo.operatingSystemVersion
      name = "Core ML \(system.majorVersion).\(system.minorVersion)"
    }

    /// Compile where it was not before, load, and check the signature against the facts.
    static func open(
      _ file: ModelFile, units: ComputeUnits, cache: CompiledCache,
      progress: @escaping @Sendable (LoadStep) -> Void
    ) async throws -> CoreMLEngine {
      do {
        return try await load(file, units: units, cache: cache, progress: progress)
      } catch let error as ModelError {
        throw error
      } catch is CancellationError {
        throw CancellationError()
      } catch {
        // What was compiled by an earlier system, or cut off by a full disk, is made anew once.
        await cache.forget(file.hash)
        do {
          return try await load(file, units: units, cache: cache, progress: progress)
        } catch let error as ModelError {
          throw error
        } catch {
          throw RuntimeLoadError(
            "Core ML does not load \(file.url.lastPathComponent): \(error.localizedDescription)")
        }
      }
    }

    private static func load(
      _ file: ModelFile, units: ComputeUnits, cache: CompiledCache,
      progress: @escaping @Sendable (LoadStep) -> Void
    ) async throws -> CoreMLEngine {
      let package = file.url
      let compiled = try await cache.model(of: file.hash) {
        progress(.compiling)
        return try await MLModel.compileModel(at: package)
      }
      progress(.loading)
      let configuration = MLModelConfiguration()
      configuration.computeUnits =
        switch units {
        case .all: .all
        case .cpuOnly: .cpuOnly
        case .cpuAndGPU: .cpuAndGPU
        case .cpuAndNeuralEngine: .cpuAndNeuralEngine
        }
      let model = try await MLModel.load(contentsOf: compiled, configuration: configuration)
      try check(model.modelDescription, facts: file.facts, name: package.lastPathComponent)
      return try CoreMLEngine(model: model, facts: file.facts)
    }

    /// The graph's own signature must be what its facts say.
    private static func check(
      _ description: MLModelDescription, facts: Facts, name: String
    ) throws {
      let inputs = description.inputDescriptionsByName
      let constraint = inputs[input]?.multiArrayConstraint
      guard inputs.count == 1, let constraint, constraint.dataType == inputType,
        constraint.shape.map(\.intValue) == facts.inputShape
      else {
        let found = constraint.map { "\($0.shape)" } ?? inputs.keys.sorted().joined(separator: ", ")
        throw ModelError(
          "\(name): its facts speak of float views of shape \(facts.inputShape), its input is \(found)"
        )
      }
      let given = Set(description.outputDescriptionsByName.keys)
      guard given == Set(facts.outputs) else {
        throw ModelError(
          "\(name) gives \(given.sorted().joined(separator: ", ")); its facts say "
            + facts.outputs.joined(separator: ", "))
      }
    }

    package func run(_ fill: @Sendable (ViewsMemory) throws -> Void) async throws -> EngineRun {
      let clock = ContinuousClock()
      let start = clock.now
      try image.withUnsafeMutableBytes { bytes, _ in
        try fill(.floats(bytes.bindMemory(to: Float.self)))
      }
      let filled = clock.now
      let features = try MLDictionaryFeatureProvider(
        dictionary: [Self.input: MLFeatureValue(multiArray: image)])
      let result: any MLFeatureProvider
      do {
        result = try model.prediction(from: features)
      } catch {
        throw ModelError("Core ML could not run the model: \(error.localizedDescription)")
      }
      var found: [String: [Float]] = [:]
      for output in outputs {
        guard let array = result.featureValue(for: output)?.multiArrayValue else {
          throw ModelError("Core ML gave no \(output)")
        }
        found[output] = Self.numbers(array)
      }
      return EngineRun(
        outputs: found, fill: (filled - start).seconds, inference: (clock.now - filled).seconds)
    }

    /// An output's numbers, whatever its type and strides.
    private static func numbers(_ array: MLMultiArray) -> [Float] {
      (0..<array.count).map { array[$0].floatValue }
    }
  }
#endif
