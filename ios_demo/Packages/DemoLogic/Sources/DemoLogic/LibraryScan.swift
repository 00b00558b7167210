import Foundation
import RaliCore

/// Scores a photo library from the first photo to the last, with pauses, and goes on where an
/// earlier run of the app was ended.
///
/// Holds an entry a photo and never more than ``ScanMachine/limit`` photos at a time.
public actor LibraryScan {
  /// What a screen shows of a scan.
  public struct Snapshot: Sendable, Equatable {
    public let phase: ScanMachine.Phase
    public let pauses: Set<ScanMachine.Pause>
    public let done: Int
    public let total: Int
    public let failures: Int
    public let photosPerSecond: Double?
    /// Nil while nobody can tell.
    public let secondsLeft: Double?
    /// Why results are not kept on disk; the scan itself goes on.
    public let journalTrouble: String?

    /// 0 to 1.
    public var share: Double { total == 0 ? 1 : Double(done) / Double(total) }
  }

  /// Scores one photo: a ``PhotoError`` is about this one, any other error about all.
  public typealias Look = @Sendable (PhotoInfo) async throws -> Seen

  /// The newest state; one that nobody read is replaced by the next.
  public nonisolated let snapshots: AsyncStream<Snapshot>
  public private(set) var results: Results

  private let publish: AsyncStream<Snapshot>.Continuation
  private let look: Look
  private let now: @Sendable () -> Double
  private let journal: ScanJournal?
  private var journalTrouble: String?
  private var machine: ScanMachine
  private var pace = Pace()
  private var listed: [PhotoInfo] = []
  private var photos: [String: PhotoInfo] = [:]
  private var tasks: [String: Task<Void, Never>] = [:]
  /// Tells what was begun before a stop from what was begun after it.
  private var generation = 0

  /// - Parameters:
  ///   - journal: Where entries are kept; nil: in memory alone.
  ///   - model: Hash of the model file; entries that another one made are not taken over.
  ///   - limit: Most photos under way at a time.
  ///   - now: Seconds of a clock that only goes forward.
  public init(
    journal file: URL?, model: String, limit: Int = 2,
    now: @escaping @Sendable () -> Double = { ProcessInfo.processInfo.systemUptime },
    look: @escaping Look
  ) {
    (snapshots, publish) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    machine = ScanMachine(limit: limit)
    self.look = look
    self.now = now
    var opened: ScanJournal?
    var kept = Results()
    if let file {
      kept = ScanJournal.entries(in: file, model: model)
      do { opened = try ScanJournal(file, model: model, keeping: kept) } catch {
        journalTrouble = error.localizedDescription
      }
    }
    journal = opened
    results = kept
  }

  deinit { publish.finish() }

  public var snapshot: Snapshot {
    Snapshot(
      phase: machine.phase, pauses: machine.pauses, done: machine.done, total: machine.total,
      failures: results.failures, photosPerSecond: pace.photosPerSecond,
      secondsLeft: pace.seconds(for: machine.left), journalTrouble: journalTrouble)
  }

  /// Look at all photos that have no entry yet, in this order. Entries of others are forgotten.
  public func start(_ photos: [PhotoInfo]) {
    stopTasks()
    list(photos)
    forget(Set(results.entries.map(\.id)).subtracting(self.photos.keys))
    machine.start(photos.map(\.id), finished: Set(results.entries.map(\.id)))
    goOn()
  }

  public func pause(_ reason: ScanMachine.Pause) {
    machine.pause(reason)
    goOn()
  }

  public func resume(_ reason: ScanMachine.Pause) {
    machine.resume(reason)
    goOn()
  }

  /// Stop; entries stay.
  public func cancel() {
    stopTasks()
    machine.cancel()
    goOn()
  }

  /// The library is another, or a person picked other photos to share.
  public func libraryChanged(_ photos: [PhotoInfo]) {
    let gone = machine.libraryChanged(
      photos.map(\.id), finished: Set(results.entries.map(\.id)))
    list(photos)
    for id in gone { tasks.removeValue(forKey: id)?.cancel() }
    forget(gone)
    goOn()
  }

  /// Forget photos, e.g. after they were deleted here.
  public func remove(_ ids: Set<String>) {
    libraryChanged(listed.filter { !ids.contains($0.id) })
  }

  private func list(_ photos: [PhotoInfo]) {
    listed = photos
    self.photos = Dictionary(photos.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
  }

  private func forget(_ ids: Set<String>) {
    results.remove(ids)
    record { try journal?.forget(ids) }
  }

  private func goOn() {
    while let id = machine.take() {
      guard let photo = photos[id] else { continue }
      let generation = generation
      tasks[id] = Task { [look] in
        let result: Result<Seen, any Error>
        do { result = .success(try await look(photo)) } catch { result = .failure(error) }
        self.ended(photo, result, generation: generation)
      }
    }
    if machine.phase == .running { pace.run(at: now()) } else { pace.rest(at: now()) }
    publish.yield(snapshot)
  }

  private func ended(_ photo: PhotoInfo, _ result: Result<Seen, any Error>, generation: Int) {
    guard generation == self.generation else { return }
    tasks[photo.id] = nil
    switch result {
    case .success(let seen):
      let named = PhotoInfo(id: photo.id, name: seen.name ?? photo.name, takenAt: photo.takenAt)
      settle(Entry(photo: named, outcome: .scored(seen.score), fingerprint: seen.fingerprint))
    case .failure(let error as PhotoError):
      settle(Entry(photo: photo, outcome: .failed(error.message)))
    case .failure(let error):
      guard machine.underWay.contains(photo.id) else { break }
      stopTasks()
      machine.fail((error as? any RaliError)?.message ?? error.localizedDescription)
    }
    goOn()
  }

  private func settle(_ entry: Entry) {
    guard machine.settle(entry.id) else { return }
    results.set(entry)
    pace.photoEnded(at: now())
    record { try journal?.append(entry) }
  }

  private func record(_ write: () throws -> Void) {
    do { try write() } catch { journalTrouble = error.localizedDescription }
  }

  private func stopTasks() {
    generation += 1
    for task in tasks.values { task.cancel() }
    tasks = [:]
  }
}
