import Foundation

/// How stored values become sRGB.
package enum Conversion: Sendable {
  /// Products of the matrix and the linear light of every value: 9 tables of 256, row by row.
  case shaper([Double])
  /// sRGB value of every gray value.
  case gray([UInt8])
}

/// What an embedded ICC profile asks for (docs/pixels.md, section 2).
package struct ICCProfile: Sendable {
  package enum Space: Sendable { case rgb, gray, cmyk }
  package enum Kind: Sendable {
    /// Pixels are sRGB already.
    case none
    case conversion(Conversion)
    /// Tables, which only a colour management module applies.
    case table
  }

  package let space: Space
  /// `"PQ"` or `"HLG"`, which is refused; nil for standard range.
  package let highDynamicRange: String?
  package let kind: Kind

  /// Read a profile, untrusted; nil where it is damaged or describes no photo.
  package init?(_ bytes: [UInt8]) {
    let read = bytes.withUnsafeBufferPointer { try? ICCReader($0).profile() }
    guard let read else { return nil }
    self = read
  }

  fileprivate init(space: Space, highDynamicRange: String?, kind: Kind) {
    self.space = space
    self.highDynamicRange = highDynamicRange
    self.kind = kind
  }
}

/// sRGB's encoding of linear light, and the matrix from a profile's colorants.
enum ColourMath {
  /// D50 XYZ to linear sRGB: the inverse of sRGB's own D50 colorants.
  private static let fromXYZ = [
    [3.134112153323845, -1.6173924595518705, -0.49063340456472027],
    [-0.9787872961391832, 1.9162795864266209, 0.03345471423138195],
    [0.07198304438569493, -0.22898585024754495, 1.4053851315844992],
  ]
  /// Largest difference of a coordinate at which a profile's primaries are taken for sRGB's.
  private static let sameColorant = 0.003
  /// rXYZ, gXYZ, bXYZ of sRGB, s15Fixed16.
  static let srgbColorants = [[28578, 14581, 912], [25241, 46981, 6362], [9376, 3972, 46799]]

  /// sRGB value of linear light k / 65535.
  static let encode: [UInt8] = (0..<65536).map { k in
    let u = Double(k) / 65535
    let e = u <= 0.0031308 ? 12.92 * u : 1.055 * pow(u, 1 / 2.4) - 0.055
    return UInt8((255 * e + 0.5).rounded(.down))
  }

  /// Position in `encode` of linear light.
  @inline(__always)
  static func index(_ y: Double) -> Int { Int(min(max(y, 0), 1) * 65535 + 0.5) }

  /// - Parameter columns: rXYZ, gXYZ, bXYZ, s15Fixed16.
  /// - Parameter linear: Linear light of every value, three times 256.
  static func kind(columns: [[Int]], linear: [[Double]]) throws(ProfileError) -> ICCProfile.Kind {
    let p = (0..<3).map { k in columns.map { Double($0[k]) / 65536 } }
    let white = p[1][0] + p[1][1] + p[1][2]
    guard white >= 0.9, white <= 1.1 else { throw ProfileError() }
    if isSRGB(p, linear) { return .none }
    var products: [Double] = []
    products.reserveCapacity(9 * 256)
    for c in fromXYZ {
      for j in 0..<3 {
        let m = (c[0] * p[0][j] + c[1] * p[1][j]) + c[2] * p[2][j]
        products += linear[j].map { m * $0 }
      }
    }
    return .conversion(.shaper(products))
  }

  private static func isSRGB(_ p: [[Double]], _ linear: [[Double]]) -> Bool {
    for k in 0..<3 {
      for j in 0..<3 where abs(p[k][j] - Double(srgbColorants[j][k]) / 65536) > sameColorant {
        return false
      }
    }
    return linear.allSatisfy { channel in
      channel.enumerated().allSatisfy { v, y in abs(Int(encode[index(y)]) - v) <= 1 }
    }
  }
}

private struct ICCReader {
  private static let mostTags = 1000

  let data: UnsafeBufferPointer<UInt8>
  let tags: [String: (offset: Int, size: Int)]

  init(_ data: UnsafeBufferPointer<UInt8>) throws(ProfileError) {
    self.data = data
    guard data.count >= 132, data.latin1(36, 4) == "acsp" else { throw ProfileError() }
    let count = Int(data.u32(128))
    guard count <= Self.mostTags, 132 + 12 * count <= data.count else { throw ProfileError() }
    var tags: [String: (offset: Int, size: Int)] = [:]
    for index in 0..<count {
      let at = 132 + 12 * index
      let (offset, size) = (Int(data.u32(at + 4)), Int(data.u32(at + 8)))
      guard offset + size <= data.count else { throw ProfileError() }
      tags[data.latin1(at, 4)] = (offset, size)
    }
    self.tags = tags
  }

