import Foundation
import RaliCore

/// The golden vectors that all languages share, as the test bundle carries them.
enum Golden {
  struct Pixels: Decodable {
    let sha256: String
  }

  struct Setting: Decodable {
    enum CodingKeys: String, CodingKey {
      case size, anchors, resample
      case shortestEdge = "shortest_edge"
    }

    let size: Int
    let shortestEdge: Int?
    let anchors: [[Double]]
    let resample: String

    func preprocess() throws -> Preprocess {
      guard let filter = Filter(rawValue: resample) else {
        throw UsageError("golden.json names an unknown filter \(resample)")
      }
      return try Preprocess(
        size: size, shortestEdge: shortestEdge,
        anchors: anchors.map { Anchor(x: $0[0], y: $0[1]) }, resample: filter)
    }
  }

  struct Photo: Decodable {
    struct Views: Decodable {
      let views: Pixels
    }

    let settings: [String: Views]
  }

  struct File: Decodable {
    let settings: [String: Setting]
    let photos: [String: Photo]
  }

  static var folder: URL {
    get throws {
      let bundle = Bundle(for: Anchored.self)
      guard let folder = bundle.url(forResource: "golden", withExtension: nil) else {
        throw UsageError(
          "the test bundle has no folder golden: is runtimes/golden beside ios_demo?")
      }
      return folder
    }
  }

  static func file() throws -> File {
    let data = try Data(contentsOf: folder.appending(path: "golden.json"))
    return try JSONDecoder().decode(File.self, from: data)
  }

  static func image(_ name: String) throws -> URL { try folder.appending(path: "images/\(name)") }

  /// Python's scores of the very package in the app, by photo; prepare.sh writes them.
  static func pythonScores() throws -> [String: Double] {
    struct Scores: Decodable {
      let scores: [String: Double]
    }
    guard let file = Bundle(for: Anchored.self).url(forResource: "scores", withExtension: "json")
    else { throw UsageError("the test bundle has no scores.json: run ios_demo/prepare.sh first") }
    return try JSONDecoder().decode(Scores.self, from: Data(contentsOf: file)).scores
  }
}

/// Names the test bundle.
private final class Anchored {}
