import Foundation
import RaliCore

/// Numbers as the person's language writes them.
enum Figures {
  static func score(_ value: Double) -> String {
    value.formatted(.number.precision(.fractionLength(2)))
  }

  static func one(_ value: Double) -> String {
    value.formatted(.number.precision(.fractionLength(1)))
  }

  static func milliseconds(seconds: Double) -> String { one(seconds * 1000) }

  static func megabytes(_ bytes: Int) -> String { one(Double(bytes) / 1_000_000) }

  static func percent(_ share: Double) -> Int { Int((share * 100).rounded()) }

  static func duration(_ seconds: Double) -> String {
    Duration.seconds(seconds.rounded()).formatted(.units(width: .narrow, maximumUnitCount: 2))
  }
}

/// How good a score is, in three steps of its scale: colour is never the only sign of it.
enum Band: String, CaseIterable {
  case good = "Good"
  case fair = "Fair"
  case poor = "Poor"

  init(_ score: RaliCore.Score) {
    let share = (score.value - score.minimum) / max(score.maximum - score.minimum, .ulpOfOne)
    self = share >= 0.6 ? .good : share >= 0.35 ? .fair : .poor
  }

  var word: String {
    switch self {
    case .good: Words.Score.good
    case .fair: Words.Score.fair
    case .poor: Words.Score.poor
    }
  }

  /// Name of the colour asset.
  var colour: String { rawValue }

  var symbol: String {
    switch self {
    case .good: "checkmark.circle.fill"
    case .fair: "circle.lefthalf.filled"
    case .poor: "exclamationmark.triangle.fill"
    }
  }
}
