/// The file is cut off, or no protobuf.
struct ProtobufError: Error {}

/// The fields of one protobuf message, in order; every length is checked against the bytes.
struct ProtobufFields {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var at: Int
  private let end: Int

  init(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) {
    self.bytes = bytes
    at = range.lowerBound
    end = range.upperBound
  }

  /// Number and range of the next length-delimited field; a number's range is empty, its value kept.
  mutating func next() throws(ProtobufError) -> (number: UInt64, body: Range<Int>?, value: UInt64)?
  {
    guard at < end else { return nil }
    let tag = try varint()
    guard tag >> 3 > 0 else { throw ProtobufError() }
    let length: UInt64
    switch tag & 7 {
    case 0: return (tag >> 3, nil, try varint())
    case 1: length = 8
    case 5: length = 4
    case 2: length = try varint()
    default: throw ProtobufError()
    }
    guard length <= UInt64(end - at) else { throw ProtobufError() }
    let body = at..<at + Int(length)
    at = body.upperBound
    return (tag >> 3, tag & 7 == 2 ? body : nil, 0)
  }

  private mutating func varint() throws(ProtobufError) -> UInt64 {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard at < end else { throw ProtobufError() }
      let byte = bytes[at]
      at += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    throw ProtobufError()
  }
}

/// Ralikit's two metadata entries, where each stands in a file; found once, or the file was altered.
struct MetadataEntries {
  private(set) var facts: Range<Int>?
  private(set) var digest: Range<Int>?

  /// - Parameter body: A message of key (field 1) and value (field 2).
  mutating func take(
    _ bytes: UnsafeBufferPointer<UInt8>, _ body: Range<Int>, where name: String
  ) throws {
    var key: Range<Int>?
    var value = body.upperBound..<body.upperBound
    var fields = ProtobufFields(bytes, body)
    while let field = try fields.next() {
      if field.number == 1, let range = field.body { key = range }
      if field.number == 2, let range = field.body { value = range }
    }
    guard let key else { return }
    let twice = ModelError("\(name) carries ralikit metadata twice: it was altered")
    if bytes[key].elementsEqual(Facts.key.utf8) {
      guard facts == nil else { throw twice }
      facts = value
    } else if bytes[key].elementsEqual(Digest.key.utf8) {
      guard digest == nil else { throw twice }
      digest = value
    }
  }

  /// The facts of a file whose bytes are all here, and where its digest stands.
  func read(
    _ bytes: UnsafeBufferPointer<UInt8>, where name: String
  ) throws -> (text: String?, digest: Digest?) {
    let text = try facts.map { range in
      guard let text = String(validating: bytes[range], as: UTF8.self) else {
        throw ModelError.damaged(name)
      }
      return text
    }
    let digest = try digest.map { range in
      try Digest(entry: bytes[range], at: range.lowerBound, where: name)
    }
    return (text, digest)
  }
}
