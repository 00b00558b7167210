import Foundation
import RaliCore
import Testing

@testable import RaliKit

@Suite struct ScorerTests {
  private func scorer(
    _ folder: ModelFolder, configuration: ScorerConfiguration? = nil, _ engine: any Engine
  ) async throws -> RaliScorer {
    try await RaliScorer(
      modelAt: folder.model,
      configuration: configuration ?? ScorerConfiguration(cacheDirectory: folder.cache)
    ) { _, _, _, _ in engine }
  }

  @Test(arguments: [false, true])
  func score(bytes: Bool) async throws {
    let folder = try ModelFolder()
    defer { folder.remove() }
    let scorer = try await scorer(folder, FakeEngine(size: 48, bytes: bytes, note: "a caveat"))
    let score = try await scorer.score(gray(77))
    #expect(score.value == 77)
    #expect((score.minimum, score.maximum, score.tieWidth) == (0, 255, 0.5))
    #expect((score.width, score.height) == (6, 5))
    #expect(score.notes == ["a caveat"])
    #expect((score.timings.resize, score.timings.inference) == (0.25, 0.5))
    #expect(scorer.model.runtime == "fake 1")
    #expect(try Hash.sha256(ofFolderAt: folder.model) == scorer.model.hash)
    #expect(scorer.model.bytes == 7)
  }

  @Test func anAlteredFileIsRefused() async throws {
    let folder = try ModelFolder()
    defer { folder.remove() }
    try Data("weight5".utf8).write(to: folder.model.appendingPathComponent("main.bin"))
    await #expect(throws: ModelError.self) { try await scorer(folder, FakeEngine(size: 48)) }
    let bare = try ModelFolder()
    defer { bare.remove() }
    try FileManager.default.removeItem(
      at: bare.root.appendingPathComponent("fake.aimodel.ralikit.json"))
    await #expect(throws: ModelError.self) { try await scorer(bare, FakeEngine(size: 48)) }
  }

  @Test func closedScorersSaySo() async throws {
    let folder = try ModelFolder()
    defer { folder.remove() }
    let scorer = try await scorer(folder, FakeEngine(size: 48))
    await scorer.close()
    await #expect(throws: UsageError("this scorer is closed; open a new one")) {
      try await scorer.score(gray(1))
    }
  }

  @Test func warmUp() async throws {
    let folder = try ModelFolder()
    defer { folder.remove() }
    let engine = FakeEngine(size: 48)
    let scorer = try await scorer(folder, engine)
    let warm = try await scorer.warmUp()
    #expect(warm.seconds >= 0 && !warm.sentence.isEmpty)
    #expect(await engine.runs == 1)
  }

  @Test func scoresThatAreNoNumbersAreTheModelsFault() async throws {
    let folder = try ModelFolder()
    defer { folder.remove() }
    let scorer = try await scorer(folder, FakeEngine(size: 48) { _ in ["score": [.nan]] })
    await #expect(throws: ModelError.self) { try await scorer.score(gray(1)) }
  }

  /// Pixels that are gone are this photo's fault, not the caller's.
  @Test func lostPixels() async throws {
    struct Lost: PixelMemory {
      func withBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) throws -> R {
        throw UsageError("gone")
      }
    }
    let folder = try ModelFolder()
    defer { folder.remove() }
    let scorer = try await scorer(folder, FakeEngine(size: 48))
    let photo = try Photo(
      stored: StoredPixels(memory: Lost(), layout: .rgb, width: 2, height: 2, rowBytes: 6))
    await #expect(throws: PhotoError("gone")) { try await scorer.score(photo) }
  }

  @Test func onlyAFileOfThisSystemOpens() async throws {
    let folder = try ModelFolder()
    defer { folder.remove() }
    #if !canImport(CoreAI)
      await #expect(throws: RuntimeLoadError.self) { try await RaliScorer(modelAt: folder.model) }
    #endif
    let absent = folder.root.appendingPathComponent("absent.mlpackage")
    await #expect(throws: ModelError.self) { try await RaliScorer(modelAt: absent) }
  }
}

@Suite struct StreamTests {
  private struct Scorer: PhotoScoring {
    let facts: Facts
    let maximumPixels = 1000
    let tally: Tally
    func score(_ photo: Photo) async throws -> Score {
      let value = Double(try photo.upright().rgb[0])
      await tally.add("score \(Int(value))")
      if value == 200 { throw ModelError("broken") }
      return Score(
        value: value, minimum: 0, maximum: 255, tieWidth: nil, width: photo.width,
        height: photo.height)
    }
  }

  private func scorer() throws -> Scorer {
    let text = ModelFolder.facts.replacingOccurrences(of: "GOLDEN", with: "[]")
    return Scorer(facts: try Facts(json: text, where: "x"), tally: Tally())
  }

