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

@Suite("Series of photos that may be a burst")
struct BurstSeriesTests {
  @Test("within seconds of each other, oldest first, dated ones alone")
  func series() {
    let photos = [
      photo("d", at: 100), photo("a", at: 10), photo("b", at: 18), photo("x"),
      photo("c", at: 28), photo("e", at: 110.5),
    ]
    #expect(Bursts.series(of: photos).map { $0.map(\.id) } == [["a", "b", "c"]])
    #expect(Bursts.series(of: photos, gap: 11).map { $0.map(\.id) } == [["a", "b", "c"], ["d", "e"]])
    #expect(Bursts.series(of: [PhotoInfo]()).isEmpty)
  }

  @Test("a long series is cut, and nothing is lost by it")
  func cut() {
    let series = Bursts.series(of: (0..<10_000).map { photo("\($0)", at: Double($0)) })
    #expect(series.map(\.count).max() == Bursts.longest)
    #expect(series.map(\.count).reduce(0, +) == 10_000)
  }
}
