import Foundation
import RaliCore
import Testing

@testable import DemoLogic

/// Counts how many photos are held at a time, and who was looked at.
private actor Looker {
  var held = 0
  var most = 0
  var seen: [String] = []
  private var gate: [CheckedContinuation<Void, Never>] = []
  private var shut = false

  func look(_ photo: PhotoInfo) async throws -> Seen {
    held += 1
    most = max(most, held)
    seen.append(photo.id)
    defer { held -= 1 }
    if shut { await withCheckedContinuation { gate.append($0) } }
    await Task.yield()
    if photo.id.hasPrefix("bad") { throw PhotoError("\(photo.id) is cut off") }
    if photo.id == "fatal" { throw ModelError("the model is damaged: choose another") }
    return Seen(
      score: score(2, embedding: [Float](repeating: 1, count: 512)), name: "IMG \(photo.id)")
  }

  func close() { shut = true }

  func open() {
    shut = false
    for waiter in gate { waiter.resume() }
    gate = []
  }
}

@Suite("Scanning a library")
struct LibraryScanTests {
  private func scan(_ looker: Looker, journal: URL? = nil, model: String = "m") -> LibraryScan {
    LibraryScan(journal: journal, model: model, limit: 2) { try await looker.look($0) }
  }

  @Test("every photo once, failures counted, two at a time")
  func whole() async throws {
    let looker = Looker()
    let scan = scan(looker)
    await scan.start((0..<200).map { photo($0 % 10 == 3 ? "bad\($0)" : "\($0)") })
    try await scan.wait { $0.phase == .finished }
    let snapshot = await scan.snapshot
    #expect(snapshot.done == 200 && snapshot.failures == 20 && snapshot.share == 1)
    #expect(await looker.most <= 2)
    #expect(await Set(looker.seen).count == 200)
    #expect(await scan.results["7"]?.photo.name == "IMG 7")
    #expect(await scan.results["bad3"]?.failure == "bad3 is cut off")
  }

  @Test("pause lets two end and begins none; resume goes on with the next")
  func paused() async throws {
    let looker = Looker()
    let scan = scan(looker)
    await looker.close()
    await scan.start((0..<50).map { photo("\($0)") })
    try await scan.wait { _ in true }
    while await looker.held < 2 { await Task.yield() }
    await scan.pause(.person)
    await looker.open()
    try await scan.wait { $0.done == 2 }
    try await Task.sleep(for: .milliseconds(20))
    #expect(await looker.seen.count == 2)
    await scan.resume(.person)
    try await scan.wait { $0.phase == .finished }
    #expect(await looker.seen.count == 50)
    #expect(await Set(looker.seen).count == 50)
  }

  @Test("an app that was ended goes on where it was; nothing is looked at twice")
  func continued() async throws {
    try await withFolder { folder in
      let journal = folder.appendingPathComponent("scan.jsonl")
      let photos = (0..<40).map { photo($0 == 5 ? "bad5" : "\($0)") }
      let first = Looker()
      do {
        let scan = scan(first, journal: journal)
        await scan.start(Array(photos.prefix(25)))
        try await scan.wait { $0.phase == .finished }
      }
      // The last line is cut off, as a killed app leaves it.
      var data = try Data(contentsOf: journal)
      data.removeLast(9)
      try data.write(to: journal)

      let second = Looker()
      let scan = scan(second, journal: journal)
      #expect(await scan.results.count == 24)
      await scan.start(photos)
      #expect(await scan.snapshot.done == 24)
      try await scan.wait { $0.phase == .finished }
      #expect(await second.seen.count == 16)
      #expect(await scan.results.count == 40)
      #expect(await scan.results["bad5"]?.failure == "bad5 is cut off")

      let other = LibraryScan(journal: journal, model: "another") { _ in Seen(score: score(1)) }
      #expect(await other.results.isEmpty)
    }
  }

  @Test("limited library: photos that are no longer shared are forgotten, also on disk")
  func limited() async throws {
    try await withFolder { folder in
      let journal = folder.appendingPathComponent("scan.jsonl")
      let looker = Looker()
      do {
        let scan = scan(looker, journal: journal)
        await scan.start(["a", "b", "c"].map { photo($0) })
        try await scan.wait { $0.phase == .finished }
        await scan.libraryChanged(["b", "d"].map { photo($0) })
        try await scan.wait { $0.phase == .finished && $0.done == 2 }
        #expect(await scan.results.entries.map(\.id) == ["b", "d"])
        await scan.remove(["d"])
        #expect(await scan.results.entries.map(\.id) == ["b"])
      }
      let again = scan(looker, journal: journal)
      #expect(await again.results.entries.map(\.id) == ["b"])
    }
  }