  private func sources(_ values: [UInt8], _ tally: Tally) -> [PhotoSource] {
    values.map { value in
      .loading(id: "\(value)") {
        await tally.add("load \(value)")
        if value == 13 { throw PhotoError("13: unlucky") }
        return try gray(value)
      }
    }
  }

  @Test func inOrderWithProgressAndErrors() async throws {
    let scorer = try scorer()
    var seen: [String] = []
    let values: [UInt8] = [5, 13, 7]
    for try await entry in scorer.scores(for: sources(values, scorer.tally), total: 3) {
      #expect(entry.done == entry.index + 1 && entry.total == 3)
      switch entry.result {
      case .success(let score): seen.append("\(entry.id)=\(Int(score.value))")
      case .failure(let error): seen.append(error.message)
      }
    }
    #expect(seen == ["5=5", "13: unlucky", "7=7"])
  }

  /// However slow the reader is, no more than one photo is decoded ahead.
  @Test func boundedMemory() async throws {
    let scorer = try scorer()
    let values = (0..<20).map { UInt8($0 + 20) }
    var taken = 0
    for try await _ in scorer.scores(for: sources(values, scorer.tally)) {
      taken += 1
      try await Task.sleep(for: .milliseconds(5))
      let loaded = await scorer.tally.values.filter { $0.hasPrefix("load") }.count
      #expect(loaded <= taken + 1)
    }
    #expect(taken == 20)
  }

  @Test func leavingTheLoopStops() async throws {
    let scorer = try scorer()
    for try await _ in scorer.scores(for: sources([1, 2, 3, 4, 5, 6], scorer.tally)) { break }
    try await Task.sleep(for: .milliseconds(50))
    #expect(await scorer.tally.values.filter { $0.hasPrefix("load") }.count <= 2)
  }

  /// Photos without end: only cancelling ends these.
  private struct Endless: Sequence, IteratorProtocol, Sendable {
    let tally: Tally

    func next() -> PhotoSource? {
      .loading(id: "14") {
        await tally.add("load 14")
        return try gray(14)
      }
    }
  }

  @Test func cancelling() async throws {
    let scorer = try scorer()
    let task = Task {
      for try await _ in scorer.scores(for: Endless(tally: scorer.tally)) {}
    }
    while await scorer.tally.values.count < 5 { await Task.yield() }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  /// Cancelled while the caller is busy with an entry, not while one is awaited.
  @Test func cancelledBetweenTwoEntries() async throws {
    let scorer = try scorer()
    let task = Task {
      var taken = 0
      for try await _ in scorer.scores(for: sources([14, 15], scorer.tally)) {
        taken += 1
        withUnsafeCurrentTask { $0?.cancel() }
      }
      return taken
    }
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(await scorer.tally.values.filter { $0.hasPrefix("score") } == ["score 14"])
  }

  @Test func aBrokenModelEndsTheStream() async throws {
    let scorer = try scorer()
    await #expect(throws: ModelError("broken")) {
      for try await _ in scorer.scores(for: sources([1, 200, 3], scorer.tally)) {}
    }
  }

  @Test func filesAndTheirLimit() async throws {
    let scorer = try scorer()
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let absent = folder.appendingPathComponent("absent.png")
    for try await entry in scorer.scores(for: [absent]) {
      guard case .failure(let error) = entry.result else {
        Issue.record("an absent file was scored")
        continue
      }
      #expect(error.message.hasPrefix("absent.png: cannot be read"))
    }
  }
}

@Suite struct CompiledCacheTests {
  @Test func compilesOnceForEachFile() async throws {
    let folder = try ModelFolder()
    defer { folder.remove() }
    let cache = CompiledCache(directory: folder.cache)
    let tally = Tally()
    let made = folder.root
    let compile: @Sendable () async throws -> URL = {
      await tally.add("compile")
      try await Task.sleep(for: .milliseconds(20))
      let url = made.appendingPathComponent(UUID().uuidString)
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      return url
    }
    async let first = cache.model(of: "a", compile: compile)
    async let second = cache.model(of: "a", compile: compile)
    let (x, y) = try await (first, second)
    #expect(x == y && x.lastPathComponent == "a.mlmodelc")
    #expect(await tally.values.count == 1)
    // A later start finds it; another file does not.
    _ = try await CompiledCache(directory: folder.cache).model(of: "a", compile: compile)
    #expect(await tally.values.count == 1)
    _ = try await cache.model(of: "b", compile: compile)
    #expect(await tally.values.count == 2)
    await cache.forget("a")
    _ = try await cache.model(of: "a", compile: compile)
    #expect(await tally.values.count == 3)
  }

