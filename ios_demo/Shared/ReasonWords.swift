import RaliCore
import RaliKit

/// Words for what the model names, in the person's language.
enum ReasonWords {
  /// - Returns: The words for a reason's id; the file's own words where the id is new.
  static func words(_ id: String, otherwise: String) -> String {
    switch id {
    case "out-of-focus": Words.Reason.outOfFocus
    case "motion-blur": Words.Reason.motionBlur
    case "noise": Words.Reason.noise
    case "too-dark": Words.Reason.tooDark
    case "too-bright": Words.Reason.tooBright
    case "low-contrast": Words.Reason.lowContrast
    case "poor-colours": Words.Reason.poorColours
    case "compression": Words.Reason.compression
    default: otherwise
    }
  }

  static func words(_ reason: RaliCore.Reason) -> String {
    words(reason.id, otherwise: reason.words)
  }

  /// One sentence of why a photo scores low.
  static func why(_ score: RaliCore.Score) -> String {
    guard !score.reasons.isEmpty else { return Words.Score.noReason }
    return Words.Score.why(score.reasons.map { words($0) }.joined(separator: ", "))
  }

  static func words(_ step: LoadStep) -> String {
    switch step {
    case .checking: Words.Model.checking
    case .compiling: Words.Model.compiling
    case .loading: Words.Model.loading
    case .comparing(let photo): Words.Model.comparing(photo)
    case .ready: Words.Model.ready
    }
  }

  static func words(_ units: ComputeUnits) -> String {
    switch units {
    case .all: Words.Bench.unitAll
    case .cpuOnly: Words.Bench.unitCPU
    case .cpuAndGPU: Words.Bench.unitGPU
    case .cpuAndNeuralEngine: Words.Bench.unitNeural
    }
  }
}
