// swift-format-ignore-file
// (the names are Apple's)

// Hand-written declarations of the part of Core ML that RaliKit uses, from Apple's documentation. Enough
// to compile against off a Mac; nothing here computes. `signature.py` holds the exported package's
// names, shapes and types against what RaliKit asks for.
import Foundation

public enum MLComputeUnits: Int, Sendable {
  case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine
}

public enum MLMultiArrayDataType: Int, Sendable {
  case double = 65600
  case float32 = 65568
  case float16 = 65552
  case int32 = 131104
}

public class MLModelConfiguration: NSObject {
  public var computeUnits = MLComputeUnits.all
}

public class MLMultiArrayConstraint: NSObject {
  public var shape: [NSNumber] { fatalError() }
  public var dataType: MLMultiArrayDataType { fatalError() }
}

public class MLFeatureDescription: NSObject {
  public var multiArrayConstraint: MLMultiArrayConstraint? { fatalError() }
}

public class MLModelDescription: NSObject {
  public var inputDescriptionsByName: [String: MLFeatureDescription] { fatalError() }
  public var outputDescriptionsByName: [String: MLFeatureDescription] { fatalError() }
}

public class MLMultiArray: NSObject {
  public init(shape: [NSNumber], dataType: MLMultiArrayDataType) throws { fatalError() }
  public var count: Int { fatalError() }
  public subscript(index: Int) -> NSNumber {
    get { fatalError() }
    set { fatalError() }
  }
  public func withUnsafeMutableBytes<R>(
    _ body: (UnsafeMutableRawBufferPointer, [Int]) throws -> R
  ) rethrows -> R { fatalError() }
}

public class MLFeatureValue: NSObject {
  public init(multiArray value: MLMultiArray) { fatalError() }
  public var multiArrayValue: MLMultiArray? { fatalError() }
}

public protocol MLFeatureProvider {
  var featureNames: Set<String> { get }
  func featureValue(for featureName: String) -> MLFeatureValue?
}

public class MLDictionaryFeatureProvider: NSObject, MLFeatureProvider {
  public init(dictionary: [String: Any]) throws { fatalError() }
  public var featureNames: Set<String> { fatalError() }
  public func featureValue(for featureName: String) -> MLFeatureValue? { fatalError() }
}

public class MLModel: NSObject {
  public class func compileModel(at modelURL: URL) async throws -> URL { fatalError() }
  public class func load(
    contentsOf url: URL, configuration: MLModelConfiguration = MLModelConfiguration()
  ) async throws -> MLModel { fatalError() }
  public var modelDescription: MLModelDescription { fatalError() }
  public func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider {
    fatalError()
  }
}
