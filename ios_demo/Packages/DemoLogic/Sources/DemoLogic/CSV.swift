import Foundation
import RaliCore

/// Results as CSV (RFC 4180) that a spreadsheet never takes for formulas.
public enum CSV {
  public static let header =
    "rank,tied,file,taken,score,reasons,width,height,model,precision,model_sha256"

  /// What made the scores.
  public struct Model: Sendable, Hashable {
    public let name: String
    public let precision: String
    public let hash: String

    public init(name: String, precision: String, hash: String) {
      self.name = name
      self.precision = precision
      self.hash = hash
    }
  }

  /// A text cell. A leading = + - @ (or a tab or line break) would run as a formula when the file is
  /// opened in a spreadsheet; a leading apostrophe makes it text there.
  public static func cell(_ text: String) -> String {
    let first = text.unicodeScalars.first { $0 != " " }
    let dangerous = first.map { "=+-@\t\r\n".unicodeScalars.contains($0) } ?? false
    let safe = dangerous ? "'" + text : text
    return "\"" + safe.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }

  /// One photo's line, without its line break.
  public static func line(_ ranked: Ranked, model: Model) -> String {
    let score = ranked.score
    var cells = [String(ranked.place), ranked.tied ? "yes" : "no", cell(ranked.photo.name)]
    cells.append(ranked.photo.takenAt?.formatted(.iso8601) ?? "")
    cells.append(fixed(score.value))
    cells.append(cell(score.reasons.map(\.id).joined(separator: " ")))
    cells.append(contentsOf: [String(score.width), String(score.height)])
    cells.append(contentsOf: [cell(model.name), cell(model.precision), model.hash])
    return cells.joined(separator: ",")
  }

  /// Write all lines to a file, one at a time. The mark at its front tells spreadsheets that it is
  /// UTF-8.
  ///
  /// - Throws: Foundation's errors, where the file cannot be written.
  public static func write(_ ranked: some Sequence<Ranked>, model: Model, to file: URL) throws {
    try Data("\u{FEFF}\(header)\r\n".utf8).write(to: file)
    let handle = try FileHandle(forWritingTo: file)
    defer { try? handle.close() }
    try handle.seekToEnd()
    var block = Data()
    for item in ranked {
      block.append(contentsOf: "\(line(item, model: model))\r\n".utf8)
      guard block.count > 1 << 16 else { continue }
      try handle.write(contentsOf: block)
      block.removeAll(keepingCapacity: true)
    }
    try handle.write(contentsOf: block)
  }

  /// Four digits after the point, in whatever language the phone speaks.
  static func fixed(_ value: Double) -> String {
    String(format: "%.4f", locale: Locale(identifier: "en_US_POSIX"), value)
  }
}
