/// EXIF's orientation, and nothing else of it.
package enum EXIF {
  private static let orientationTag: UInt16 = 0x0112
  private static let short: UInt16 = 3

  /// Orientation in a TIFF-shaped block, 1 to 8; anything missing, damaged or other reads as 1.
  package static func orientation(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    guard bytes.count >= 10 else { return 1 }
    let little: Bool
    switch (bytes[0], bytes[1]) {
    case (0x49, 0x49): little = true
    case (0x4D, 0x4D): little = false
    default: return 1
    }
    func u16(_ at: Int) -> UInt16 { little ? bytes.u16(at).byteSwapped : bytes.u16(at) }
    func u32(_ at: Int) -> Int { Int(little ? bytes.u32(at).byteSwapped : bytes.u32(at)) }
    let table = u32(4)
    guard table <= bytes.count - 2 else { return 1 }
    for entry in 0..<Int(u16(table)) {
      let at = table + 2 + entry * 12
      guard at + 12 <= bytes.count else { return 1 }
      guard u16(at) == orientationTag, u16(at + 2) == short else { continue }
      let value = Int(u16(at + 8))
      return (1...8).contains(value) ? value : 1
    }
    return 1
  }
}
