import Foundation
import RaliCore
import Testing

@testable import DemoLogic

@Suite("CSV")
struct CSVTests {
  let model = CSV.Model(name: "mini", precision: "fp16", hash: "ab12")

  @Test("exactly these bytes")
  func bytes() async throws {
    let ranked = PhotoRanking.rank(
      [
        Entry(
          photo: PhotoInfo(
            id: "1", name: "say \"cheese\", Zoë.jpg", takenAt: Date(timeIntervalSince1970: 0)),
          outcome: .scored(score(3.14159, reasons: ["too-dark": 0.9, "noise": 0.7]))),
        entry("=1+1", 1.5), failure("lost"),
      ], tieWidth: nil)
    let expected =
      "\u{FEFF}rank,tied,file,taken,score,reasons,width,height,model,precision,model_sha256\r\n"
      + "1,no,\"say \"\"cheese\"\", Zoë.jpg\",1970-01-01T00:00:00Z,3.1416,\"too-dark noise\",40,30,\"mini\",\"fp16\",ab12\r\n"
      + "2,no,\"'=1+1.jpg\",,1.5000,\"\",40,30,\"mini\",\"fp16\",ab12\r\n"
    let written = try await withFolder { folder in
      let file = folder.appendingPathComponent("r.csv")
      try CSV.write(ranked, model: model, to: file)
      return try Data(contentsOf: file)
    }
    #expect(written == Data(expected.utf8))
  }

  @Test("no cell runs as a formula", arguments: ["=A1", "+1", "-1", "@x", " =A1", "\tx", "\r=1"])
  func formulas(_ text: String) { #expect(CSV.cell(text).hasPrefix("\"'")) }

  @Test("10,000 lines")
  func many() async throws {
    let entries = (0..<10_000).map { entry("photo\($0)", Double($0) / 2500 + 1) }
    let ranked = PhotoRanking.rank(entries, tieWidth: nil)
    let lines = try await withFolder { folder in
      let file = folder.appendingPathComponent("r.csv")
      try CSV.write(ranked, model: model, to: file)
      return try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\r\n")
    }
    #expect(lines.count == 10_002 && lines.last == "")
    #expect(lines[1].hasPrefix("1,no,\"photo9999.jpg\",,4.9996,"))
    #expect(lines[10_000].hasPrefix("10000,no,\"photo0.jpg\",,1.0000,"))
  }
}

@Suite("Comparing two photos")
struct ComparisonTests {
  @Test("too close to call, or better, by how much")
  func verdicts() throws {
    let tie = try #require(Comparison(entry("a", 3), entry("b", 3.125)))
    #expect(tie.verdict == .tie(gap: 0.125))
    let better = try #require(Comparison(entry("a", 3), entry("b", 3.25)))
    #expect(better.verdict == .better(photo("b"), gap: 0.25))
    #expect(Comparison(entry("a", 3), failure("b")) == nil)
  }

  @Test("reasons that differ, the largest first")
  func differences() throws {
    let compared = try #require(
      Comparison(
        entry("a", 2, reasons: ["noise": 0.75, "too-dark": 0.25, "motion-blur": 0.5]),
        entry("b", 3, reasons: ["noise": 0.5, "too-dark": 0.75, "motion-blur": 0.4])))
    #expect(compared.differences.map(\.id) == ["too-dark", "noise"])
    #expect(compared.differences.map(\.gap) == [-0.5, 0.25])
  }
}

@Suite("The camera's meter")
struct LiveMeterTests {
  @Test("frames a second, milliseconds and a score that does not flicker")
  func figures() {
    var meter = LiveMeter()
    #expect(meter.framesPerSecond == nil && meter.milliseconds == nil && meter.score == nil)
    for (index, value) in [3.0, 3.1, 1.0, 3.2, 3.3].enumerated() {
      meter.scored(at: Double(index) * 0.25, milliseconds: Double(20 + index), score: value)
    }
    #expect(meter.framesPerSecond == 4 && meter.milliseconds == 22 && meter.score == 3.1)
    meter.skipped(at: 1)
    #expect(meter.skippedShare == 1.0 / 6)
  }

  @Test("old frames are forgotten")
  func window() {
    var meter = LiveMeter(window: 1)
    for index in 0..<1000 { meter.scored(at: Double(index) * 0.125, milliseconds: 5, score: 2) }
    meter.skipped(at: 500)
    #expect(meter.framesPerSecond == nil && meter.skippedShare == 1)
  }
}

