import Foundation
import RaliCore

/// What a model may compute on.
public enum ComputeUnits: String, Sendable, CaseIterable, Codable {
  case all
  case cpuOnly
  case cpuAndGPU
  case cpuAndNeuralEngine

  /// As records name it.
  public var recordName: String {
    switch self {
    case .all: "all"
    case .cpuOnly: "cpu"
    case .cpuAndGPU: "gpu"
    case .cpuAndNeuralEngine: "neural engine"
    }
  }
}

/// Where opening a model stands.
public enum LoadStep: Sendable, Hashable {
  /// The file is held against its digest.
  case checking
  /// Core ML compiles the package; once per file.
  case compiling
  case loading
  /// Accelerator and processor score the same golden photo; once per device and system version.
  case comparing(String)
  case ready

  /// For a progress view, in English.
  public var sentence: String {
    switch self {
    case .checking: "Checking the file"
    case .compiling: "Compiling the model for this device (once)"
    case .loading: "Loading the model"
    case .comparing(let name): "Comparing accelerator and processor on \(name) (once)"
    case .ready: "Ready"
    }
  }
}

/// How a model is opened and run.
public struct ScorerConfiguration: Sendable {
  /// Whether accelerators are held against the processor on golden photos.
  public enum AcceleratorCheck: Sendable {
    /// Once for every file, device and version of the system; the processor is used where they differ.
    case oncePerDevice
    case never
  }

  public var computeUnits: ComputeUnits
  /// Whether scores carry the embedding, where the file gives one.
  public var embedding: Bool
  /// Where compiled models and results of the accelerator's check are kept.
  public var cacheDirectory: URL
  /// Larger photos are refused, pixels.
  public var maximumPixels: Int
  public var acceleratorCheck: AcceleratorCheck
  /// Told where opening stands, on no particular thread.
  public var progress: @Sendable (LoadStep) -> Void

  public init(
    computeUnits: ComputeUnits = .all, embedding: Bool = false, cacheDirectory: URL? = nil,
    maximumPixels: Int = PhotoLimits.pixels, acceleratorCheck: AcceleratorCheck = .oncePerDevice,
    progress: @escaping @Sendable (LoadStep) -> Void = { _ in }
  ) {
    self.computeUnits = computeUnits
    self.embedding = embedding
    self.cacheDirectory = cacheDirectory ?? Self.defaultCache
    self.maximumPixels = maximumPixels
    self.acceleratorCheck = acceleratorCheck
    self.progress = progress
  }

  private static var defaultCache: URL {
    let caches = FileManager.default.urls(for: .cachesDirectory, in: .userDomainMask).first
    return (caches ?? FileManager.default.temporaryDirectory).appendingPathComponent("ralikit")
  }
}

/// A model as it was opened.
public struct LoadedModel: Sendable {
  public let url: URL
  /// SHA-256 of the file; of a package, over its sorted names and contents: `model.hash` of records.
  public let hash: String
  public let bytes: Int
  /// Suffix of the file.
  public let format: String
  /// Runtime and version.
  public let runtime: String
  /// What it really may compute on: the processor where the accelerator's check failed.
  public let units: ComputeUnits
  public let loadSeconds: Double
  /// A caveat that a user must see, or "".
  public let note: String
}

/// What warming up took.
public struct WarmUp: Sendable, Hashable {
  public let seconds: Double
  /// For the user, in English.
  public let sentence: String
}
