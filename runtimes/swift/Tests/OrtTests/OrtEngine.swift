import COrt
import Foundation
import RaliCore

@testable import RaliKit

/// ONNX Runtime's C library, with the options of docs/contract.md. For tests: a phone has Core ML. What
/// it opens lives as long as the process.
actor OrtEngine: Engine {
  nonisolated let name: String
  nonisolated let note = ""
  private let api: OrtApi
  private let session: OpaquePointer
  private let memory: OpaquePointer
  private let facts: Facts
  private var image: [UInt8]

  /// - Throws: ``RuntimeLoadError`` if the library does not start, ``ModelError`` if it refuses the file.
  init(_ file: ModelFile) throws {
    guard let base = OrtGetApiBase(), let pointer = base.pointee.GetApi(UInt32(ORT_API_VERSION))
    else {
      throw RuntimeLoadError("ONNX Runtime has another version than its headers")
    }
    let api = pointer.pointee
    name = "onnxruntime \(base.pointee.GetVersionString().map { String(cString: $0) } ?? "?")"
    var env: OpaquePointer?
    try Self.check(api, api.CreateEnv(ORT_LOGGING_LEVEL_FATAL, "ralikit", &env))
    var options: OpaquePointer?
    try Self.check(api, api.CreateSessionOptions(&options))
    try Self.check(api, api.SetIntraOpNumThreads(options, 1))
    let entries = ["session.x64quantprecision": "1", "session.intra_op.allow_spinning": "0"]
    for (key, value) in entries {
      try Self.check(api, api.AddSessionConfigEntry(options, key, value))
    }
    var session: OpaquePointer?
    try Self.check(api, api.CreateSession(env, file.url.path, options, &session))
    var memory: OpaquePointer?
    try Self.check(api, api.CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory))
    guard let session, let memory else { throw RuntimeLoadError("ONNX Runtime gave no session") }
    self.api = api
    self.session = session
    self.memory = memory
    facts = file.facts
    image = [UInt8](repeating: 0, count: file.facts.inputShape.reduce(1, *))
  }

  private static func check(_ api: OrtApi, _ status: OpaquePointer?) throws {
    guard let status else { return }
    let message = api.GetErrorMessage(status).map { String(cString: $0) } ?? "no reason"
    api.ReleaseStatus(status)
    throw ModelError("ONNX Runtime: \(message)")
  }

  func run(_ fill: @Sendable (ViewsMemory) throws -> Void) async throws -> EngineRun {
    let start = ContinuousClock.now
    try image.withUnsafeMutableBufferPointer { try fill(.bytes($0)) }
    let filled = ContinuousClock.now
    let shape = facts.inputShape.map(Int64.init)
    var found: [String: [Float]] = [:]
    try image.withUnsafeMutableBytes { bytes in
      var input: OpaquePointer?
      try Self.check(
        api,
        api.CreateTensorWithDataAsOrtValue(
          memory, bytes.baseAddress, bytes.count, shape, shape.count,
          ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, &input))
      defer { api.ReleaseValue(input) }
      for output in facts.outputs {
        found[output] = try Self.numbers(of: output, input, session, api)
      }
    }
    return EngineRun(
      outputs: found, fill: (filled - start).seconds,
      inference: (ContinuousClock.now - filled).seconds)
  }

  /// The numbers of one output. Not isolated: C gets pointers to locals, which no other task has.
  private static func numbers(
    of output: String, _ input: OpaquePointer?, _ session: OpaquePointer, _ api: OrtApi
  ) throws -> [Float] {
    guard let inputName = strdup("image"), let outputName = strdup(output) else { return [] }
    defer {
      free(inputName)
      free(outputName)
    }
    let inputNames: [UnsafePointer<CChar>?] = [UnsafePointer(inputName)]
    let outputNames: [UnsafePointer<CChar>?] = [UnsafePointer(outputName)]
    let values: [OpaquePointer?] = [input]
    var results: [OpaquePointer?] = [nil]
    try check(api, api.Run(session, nil, inputNames, values, 1, outputNames, 1, &results))
    let result = results[0]
    defer { api.ReleaseValue(result) }
    var info: OpaquePointer?
    try check(api, api.GetTensorTypeAndShape(result, &info))
    defer { api.ReleaseTensorTypeAndShapeInfo(info) }
    var count = 0
    try check(api, api.GetTensorShapeElementCount(info, &count))
    var data: UnsafeMutableRawPointer?
    try check(api, api.GetTensorMutableData(result, &data))
    guard let data else { throw ModelError("ONNX Runtime gave no \(output)") }
    let floats = data.bindMemory(to: Float.self, capacity: count)
    return (0..<count).map { floats[$0] }
  }
}
