#if canImport(CoreAI)
  import CoreAI
  import Foundation
  import RaliCore

  /// Core AI, the successor of Core ML. A function is `Sendable` and allocates what it needs for each
  /// run; the input's array is made anew, since the run reads it after this actor has moved on.
  @available(iOS 27, macOS 27, *)
  package actor CoreAIEngine: Engine {
    package static let input = "image"
    package static let function = "main"

    package nonisolated let name: String
    package nonisolated let note: String
    private let function: InferenceFunction
    private let image: NDArrayDescriptor
    private let outputs: [String]

    private init(
      function: InferenceFunction, image: NDArrayDescriptor, outputs: [String], note: String
    ) {
      self.function = function
      self.image = image
      self.outputs = outputs
      self.note = note
      let system = ProcessInfo.processInfo.operatingSystemVersion
      name = "Core AI \(system.majorVersion).\(system.minorVersion)"
    }

    /// Load, and check the signature against the facts.
    static func open(
      _ file: ModelFile, units: ComputeUnits, progress: @Sendable (LoadStep) -> Void
    ) async throws -> CoreAIEngine {
      progress(.loading)
      let label = file.url.lastPathComponent
      let options: SpecializationOptions =
        switch units {
        case .all: .default
        case .cpuOnly: .cpuOnly
        case .cpuAndGPU: SpecializationOptions(preferredComputeUnitKind: .gpu)
        case .cpuAndNeuralEngine: SpecializationOptions(preferredComputeUnitKind: .neuralEngine)
        }
      let function: InferenceFunction?
      do {
        let model = try await AIModel(contentsOf: file.url, options: options)
        function = try model.loadFunction(named: Self.function)
      } catch {
        throw RuntimeLoadError("Core AI does not load \(label): \(error.localizedDescription)")
      }
      guard let function else { throw ModelError("\(label) has no function \(Self.function)") }
      let facts = file.facts
      let descriptor = function.descriptor
      guard Set(descriptor.inputNames) == [input],
        Set(descriptor.outputNames) == Set(facts.outputs),
        case .ndArray(let image)? = descriptor.inputDescriptor(of: input),
        image.shape == facts.inputShape
      else {
        throw ModelError(
          "\(label): its facts speak of views of shape \(facts.inputShape) and of "
            + "\(facts.outputs.joined(separator: ", ")), its function takes "
            + "\(descriptor.inputNames.joined(separator: ", ")) and gives "
            + descriptor.outputNames.joined(separator: ", "))
      }
      for name in facts.outputs {
        guard case .ndArray(let output)? = descriptor.outputDescriptor(of: name),
          output.scalarType == .float32
        else { throw ModelError("\(label): its output \(name) is not of float32 numbers") }
      }
      let preferred = units == .cpuAndGPU || units == .cpuAndNeuralEngine
      return CoreAIEngine(
        function: function, image: image, outputs: facts.outputs,
        note: preferred ? "Core AI takes the compute unit as a preference, not as an order." : "")
    }

    package func run(_ fill: @Sendable (ViewsMemory) throws -> Void) async throws -> EngineRun {
      let clock = ContinuousClock()
      let start = clock.now
      var views = NDArray(descriptor: image)
      let type = views.scalarType
      try views.mutableRawView().withUnsafeMutableBytes { pointer, shape, strides in
        let shape = (0..<shape.count).map { shape[$0] }
        try Self.checkDense(shape, (0..<strides.count).map { strides[$0] })
        let count = shape.reduce(1, *)
        switch type {
        case .uint8:
          let bytes = pointer.bindMemory(to: UInt8.self, capacity: count)
          try fill(.bytes(UnsafeMutableBufferPointer(start: bytes, count: count)))
        case .float32:
          let floats = pointer.bindMemory(to: Float.self, capacity: count)
          try fill(.floats(UnsafeMutableBufferPointer(start: floats, count: count)))
        default: throw ModelError("the model takes \(type) pixels, expected uint8 or float32")
        }
      }
      let filled = clock.now
      let found = try await Self.infer(function, views, outputs)
      return EngineRun(
        outputs: found, fill: (filled - start).seconds, inference: (clock.now - filled).seconds)
    }

    /// One run, off the actor: what the function returns need not be `Sendable` then.
    private nonisolated static func infer(
      _ function: InferenceFunction, _ views: sending NDArray, _ outputs: [String]
    ) async throws -> [String: [Float]] {
      var found: [String: [Float]] = [:]
      do {
        var values = try await function.run(inputs: [input: views])
        for output in outputs {
          guard let value = values.remove(output), let array = value.ndArray else {
            throw ModelError("Core AI gave no \(output)")
          }
          found[output] = try numbers(array)
        }
      } catch let error as ModelError {
        throw error
      } catch {
        throw ModelError("Core AI could not run the model: \(error.localizedDescription)")
      }
      return found
    }

    private static func numbers(_ array: NDArray) throws -> [Float] {
      try array.rawView().withUnsafeBytes { pointer, shape, strides in
        let shape = (0..<shape.count).map { shape[$0] }
        try checkDense(shape, (0..<strides.count).map { strides[$0] })
        let count = shape.reduce(1, *)
        let floats = pointer.bindMemory(to: Float.self, capacity: count)
        return (0..<count).map { floats[$0] }
      }
    }

    private static func checkDense(_ shape: [Int], _ strides: [Int]) throws {
      var dense = 1
      for (edge, stride) in zip(shape, strides).reversed() {
        guard edge == 1 || stride == dense else {
          throw ModelError(
            "the model wants an array of strides \(strides), which is not filled here")
        }
        dense *= edge
      }
    }
  }
#endif
