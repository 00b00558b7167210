import Foundation
import RaliCore

/// The golden photos of every exported file: the same pixels on every device. Four small pictures are
/// continued by their mirror images to 512 x 512 and spoilt in whole numbers alone; each is known by
/// the hash of its pixels.
package struct GoldenPhoto: Sendable {
  package let name: String
  package let photo: Photo
  /// Of its pixels.
  package let sha256: String

  private static let edge = 512
  private enum Fault {
    case clean
    case blur(Int)
    case blocks(Int)
    case noise(Int)
    case dark(Int)
  }
  private static let recipes: [(picture: String, faults: [Fault])] = [
    ("astronaut", [.clean, .blur(5), .blocks(8)]),
    ("chelsea", [.clean, .noise(24), .blur(11)]),
    ("coffee", [.clean, .dark(120), .noise(64)]),
    ("rocket", [.clean, .blocks(4), .dark(40)]),
  ]

  /// Those that a file names, in its order.
  ///
  /// - Throws: ``ModelError`` if a photo of that name has other pixels here: the file was made by
  ///   another version, and nothing can be compared.
  package static func named(by facts: Facts) throws -> [GoldenPhoto] {
    let photos = try all()
    return try facts.golden.map { wanted in
      guard let photo = photos.first(where: { $0.name == wanted.name }),
        photo.sha256 == wanted.sha256
      else {
        throw ModelError(
          "the golden photo \"\(wanted.name)\" has other pixels here: the file was made by another "
            + "version of ralikit")
      }
      return photo
    }
  }

  /// All twelve.
  package static func all() throws -> [GoldenPhoto] {
    try recipes.flatMap { picture, faults in
      let whole = try continued(picture)
      return try faults.map { fault in
        let (suffix, rgb) = spoilt(whole, fault)
        return GoldenPhoto(
          name: picture + suffix, photo: try Photo(rgb: rgb, width: edge, height: edge),
          sha256: Hash.sha256(of: rgb))
      }
    }
  }

  private static func continued(_ picture: String) throws -> [UInt8] {
    guard
      let url = Bundle.module.url(
        forResource: picture, withExtension: "png", subdirectory: "Golden")
    else { throw RuntimeLoadError("the golden picture \(picture).png is missing from the app") }
    // Python takes the stored pixels as they are, whatever profile the file carries.
    let stored = try Photo(pngAt: url).stored
    let small = try Photo(stored: stored).upright()
    let side = small.width
    func mirrored(_ at: Int) -> Int {
      let turn = at % (2 * side)
      return turn < side ? turn : 2 * side - 1 - turn
    }
    var rgb: [UInt8] = []
    rgb.reserveCapacity(edge * edge * 3)
    for y in 0..<edge {
      for x in 0..<edge {
        let from = (mirrored(y) * side + mirrored(x)) * 3
        rgb.append(contentsOf: small.rgb[from..<from + 3])
      }
    }
    return rgb
  }

  private static func spoilt(_ rgb: [UInt8], _ fault: Fault) -> (String, [UInt8]) {
    switch fault {
    case .clean: ("", rgb)
    case .blur(let width):
      (", blur \(width)", blurred(blurred(rgb, width, step: edge * 3), width, step: 3))
    case .blocks(let side): (", blocks \(side)", averaged(rgb, side))
    case .noise(let amplitude): (", noise \(amplitude)", noisy(rgb, amplitude))
    case .dark(let share): (", dark \(share)", rgb.map { UInt8(Int($0) * share / 256) })
    }
  }

  /// A box of odd width along one axis, borders repeated, rounded to the nearest whole.
  private static func blurred(_ rgb: [UInt8], _ width: Int, step: Int) -> [UInt8] {
    var out = rgb
    let other = step == 3 ? edge * 3 : 3
    for line in 0..<edge {
      for channel in 0..<3 {
        let start = line * other + channel
        func value(_ i: Int) -> Int { Int(rgb[start + min(max(i, 0), edge - 1) * step]) }
        var sum = (-(width / 2)...width / 2).reduce(0) { $0 + value($1) }
        for i in 0..<edge {
          out[start + i * step] = UInt8((sum + width / 2) / width)
          sum += value(i + width / 2 + 1) - value(i - width / 2)
        }
      }
    }
    return out
  }

  /// Every block becomes its mean.
  private static func averaged(_ rgb: [UInt8], _ side: Int) -> [UInt8] {
    var out = rgb
    for top in stride(from: 0, to: edge, by: side) {
      for left in stride(from: 0, to: edge, by: side) {
        for channel in 0..<3 {
          var sum = side * side / 2
          for i in 0..<side * side {
            sum += Int(rgb[((top + i / side) * edge + left + i % side) * 3 + channel])
          }
          let mean = UInt8(sum / (side * side))
          for i in 0..<side * side {
            out[((top + i / side) * edge + left + i % side) * 3 + channel] = mean
          }
        }
      }
    }
    return out
  }

  /// Knuth's multiplicative hash of the value's place: uniform in -amplitude...amplitude.
  private static func noisy(_ rgb: [UInt8], _ amplitude: Int) -> [UInt8] {
    rgb.enumerated().map { place, value in
      var mixed = UInt32(truncatingIfNeeded: place) &* 2_654_435_761
      mixed = (mixed ^ mixed >> 15) &* 2_246_822_519
      let shift = Int(mixed >> 13) % (2 * amplitude + 1) - amplitude
      return UInt8(min(max(Int(value) + shift, 0), 255))
    }
  }
}
