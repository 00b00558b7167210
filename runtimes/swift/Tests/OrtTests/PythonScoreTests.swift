import Foundation
import RaliCore
import Testing

@testable import RaliKit

/// The files that Python exported, and the scores it gives with them. `artifacts.sh` makes both.
enum Native {
  static let folder = URL(
    fileURLWithPath: ProcessInfo.processInfo.environment["RALIKIT_NATIVE"] ?? "/nowhere")
  static let package = URL(
    fileURLWithPath: ProcessInfo.processInfo.environment["RALIKIT_PACKAGE"] ?? "/nowhere")
  static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appendingPathComponent("../../../golden").standardizedFileURL

  static func model(_ precision: String) -> URL {
    folder.appendingPathComponent("mini-\(precision).onnx")
  }

  static func scorer(
    _ precision: String, check: ScorerConfiguration.AcceleratorCheck = .never,
    embedding: Bool = false
  ) async throws -> RaliScorer {
    try await scorer(of: model(precision), check: check, embedding: embedding)
  }

  static func scorer(
    of file: URL, check: ScorerConfiguration.AcceleratorCheck = .never, embedding: Bool = false
  ) async throws -> RaliScorer {
    let cache = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    return try await RaliScorer(
      modelAt: file,
      configuration: ScorerConfiguration(
        embedding: embedding, cacheDirectory: cache, acceleratorCheck: check)
    ) { file, _, _, _ in try OrtEngine(file) }
  }

  /// A golden photo; a JPEG as Pillow decoded and turned it.
  static func photo(_ name: String) throws -> Photo {
    if name.hasSuffix(".png") {
      return try Photo(pngAt: golden.appendingPathComponent("images/\(name)"))
    }
    return try Photo(
      pngAt: golden.appendingPathComponent("expected/\(name.dropLast(4)).upright.png"))
  }
}

@Suite(.serialized) struct PythonScoreTests {
  @Test(arguments: [("fp32", 1e-4), ("int8", 1e-3)])
  func allGoldenPhotos(_ precision: String, _ limit: Double) async throws {
    let table = try JSONValue(
      parsing: Data(contentsOf: Native.folder.appendingPathComponent("scores-\(precision).json")))
    let entry = try #require(table["precisions"]?[precision])
    let scorer = try await Native.scorer(precision)
    #expect(scorer.model.hash == entry["file"]?.string)
    #expect(scorer.facts.model.bundle == entry["bundle"]?.string)
    #expect(scorer.facts.digested)
    let scores = try #require(entry["scores"]?.object)
    #expect(scores.count >= 40)
    var largest = 0.0
    for wanted in scores {
      let score = try await scorer.score(Native.photo(wanted.name))
      let difference = abs(score.value - (wanted.value.double ?? .nan))
      #expect(difference <= limit, "\(wanted.name): \(score.value), Python \(wanted.value.text)")
      largest = max(largest, difference)
      #expect(score.reasonValues.count == scorer.facts.reasons.count)
      #expect(score.reasonValues.allSatisfy { (0...1).contains($0.value) })
    }
    print("\(precision): \(scores.count) golden photos, largest difference from Python \(largest)")
  }

  /// A real bank: every value, and what is named in which order, as Python has it.
  @Test func reasonsOfAllGoldenPhotos() async throws {
    let table = try JSONValue(
      parsing: Data(
        contentsOf: Native.folder.appendingPathComponent("scores-mini-free-fp16.json")))
    let entry = try #require(table["precisions"]?["fp16"])
    let ids = entry["reason_ids"]?.array?.compactMap(\.string) ?? []
    let scorer = try await Native.scorer(
      of: Native.folder.appendingPathComponent("mini-free-fp16.onnx"))
    #expect(scorer.model.hash == entry["file"]?.string)
    #expect(scorer.facts.outputs == ["score", "reasons"])
    #expect(scorer.facts.reasons.map(\.id) == ids)
    #expect(ids.count == 8)
    let scores = try #require(entry["scores"]?.object)
    #expect(scores.count >= 40)
    var (named, largest) = (0, 0.0)
    for wanted in scores {
      let score = try await scorer.score(Native.photo(wanted.name))
      #expect(abs(score.value - (wanted.value.double ?? .nan)) <= 1e-3, "\(wanted.name)")
      let python = entry["reasons"]?[wanted.name]?.array?.compactMap(\.double) ?? []
      try #require(python.count == ids.count)
      #expect(score.reasonValues.map(\.id) == ids)
      for (mine, value) in zip(score.reasonValues, python) {
        #expect(abs(mine.value - value) <= 1e-3, "\(wanted.name): \(mine.id), Python \(value)")
        largest = max(largest, abs(mine.value - value))
      }
      let highest = zip(ids, python).filter { $0.1 >= 0.5 }.sorted { $0.1 > $1.1 }
      #expect(score.reasons.map(\.id) == highest.map(\.0), "\(wanted.name)")
      let words = Dictionary(uniqueKeysWithValues: scorer.facts.reasons.map { ($0.id, $0.words) })
      #expect(score.reasons.allSatisfy { $0.words == words[$0.id] && !$0.words.isEmpty })
      named += score.reasons.count
    }
    #expect(named > 0)
    print("reasons: \(named) named, largest difference from Python \(largest)")
  }

