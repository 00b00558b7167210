import DemoLogic
import Foundation
import Testing

@testable import RaliDemo

@Suite("On this device: the app's own parts")
struct AppTests {
  @Test("texts are in the catalog, in this language")
  func texts() {
    #expect(Words.Tab.rank != "tab.rank")
    #expect(Words.Rank.unreadable(1) != Words.Rank.unreadable(2))
    #expect(Words.Rank.progress(done: 3, total: 7).contains("3"))
  }

  @Test("a footprint is read")
  func footprint() { #expect(DeviceProbe.footprint > 1 << 20) }

  @Test("the benchmark's photo has 12 megapixels and scores")
  func large() async throws {
    let photo = try await LargePhoto.make()
    #expect(try photo.resourceValues(forKeys: [.fileSizeKey]).fileSize ?? 0 > 1_000_000)
  }
}