  func profile() throws(ProfileError) -> ICCProfile {
    let space = data.latin1(16, 4)
    let range = highDynamicRange(space == "GRAY" ? ["kTRC"] : ["rTRC", "gTRC", "bTRC"])
    switch space {
    case "CMYK":
      guard tags["A2B0"] != nil else { throw ProfileError() }
      return ICCProfile(space: .cmyk, highDynamicRange: range, kind: .table)
    case "GRAY":
      let table = try curve("kTRC").map { ColourMath.encode[ColourMath.index($0)] }
      return ICCProfile(space: .gray, highDynamicRange: range, kind: .conversion(.gray(table)))
    case "RGB ":
      if range != nil || tags["A2B0"] != nil || tags["A2B1"] != nil {
        return ICCProfile(space: .rgb, highDynamicRange: range, kind: .table)
      }
      guard data.latin1(20, 4) == "XYZ " else { throw ProfileError() }
      let columns = [try colorant("rXYZ"), try colorant("gXYZ"), try colorant("bXYZ")]
      let linear = [try curve("rTRC"), try curve("gTRC"), try curve("bTRC")]
      let kind = try ColourMath.kind(columns: columns, linear: linear)
      return ICCProfile(space: .rgb, highDynamicRange: nil, kind: kind)
    default: throw ProfileError()
    }
  }

  private func curve(_ name: String) throws(ProfileError) -> [Double] {
    guard let tag = tags[name] else { throw ProfileError() }
    return try Curves.read(data, offset: tag.offset, size: tag.size)
  }

  private func colorant(_ name: String) throws(ProfileError) -> [Int] {
    guard let tag = tags[name], tag.size >= 20, data.latin1(tag.offset, 4) == "XYZ " else {
      throw ProfileError()
    }
    return [8, 12, 16].map { Int(Int32(bitPattern: data.u32(tag.offset + $0))) }
  }

  /// By the `cicp` tag (ICC.1:2022, 9.2.17) or, without one, by the curves; never by a name.
  private func highDynamicRange(_ curves: [String]) -> String? {
    if let tag = tags["cicp"], tag.size >= 12, data.latin1(tag.offset, 4) == "cicp" {
      return CodedColour(primaries: 2, transfer: data[tag.offset + 9], full: true).highDynamicRange
    }
    let found = curves.map { name in (try? curve(name)).flatMap(Curves.highDynamicRange) }
    return Set(found).count == 1 ? found[0] : nil
  }
}

/// Colour declared by numbers (ITU-T H.273): PNG's `cICP`, HEIC's `nclx`.
package struct CodedColour: Sendable {
  package let primaries: UInt8
  package let transfer: UInt8
  /// Whether values fill 0..255; false: 16..235, as in video.
  package let full: Bool

  package init(primaries: UInt8, transfer: UInt8, full: Bool) {
    self.primaries = primaries
    self.transfer = transfer
    self.full = full
  }

  private static let colorants: [UInt8: [[Int]]] = [
    1: ColourMath.srgbColorants, 2: ColourMath.srgbColorants,
    9: [[44137, 18287, -127], [10857, 44259, 1965], [8195, 2989, 52222]],
    12: [[33759, 15807, -69], [19160, 45364, 2747], [10276, 4365, 51396]],
  ]

  package var highDynamicRange: String? { transfer == 16 ? "PQ" : transfer == 18 ? "HLG" : nil }

  /// How to reach sRGB (nil: pixels are sRGB), and what a user should know.
  package var conversion: (Conversion?, notes: [String]) {
    let powers: [UInt8: Double] = [4: 2.2, 5: 2.8, 8: 1]
    let curve =
      powers[transfer].map(Curves.power)
      ?? ([1, 2, 6, 13, 14, 15].contains(transfer) ? Curves.srgb : nil)
    guard let columns = Self.colorants[primaries], let curve,
      let kind = try? ColourMath.kind(columns: columns, linear: [curve, curve, curve])
    else {
      return (
        nil,
        [
          "its colours are declared by numbers that are not converted (primaries \(primaries), "
            + "transfer \(transfer)): they were taken as sRGB"
        ]
      )
    }
    let notes = full ? [] : ["its values are declared as 16..235 and were not spread"]
    if case .conversion(let conversion) = kind { return (conversion, notes) }
    return (nil, notes)
  }
}
