/// The walk over a PNG's blocks: what is wrong in one that has nothing to do with pixels leaves it
/// out and is said; what is wrong where pixels are refuses the file.
struct PNGBlocks {
  private static let textLimit = 1 << 20
  private static let profileLimit = 16 << 20

  private let bytes: UnsafeBufferPointer<UInt8>
  private(set) var header: PNGHeader?
  private(set) var data: [UInt8] = []
  private(set) var palette: [UInt8]?
  private(set) var transparency: [UInt8]?
  private(set) var orientation = 1
  private(set) var coded: CodedColour?
  private(set) var profile: [UInt8]?
  private(set) var notes: [String] = []
  private var sawPixels = false

  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  /// - Throws: ``PhotoError`` without the photo's name.
  mutating func read(limit: Int) throws(PhotoError) {
    var at = PNG.signature.count
    while at + 8 <= bytes.count {
      let length = Int(bytes.u32(at))
      let kind = bytes.latin1(at + 4, 4)
      let whole = length <= bytes.count - at - 12
      // A block of pixels that the file's end cuts off may still hold all that are wanted.
      guard whole || kind == "IDAT" else { return }
      let body = bytes.part(at + 8, whole ? length : bytes.count - at - 8)
      let right = !whole || CRC32.of(bytes.part(at + 4, length + 4)) == bytes.u32(at + 8 + length)
      if !right && bytes[at + 4] & 0x20 == 0 {
        throw PhotoError(
          "is damaged (the checksum of its \(Self.shown(kind)) block is wrong); get a whole copy")
      }
      if right {
        try take(kind, body, limit: limit)
      } else {
        leaveOut(kind, "has a wrong checksum")
      }
      if kind == "IEND" || !whole { return }
      at += 12 + length
    }
  }

  private mutating func take(
    _ kind: String, _ body: UnsafeBufferPointer<UInt8>, limit: Int
  ) throws(PhotoError) {
    guard header != nil || kind == "IHDR" else {
      throw PhotoError("cannot be decoded (it does not begin with its header)")
    }
    switch kind {
    case "IHDR" where header == nil: header = try PNGHeader(body, limit: limit)
    case "PLTE": palette = palette ?? Array(body)
    case "tRNS": transparency = Array(body)
    case "IDAT":
      sawPixels = true
      data.append(contentsOf: body)
    case "eXIf": orientation = EXIF.orientation(body)
    case "cICP" where !sawPixels && coded == nil && body.count >= 4:
      let numbers = CodedColour(primaries: body[0], transfer: body[1], full: body[3] != 0)
      if let kind = numbers.highDynamicRange { throw PhotoError.highDynamicRange(kind) }
      if numbers.primaries != 2 { coded = numbers }
    case "iCCP" where profile == nil: takeProfile(body)
    case "tEXt", "zTXt", "iTXt":
      if Self.unpackedText(kind, body) > Self.textLimit {
        leaveOut(kind, "unpacks to more than 1 MB")
      }
    default: break
    }
  }

  private mutating func takeProfile(_ body: UnsafeBufferPointer<UInt8>) {
    guard let zero = body.firstIndex(of: 0), zero + 2 <= body.count else { return }
    let packed = body.part(zero + 2, body.count - zero - 2)
    guard let found = try? Inflate.unpack(packed, limit: Self.profileLimit + 1) else {
      profile = []  // damaged: said where it would be used
      return
    }
    if found.count > Self.profileLimit {
      leaveOut("iCCP", "unpacks to more than 16 MB")
      return
    }
    profile = found
    if found.count > Self.textLimit {
      notes.append("its colour profile is unusually large (\(found.count / 1000) kB)")
    }
  }

  private mutating func leaveOut(_ kind: String, _ reason: String) {
    let note = "its \(Self.shown(kind)) block \(reason) and was left out"
    if !notes.contains(note) && notes.count < 100 { notes.append(note) }
  }

  /// Bytes of a text, unpacked; stops behind the limit.
  private static func unpackedText(_ kind: String, _ body: UnsafeBufferPointer<UInt8>) -> Int {
    var start = 0
    if kind == "tEXt" { return body.count }
    guard let keyword = body.firstIndex(of: 0) else { return 0 }
    if kind == "zTXt" {
      start = keyword + 2
    } else {
      guard keyword + 2 < body.count, body[keyword + 1] == 1 else { return body.count }
      guard let language = body[(keyword + 3)...].firstIndex(of: 0),
        let translated = body[(language + 1)...].firstIndex(of: 0)
      else { return 0 }
      start = translated + 1
    }
    guard start < body.count else { return 0 }
    let packed = body.part(start, body.count - start)
    return (try? Inflate.unpack(packed, limit: textLimit + 1).count) ?? 0
  }

  private static func shown(_ kind: String) -> String {
    kind.unicodeScalars.allSatisfy { (0x20..<0x7F).contains($0.value) }
      ? kind : kind.unicodeScalars.map { "\\x" + String($0.value, radix: 16) }.joined()
  }
}

/// PNG's checksum.
enum CRC32 {
  private static let table: [UInt32] = (0..<256).map { n in
    (0..<8).reduce(UInt32(n)) { c, _ in c & 1 == 1 ? 0xEDB8_8320 ^ c >> 1 : c >> 1 }
  }

  static func of(_ bytes: UnsafeBufferPointer<UInt8>) -> UInt32 {
    table.withUnsafeBufferPointer { table in
      ~bytes.reduce(0xFFFF_FFFF) { c, byte in
        table[Int(truncatingIfNeeded: (c ^ UInt32(byte)) & 0xFF)] ^ c >> 8
      }
    }
  }
}

extension UnsafeBufferPointer<UInt8> {
  /// Big-endian; the caller has checked that it is inside.
  func u16(_ at: Int) -> UInt16 { UInt16(self[at]) << 8 | UInt16(self[at + 1]) }
  /// Big-endian; the caller has checked that it is inside.
  func u32(_ at: Int) -> UInt32 { UInt32(u16(at)) << 16 | UInt32(u16(at + 2)) }

  func part(_ start: Int, _ count: Int) -> UnsafeBufferPointer<UInt8> {
    UnsafeBufferPointer(rebasing: self[start..<start + count])
  }

  /// Bytes as text; the caller has checked that they are inside.
  func latin1(_ start: Int, _ count: Int) -> String {
    var text = ""
    for byte in self[start..<start + count] { text.unicodeScalars.append(Unicode.Scalar(byte)) }
    return text
  }
}
