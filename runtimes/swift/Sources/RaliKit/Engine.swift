import RaliCore

/// Memory that the model reads its views from: what is written there is not copied again.
package enum ViewsMemory {
  case bytes(UnsafeMutableBufferPointer<UInt8>)
  case floats(UnsafeMutableBufferPointer<Float>)
}

extension Photo {
  func write(_ preprocess: Preprocess, to memory: ViewsMemory) throws {
    switch memory {
    case .bytes(let bytes): try writeViews(preprocess, to: bytes)
    case .floats(let floats): try writeViews(preprocess, to: floats)
    }
  }
}

/// What one inference gave, and how long its parts took in seconds.
package struct EngineRun: Sendable {
  package let outputs: [String: [Float]]
  package let fill: Double
  package let inference: Double

  package init(outputs: [String: [Float]], fill: Double, inference: Double) {
    self.outputs = outputs
    self.fill = fill
    self.inference = inference
  }
}

/// What runs a model: one photo's views in, all outputs out; one inference at a time.
package protocol Engine: Sendable {
  /// Runtime and version, for records and reports.
  var name: String { get }
  /// A caveat that a user must see, or "".
  var note: String { get }

  /// Run one photo.
  ///
  /// - Parameter fill: Writes the views, (V, S, S, 3), RGB, 0 to 255, into the model's own memory.
  func run(_ fill: @Sendable (ViewsMemory) throws -> Void) async throws -> EngineRun
}

/// Opens a checked model file on the wished-for units.
package typealias EngineOpener =
  @Sendable (ModelFile, ComputeUnits, CompiledCache, @escaping @Sendable (LoadStep) -> Void)
  async throws ->
  any Engine

package enum Engines {
  /// The engine of a file's format on this system.
  ///
  /// - Throws: ``RuntimeLoadError`` if there is none, ``ModelError`` if the file does not fit its
  ///   facts.
  package static func open(
    _ file: ModelFile, units: ComputeUnits, cache: CompiledCache,
    progress: @escaping @Sendable (LoadStep) -> Void
  ) async throws -> any Engine {
    switch file.url.pathExtension.lowercased() {
    case "mlpackage":
      #if canImport(CoreML)
        return try await CoreMLEngine.open(file, units: units, cache: cache, progress: progress)
      #else
        throw RuntimeLoadError("Core ML runs on Apple's systems alone; use one, or another format")
      #endif
    case "aimodel":
      #if canImport(CoreAI)
        if #available(iOS 27, macOS 27, *) {
          return try await CoreAIEngine.open(file, units: units, progress: progress)
        }
      #endif
      throw RuntimeLoadError("Core AI needs iOS 27 or macOS 27; use the model's .mlpackage here")
    default:
      throw RuntimeLoadError(
        "nothing on this system runs \(file.url.lastPathComponent); export it for coreml")
    }
  }
}
