import Foundation
import RaliCore
import RaliKit
import Testing

@Suite("On this device: golden pixels")
struct GoldenPixelTests {
  @Test("every PNG gives the views of every setting, byte for byte")
  func views() throws {
    let golden = try Golden.file()
    var compared = 0
    for (name, photo) in golden.photos.sorted(by: { $0.key < $1.key }) where name.hasSuffix("png") {
      let read = try Photo.read(try Golden.image(name))
      for (setting, expected) in photo.settings {
        let preprocess = try #require(golden.settings[setting]).preprocess()
        let views = Hash.sha256(of: try read.views(preprocess))
        #expect(views == expected.views.sha256, "\(name), \(setting)")
        compared += 1
      }
    }
    #expect(compared > 100)
  }

  @Test("records of all languages open, broken ones do not")
  func records() throws {
    struct Broken: Decodable {
      struct Line: Decodable {
        enum CodingKeys: String, CodingKey {
          case line, why
          case refusedBy = "refused_by"
        }

        let line: String
        let refusedBy: String
        let why: String
      }

      let lines: [Line]
    }
    let whole = try Data(contentsOf: try Golden.folder.appending(path: "records.jsonl"))
    for line in whole.split(separator: UInt8(ascii: "\n")) { _ = try Record.open(line) }
    let data = try Data(contentsOf: try Golden.folder.appending(path: "records-broken.json"))
    for broken in try JSONDecoder().decode(Broken.self, from: data).lines
    where broken.refusedBy == "seal" {
      #expect(throws: RecordError.self, "\(broken.why)") {
        try Record.open(Array(broken.line.utf8))
      }
    }
  }
}
