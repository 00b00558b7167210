import Foundation

#if canImport(CryptoKit)
  import CryptoKit
#endif

/// SHA-256 as 64 hexadecimal digits.
public enum Hash {
  private static let piece = 1 << 20

  /// Of bytes in memory.
  public static func sha256(of bytes: some ContiguousBytes) -> String {
    var hash = SHA256State()
    bytes.withUnsafeBytes { hash.update($0) }
    return hash.digits()
  }

  /// Of a file, read in pieces.
  ///
  /// - Throws: ``UsageError`` if it cannot be read.
  public static func sha256(ofFileAt url: URL) throws -> String {
    try sha256(ofFileAt: url, blank: nil)
  }

  /// Of a folder, as records name a package: over a line of name, zero byte and hash a file, sorted.
  ///
  /// - Throws: ``UsageError`` if it cannot be read.
  public static func sha256(ofFolderAt root: URL) throws -> String {
    listing(
      try files(below: root).map { name in
        (name, try sha256(ofFileAt: root.appendingPathComponent(name)))
      })
  }

  /// Of a list of files, each a line of name, zero byte, hash and line feed.
  static func listing(_ files: [(name: String, hash: String)]) -> String {
    let lines = files.map { Array("\($0.name)\0\($0.hash)\n".utf8) }
      .sorted { $0.lexicographicallyPrecedes($1) }
    return sha256(of: Array(lines.joined()))
  }

  /// Of a file in which the 64 bytes from `blank` on count as the character "0".
  static func sha256(ofFileAt url: URL, blank: Int?) throws -> String {
    var hash = SHA256State()
    var at = 0
    try pieces(of: url) { bytes in
      var copy = [UInt8]()
      if let blank, blank < at + bytes.count, blank + 64 > at {
        copy = Array(bytes)
        for i in max(blank, at)..<min(blank + 64, at + bytes.count) { copy[i - at] = 0x30 }
        hash.update(copy)
      } else {
        hash.update(bytes)
      }
      at += bytes.count
    }
    return hash.digits()
  }

  /// Paths of the regular files in a folder, with "/", sorted by their UTF-8 bytes; links are none.
  package static func files(below root: URL) throws -> [String] {
    do {
      let manager = FileManager.default
      return try manager.subpathsOfDirectory(atPath: root.path).filter { path in
        let attributes = try manager.attributesOfItem(
          atPath: root.appendingPathComponent(path).path)
        return attributes[.type] as? FileAttributeType == .typeRegular
      }.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    } catch {
      throw UsageError("\(root.lastPathComponent) cannot be read: \(error.localizedDescription)")
    }
  }

  private static func pieces(of url: URL, _ body: (Data) -> Void) throws {
    do {
      let file = try FileHandle(forReadingFrom: url)
      defer { try? file.close() }
      while let data = try file.read(upToCount: piece), !data.isEmpty { body(data) }
    } catch {
      throw UsageError("\(url.lastPathComponent) cannot be read: \(error.localizedDescription)")
    }
  }
}

/// SHA-256 in progress: the system's where there is one, else FIPS 180-4 as written.
struct SHA256State {
  #if canImport(CryptoKit)
    private var state = SHA256()

    mutating func update(_ bytes: some ContiguousBytes) {
      bytes.withUnsafeBytes { state.update(bufferPointer: $0) }
    }

    func digits() -> String { state.finalize().map(SHA256State.hexadecimal).joined() }
  #else
    private var state = PlainSHA256()

    mutating func update(_ bytes: some ContiguousBytes) {
      bytes.withUnsafeBytes { state.update($0) }
    }

    func digits() -> String {
      var copy = state
      return copy.finish().map(SHA256State.hexadecimal).joined()
    }
  #endif

  private static func hexadecimal(_ byte: UInt8) -> String {
    (byte < 16 ? "0" : "") + String(byte, radix: 16)
  }
}

