/// Where a scan of the photo library stands, and what may happen next. A plain value: it starts no
/// task and reads no photo.
///
/// Photos wait, are under way, or are done. A pause lets what is under way end and counts it: no
/// work is lost. A scan may be paused for several reasons at once and goes on when the last is gone.
public struct ScanMachine: Sendable, Equatable {
  public enum Phase: Sendable, Equatable {
    case idle
    case running
    case paused
    case finished
    /// No photo can be scored any more, e.g. the model is gone.
    case failed(String)
  }

  public enum Pause: String, Sendable, Hashable, CaseIterable {
    case person
    case background
    case heat
    case lowPower
  }

  public private(set) var phase: Phase = .idle
  public private(set) var pauses: Set<Pause> = []
  public private(set) var done = 0
  /// Photos being loaded or scored now.
  public private(set) var underWay: Set<String> = []
  /// Most photos under way at a time: one is decoded while another is scored.
  public let limit: Int

  private var waiting: [String] = []
  /// Index of the next in `waiting`; taken ones are cut off now and then.
  private var next = 0
  private var known: Set<String> = []

  public init(limit: Int = 2) {
    self.limit = max(1, limit)
  }

  public var left: Int { waiting.count - next + underWay.count }
  public var total: Int { done + left }
  /// 0 to 1; 1 where there is nothing to do.
  public var share: Double { total == 0 ? 1 : Double(done) / Double(total) }

  /// Begin, or begin again: `finished` are counted as done and not looked at.
  public mutating func start(_ photos: some Sequence<String>, finished: Set<String> = []) {
    let held = pauses
    self = ScanMachine(limit: limit)
    pauses = held
    for id in photos where known.insert(id).inserted {
      if finished.contains(id) { done += 1 } else { waiting.append(id) }
    }
    phase = pauses.isEmpty ? .running : .paused
    settlePhase()
  }

  /// The next photo to look at, which is then under way; nil while none may be begun.
  public mutating func take() -> String? {
    guard phase == .running, underWay.count < limit, next < waiting.count else { return nil }
    let id = waiting[next]
    next += 1
    if next > 1024, next * 2 > waiting.count {
      waiting.removeFirst(next)
      next = 0
    }
    underWay.insert(id)
    return id
  }

  /// A photo that was under way has an outcome.
  ///
  /// - Returns: Whether it counts; false where it was forgotten meanwhile.
  public mutating func settle(_ id: String) -> Bool {
    guard underWay.remove(id) != nil else { return false }
    done += 1
    settlePhase()
    return true
  }

  public mutating func pause(_ reason: Pause) {
    pauses.insert(reason)
    if phase == .running { phase = .paused }
  }

  /// One reason to pause is gone; the others still hold.
  public mutating func resume(_ reason: Pause) {
    pauses.remove(reason)
    guard phase == .paused, pauses.isEmpty else { return }
    phase = .running
    settlePhase()
  }

  /// Stop. What is under way is forgotten, what is done stays done.
  public mutating func cancel() {
    waiting = []
    next = 0
    underWay = []
    pauses.remove(.person)
    phase = .idle
  }

  public mutating func fail(_ why: String) {
    cancel()
    phase = .failed(why)
  }

  /// The library is another: photos were added or deleted, or a person picked others to share.
  ///
  /// - Parameter finished: Those of them that have an outcome.
  /// - Returns: Known photos that are gone; their entries are to be forgotten.
  public mutating func libraryChanged(_ photos: [String], finished: Set<String>) -> Set<String> {
    guard phase == .running || phase == .paused || phase == .finished else { return [] }
    let now = Set(photos)
    let gone = known.subtracting(now)
    underWay.subtract(gone)
    var seen: Set<String> = []
    waiting = photos.filter {
      !finished.contains($0) && !underWay.contains($0) && seen.insert($0).inserted
    }
    next = 0
    known = now
    done = now.count - waiting.count - underWay.count
    if phase == .finished, !waiting.isEmpty { phase = pauses.isEmpty ? .running : .paused }
    settlePhase()
    return gone
  }

  private mutating func settlePhase() {
    guard left == 0, phase == .running || phase == .paused else { return }
    phase = .finished
  }
}
