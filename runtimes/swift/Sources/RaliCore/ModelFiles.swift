import Foundation

/// What a model file says of itself, checked against its digest before anything runs it.
public struct ModelFile: Sendable {
  public let url: URL
  public let facts: Facts
  /// SHA-256 of the file; of a folder, over its sorted names and contents.
  public let hash: String
  /// Of all its files.
  public let bytes: Int

  /// Read and check a `.mlpackage` or `.aimodel` folder, or a `.onnx` file.
  ///
  /// - Throws: ``ModelError`` if it is foreign, damaged, or of another schema.
  public init(at url: URL) throws {
    let name = url.lastPathComponent
    do {
      switch url.pathExtension.lowercased() {
      case "mlpackage": self = try CoreMLPackage.read(url)
      case "aimodel": self = try ManifestedFolder.read(url)
      case "onnx": self = try ONNXFile.read(url)
      default:
        throw ModelError("\(name) is no model that is read here (expected .mlpackage or .aimodel)")
      }
    } catch let error as ModelError {
      throw error
    } catch is ProtobufError {
      throw ModelError("\(name) is damaged or no model file")
    } catch let error as any RaliError {
      throw ModelError(error.message)
    } catch {
      throw ModelError("\(name) cannot be read: \(error.localizedDescription)")
    }
  }

  package init(url: URL, facts: Facts, hash: String, bytes: Int) {
    self.url = url
    self.facts = facts
    self.hash = hash
    self.bytes = bytes
  }
}

/// A folder whose facts stand in the manifest beside it, with its hash: an .aimodel.
enum ManifestedFolder {
  static func read(_ root: URL) throws -> ModelFile {
    let name = root.lastPathComponent
    let manifest = root.deletingLastPathComponent().appendingPathComponent("\(name).ralikit.json")
    guard let data = try? Data(contentsOf: manifest) else {
      throw ModelError(
        "\(name) needs its manifest \(manifest.lastPathComponent) beside it: copy both")
    }
    let text = String(validating: data, as: UTF8.self)
    // The manifest's hash takes the place of a digest inside the file.
    let facts = try Facts(json: text, digested: true, where: name)
    let files = try Hash.files(below: root)
    let hash = try Hash.sha256(ofFolderAt: root)
    guard facts.written["sha256"]?.string == hash else {
      throw ModelError(
        "\(name) is damaged or another file than \(manifest.lastPathComponent) beside it speaks of: "
          + "copy both or export it again")
    }
    let bytes = try files.reduce(0) { sum, file in
      let values = try root.appendingPathComponent(file).resourceValues(forKeys: [.fileSizeKey])
      return sum + (values.fileSize ?? 0)
    }
    return ModelFile(url: root, facts: facts, hash: hash, bytes: bytes)
  }
}

/// An .onnx file's own words, read straight from its protobuf (onnx.ModelProto).
enum ONNXFile {
  private static let graph: UInt64 = 7
  private static let metadata: UInt64 = 14
  private static let externalData: UInt64 = 13

  static func read(_ url: URL) throws -> ModelFile {
    let name = url.lastPathComponent
    let data = try Data(contentsOf: url, options: .alwaysMapped)
    let (text, digest) = try data.withUnsafeBytes { raw in
      let bytes = raw.bindMemory(to: UInt8.self)
      var entries = MetadataEntries()
      var hasGraph = false
      var fields = ProtobufFields(bytes, 0..<bytes.count)
      while let field = try fields.next() {
        guard let body = field.body else { continue }
        if field.number == graph { hasGraph = true }
        if field.number == metadata { try entries.take(bytes, body, where: name) }
      }
      guard hasGraph else { throw ProtobufError() }
      guard try isWhole(bytes) else {
        throw ModelError(
          "\(name) keeps weights in another file: ralikit export writes and reads files that are whole"
        )
      }
      return try entries.read(bytes, where: name)
    }
    let facts = try Facts(json: text, digested: digest != nil, where: name)
    if let digest, try Hash.sha256(ofFileAt: url, blank: digest.at) != digest.text {
      throw ModelError.damaged(name)
    }
    return ModelFile(
      url: url, facts: facts, hash: try Hash.sha256(ofFileAt: url), bytes: data.count)
  }

  /// Where tensors can be, by message: number of a field, and the message it holds (onnx.proto).
  private static let within: [String: [UInt64: String]] = [
    "model": [7: "graph", 25: "function"],
    "graph": [1: "node", 5: "tensor", 15: "sparse"],
    "function": [7: "node", 11: "attribute"],
    "node": [5: "attribute"],
    "attribute": [
      5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse",
    ],
    "sparse": [1: "tensor", 2: "tensor"],
  ]

  /// Whether no tensor's data lie in another file, which nothing would vouch for.
  private static func isWhole(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Bool {
    var waiting = [("model", 0..<bytes.count)]
    while let (kind, range) = waiting.popLast() {
      let within = within[kind] ?? [:]
      var fields = ProtobufFields(bytes, range)
      while let field = try fields.next() {
        guard let body = field.body else { continue }
        if kind == "tensor" && field.number == externalData { return false }
        if let inner = within[field.number] { waiting.append((inner, body)) }
      }
    }
    return true
  }
}
