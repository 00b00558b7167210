import Foundation
import RaliCore

/// Compiled models, each under the hash of the file it was made from, so that another file never gets
/// its result. Asked twice at a time for one file, it compiles once.
package actor CompiledCache {
  package nonisolated let directory: URL
  private var running: [String: Task<URL, any Error>] = [:]

  package init(directory: URL) { self.directory = directory }

  /// The compiled model of a file.
  ///
  /// - Parameters:
  ///   - hash: The file's.
  ///   - compile: Gives a compiled model in a folder that nobody else keeps.
  package func model(
    of hash: String, compile: @escaping @Sendable () async throws -> URL
  ) async throws -> URL {
    let kept = directory.appendingPathComponent("\(hash).mlmodelc")
    if FileManager.default.fileExists(atPath: kept.path) { return kept }
    if let task = running[hash] { return try await task.value }
    let directory = directory
    // Detached: compiling takes seconds, and the caller may be the main actor.
    let task = Task.detached {
      let made = try await compile()
      try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
      if FileManager.default.fileExists(atPath: kept.path) {
        try? FileManager.default.removeItem(at: made)
      } else {
        try FileManager.default.moveItem(at: made, to: kept)
      }
      return kept
    }
    running[hash] = task
    defer { running[hash] = nil }
    return try await task.value
  }

  /// Forget a compiled model that does not load, e.g. after the disk was full.
  package func forget(_ hash: String) {
    try? FileManager.default.removeItem(
      at: directory.appendingPathComponent("\(hash).mlmodelc"))
  }
}