@Suite("Files and permissions")
struct FilesTests {
  @Test("which files open as a model")
  func files() {
    func kind(_ name: String) -> PickedFile { PickedFile(URL(fileURLWithPath: "/x/\(name)")) }
    #expect(kind("a.mlpackage") == .coreML && kind("A.MLPACKAGE").opens)
    #expect(kind("a.aimodel") == .coreAI && kind("a.aimodel").opens)
    #expect(kind("a.mlmodelc") == .compiled && !kind("a.mlmodelc").opens)
    #expect(kind("a.onnx") == .foreign("onnx") && kind("a") == .foreign(""))
  }

  @Test("what each permission allows")
  func access() {
    #expect(LibraryAccess.allCases.filter(\.canScan) == [.limited, .full])
    #expect(LibraryAccess.allCases.filter(\.canAsk) == [.notAsked])
    #expect(LibraryAccess.allCases.filter(\.mendedInSettings) == [.denied])
    #expect(LibraryAccess.allCases.filter(\.canPickMore) == [.limited])
  }
}

@Suite("Bursts: scenes of the contract's best shot")
struct BurstTests {
  /// A photo of scene `look`: all fingerprints of one are the same, those of two are unlike.
  private func shot(_ id: String, _ value: Double, at seconds: Double?, look: Int) throws -> Entry {
    var bytes = [UInt8](repeating: 100, count: Fingerprint.count)
    for index in bytes.indices where (index / 3 + look) % 5 == 0 { bytes[index] = 220 }
    return Entry(
      photo: photo(id, at: seconds), outcome: .scored(score(value)),
      fingerprint: try Fingerprint(bytes: bytes))
  }

  @Test("one scene, its best, and what may go")
  func sure() throws {
    let bursts = Bursts.find(
      in: [
        try shot("b", 4, at: 20, look: 0), try shot("a", 2, at: 10, look: 0),
        try shot("c", 3, at: 30, look: 0), try shot("other", 5, at: 31, look: 2),
        try shot("late", 5, at: 91, look: 0), failure("x"), entry("noDate", 5),
      ], tieWidth: 0.25)
    let burst = try #require(bursts.first)
    #expect(bursts.count == 1)
    #expect(burst.entries.map(\.id) == ["a", "b", "c"] && burst.best.id == "b" && burst.isSure)
    #expect(burst.others.map(\.id) == ["a", "c"])
  }

  @Test("too close to tell: the rivals stay")
  func unsure() throws {
    let burst = try #require(
      Bursts.find(
        in: [
          try shot("a", 4, at: 1, look: 0), try shot("b", 3.9, at: 2, look: 0),
          try shot("c", 2, at: 3, look: 0),
        ], tieWidth: 0.25
      ).first)
    #expect(!burst.isSure && burst.rivals.map(\.id) == ["b"] && burst.others.map(\.id) == ["c"])
  }

  @Test("10,000 photos in series give what all at once give")
  func seriesAreExact() throws {
    var seed: UInt64 = 3
    func random(_ below: UInt64) -> Int {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((seed >> 33) % below)
    }
    var time = 0.0
    let entries = try (0..<10_000).map { index in
      time += [0, 1, 30, 60, 61, 900][random(6)]
      return try shot(
        String(format: "%05d", index), 1 + Double(random(400)) / 100, at: time, look: random(3))
    }
    let found = Bursts.find(in: entries.shuffled(), tieWidth: 0.25)
    #expect(Bursts.find(in: [Entry](), tieWidth: nil).isEmpty)
    // All at once is slow for ten thousand: the first thousand are enough to hold it to.
    let some = Array(entries.prefix(1000))
    let shots = some.map {
      BestShot.Shot(
        value: $0.score?.value ?? 0, fingerprint: $0.fingerprint!,
        taken: $0.photo.takenAt?.timeIntervalSince1970)
    }
    let whole = BestShot.scenes(shots, tieWidth: 0.25).filter { $0.shots.count > 1 }
    let expected = Set(whole.map { scene in scene.shots.map { some[$0].id } })
    #expect(Set(Bursts.find(in: some, tieWidth: 0.25).map { $0.entries.map(\.id) }) == expected)
    #expect(found.count > expected.count && expected.count > 10)
  }
}
