import Foundation
import RaliCore

/// Photos of one scene, taken one after the other, and the best of them.
public struct Burst: Sendable, Hashable, Identifiable {
  /// In the order they were taken.
  public let entries: [Entry]
  public let best: Entry
  /// Those that the model does not tell apart from the best, highest first.
  public let rivals: [Entry]

  public var id: String { best.id }
  /// Whether the model can tell which is the best.
  public var isSure: Bool { rivals.isEmpty }
  /// What a person may let go: all but the best and its rivals.
  public var others: [Entry] {
    entries.filter { entry in entry.id != best.id && !rivals.contains { $0.id == entry.id } }
  }
}

/// Finds the bursts of a scanned library by RaliCore's `BestShot`.
public enum Bursts {
  /// Scenes of two photos and more, the newest first.
  ///
  /// Only photos with a date, a score and a fingerprint count. They are cut into series where more
  /// time lies between two photos than a scene may have: none reaches across, so that the result is
  /// that of all photos at once, and ten thousand take no longer than their series do.
  public static func find(
    in entries: some Sequence<Entry>, tieWidth: Double?, rule: BestShot.Rule = .standard
  ) -> [Burst] {
    series(of: entries, gap: rule.seconds).reversed().flatMap { series in
      let shots = series.compactMap(shot)
      let scenes = BestShot.scenes(shots, tieWidth: tieWidth, rule: rule)
      return scenes.filter { $0.shots.count > 1 }.map { burst($0, of: series) }
    }
  }

  /// Dated entries, oldest first, cut where they are further apart than `gap` seconds; series of one
  /// photo are left out.
  static func series(of entries: some Sequence<Entry>, gap: Double) -> [[Entry]] {
    let dated = entries.filter { shot($0) != nil }.sorted(by: earlier)
    var all: [[Entry]] = []
    var current: [Entry] = []
    for entry in dated {
      if let last = current.last, seconds(from: last, to: entry) > gap {
        all.append(current)
        current = []
      }
      current.append(entry)
    }
    all.append(current)
    return all.filter { $0.count > 1 }
  }

  private static func burst(_ scene: BestShot.Scene, of series: [Entry]) -> Burst {
    Burst(
      entries: scene.shots.map { series[$0] }, best: series[scene.best],
      rivals: scene.rivals.map { series[$0] })
  }

  private static func shot(_ entry: Entry) -> BestShot.Shot? {
    guard let score = entry.score, let fingerprint = entry.fingerprint,
      let taken = entry.photo.takenAt
    else { return nil }
    return BestShot.Shot(
      value: score.value, fingerprint: fingerprint, taken: taken.timeIntervalSince1970)
  }

  private static func earlier(_ a: Entry, _ b: Entry) -> Bool {
    let apart = seconds(from: a, to: b)
    return apart != 0 ? apart > 0 : a.id < b.id
  }

  private static func seconds(from a: Entry, to b: Entry) -> Double {
    let (first, second) = (a.photo.takenAt ?? .distantPast, b.photo.takenAt ?? .distantPast)
    return second.timeIntervalSince(first)
  }
}
