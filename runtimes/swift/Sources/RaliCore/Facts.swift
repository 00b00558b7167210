/// Which model a file holds.
public struct ModelFacts: Sendable, Hashable {
  public let name: String
  /// Hash of the bundle it was made from.
  public let bundle: String
  public let tower: String
  /// `trained`, or `random`: scores that mean nothing.
  public let weights: String
  public let licence: String
  /// What a user must know; show it where the model is chosen.
  public let notice: String
  /// Scores closer than this are not told apart; nil: not measured.
  public let tieWidth: Double?
  public let tieWidthNote: String
}

/// The score scale: its ends, and what they mean to the people who gave the scores.
public struct Scale: Sendable, Hashable {
  public let minimum: Double
  public let maximum: Double
  public let meaning: String
}

/// What one number of the output `reasons` stands for.
public struct ReasonFacts: Sendable, Hashable {
  public let id: String
  /// English.
  public let words: String
  /// The good side it speaks against.
  public let quality: String
}

/// A photo of known score: its views' hash, and the float32 pipeline's score.
public struct GoldenScore: Sendable, Hashable {
  public let name: String
  public let sha256: String
  public let reference: Double
}

/// Everything that a model's file says of itself (docs/contract.md).
public struct Facts: Sendable {
  /// The one schema that this version reads.
  public static let schema = 1
  /// Name of the metadata entry, in every format.
  public static let key = "ralikit"

  public let model: ModelFacts
  public let preprocess: Preprocess
  public let scale: Scale
  /// Its format, or "".
  public let target: String
  /// What it was exported as, or "".
  public let precision: String
  /// What it gives, by name, `score` first.
  public let outputs: [String]
  /// Of every number of the output `reasons`, in its order; empty where the file has no such output.
  public let reasons: [ReasonFacts]
  /// The golden photos and their scores; empty where the file does not say.
  public let golden: [GoldenScore]
  /// Whether the file carries a digest of itself, which was checked as it was read.
  public let digested: Bool
  /// Everything as it stands in the file, also what this version does not know.
  public let written: JSONValue

  /// Shape of one photo's views, (V, S, S, 3).
  public var inputShape: [Int] { preprocess.shape }

  /// Read a metadata entry, untrusted.
  ///
  /// - Parameters:
  ///   - text: The entry; nil where the file has none.
  ///   - digested: Whether the file carries a digest.
  ///   - name: The file, named in errors.
  /// - Throws: ``ModelError`` if it is missing, not JSON, of another schema, or lacks what a reader
  ///   needs.
  public init(json text: String?, digested: Bool = false, where name: String) throws(ModelError) {
    guard let text else {
      throw ModelError("\(name) carries no ralikit metadata: it was not made by ralikit export")
    }
    let values: JSONValue
    do {
      values = try JSONValue(parsing: text.utf8)
    } catch {
      throw ModelError("\(name): its ralikit metadata is not valid JSON: it \(error.reason)")
    }
    guard values["schema"] == .integer(Self.schema) else {
      throw ModelError("\(name): its metadata is of another schema than \(Self.schema)")
    }
    if let kind = values["kind"], kind != "scorer" {
      throw ModelError("\(name) gives no score: it only makes a scorer's views")
    }
    if values["digest"] != nil && !digested { throw ModelError.damaged(name) }
    let reader = FactsReader(values: values, name: name)
    model = try reader.model()
    preprocess = try reader.preprocess()
    scale = try reader.scale()
    outputs = try reader.outputs()
    reasons = outputs.contains("reasons") ? try reader.reasons() : []
    golden = reader.golden()
    target = values["target"]?.string ?? ""
    precision = values["precision"]?.string ?? ""
    self.digested = digested
    written = values
  }
}

private struct FactsReader {
  let values: JSONValue
  let name: String

  private func incomplete(_ words: String) -> ModelError {
    ModelError("\(name): its metadata is incomplete (\(words)); export it again")
  }

  /// A text, or `missing` where there is none.
  private func text(
    _ table: JSONValue, _ key: String, missing: String?
  ) throws(ModelError) -> String {
    guard let value = table[key] else {
      guard let missing else { throw incomplete("\(key) must be set") }
      return missing
    }
    guard let text = value.string else { throw incomplete("\(key) must be text") }
    return text
  }

  /// A value under its name or the one of the files before.
  private func renamed(
    _ table: JSONValue, _ key: String, former: String
  ) throws(ModelError) -> JSONValue? {
    guard let old = table[former] else { return table[key] }
    guard table[key] == nil else { throw incomplete("it has both \(key) and \(former)") }
    return old
  }