  /// The probes are Python's to the last byte, and score as the file says they do.
  @Test func goldenPhotosOfTheFile() async throws {
    let scorer = try await Native.scorer("fp32")
    let photos = try GoldenPhoto.named(by: scorer.facts)
    #expect(photos.count >= 4)
    for (photo, wanted) in zip(photos, scorer.facts.golden) {
      let score = try await scorer.score(photo.photo)
      #expect(abs(score.value - wanted.reference) <= 1e-3, "\(photo.name)")
    }
  }

  @Test func twoEnginesAgree() async throws {
    let scorer = try await Native.scorer("int8", check: .oncePerDevice)
    #expect(scorer.model.units == .all)
    #expect(scorer.model.note.isEmpty)
  }

  @Test func aStreamOfFiles() async throws {
    let scorer = try await Native.scorer("int8")
    let names = ["photo.png", "portrait.png", "j_420.jpg"]
    let files = names.map { Native.golden.appendingPathComponent("images/\($0)") }
    var seen: [String] = []
    for try await entry in scorer.scores(for: files) {
      seen.append((try? entry.result.get()) == nil ? "refused" : "scored")
    }
    // There is no JPEG decoder off Apple's systems: that photo's error, and the others go on.
    #expect(seen == ["scored", "scored", "refused"])
  }
}

@Suite struct ModelFileTests {
  private func copied(_ url: URL) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let copy = folder.appendingPathComponent(url.lastPathComponent)
    try FileManager.default.copyItem(at: url, to: copy)
    return copy
  }

  private func flip(_ url: URL, at share: Double) throws {
    var data = try Data(contentsOf: url)
    data[Int(Double(data.count - 1) * share)] ^= 1
    try data.write(to: url)
  }

  @Test(arguments: [0.1, 0.5, 0.9])
  func anAlteredONNXFileIsRefused(_ share: Double) throws {
    let copy = try copied(Native.model("fp32"))
    defer { try? FileManager.default.removeItem(at: copy.deletingLastPathComponent()) }
    #expect(try ModelFile(at: copy).facts.digested)
    try flip(copy, at: share)
    #expect(throws: ModelError.self) { try ModelFile(at: copy) }
  }

  private static let hasPackage = FileManager.default.fileExists(atPath: Native.package.path)

  @Test(.enabled(if: hasPackage)) func aCoreMLPackage() throws {
    let file = try ModelFile(at: Native.package)
    #expect(file.facts.digested)
    #expect(file.facts.target == "coreml")
    #expect(file.facts.outputs.first == "score")
    let manifest = Native.package.deletingLastPathComponent()
      .appendingPathComponent("\(Native.package.lastPathComponent).ralikit.json")
    let values = try JSONValue(parsing: Data(contentsOf: manifest))
    #expect(file.hash == values["sha256"]?.string)
    #expect(file.bytes == values["bytes"]?.integer)
    #expect(file.facts.written["model"] == values["model"])
    #expect(throws: Never.self) { try GoldenPhoto.named(by: file.facts) }
  }

  @Test(
    .enabled(if: hasPackage),
    arguments: ["weights/weight.bin", "model.mlmodel"], [0.02, 0.5, 0.98])
  func anAlteredPackageIsRefused(_ part: String, _ share: Double) throws {
    let copy = try copied(Native.package)
    defer { try? FileManager.default.removeItem(at: copy.deletingLastPathComponent()) }
    try flip(copy.appendingPathComponent("Data/com.apple.CoreML/\(part)"), at: share)
    #expect(throws: ModelError.self) { try ModelFile(at: copy) }
  }

  @Test(.enabled(if: hasPackage)) func aFileAddedOrTakenAwayIsSeen() throws {
    let copy = try copied(Native.package)
    defer { try? FileManager.default.removeItem(at: copy.deletingLastPathComponent()) }
    let weights = copy.appendingPathComponent("Data/com.apple.CoreML/weights")
    try Data("x".utf8).write(to: weights.appendingPathComponent("more.bin"))
    #expect(throws: ModelError.self) { try ModelFile(at: copy) }
    try FileManager.default.removeItem(at: weights.appendingPathComponent("more.bin"))
    #expect(throws: Never.self) { try ModelFile(at: copy) }
    try FileManager.default.removeItem(at: weights.appendingPathComponent("weight.bin"))
    #expect(throws: ModelError.self) { try ModelFile(at: copy) }
  }

  @Test(.enabled(if: hasPackage)) func nothingOutsideThePackageIsRead() throws {
    let copy = try copied(Native.package)
    defer { try? FileManager.default.removeItem(at: copy.deletingLastPathComponent()) }
    let weight = copy.appendingPathComponent("Data/com.apple.CoreML/weights/weight.bin")
    let outside = copy.deletingLastPathComponent().appendingPathComponent("outside.bin")
    try FileManager.default.moveItem(at: weight, to: outside)
    try FileManager.default.createSymbolicLink(at: weight, withDestinationURL: outside)
    #expect(throws: ModelError.self) { try ModelFile(at: copy) }
    let manifest = copy.appendingPathComponent("Manifest.json")
    let text = try String(contentsOf: manifest, encoding: .utf8)
    let pointed = text.replacingOccurrences(of: "com.apple.CoreML/model", with: "../../model")
    try Data(pointed.utf8).write(to: manifest)
    #expect(throws: ModelError.self) { try ModelFile(at: copy) }
  }
}
