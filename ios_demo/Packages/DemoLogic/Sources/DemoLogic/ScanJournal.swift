import Foundation
import RaliCore

/// A scan's entries on disk, a JSON line each, so that an app that was ended goes on where it was.
///
/// Belongs to one model: entries of another one are dropped as the file is opened. A line that was
/// cut off when the app was killed is dropped too.
public final class ScanJournal {
  private struct Line: Codable {
    var model: String?
    var entry: Entry?
    var gone: [String]?
  }

  private let file: URL
  private let handle: FileHandle

  /// Open a journal, or begin one.
  ///
  /// - Parameters:
  ///   - file: Its folder must be there.
  ///   - model: Hash of the model file that scores.
  /// - Returns: The journal, and what stood in it.
  /// - Throws: Foundation's errors, where the file cannot be written.
  public static func open(_ file: URL, model: String) throws -> (journal: ScanJournal, Results) {
    let results = read(file, model: model)
    // Written anew: half lines and replaced entries do not pile up over the months.
    let draft = file.appendingPathExtension("draft")
    try Data().write(to: draft)
    let writer = try FileHandle(forWritingTo: draft)
    try writer.write(contentsOf: text(Line(model: model)))
    for entry in results.entries { try writer.write(contentsOf: text(Line(entry: entry))) }
    try writer.close()
    if FileManager.default.fileExists(atPath: file.path) {
      _ = try FileManager.default.replaceItemAt(file, withItemAt: draft)
    } else {
      try FileManager.default.moveItem(at: draft, to: file)
    }
    return (try ScanJournal(file), results)
  }

  private init(_ file: URL) throws {
    self.file = file
    handle = try FileHandle(forWritingTo: file)
    try handle.seekToEnd()
  }

  deinit { try? handle.close() }

  public func append(_ entry: Entry) throws {
    try handle.write(contentsOf: Self.text(Line(entry: entry)))
  }

  public func forget(_ ids: Set<String>) throws {
    guard !ids.isEmpty else { return }
    try handle.write(contentsOf: Self.text(Line(gone: ids.sorted())))
  }

  private static func text(_ line: Line) throws -> Data {
    var data = try JSONEncoder().encode(line)
    data.append(UInt8(ascii: "\n"))
    return data
  }

  /// What stands in a journal of this model; empty where there is none.
  private static func read(_ file: URL, model: String) -> Results {
    var results = Results()
    guard let data = try? Data(contentsOf: file) else { return results }
    let decoder = JSONDecoder()
    var lines = data.split(separator: UInt8(ascii: "\n"))[...]
    guard let head = lines.popFirst(), let first = try? decoder.decode(Line.self, from: head),
      first.model == model
    else { return results }
    for text in lines {
      guard let line = try? decoder.decode(Line.self, from: text) else { continue }
      if let entry = line.entry { results.set(entry) }
      if let gone = line.gone { results.remove(gone) }
    }
    return results
  }
}
