/// A JSON value that anybody may have written, read strictly: no name twice in an object, no number
/// beyond a Double, nothing behind the end, not nested deeply.
public enum JSONValue: Sendable, Hashable {
  case null
  case bool(Bool)
  /// A number written without point and exponent, where it fits.
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  /// In the order written.
  case object([JSONMember])

  /// Read one JSON text, UTF-8 without a byte order mark.
  ///
  /// - Throws: ``JSONError`` with the end of a sentence that begins with "it".
  public init(parsing text: some Sequence<UInt8>) throws(JSONError) {
    var reader = JSONReader(bytes: Array(text))
    self = try reader.whole()
  }

  /// A member of an object; nil where there is none or this is no object.
  public subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  public var string: String? { if case .string(let text) = self { text } else { nil } }
  public var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
  public var object: [JSONMember]? { if case .object(let members) = self { members } else { nil } }
  public var integer: Int? { if case .integer(let value) = self { value } else { nil } }
  /// Any finite number.
  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }
  public var isNull: Bool { self == .null }

  /// Compact JSON text. A number that is not finite becomes null.
  public var text: String {
    var out = ""
    write(to: &out)
    return out
  }

  private func write(to out: inout String) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .integer(let value): out += String(value)
    case .number(let value): out += value.isFinite ? String(value) : "null"
    case .string(let value): JSONValue.quote(value, to: &out)
    case .array(let values):
      out += "["
      for (index, value) in values.enumerated() {
        if index > 0 { out += "," }
        value.write(to: &out)
      }
      out += "]"
    case .object(let members):
      out += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { out += "," }
        JSONValue.quote(member.name, to: &out)
        out += ":"
        member.value.write(to: &out)
      }
      out += "}"
    }
  }

  private static func quote(_ text: String, to out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}

/// A name and its value in a JSON object.
public struct JSONMember: Sendable, Hashable {
  public let name: String
  public let value: JSONValue

  public init(_ name: String, _ value: JSONValue) {
    self.name = name
    self.value = value
  }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .number(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(elements.map { JSONMember($0.0, $0.1) })
  }
  public init(nilLiteral: ()) { self = .null }
}

/// Why a text is no JSON, as the end of a sentence that begins with "it".
public struct JSONError: Error, Sendable, Equatable {
  public let reason: String
}

/// Recursive descent over bytes; every index is checked before it is used.
private struct JSONReader {
  private static let deepest = 64

  let bytes: [UInt8]
  var at = 0
  var depth = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func whole() throws(JSONError) -> JSONValue {
    let value = try value()
    skipSpace()
    guard at == bytes.count else { throw refused("goes on behind its end") }
    return value
  }

  private func refused(_ words: String) -> JSONError { JSONError(reason: "\(words) (byte \(at))") }

  private mutating func skipSpace() {
    while at < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[at]) { at += 1 }
  }

  /// The next byte that is no space, not taken; nil at the end.
  private mutating func peek() -> UInt8? {
    skipSpace()
    return at < bytes.count ? bytes[at] : nil
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    at += 1
    return true
  }

  private mutating func value() throws(JSONError) -> JSONValue {
    guard depth < Self.deepest else { throw refused("is nested more than \(Self.deepest) deep") }
    depth += 1
    defer { depth -= 1 }
    switch peek() {
    case UInt8(ascii: "{"): return try object()
    case UInt8(ascii: "["): return try array()
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case .some: return try number()
    case nil: throw refused("is cut off")
    }
  }

  private mutating func word(_ word: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
    guard bytes[at...].starts(with: word.utf8) else { throw refused("has an unknown word") }
    at += word.utf8.count
    return value
  }

  private mutating func object() throws(JSONError) -> JSONValue {
    at += 1
    var members: [JSONMember] = []
    var names: Set<String> = []
    if take(UInt8(ascii: "}")) { return .object([]) }
    repeat {
      guard peek() == UInt8(ascii: "\"") else { throw refused("has a member without a name") }
      let name = try string()
      guard names.insert(name).inserted else { throw refused("has the name \"\(name)\" twice") }
      guard take(UInt8(ascii: ":")) else { throw refused("has a name without a value") }
      members.append(JSONMember(name, try value()))
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw refused("has an object without an end") }
    return .object(members)
  }

  private mutating func array() throws(JSONError) -> JSONValue {
    at += 1
    var values: [JSONValue] = []
    if take(UInt8(ascii: "]")) { return .array([]) }
    repeat { values.append(try value()) } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw refused("has a list without an end") }
    return .array(values)
  }

  private mutating func number() throws(JSONError) -> JSONValue {
    let start = at
    func digits() -> Int {
      let from = at
      while at < bytes.count, (0x30...0x39).contains(bytes[at]) { at += 1 }
      return at - from
    }
    if at < bytes.count, bytes[at] == UInt8(ascii: "-") { at += 1 }
    let leading = at
    let whole = digits()
    guard whole == 1 || (whole > 1 && bytes[leading] != 0x30) else {
      throw refused("has something that is no value")
    }
    var plain = true
    if at < bytes.count, bytes[at] == UInt8(ascii: ".") {
      plain = false
      at += 1
      guard digits() > 0 else { throw refused("has a number without an end") }
    }
    if at < bytes.count, bytes[at] | 0x20 == UInt8(ascii: "e") {
      plain = false
      at += 1
      if at < bytes.count, bytes[at] == 0x2B || bytes[at] == 0x2D { at += 1 }
      guard digits() > 0 else { throw refused("has a number without an end") }
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if plain, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw refused("has a number too large") }
    return .number(value)
  }

  private mutating func string() throws(JSONError) -> String {
    at += 1
    var text: [UInt8] = []
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw refused("has text that is not UTF-8")
        }
        return string
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20: throw refused("has a control character in a text")
      default: text.append(byte)
      }
    }
    throw refused("has a text without an end")
  }

  private mutating func escape(into text: inout [UInt8]) throws(JSONError) {
    guard at < bytes.count else { throw refused("has a text without an end") }
    let byte = bytes[at]
    at += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: Array(String(try scalar()).utf8))
    default: throw refused("has an unknown escape")
    }
  }

  /// A \u escape, or two that make one character; half a pair becomes U+FFFD, as JSON allows it.
  private mutating func scalar() throws(JSONError) -> Character {
    let first = try fourDigits()
    guard (0xD800..<0xDC00).contains(first), bytes[at...].starts(with: [0x5C, 0x75]) else {
      return Character(Unicode.Scalar(first) ?? "\u{FFFD}")
    }
    let before = at
    at += 2
    let second = try fourDigits()
    guard (0xDC00..<0xE000).contains(second) else {
      at = before
      return "\u{FFFD}"
    }
    let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
    return Character(Unicode.Scalar(code) ?? "\u{FFFD}")
  }

  private mutating func fourDigits() throws(JSONError) -> UInt32 {
    guard bytes.count - at >= 4 else { throw refused("has a text without an end") }
    var value: UInt32 = 0
    for byte in bytes[at..<at + 4] {
      guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw refused("has an unknown escape")
      }
      value = value << 4 | UInt32(digit)
    }
    at += 4
    return value
  }
}
