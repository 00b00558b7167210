import Foundation

/// A file's digest of itself: an altered file is not scored with (docs/contract.md).
struct Digest {
  static let key = "ralikit.digest"
  private static let mark = "ralikit-sha256:"
  static let digits = 64

  /// Where the digits stand, bytes from the start of the file.
  let at: Int
  let text: String

  /// - Parameter entry: The metadata entry's bytes, which stand at `start`.
  /// - Throws: ``ModelError`` if it is anything but the mark and 64 hexadecimal digits.
  init(entry: some Collection<UInt8>, at start: Int, where name: String) throws(ModelError) {
    let mark = Array(Self.mark.utf8)
    let text = entry.dropFirst(mark.count)
    guard entry.starts(with: mark), text.count == Self.digits,
      text.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { throw ModelError.damaged(name) }
    at = start + mark.count
    self.text = String(decoding: text, as: UTF8.self)
  }
}

extension ModelError {
  static func damaged(_ name: String) -> ModelError {
    ModelError(
      "\(name) is damaged: it differs from what ralikit export wrote; copy or export it again")
  }
}
