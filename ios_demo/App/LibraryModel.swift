import DemoLogic
import Foundation
import Observation
import RaliCore
import RaliKit
import UIKit

/// The scan of the photo library, as screens see it.
@MainActor @Observable
final class LibraryModel {
  private(set) var access = PhotoLibrary.access
  private(set) var snapshot: LibraryScan.Snapshot?
  private(set) var results = Results()
  private(set) var weak: [Ranked] = []
  private(set) var bursts: [Burst] = []
  private(set) var trouble: String?
  /// Scores below its limit are weak.
  var filter = PhotoFilter() { didSet { refresh() } }

  @ObservationIgnored private let library = PhotoLibrary()
  @ObservationIgnored private var scan: LibraryScan?
  @ObservationIgnored private var scanned: String?
  @ObservationIgnored private var following: Task<Void, Never>?
  @ObservationIgnored private var isWatching = false

  var phase: ScanMachine.Phase { snapshot?.phase ?? .idle }

  /// Take over the model; another one's results are not its own.
  func use(_ scorer: RaliScorer) async {
    guard scanned != scorer.model.hash else { return }
    scanned = scorer.model.hash
    await scan?.cancel()
    following?.cancel()
    let scan = LibraryScan(journal: Self.journal, model: scorer.model.hash) { photo in
      try await PhotoLibrary.look(photo, scorer: scorer)
    }
    self.scan = scan
    let scale = scorer.facts.scale
    if filter.below == nil {
      filter.below = scale.minimum + (scale.maximum - scale.minimum) * 0.35
    }
    results = await scan.results
    refresh()
    follow(scan)
  }

  func ask() async { access = await PhotoLibrary.ask() }

  func start() async {
    access = PhotoLibrary.access
    guard access.canScan else { return }
    watch()
    await scan?.start(await PhotoLibrary.photos())
  }

  func pause() async { await scan?.pause(.person) }
  func resume() async { await scan?.resume(.person) }
  func stop() async { await scan?.cancel() }

  /// Scoring in the background is not allowed; the scan waits and goes on by itself.
  func isInFront(_ front: Bool) async {
    access = PhotoLibrary.access
    if front { await scan?.resume(.background) } else { await scan?.pause(.background) }
  }

  func delete(_ ids: Set<String>) async {
    do {
      try await PhotoLibrary.delete(ids.sorted())
      await libraryChanged()
      results = await scan?.results ?? results
      refresh()
    } catch {
      trouble = error.localizedDescription
    }
  }

  private func follow(_ scan: LibraryScan) {
    following = Task {
      for await snapshot in scan.snapshots {
        self.snapshot = snapshot
        self.results = await scan.results
        self.refresh()
        // Twice a second is enough for eyes; ranking ten thousand photos for each one is not.
        if snapshot.phase == .running { try? await Task.sleep(for: .milliseconds(500)) }
      }
    }
  }

  /// Follow the library, the phone's warmth and its battery from the first scan on.
  private func watch() {
    guard !isWatching else { return }
    isWatching = true
    library.watch()
    Task {
      for await _ in library.changes { await libraryChanged() }
    }
    Task {
      await feelHeat()
      let changes = NotificationCenter.default.notifications(
        named: ProcessInfo.thermalStateDidChangeNotification)
      for await _ in changes { await feelHeat() }
    }
    Task {
      let changes = NotificationCenter.default.notifications(
        named: .NSProcessInfoPowerStateDidChange)
      for await _ in changes { await feelPower() }
    }
  }

  private func libraryChanged() async {
    access = PhotoLibrary.access
    await scan?.libraryChanged(await PhotoLibrary.photos())
  }

  private func feelHeat() async {
    let state = ProcessInfo.processInfo.thermalState
    let hot = state == .serious || state == .critical
    if hot { await scan?.pause(.heat) } else { await scan?.resume(.heat) }
  }

  /// Low Power Mode that is switched on meanwhile is a wish to save; a scan begun in it is not.
  private func feelPower() async {
    let low = ProcessInfo.processInfo.isLowPowerModeEnabled
    if low { await scan?.pause(.lowPower) } else { await scan?.resume(.lowPower) }
  }

  private func refresh() {
    let entries = results.entries
    let tieWidth = entries.lazy.compactMap(\.score).first?.tieWidth
    weak = PhotoRanking.rank(entries.filter(filter.shows), tieWidth: tieWidth).reversed()
    if phase != .running { bursts = Bursts.find(in: entries, tieWidth: tieWidth) }
  }

  /// In a folder that no backup holds: it lists a person's photos, and is made again from them.
  private static var journal: URL? {
    var folder = URL.applicationSupportDirectory.appending(
      path: "Scan", directoryHint: .isDirectory)
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      var values = URLResourceValues()
      values.isExcludedFromBackup = true
      try folder.setResourceValues(values)
      return folder.appending(path: "scan.jsonl")
    } catch {
      return nil
    }
  }
}
