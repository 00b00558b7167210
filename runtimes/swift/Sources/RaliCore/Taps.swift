import Foundation

/// Where each pixel of a resized line looks and how much each source pixel weighs: Pillow's, in
/// fixed point (docs/pixels.md, section 5).
struct Taps {
  /// Fraction bits of a weight: 32 less 8 for the pixel and 2 for the sum's room.
  static let bits: Int32 = 22

  /// Weights kept for a result pixel.
  let size: Int
  /// First source pixel of every result pixel.
  let first: [Int]
  /// Number of source pixels of every result pixel.
  let count: [Int]
  /// `size` for every result pixel.
  let weights: [Int32]

  /// - Parameters:
  ///   - from: Source length, pixels.
  ///   - to: Length of the whole result, pixels.
  ///   - part: The wanted pixels of the result.
  init(from: Int, to: Int, filter: Filter, part: Range<Int>) {
    let scale = Double(from) / Double(to)
    let stretch = max(scale, 1)
    let support = filter.support * stretch
    let inverse = 1 / stretch
    let size = Int(support.rounded(.up)) * 2 + 1
    var first: [Int] = []
    var count: [Int] = []
    var weights = [Int32](repeating: 0, count: part.count * size)
    var exact = [Double](repeating: 0, count: size)
    for (index, pixel) in part.enumerated() {
      let centre = (Double(pixel) + 0.5) * scale
      let low = max(Int(centre - support + 0.5), 0)
      let high = min(Int(centre + support + 0.5), from)
      var total = 0.0
      for k in 0..<high - low {
        exact[k] = filter.weight((Double(k + low) - centre + 0.5) * inverse)
        total += exact[k]
      }
      for k in 0..<high - low {
        let share = (total != 0 ? exact[k] / total : exact[k]) * Double(1 << Self.bits)
        weights[index * size + k] = Int32(share + (share < 0 ? -0.5 : 0.5))
      }
      first.append(low)
      count.append(high - low)
    }
    self.size = size
    self.first = first
    self.count = count
    self.weights = weights
  }

  /// Source pixels that any result pixel looks at.
  var reach: Range<Int> {
    let low = first.min() ?? 0
    return low..<(zip(first, count).map { $0 + $1 }.max() ?? low)
  }
}

extension Filter {
  /// How far it looks when nothing shrinks, pixels.
  var support: Double {
    switch self {
    case .bilinear: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }

  func weight(_ x: Double) -> Double {
    let x = abs(x)
    switch self {
    case .bilinear: return x < 1 ? 1 - x : 0
    case .bicubic:
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
    case .lanczos: return x < 3 ? Self.sinc(x) * Self.sinc(x / 3) : 0
    }
  }

  private static func sinc(_ x: Double) -> Double {
    x == 0 ? 1 : sin(x * .pi) / (x * .pi)
  }
}
