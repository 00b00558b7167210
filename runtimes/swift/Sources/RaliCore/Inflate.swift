/// Why compressed data cannot be unpacked.
struct InflateError: Error {}

/// zlib streams (RFC 1950, 1951), unpacked no further than a limit. Untrusted input: every read is
/// checked, and each step either consumes input or produces output, so that it always ends.
struct Inflate {
  /// Unpack at most `limit` bytes; what follows is not looked at, and neither is the checksum.
  ///
  /// - Parameter pieces: The stream, which PNG cuts into blocks.
  /// - Parameter partial: Whether data that breaks off gives what came before.
  static func unpack(
    _ bytes: UnsafeBufferPointer<UInt8>, limit: Int, partial: Bool = false
  ) throws(InflateError) -> [UInt8] {
    guard bytes.count >= 2, bytes[0] & 0x0F == 8, bytes[0] >> 4 <= 7, bytes[1] & 0x20 == 0,
      (Int(bytes[0]) << 8 | Int(bytes[1])) % 31 == 0
    else { throw InflateError() }
    var failed = false
    // A stream of n bytes unpacks to 1032 * n at most: no more is asked for than can come.
    let most = min(limit, bytes.count.multipliedReportingOverflow(by: 1040).partialValue)
    let out = [UInt8](unsafeUninitializedCapacity: max(most, 1)) { buffer, count in
      var state = InflateState(input: bytes, output: buffer, limit: most)
      do { try state.run() } catch { failed = true }
      count = state.written
    }
    if failed && !partial { throw InflateError() }
    return out
  }
}

private struct InflateState {
  let input: UnsafeBufferPointer<UInt8>
  let output: UnsafeMutableBufferPointer<UInt8>
  let limit: Int
  var at = 2
  var written = 0
  private var bits: UInt64 = 0
  private var held = 0

  init(
    input: UnsafeBufferPointer<UInt8>, output: UnsafeMutableBufferPointer<UInt8>, limit: Int
  ) {
    self.input = input
    self.output = output
    self.limit = limit
  }

  mutating func run() throws(InflateError) {
    var last = false
    while !last && written < limit {
      last = try take(1) == 1
      switch try take(2) {
      case 0: try stored()
      case 1: try compressed(Self.fixedLengths, Self.fixedDistances)
      case 2:
        let (lengths, distances) = try tables()
        try compressed(lengths, distances)
      default: throw InflateError()
      }
    }
  }

  /// Top up to 56 bits or to the end of the input.
  @inline(__always)
  private mutating func refill() {
    while held <= 48 && at < input.count {
      bits |= UInt64(input[at]) << UInt64(held)
      at &+= 1
      held &+= 8
    }
  }

  @inline(__always)
  private mutating func take(_ count: Int) throws(InflateError) -> Int {
    if held < count {
      refill()
      guard held >= count else { throw InflateError() }
    }
    let value = Int(truncatingIfNeeded: bits & (1 << UInt64(count) &- 1))
    bits >>= UInt64(count)
    held &-= count
    return value
  }

  private mutating func stored() throws(InflateError) {
    _ = try take(held & 7)
    let length = try take(16)
    guard try take(16) == length ^ 0xFFFF else { throw InflateError() }
    for _ in 0..<length {
      guard written < limit else { return }
      output[written] = UInt8(truncatingIfNeeded: try take(8))
      written += 1
    }
  }

  private mutating func compressed(
    _ lengths: HuffmanTable, _ distances: HuffmanTable
  ) throws(InflateError) {
    while written < limit {
      let symbol = try decode(lengths)
      if symbol < 256 {
        output[written] = UInt8(truncatingIfNeeded: symbol)
        written &+= 1
        continue
      }
      if symbol == 256 { return }
      guard symbol < 286 else { throw InflateError() }
      let (base, extra) = Self.lengthCodes[symbol - 257]
      let length = base + (try take(extra))
      let code = try decode(distances)
      guard code < 30 else { throw InflateError() }
      let (far, more) = Self.distanceCodes[code]
      let distance = far + (try take(more))
      guard distance <= written else { throw InflateError() }
      let end = min(written + length, limit)
      // Byte by byte: the copy may overlap itself.
      while written < end {
        output[written] = output[written &- distance]
        written &+= 1
      }
    }
  }

