import Foundation
import Testing

@testable import RaliCore

@Suite struct FactsTests {
  static let plain = #"""
    {"schema": 1, "model": {"name": "mini", "tie_width": 0.5, "notice": "n"},
     "preprocess": {"size": 8, "shortest_edge": 16, "anchors": [[0, 0], [1, 1]], "resample": "bicubic"},
     "scale": {"minimum": 1, "maximum": 5, "meaning": "m"}, "outputs": ["score", "reasons"],
     "reasons": [{"id": "noise", "words": "noise", "quality": "cleanness"},
                 {"id": "too-dark", "words": "too dark", "quality": "exposure"},
                 {"id": "too-bright", "words": "too bright", "quality": "exposure"}],
     "golden": [{"name": "coffee", "sha256": "00", "reference": 3.5}], "new": {"x": 1}}
    """#

  private func facts(_ edits: (String, String)...) throws -> Facts {
    let text = edits.reduce(Self.plain) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
    return try Facts(json: text, where: "x.onnx")
  }

  @Test func fields() throws {
    let facts = try facts()
    #expect(facts.model.name == "mini")
    #expect(facts.model.tieWidth == 0.5)
    #expect(facts.inputShape == [2, 8, 8, 3])
    #expect(facts.reasons.map(\.id) == ["noise", "too-dark", "too-bright"])
    #expect(facts.qualities == ["cleanness", "exposure"])
    #expect(facts.golden == [GoldenScore(name: "coffee", sha256: "00", reference: 3.5)])
    #expect(facts.written["new"]?["x"]?.integer == 1)
  }

  @Test func formerNames() throws {
    let old = try facts(
      ("tie_width", "resolution"),
      ("\"outputs\": [\"score\", \"reasons\"]", "\"functions\": [\"score\"]"))
    #expect(old.model.tieWidth == 0.5)
    #expect(old.outputs == ["score"])
    #expect(old.reasons.isEmpty)
    #expect(throws: ModelError.self) {
      try facts(("\"notice\"", "\"resolution\": 0.5, \"notice\""))
    }
  }

  @Test func aDeclaredDigestMustBeThere() throws {
    let edit = ("\"new\"", "\"digest\": \"sha256\", \"new\"")
    #expect(throws: ModelError.self) { try facts(edit) }
    let text = Self.plain.replacingOccurrences(of: edit.0, with: edit.1)
    #expect(try Facts(json: text, digested: true, where: "x").digested)
  }

  @Test func score() throws {
    let facts = try facts()
    let photo = try Photo(rgb: [1, 2, 3], width: 1, height: 1)
    let score = try facts.score(["score": [3.25], "reasons": [0.5, 0.25, 0.75]], of: photo)
    #expect(score.value == 3.25)
    #expect(score.minimum == 1)
    #expect(score.maximum == 5)
    #expect(score.reasons.map(\.id) == ["too-bright", "noise"])
    #expect(score.reasons.map(\.words) == ["too bright", "noise"])
    #expect(score.reasonValues.map(\.value) == [0.5, 0.25, 0.75])
    #expect(facts.quality("exposure", of: score) == 0.25)
    #expect(facts.quality("sharpness", of: score) == nil)
    #expect(score.embedding == nil)
    // Equal reasons stand in the output's order.
    let equal = try facts.score(["score": [1], "reasons": [0.75, 0.75, 0.75]], of: photo)
    #expect(equal.reasons.map(\.id) == ["noise", "too-dark", "too-bright"])
  }

  private static let misfits: [[String: [Float]]] = [
    ["score": [Float.nan], "reasons": [0, 0, 0]],
    ["score": [Float.infinity], "reasons": [0, 0, 0]],
    ["score": [1]],
    ["score": [1], "reasons": [0, 0]],
    ["score": [1, 2], "reasons": [0, 0, 0]],
    ["score": [1], "reasons": [0, Float.nan, 0]],
    ["score": [], "reasons": [0, 0, 0]],
  ]

  @Test(arguments: misfits)
  func outputsThatDoNotFitAreRefused(_ outputs: [String: [Float]]) throws {
    let facts = try facts()
    let photo = try Photo(rgb: [1, 2, 3], width: 1, height: 1)
    #expect(throws: ModelError.self) { try facts.score(outputs, of: photo) }
  }

  /// Python's verdict on many texts, and what it reads: `facts_cases.py` writes them.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["RALIKIT_FACTS_CASES"] != nil))
  func asPythonReadsThem() throws {
    let path = try #require(ProcessInfo.processInfo.environment["RALIKIT_FACTS_CASES"])
    let cases = try #require(try Repository.json(URL(fileURLWithPath: path)).array)
    #expect(cases.count > 100)
    for entry in cases {
      let text = try #require(entry["text"]?.string)
      let facts = try? Facts(json: text, where: "x")
      let why = entry["why"]?.string ?? ""
      guard let wanted = entry["facts"], !wanted.isNull else {
        #expect(facts == nil, "Python refuses \(why): \(text.prefix(300))")
        continue
      }
      let read = try #require(facts, "Python reads \(why): \(text.prefix(300))")
      #expect(read.model.name == wanted["name"]?.string)
      #expect(read.model.tieWidth == wanted["tie_width"]?.double)
      #expect(read.model.weights == wanted["weights"]?.string)
      #expect(read.scale.minimum == wanted["minimum"]?.double)
      #expect(read.scale.maximum == wanted["maximum"]?.double)
      #expect(read.outputs == wanted["outputs"]?.array?.compactMap(\.string))
      #expect(read.inputShape == wanted["shape"]?.array?.compactMap(\.integer))
      #expect(read.preprocess.resample.rawValue == wanted["resample"]?.string)
      #expect(read.preprocess.shortestEdge == wanted["shortest_edge"]?.integer)
      #expect(read.target == wanted["target"]?.string)
      #expect(read.precision == wanted["precision"]?.string)
      #expect(read.golden.count == wanted["golden"]?.integer)
    }
  }
}

@Suite struct RecordTests {
  private static let lines: [[UInt8]] = {
    let data = try? Data(contentsOf: Repository.golden.appendingPathComponent("records.jsonl"))
    return (data ?? Data()).split(separator: 0x0A).map(Array.init)
  }()
  private static let broken: [JSONValue] = {
    let file = Repository.golden.appendingPathComponent("records-broken.json")
    return (try? Repository.json(file))?["lines"]?.array ?? []
  }()

  @Test func goldenLinesOpen() throws {
    #expect(Self.lines.count >= 4)
    let opened = try Self.lines.map { try Record.open($0) }
    // The first three are one record in three spellings: names in another order are the same values.
    func sorted(_ members: [JSONMember]) -> [String] { members.map(\.name).sorted() }
    #expect(sorted(opened[0]) == sorted(opened[1]))
    #expect(sorted(opened[0]) == sorted(opened[2]))
    #expect(opened[0].first { $0.name == "kind" }?.value.string == "latency")
  }

  @Test func brokenLinesAreRefused() throws {
    #expect(Self.broken.count >= 25)
    for entry in Self.broken {
      let line = try #require(entry["line"]?.string)
      if entry["refused_by"]?.string == "seal" {
        #expect(throws: RecordError.self, "\(entry["why"]?.string ?? "")") {
          try Record.open(Array(line.utf8))
        }
      } else {
        #expect(throws: Never.self) { try Record.open(Array(line.utf8)) }
      }
    }
  }

  @Test func everyChangedByteIsSeen() throws {
    let line = Self.lines[0]
    for at in stride(from: 0, to: line.count, by: 7) {
      var changed = line
      changed[at] ^= 1
      #expect(throws: RecordError.self) { try Record.open(changed) }
    }
  }

  @Test func whatIsSealedOpens() throws {
    let samples: [JSONValue] = [.number(0.1), .number(1e-9), .integer(3)]
    let members = [
      JSONMember("kind", .string("latency")), JSONMember("samples", .array(samples)),
      JSONMember("name", .string("Grüße\n\"x\"\u{2028}")),
    ]
    let line = try Record.seal(members)
    #expect(line.hasSuffix("\"}\n"))
    #expect(line.hasPrefix(#"{"schema":2,"kind":"latency""#))
    #expect(try Record.open(line.dropLast().utf8) == members)
    #expect(throws: UsageError.self) { try Record.seal([JSONMember("sha256", .null)]) }
    #expect(throws: UsageError.self) { try Record.seal([JSONMember("x", .number(.nan))]) }
    #expect(throws: UsageError.self) {
      try Record.seal([JSONMember("x", .null), JSONMember("x", .null)])
    }
  }
}