  @Test func aFailureIsNotKept() async throws {
    let folder = try ModelFolder()
    defer { folder.remove() }
    let cache = CompiledCache(directory: folder.cache)
    await #expect(throws: UsageError.self) {
      try await cache.model(of: "a") { throw UsageError("no") }
    }
    let made = folder.model
    #expect(try await cache.model(of: "a") { made }.lastPathComponent == "a.mlmodelc")
  }

  #if canImport(Darwin)
  #else
    @Test @MainActor func notOnTheMainThread() async throws {
      let folder = try ModelFolder()
      defer { folder.remove() }
      let made = folder.model
      let cache = CompiledCache(directory: folder.cache)
      let onMain = Tally()
      _ = try await cache.model(of: "a") {
        await onMain.add("\(isMainThread())")
        return made
      }
      #expect(await onMain.values == ["false"])
    }
  #endif
}

private func isMainThread() -> Bool { Thread.isMainThread }

@Suite struct AcceleratorTests {
  private func golden() throws -> JSONValue {
    .array(
      try GoldenPhoto.all().prefix(4).map {
        ["name": .string($0.name), "sha256": .string($0.sha256), "reference": 1.0]
      })
  }

  private func open(
    _ folder: ModelFolder, fast: FakeEngine, sure: FakeEngine, tally: Tally = Tally()
  ) async throws -> RaliScorer {
    try await RaliScorer(
      modelAt: folder.model, configuration: ScorerConfiguration(cacheDirectory: folder.cache)
    ) { _, units, _, _ in
      await tally.add(units.rawValue)
      return units == .cpuOnly ? sure : fast
    }
  }

  @Test func agreeingAcceleratorsAreComparedOnce() async throws {
    let folder = try ModelFolder(golden: golden())
    defer { folder.remove() }
    let (fast, sure) = (FakeEngine(size: 48) { ["score": [mean($0) + 0.01]] }, FakeEngine(size: 48))
    let scorer = try await open(folder, fast: fast, sure: sure)
    #expect(scorer.model.units == .all && scorer.model.note.isEmpty)
    #expect(await (fast.runs, sure.runs) == (4, 4))
    let tally = Tally()
    _ = try await open(folder, fast: fast, sure: sure, tally: tally)
    #expect(await tally.values == ["all"])
    #expect(await (fast.runs, sure.runs) == (4, 4))
  }

  @Test(arguments: [Float(1), .nan])
  func aWrongAcceleratorIsNotUsed(_ error: Float) async throws {
    let folder = try ModelFolder(golden: golden())
    defer { folder.remove() }
    let (fast, sure) = (
      FakeEngine(size: 48) { ["score": [mean($0) + error]] }, FakeEngine(size: 48)
    )
    for _ in 0..<2 {  // also after a new start
      let scorer = try await open(folder, fast: fast, sure: sure)
      #expect(scorer.model.units == .cpuOnly)
      #expect(scorer.model.note.contains("other scores than its processor"))
      #expect(try await scorer.score(gray(9)).value == 9)
      #expect(try await scorer.score(gray(9)).notes == [scorer.model.note])
    }
  }

  @Test func anotherVersionsPhotosAreNotCompared() async throws {
    let folder = try ModelFolder(golden: [["name": "coffee", "sha256": "00", "reference": 1.0]])
    defer { folder.remove() }
    await #expect(throws: ModelError.self) {
      try await open(folder, fast: FakeEngine(size: 48), sure: FakeEngine(size: 48))
    }
  }

  @Test func goldenPicturesAreThoseOfThePackage() throws {
    let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    let swift = here.appendingPathComponent("../../Sources/RaliKit/Golden").standardizedFileURL
    let python = here.appendingPathComponent("../../../../src/ralikit/probes").standardizedFileURL
    for name in ["astronaut.png", "chelsea.png", "coffee.png", "rocket.png", "NOTICE"] {
      #expect(
        try Data(contentsOf: swift.appendingPathComponent(name))
          == Data(contentsOf: python.appendingPathComponent(name)))
    }
  }
}

@Suite struct RankingTests {
  private func scored(_ values: [Double], tieWidth: Double? = 0.5) -> [(id: String, score: Score)] {
    values.enumerated().map { index, value in
      (
        "\(index)",
        Score(value: value, minimum: 0, maximum: 5, tieWidth: tieWidth, width: 1, height: 1)
      )
    }
  }

  @Test func tiesShareAPlace() {
    let places = Ranking.places(scored([3, 4.9, 4.5, 4.3, 1]))
    #expect(places.map(\.id) == ["1", "2", "3", "0", "4"])
    // 4.3 ties with 4.5, but not with 4.9, the first of that place.
    #expect(places.map(\.rank) == [1, 1, 3, 4, 5])
    #expect(Ranking.places(scored([2, 2], tieWidth: nil)).map(\.rank) == [1, 1])
    #expect(Ranking.places(scored([2, 2.1], tieWidth: nil)).map(\.id) == ["1", "0"])
    #expect(Ranking.places([]).isEmpty)
  }
}
