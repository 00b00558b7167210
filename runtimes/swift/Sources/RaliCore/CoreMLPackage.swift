import Foundation

/// The folder called .mlpackage: a manifest, the model's protobuf and files of weights. Read as
/// untrusted: nothing outside of the folder is touched.
enum CoreMLPackage {
  private static let manifest = "Manifest.json"
  // Fields of CoreML.Specification: Model, ModelDescription, Metadata.
  private static let description: UInt64 = 2
  private static let program: UInt64 = 502
  private static let metadata: UInt64 = 100
  private static let userDefined: UInt64 = 100

  static func read(_ root: URL) throws -> ModelFile {
    let name = root.lastPathComponent
    let model = try modelPath(root)
    let data = try Data(contentsOf: root.appendingPathComponent(model))
    let (text, digest) = try data.withUnsafeBytes { raw in
      try words(raw.bindMemory(to: UInt8.self), where: name)
    }
    let facts = try Facts(json: text, digested: digest != nil, where: name)
    var files: [(name: String, hash: String)] = []
    var bytes = 0
    for path in try Hash.files(below: root) {
      let file = root.appendingPathComponent(path)
      files.append((path, try Hash.sha256(ofFileAt: file)))
      bytes += try file.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0
    }
    if let digest {
      let folder = model.split(separator: "/").dropLast().joined(separator: "/") + "/weights/"
      let blank = try Hash.sha256(ofFileAt: root.appendingPathComponent(model), blank: digest.at)
      let covered = [(model, blank)] + files.filter { $0.name.hasPrefix(folder) }
      guard Hash.listing(covered) == digest.text else { throw ModelError.damaged(name) }
    }
    return ModelFile(url: root, facts: facts, hash: Hash.listing(files), bytes: bytes)
  }

  /// The two entries of a model's user-defined metadata.
  private static func words(
    _ bytes: UnsafeBufferPointer<UInt8>, where name: String
  ) throws -> (text: String?, digest: Digest?) {
    var entries = MetadataEntries()
    var isProgram = false
    var model = ProtobufFields(bytes, 0..<bytes.count)
    while let field = try model.next() {
      if field.number == program { isProgram = true }
      guard field.number == description, let body = field.body else { continue }
      var fields = ProtobufFields(bytes, body)
      while let field = try fields.next() {
        guard field.number == metadata, let body = field.body else { continue }
        var inner = ProtobufFields(bytes, body)
        while let field = try inner.next() {
          guard field.number == userDefined, let body = field.body else { continue }
          try entries.take(bytes, body, where: name)
        }
      }
    }
    guard isProgram else {
      throw ModelError("\(name) holds no ML program, the only kind of Core ML model read here")
    }
    return try entries.read(bytes, where: name)
  }

  /// Path of the model file inside of the package, with "/".
  private static func modelPath(_ root: URL) throws -> String {
    let name = root.lastPathComponent
    let unusable = ModelError("\(name) is not a Core ML package: its \(manifest) is unusable")
    guard let data = try? Data(contentsOf: root.appendingPathComponent(manifest)),
      let values = try? JSONValue(parsing: data),
      let identifier = values["rootModelIdentifier"]?.string,
      let path = values["itemInfoEntries"]?[identifier]?["path"]?.string
    else { throw unusable }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard !parts.isEmpty, !parts.contains(""), !parts.contains(".."), !parts.contains(".") else {
      throw ModelError("\(name): its \(manifest) points outside the package, to \"\(path)\"")
    }
    let model = "Data/\(path)"
    try refuseLinks(root, [manifest, model])
    return model
  }

  private static func refuseLinks(_ root: URL, _ paths: [String]) throws {
    let inside = root.resolvingSymlinksInPath().path + "/"
    for path in paths {
      let resolved = root.appendingPathComponent(path).resolvingSymlinksInPath().path
      guard resolved.hasPrefix(inside) else {
        throw ModelError("\(root.lastPathComponent): \(path) is a link to outside the package")
      }
    }
  }
}
