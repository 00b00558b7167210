import DemoLogic
import Foundation
import Observation
import RaliCore
import RaliKit
import RaliMini

/// The model that the app scores with: the bundled one, or a file that the person opened.
@MainActor @Observable
final class ModelStore {
  enum State {
    case none
    case opening(LoadStep)
    case ready(RaliScorer)
    case failed(String)
  }

  private(set) var state = State.none
  private(set) var url: URL?
  @ObservationIgnored private var opening: Task<Void, Never>?
  private let units: ComputeUnits

  /// - Parameter units: An app extension has little memory and no time: it stays on the processor.
  init(units: ComputeUnits = .all) {
    self.units = units
  }

  var scorer: RaliScorer? { if case .ready(let scorer) = state { scorer } else { nil } }
  var isBundled: Bool { url == RaliMini.modelURL }

  /// Open the model of the last time, or the bundled one.
  func openFirst() {
    guard case .none = state else { return }
    open(Self.kept ?? RaliMini.modelURL)
  }

  func openBundled() {
    Self.forgetKept()
    open(RaliMini.modelURL)
  }

  /// Take a copy of a file that the person picked, and open it.
  func openPicked(_ file: URL) {
    switch PickedFile(file) {
    case .coreML, .coreAI: break
    case .compiled: return fail(Words.Model.compiled)
    case .foreign(let suffix): return fail(Words.Model.foreign(suffix))
    }
    opening?.cancel()
    state = .opening(.checking)
    opening = Task {
      do {
        open(try await Self.keep(file))
      } catch {
        fail(error.localizedDescription)
      }
    }
  }

  private func open(_ file: URL?) {
    opening?.cancel()
    url = file
    guard let file else { return fail(Words.Model.missing) }
    state = .opening(.checking)
    opening = Task { [units] in
      let (steps, tell) = AsyncStream<LoadStep>.makeStream(bufferingPolicy: .bufferingNewest(1))
      let showing = Task { for await step in steps { show(step, of: file) } }
      defer {
        tell.finish()
        showing.cancel()
      }
      do {
        let scorer = try await RaliScorer(
          modelAt: file,
          configuration: .init(computeUnits: units, embedding: true) { tell.yield($0) })
        _ = try await scorer.warmUp()
        guard !Task.isCancelled, url == file else { return await scorer.close() }
        state = .ready(scorer)
      } catch is CancellationError {
        return
      } catch {
        if url == file { fail(error.localizedDescription) }
      }
    }
  }

  private func show(_ step: LoadStep, of file: URL) {
    guard case .opening = state, url == file else { return }
    state = .opening(step)
  }

  private func fail(_ why: String) { state = .failed(why) }

  private nonisolated static var folder: URL {
    URL.applicationSupportDirectory.appending(path: "Model", directoryHint: .isDirectory)
  }

  private static var kept: URL? {
    let files = try? FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: nil)
    return files?.first { PickedFile($0).opens }
  }

  private static func forgetKept() { try? FileManager.default.removeItem(at: folder) }

  /// A model may have hundreds of megabytes: it is copied off the main thread.
  private nonisolated static func keep(_ file: URL) async throws -> URL {
    try await Task.detached {
      let granted = file.startAccessingSecurityScopedResource()
      defer { if granted { file.stopAccessingSecurityScopedResource() } }
      let manager = FileManager.default
      let draft = manager.temporaryDirectory.appending(path: UUID().uuidString)
      try manager.copyItem(at: file, to: draft)
      try? manager.removeItem(at: folder)
      try manager.createDirectory(at: folder, withIntermediateDirectories: true)
      let place = folder.appending(path: file.lastPathComponent)
      try manager.moveItem(at: draft, to: place)
      return place
    }.value
  }
}
