import Foundation

/// Why a profile cannot be used; its photo's pixels are then taken as sRGB, as browsers do.
struct ProfileError: Error {}

/// Tone curves: linear light of every 8-bit value, 256 doubles, rounded so that the last bit of `pow`
/// does not matter (docs/pixels.md, section 2).
enum Curves {
  /// sRGB's, as parameters of a `para` curve of type 3.
  private static let srgbParameters = [157286, 62119, 3417, 5072, 2651]
  /// Largest difference of linear light at which a curve is taken for PQ or HLG.
  private static let sameCurve = 0.01

  static let srgb: [Double] = {
    let p = srgbParameters.map { Double($0) / 65536 }
    let rounded = try? table { parametric($0, kind: 3, p + [0, 0]) }
    return rounded ?? []
  }()

  static func power(_ exponent: Double) -> [Double] {
    (try? table { pow(Double($0) / 255, exponent) }) ?? []
  }

  /// A `curv` or `para` tag at `offset`; the caller has checked that `size` bytes are there.
  static func read(
    _ data: UnsafeBufferPointer<UInt8>, offset: Int, size: Int
  ) throws(ProfileError) -> [Double] {
    guard size >= 12 else { throw ProfileError() }
    switch data.latin1(offset, 4) {
    case "curv": return try sampled(data, offset, size)
    case "para": return try parametric(data, offset, size)
    default: throw ProfileError()
    }
  }

  private static func sampled(
    _ data: UnsafeBufferPointer<UInt8>, _ offset: Int, _ size: Int
  ) throws(ProfileError) -> [Double] {
    let n = Int(data.u32(offset + 8))
    guard 12 + 2 * n <= size else { throw ProfileError() }
    let t = (0..<n).map { Int(data.u16(offset + 12 + 2 * $0)) }
    switch n {
    case 0: return try table { Double($0) / 255 }
    case 1: return try table { pow(Double($0) / 255, Double(t[0]) / 256) }
    default:
      return try table { v in
        let (i, r) = (v * (n - 1)).quotientAndRemainder(dividingBy: 255)
        return Double(t[i] * (255 - r) + t[min(i + 1, n - 1)] * r) / 16_711_425
      }
    }
  }

  private static func parametric(
    _ data: UnsafeBufferPointer<UInt8>, _ offset: Int, _ size: Int
  ) throws(ProfileError) -> [Double] {
    let kind = Int(data.u16(offset + 8))
    guard let count = [0: 1, 1: 3, 2: 4, 3: 5, 4: 7][kind], 12 + 4 * count <= size else {
      throw ProfileError()
    }
    var p: [Double] = [0, 1, 0, 0, 0, 0, 0]
    for i in 0..<count {
      p[i] = Double(Int32(bitPattern: data.u32(offset + 12 + 4 * i))) / 65536
    }
    guard p[0] > 0 else { throw ProfileError() }
    return try table { parametric($0, kind: kind, p) }
  }

  private static func parametric(_ v: Int, kind: Int, _ p: [Double]) -> Double {
    let x = Double(v) / 255
    if kind == 0 { return pow(x, p[0]) }
    let s = p[1] * x + p[2]
    let power = s > 0 ? pow(s, p[0]) : 0
    switch kind {
    case 1: return s >= 0 ? power : 0
    case 2: return s >= 0 ? power + p[3] : p[3]
    case 3: return x >= p[4] ? power : p[3] * x
    default: return x >= p[4] ? power + p[5] : p[3] * x + p[6]
    }
  }

  private static func table(_ y: (Int) -> Double) throws(ProfileError) -> [Double] {
    let values = (0..<256).map(y)
    guard values.allSatisfy(\.isFinite) else { throw ProfileError() }
    return values.map { (min(max($0, 0), 1) * 16_777_216 + 0.5).rounded(.down) / 16_777_216 }
  }

  /// `"PQ"` or `"HLG"` where a curve is that one, by its course alone; else nil.
  static func highDynamicRange(_ linear: [Double]) -> String? {
    func near(_ wanted: (Double) -> Double) -> Bool {
      linear.enumerated().allSatisfy { abs($1 - wanted(Double($0) / 255)) <= sameCurve }
    }
    return near(pq) ? "PQ" : near(hlg) ? "HLG" : nil
  }

  /// SMPTE ST 2084, 1 being 10,000 cd/m².
  private static func pq(_ x: Double) -> Double {
    let root = pow(x, 32.0 / 2523)
    let ratio = max(root - 107.0 / 128, 0) / (2413.0 / 128 - 2392.0 / 128 * root)
    return pow(ratio, 16384.0 / 2610)
  }

  /// ARIB STD-B67, scene light.
  private static func hlg(_ x: Double) -> Double {
    x <= 0.5 ? x * x / 3 : (exp((x - 0.55991073) / 0.17883277) + 0.28466892) / 12
  }
}
