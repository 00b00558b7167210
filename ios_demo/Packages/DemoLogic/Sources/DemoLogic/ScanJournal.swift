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

  private let handle: FileHandle

  /// What stands in a journal of this model; empty where there is none.
  public static func entries(in file: URL, model: String) -> Results {
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

  /// Begin a journal with what was kept of it: half lines and replaced entries do not pile up over
  /// the months.
  ///
  /// - Parameters:
  ///   - file: Its folder must be there. The old file stays whole until the new one is.
  ///   - model: Hash of the model file that scores.
  /// - Throws: Foundation's errors, where the file cannot be written.
  public init(_ file: URL, model: String, keeping results: Results) throws {
    let draft = file.appendingPathExtension("draft")
    try Data().write(to: draft)
    handle = try FileHandle(forWritingTo: draft)
    try handle.write(contentsOf: Self.text(Line(model: model)))
    for entry in results.entries { try handle.write(contentsOf: Self.text(Line(entry: entry))) }
    // The handle follows the file to its new name.
    guard rename(draft.path, file.path) == 0 else {
      throw CocoaError(.fileWriteUnknown, userInfo: [NSFilePathErrorKey: file.path])
    }
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
}