  func model() throws(ModelError) -> ModelFacts {
    guard let table = values["model"], table.object != nil else {
      throw incomplete("model must be set")
    }
    let title = try text(table, "name", missing: nil)
    guard title.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
      throw incomplete("a model's name is printable text")
    }
    var tieWidth: Double?
    if let value = try renamed(table, "tie_width", former: "resolution"), !value.isNull {
      guard let width = value.double else { throw incomplete("tie_width must be a number") }
      tieWidth = width
    }
    let note = try renamed(table, "tie_width_note", former: "resolution_note")
    guard note == nil || note?.string != nil else {
      throw incomplete("tie_width_note must be text")
    }
    return ModelFacts(
      name: title, bundle: try text(table, "bundle", missing: ""),
      tower: try text(table, "tower", missing: ""),
      weights: try text(table, "weights", missing: "trained"),
      licence: try text(table, "licence", missing: ""),
      notice: try text(table, "notice", missing: ""), tieWidth: tieWidth,
      tieWidthNote: note?.string ?? "")
  }

  func preprocess() throws(ModelError) -> Preprocess {
    func refused(_ words: String) -> ModelError { ModelError("\(name): preprocess: \(words)") }
    guard let table = values["preprocess"], let members = table.object else {
      throw refused("size, shortest_edge must be set")
    }
    let known = ["size", "shortest_edge", "anchors", "resample", "mean", "std"]
    for member in members where !known.contains(member.name) {
      throw refused("unknown setting \"\(member.name)\"")
    }
    guard let size = table["size"]?.integer else { throw refused("size must be a whole number") }
    guard let edge = table["shortest_edge"], edge.isNull || edge.integer != nil else {
      throw refused("shortest_edge must be a whole number or null")
    }
    var filter = Filter.bicubic
    if let value = table["resample"] {
      guard let named = value.string.flatMap(Filter.init(rawValue:)) else {
        throw refused("resample must be bicubic, bilinear or lanczos")
      }
      filter = named
    }
    var anchors = [Anchor(x: 0.5, y: 0.5)]
    if let value = table["anchors"] {
      let pairs = value.array?.map { $0.array?.compactMap(\.double) ?? [] } ?? []
      guard value.array != nil, pairs.allSatisfy({ $0.count == 2 }),
        value.array?.allSatisfy({ $0.array?.count == 2 }) == true
      else { throw refused("anchors must be pairs of numbers") }
      anchors = pairs.map { Anchor(x: $0[0], y: $0[1]) }
    }
    for key in ["mean", "std"] {
      guard let value = table[key] else { continue }
      let numbers = value.array?.compactMap(\.double) ?? []
      guard numbers.count == 3, value.array?.count == 3,
        key == "mean" || numbers.allSatisfy({ $0 > 0 })
      else { throw refused("\(key) must be three numbers\(key == "std" ? " above 0" : "")") }
    }
    do {
      return try Preprocess(
        size: size, shortestEdge: edge.integer, anchors: anchors, resample: filter)
    } catch { throw refused(error.message) }
  }

  func scale() throws(ModelError) -> Scale {
    guard let table = values["scale"], let members = table.object else {
      throw incomplete("scale must be set")
    }
    for member in members where !["minimum", "maximum", "meaning"].contains(member.name) {
      throw incomplete("scale: unknown setting \"\(member.name)\"")
    }
    func end(_ key: String, _ missing: Double) throws(ModelError) -> Double {
      guard let value = table[key] else { return missing }
      guard let number = value.double else { throw incomplete("\(key) must be a number") }
      return number
    }
    let (minimum, maximum) = (try end("minimum", 1), try end("maximum", 5))
    guard minimum < maximum else {
      throw incomplete("a scale goes from a minimum to a larger maximum")
    }
    let meaning = try text(
      table, "meaning",
      missing: "mean opinion score (MOS): 1 bad, 2 poor, 3 fair, 4 good, 5 excellent")
    return Scale(minimum: minimum, maximum: maximum, meaning: meaning)
  }

  func outputs() throws(ModelError) -> [String] {
    // Files of the first version call them functions.
    guard let given = values["outputs"] ?? values["functions"] else { return ["score"] }
    let names = given.array?.compactMap(\.string) ?? []
    guard let count = given.array?.count, names.count == count else {
      throw ModelError("\(name): its metadata does not name its outputs as a list of texts")
    }
    return names
  }

  func reasons() throws(ModelError) -> [ReasonFacts] {
    guard let entries = values["reasons"]?.array, !entries.isEmpty else {
      throw incomplete("it gives reasons and does not say which")
    }
    var reasons: [ReasonFacts] = []
    for entry in entries {
      reasons.append(
        ReasonFacts(
          id: try text(entry, "id", missing: nil), words: try text(entry, "words", missing: nil),
          quality: try text(entry, "quality", missing: nil)))
    }
    guard Set(reasons.map(\.id)).count == reasons.count else {
      throw incomplete("it names a reason twice")
    }
    return reasons
  }

  func golden() -> [GoldenScore] {
    let entries = values["golden"]?.array ?? []
    let read = entries.compactMap { entry -> GoldenScore? in
      guard let name = entry["name"]?.string, let hash = entry["sha256"]?.string,
        let reference = entry["reference"]?.double
      else { return nil }
      return GoldenScore(name: name, sha256: hash, reference: reference)
    }
    return read.count == entries.count ? read : []
  }
}