  @inline(__always)
  private mutating func decode(_ table: HuffmanTable) throws(InflateError) -> Int {
    refill()
    let entry = table.lookup(bits)
    let length = Int(entry & 15)
    guard length > 0, length <= held else { throw InflateError() }
    bits >>= UInt64(length)
    held &-= length
    return Int(entry >> 4)
  }

  private mutating func tables() throws(InflateError) -> (HuffmanTable, HuffmanTable) {
    let literals = try take(5) + 257
    let distances = try take(5) + 1
    let count = try take(4) + 4
    var order = [UInt8](repeating: 0, count: 19)
    for index in 0..<count { order[Self.codeOrder[index]] = UInt8(try take(3)) }
    let codes = try HuffmanTable(order)
    var lengths: [UInt8] = []
    while lengths.count < literals + distances {
      let symbol = try decode(codes)
      switch symbol {
      case 0..<16: lengths.append(UInt8(symbol))
      case 16:
        guard let last = lengths.last else { throw InflateError() }
        lengths += [UInt8](repeating: last, count: 3 + (try take(2)))
      case 17: lengths += [UInt8](repeating: 0, count: 3 + (try take(3)))
      default: lengths += [UInt8](repeating: 0, count: 11 + (try take(7)))
      }
    }
    guard lengths.count == literals + distances, lengths[256] > 0 else { throw InflateError() }
    return (
      try HuffmanTable(Array(lengths[..<literals])), try HuffmanTable(Array(lengths[literals...]))
    )
  }

  private static let codeOrder = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
  ]

  /// Smallest length and extra bits of codes 257 to 285 (RFC 1951, 3.2.5).
  private static let lengthCodes: [(Int, Int)] = {
    var codes: [(Int, Int)] = []
    var base = 3
    for code in 0..<28 {
      let extra = max(0, code / 4 - 1)
      codes.append((base, extra))
      base += 1 << extra
    }
    return codes + [(258, 0)]
  }()

  /// Smallest distance and extra bits of codes 0 to 29.
  private static let distanceCodes: [(Int, Int)] = {
    var codes: [(Int, Int)] = []
    var base = 1
    for code in 0..<30 {
      let extra = max(0, code / 2 - 1)
      codes.append((base, extra))
      base += 1 << extra
    }
    return codes
  }()

  private static let fixedLengths: HuffmanTable = {
    let lengths = (0..<288).map { UInt8($0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8) }
    return HuffmanTable(complete: lengths)
  }()

  private static let fixedDistances = HuffmanTable(complete: [UInt8](repeating: 5, count: 32))
}

/// A prefix code as a table over its next 15 bits at most: symbol << 4 | length; 0: no code.
private struct HuffmanTable {
  private let entries: [UInt16]
  private let mask: UInt64

  @inline(__always)
  func lookup(_ bits: UInt64) -> UInt16 {
    entries.withUnsafeBufferPointer { $0[Int(truncatingIfNeeded: bits & mask)] }
  }

  /// - Throws: If more codes are given than there is room for. Fewer are allowed (one distance).
  init(_ lengths: [UInt8]) throws(InflateError) {
    var counts = [Int](repeating: 0, count: 16)
    for length in lengths { counts[Int(length)] += 1 }
    counts[0] = 0
    var room = 1
    for length in 1...15 {
      room = room * 2 - counts[length]
      guard room >= 0 else { throw InflateError() }
    }
    self.init(complete: lengths)
  }

  init(complete lengths: [UInt8]) {
    let longest = max(Int(lengths.max() ?? 0), 1)
    var counts = [Int](repeating: 0, count: 16)
    for length in lengths where length > 0 { counts[Int(length)] += 1 }
    var next = [Int](repeating: 0, count: 17)
    for length in 1...15 { next[length + 1] = (next[length] + counts[length]) << 1 }
    var entries = [UInt16](repeating: 0, count: 1 << longest)
    for (symbol, length) in lengths.enumerated() where length > 0 {
      let code = next[Int(length)]
      next[Int(length)] += 1
      var reversed = 0
      for bit in 0..<Int(length) where code >> bit & 1 == 1 {
        reversed |= 1 << (Int(length) - 1 - bit)
      }
      for index in stride(from: reversed, to: entries.count, by: 1 << Int(length)) {
        entries[index] = UInt16(symbol << 4) | UInt16(length)
      }
    }
    self.entries = entries
    mask = UInt64(entries.count - 1)
  }
}