/// FIPS 180-4, section 6.2.
struct PlainSHA256 {
  private static let constants: [UInt32] = [
    0x428A_2F98, 0x7137_4491, 0xB5C0_FBCF, 0xE9B5_DBA5, 0x3956_C25B, 0x59F1_11F1,
    0x923F_82A4, 0xAB1C_5ED5, 0xD807_AA98, 0x1283_5B01, 0x2431_85BE, 0x550C_7DC3,
    0x72BE_5D74, 0x80DE_B1FE, 0x9BDC_06A7, 0xC19B_F174, 0xE49B_69C1, 0xEFBE_4786,
    0x0FC1_9DC6, 0x240C_A1CC, 0x2DE9_2C6F, 0x4A74_84AA, 0x5CB0_A9DC, 0x76F9_88DA,
    0x983E_5152, 0xA831_C66D, 0xB003_27C8, 0xBF59_7FC7, 0xC6E0_0BF3, 0xD5A7_9147,
    0x06CA_6351, 0x1429_2967, 0x27B7_0A85, 0x2E1B_2138, 0x4D2C_6DFC, 0x5338_0D13,
    0x650A_7354, 0x766A_0ABB, 0x81C2_C92E, 0x9272_2C85, 0xA2BF_E8A1, 0xA81A_664B,
    0xC24B_8B70, 0xC76C_51A3, 0xD192_E819, 0xD699_0624, 0xF40E_3585, 0x106A_A070,
    0x19A4_C116, 0x1E37_6C08, 0x2748_774C, 0x34B0_BCB5, 0x391C_0CB3, 0x4ED8_AA4A,
    0x5B9C_CA4F, 0x682E_6FF3, 0x748F_82EE, 0x78A5_636F, 0x84C8_7814, 0x8CC7_0208,
    0x90BE_FFFA, 0xA450_6CEB, 0xBEF9_A3F7, 0xC671_78F2,
  ]

  private var state: [UInt32] = [
    0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C,
    0x1F83_D9AB, 0x5BE0_CD19,
  ]
  private var block: [UInt8] = []
  private var length: UInt64 = 0

  mutating func update(_ bytes: UnsafeRawBufferPointer) {
    length &+= UInt64(bytes.count)
    var rest = bytes[...]
    if !block.isEmpty {
      let taken = min(64 - block.count, rest.count)
      block.append(contentsOf: rest.prefix(taken))
      rest = rest.dropFirst(taken)
      guard block.count == 64 else { return }
      block.withUnsafeBytes { Self.compress($0, into: &state) }
      block.removeAll(keepingCapacity: true)
    }
    let whole = rest.count & ~63
    Self.compress(UnsafeRawBufferPointer(rebasing: rest.prefix(whole)), into: &state)
    block.append(contentsOf: rest.dropFirst(whole))
  }

  /// The digest, 32 bytes; nothing may be added afterwards.
  mutating func finish() -> [UInt8] {
    let bits = length &* 8
    var end: [UInt8] = [0x80]
    end += [UInt8](repeating: 0, count: (119 - block.count) % 64)
    end += (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * UInt64($0))) }
    end.withUnsafeBytes { update($0) }
    return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) }
    }
  }

  /// Compress whole blocks of 64 bytes.
  private static func compress(_ bytes: UnsafeRawBufferPointer, into state: inout [UInt32]) {
    guard bytes.count >= 64 else { return }
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { w in
      constants.withUnsafeBufferPointer { k in
        for start in stride(from: 0, to: bytes.count, by: 64) {
          for i in 0..<16 {
            w[i] = UInt32(
              bigEndian: bytes.loadUnaligned(fromByteOffset: start + 4 * i, as: UInt32.self))
          }
          for i in 16..<64 {
            let a = w[i - 15]
            let b = w[i - 2]
            let s0 = turned(a, 7) ^ turned(a, 18) ^ a >> 3
            let s1 = turned(b, 17) ^ turned(b, 19) ^ b >> 10
            w[i] = w[i - 16] &+ s0 &+ w[i - 7] &+ s1
          }
          rounds(w, k, &state)
        }
      }
    }
  }

  @inline(__always)
  private static func rounds(
    _ w: UnsafeMutableBufferPointer<UInt32>, _ k: UnsafeBufferPointer<UInt32>,
    _ state: inout [UInt32]
  ) {
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for i in 0..<64 {
      let s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)
      let t1 = h &+ s1 &+ (e & f ^ ~e & g) &+ k[i] &+ w[i]
      let s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)
      let t2 = s0 &+ (a & b ^ a & c ^ b & c)
      (h, g, f, e) = (g, f, e, d &+ t1)
      (d, c, b, a) = (c, b, a, t1 &+ t2)
    }
    for (i, value) in [a, b, c, d, e, f, g, h].enumerated() { state[i] = state[i] &+ value }
  }

  @inline(__always)
  private static func turned(_ x: UInt32, _ n: UInt32) -> UInt32 { x >> n | x << (32 - n) }
}
