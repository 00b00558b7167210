import Foundation
import RaliCore

@testable import RaliKit

/// An engine that computes what a test says, and counts.
actor FakeEngine: Engine {
  nonisolated let name = "fake 1"
  nonisolated let note: String
  private let size: Int
  private let bytes: Bool
  private let outputs: @Sendable ([Float]) throws -> [String: [Float]]
  private(set) var runs = 0

  init(
    size: Int, bytes: Bool = false, note: String = "",
    outputs: @escaping @Sendable ([Float]) throws -> [String: [Float]] = { ["score": [mean($0)]] }
  ) {
    self.size = size
    self.bytes = bytes
    self.note = note
    self.outputs = outputs
  }

  func run(_ fill: @Sendable (ViewsMemory) throws -> Void) async throws -> EngineRun {
    runs += 1
    var views: [Float]
    if bytes {
      var memory = [UInt8](repeating: 0, count: size)
      try memory.withUnsafeMutableBufferPointer { try fill(.bytes($0)) }
      views = memory.map(Float.init)
    } else {
      views = [Float](repeating: 0, count: size)
      try views.withUnsafeMutableBufferPointer { try fill(.floats($0)) }
    }
    return EngineRun(outputs: try outputs(views), fill: 0.25, inference: 0.5)
  }
}

func mean(_ values: [Float]) -> Float {
  Float(values.reduce(0.0) { $0 + Double($1) } / Double(max(values.count, 1)))
}

/// A model folder whose manifest fits, in a folder of its own; removed by whoever made it.
struct ModelFolder {
  let root: URL
  let model: URL

  static let facts = #"""
    {"schema": 1, "model": {"name": "fake", "tie_width": 0.5, "notice": "n"}, "target": "coreai",
     "preprocess": {"size": 4, "shortest_edge": 4}, "scale": {"minimum": 0, "maximum": 255},
     "outputs": ["score"], "golden": GOLDEN, "sha256": "HASH"}
    """#

  init(golden: JSONValue = [], edit: (String) -> String = { $0 }) throws {
    root = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    model = root.appendingPathComponent("fake.aimodel")
    try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
    try Data("weights".utf8).write(to: model.appendingPathComponent("main.bin"))
    let text = edit(
      Self.facts.replacingOccurrences(of: "GOLDEN", with: golden.text)
        .replacingOccurrences(of: "HASH", with: try Hash.sha256(ofFolderAt: model)))
    try Data(text.utf8).write(to: root.appendingPathComponent("fake.aimodel.ralikit.json"))
  }

  var cache: URL { root.appendingPathComponent("cache") }

  func remove() { try? FileManager.default.removeItem(at: root) }
}

func gray(_ value: UInt8, width: Int = 6, height: Int = 5) throws -> Photo {
  try Photo(
    rgb: [UInt8](repeating: value, count: width * height * 3), width: width, height: height)
}

/// A value that many tasks may change.
actor Tally {
  private(set) var values: [String] = []
  func add(_ value: String) { values.append(value) }
}
