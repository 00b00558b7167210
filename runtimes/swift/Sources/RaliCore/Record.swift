import Foundation

/// Why a line is no record.
public struct RecordError: RaliError, Equatable {
  public let message: String
  public init(_ message: String) { self.message = message }
}

/// Benchmark records: one line each, sealed by a hash over its bytes as they are written
/// (docs/records.md). A line is `BODY,"sha256":"HASH"}`, HASH the SHA-256 of the bytes `BODY}`.
public enum Record {
  /// What is written and read.
  public static let schema = 2
  private static let start = Array(#","sha256":""#.utf8)
  private static let end = Array(#""}"#.utf8)
  private static let sealBytes = 77

  /// Make one line of a record file, its line feed included.
  ///
  /// - Parameter values: The record's members, without schema and seal.
  /// - Throws: ``UsageError`` if they hold either, or a number that is not finite.
  public static func seal(_ values: [JSONMember]) throws(UsageError) -> String {
    for member in values where ["schema", "sha256"].contains(member.name) {
      throw UsageError("\(member.name) is written by the seal, not by the caller")
    }
    let body = JSONValue.object([JSONMember("schema", .integer(schema))] + values)
    guard (try? JSONValue(parsing: body.text.utf8)) == body else {
      throw UsageError("a record's numbers are finite, its names are there once each")
    }
    let hash = Hash.sha256(of: Array(body.text.utf8))
    return "\(body.text.dropLast()),\"sha256\":\"\(hash)\"}\n"
  }

  /// Check a line and read it.
  ///
  /// - Parameter line: One line of a record file, without its line feed.
  /// - Returns: Its members, without schema and seal.
  /// - Throws: ``RecordError`` if it is no whole record, or was edited.
  public static func open(_ line: some Collection<UInt8>) throws(RecordError) -> [JSONMember] {
    let bytes = Array(line)
    let values: JSONValue
    do {
      values = try JSONValue(parsing: bytes)
    } catch {
      throw RecordError("not valid JSON: it \(error.reason)")
    }
    guard let members = values.object else { throw RecordError("a record is a JSON object") }
    guard values["schema"] == .integer(schema) else {
      throw RecordError(
        "schema \(values["schema"]?.text ?? "none"), this version reads \(schema)")
    }
    let seal = bytes.suffix(sealBytes)
    let digits = seal.dropFirst(start.count).prefix(64)
    guard seal.count == sealBytes, seal.starts(with: start), seal.suffix(2).elementsEqual(end),
      digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else {
      throw RecordError(
        #"a record ends with its seal, ,"sha256":"(64 digits 0-9a-f)"}, and nothing stands behind it"#
      )
    }
    let hash = Hash.sha256(of: bytes.dropLast(sealBytes) + [UInt8(ascii: "}")])
    guard digits.elementsEqual(hash.utf8) else {
      throw RecordError("the record was edited after it was written (its hash does not fit)")
    }
    return members.filter { $0.name != "schema" && $0.name != "sha256" }
  }
}