  @Test("what was under way when a photo was taken away leaves no entry")
  func goneUnderWay() async throws {
    let looker = Looker()
    let scan = scan(looker)
    await looker.close()
    await scan.start(["a", "b"].map { photo($0) })
    while await looker.held < 2 { await Task.yield() }
    await scan.libraryChanged([photo("b")])
    await looker.open()
    try await scan.wait { $0.phase == .finished }
    try await Task.sleep(for: .milliseconds(10))
    #expect(await scan.results.entries.map(\.id) == ["b"])
  }

  @Test("stopped: late results are dropped; a model that fails ends the scan with its sentence")
  func stopped() async throws {
    let looker = Looker()
    let scan = scan(looker)
    await looker.close()
    await scan.start(["a", "b", "c"].map { photo($0) })
    while await looker.held < 2 { await Task.yield() }
    await scan.cancel()
    await looker.open()
    while await looker.held > 0 { await Task.yield() }
    #expect(await scan.results.isEmpty)
    #expect(await scan.snapshot.phase == .idle)
    await scan.start(["a", "fatal", "c", "d", "e", "f"].map { photo($0) })
    try await scan.wait { $0.phase == .failed("the model is damaged: choose another") }
  }

  @Test("10,000 photos with embeddings: memory stays where it was")
  func bounded() async throws {
    let scan = LibraryScan(journal: nil, model: "m", limit: 2) { _ in
      // 16 kB each: 164 MB if they were kept.
      Seen(
        score: score(3, embedding: [Float](repeating: 0.5, count: 4096)),
        fingerprint: try Fingerprint(bytes: [UInt8](repeating: 7, count: Fingerprint.count)))
    }
    let before = try residentBytes()
    await scan.start((0..<10_000).map { photo("\($0)", at: Double($0)) })
    try await scan.wait { $0.phase == .finished }
    let grown = try residentBytes() - before
    #expect(await scan.results.count == 10_000)
    #expect(grown < 60 << 20, "grew by \(grown >> 20) MB")
  }

  @Test("a journal that cannot be written is said, and the scan goes on")
  func noJournal() async throws {
    let nowhere = URL(fileURLWithPath: "/nowhere/at/all/scan.jsonl")
    let scan = LibraryScan(journal: nowhere, model: "m") { _ in Seen(score: score(3)) }
    await scan.start([photo("a")])
    try await scan.wait { $0.phase == .finished }
    #expect(await scan.snapshot.journalTrouble != nil)
    #expect(await scan.results.count == 1)
  }

  @Test("the newest snapshot waits for whoever reads late")
  func snapshots() async throws {
    let scan = LibraryScan(journal: nil, model: "m") { _ in Seen(score: score(3)) }
    await scan.start((0..<20).map { photo("\($0)") })
    try await scan.wait { $0.phase == .finished }
    var newest = scan.snapshots.makeAsyncIterator()
    #expect(await newest.next()?.done == 20)
  }

  private func residentBytes() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return (Int(text.split(separator: " ")[1]) ?? 0) * 4096
  }
}

@Suite("Pace")
struct PaceTests {
  @Test("photos a second and the rest, pauses left out")
  func paused() {
    var pace = Pace()
    #expect(pace.photosPerSecond == nil && pace.seconds(for: 3) == nil)
    pace.run(at: 100)
    for second in 1...4 { pace.photoEnded(at: 100 + Double(second) * 0.5) }
    #expect(pace.photosPerSecond == 2)
    pace.rest(at: 102)
    pace.run(at: 1000)
    pace.photoEnded(at: 1000.5)
    #expect(pace.photosPerSecond == 2 && pace.seconds(for: 7) == 3.5)
  }

  @Test("only the last photos count")
  func window() {
    var pace = Pace()
    pace.run(at: 0)
    for index in 0..<64 { pace.photoEnded(at: Double(index)) }
    for index in 0..<64 { pace.photoEnded(at: 64 + Double(index) * 0.25) }
    #expect(pace.photosPerSecond == 4)
  }
}
