import DemoLogic
import Foundation
import Observation
import RaliCore
import RaliKit

/// Photos that a person handed over as files, and their scores.
@MainActor @Observable
final class RankSession {
  private(set) var results = Results()
  /// Best first, of those that the filter shows.
  private(set) var ranked: [Ranked] = []
  private(set) var failures: [Entry] = []
  private(set) var done = 0
  private(set) var total = 0
  /// What ended the work before its end.
  private(set) var trouble: String?
  var filter = PhotoFilter() { didSet { refresh() } }

  @ObservationIgnored private var waiting: [PhotoInfo] = []
  @ObservationIgnored private var scoredBy: String?
  @ObservationIgnored private var work: Task<Void, Never>?

  var isWorking: Bool { done < total }
  var isEmpty: Bool { results.isEmpty && !isWorking }
  var tieWidth: Double? { ranked.first?.score.tieWidth }

  /// Score with this model: what another one scored is scored anew.
  func use(_ scorer: RaliScorer) {
    guard scoredBy != scorer.model.hash else { return }
    let photos = results.entries.map(\.photo) + waiting
    clear()
    scoredBy = scorer.model.hash
    add(photos, scorer: scorer)
  }

  /// Hand over photos whose id is their file's path.
  func add(_ photos: [PhotoInfo], scorer: any PhotoScoring) {
    let fresh = photos.filter { results[$0.id] == nil }
    waiting += fresh
    total += fresh.count
    start(scorer)
  }

  func stop() {
    work?.cancel()
    work = nil
    waiting = []
    total = done
  }

  func clear() {
    stop()
    results = Results()
    (done, total) = (0, 0)
    refresh()
  }

  private func start(_ scorer: any PhotoScoring) {
    guard work == nil, !waiting.isEmpty else { return }
    trouble = nil
    let photos = waiting
    waiting = []
    work = Task {
      do {
        let sources = photos.map { PhotoSource.url(URL(filePath: $0.id)) }
        for try await scored in scorer.scores(for: sources, total: sources.count) {
          settle(photos[scored.index], scored.result)
        }
      } catch is CancellationError {
        return
      } catch {
        trouble = error.localizedDescription
        total = done
        waiting = []
      }
      guard !Task.isCancelled else { return }
      work = nil
      start(scorer)
    }
  }

  private func settle(_ photo: PhotoInfo, _ result: Result<RaliCore.Score, PhotoError>) {
    guard !Task.isCancelled else { return }
    switch result {
    case .success(let score): results.set(Entry(photo: photo, outcome: .scored(score)))
    case .failure(let error): results.set(Entry(photo: photo, outcome: .failed(error.message)))
    }
    done += 1
    refresh()
  }

  private func refresh() {
    let entries = results.entries
    ranked = PhotoRanking.rank(
      entries.filter(filter.shows), tieWidth: entries.lazy.compactMap(\.score).first?.tieWidth)
    failures = entries.filter { $0.failure != nil }
  }
}
