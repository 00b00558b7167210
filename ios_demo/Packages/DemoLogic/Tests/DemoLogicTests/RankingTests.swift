import RaliCore
import Testing

@testable import DemoLogic

@Suite("Ranking: the order and the shared places of ralikit rank")
struct RankingTests {
  private func places(_ values: [Double], tieWidth: Double?) -> [String] {
    let entries = values.enumerated().map { entry("\($0.offset)", $0.element) }
    return PhotoRanking.rank(entries, tieWidth: tieWidth).map {
      "\($0.photo.id):\($0.place)\($0.tied ? "=" : "")"
    }
  }

  @Test("best first; too close to call does not chain")
  func groups() {
    // 4.0 takes 3.8 (0.2 below) but not 3.7 (0.3 below), though 3.8 and 3.7 are close.
    #expect(places([3.7, 4.0, 3.8, 2.0], tieWidth: 0.25) == ["1:1=", "2:1=", "0:3", "3:4"])
  }

  @Test("a gap of exactly the tie width is told apart")
  func exactWidth() {
    #expect(places([3.75, 4.0], tieWidth: 0.25) == ["1:1", "0:2"])
  }

  @Test("without a measured width only equal scores share a place, in the order they came")
  func noWidth() {
    #expect(places([3, 3.0001, 3], tieWidth: nil) == ["1:1", "0:2=", "2:2="])
  }

  @Test("a width of zero still lets equal scores share")
  func zeroWidth() {
    #expect(places([2, 2], tieWidth: 0) == ["0:1=", "1:1="])
  }

  @Test("failures have no place; nothing gives nothing")
  func failures() {
    #expect(PhotoRanking.rank([failure("a"), entry("b", 2)], tieWidth: 1).map(\.id) == ["b"])
    #expect(PhotoRanking.rank([], tieWidth: nil).isEmpty)
  }

  @Test("10,000 photos: every place is 1 more than the photos above its group")
  func many() {
    var seed: UInt64 = 7
    let entries = (0..<10_000).map { index in
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return entry("\(index)", 1 + Double(seed >> 40) / Double(1 << 24) * 4)
    }
    let ranked = PhotoRanking.rank(entries, tieWidth: 0.01)
    #expect(ranked.count == 10_000)
    for (at, item) in ranked.enumerated() {
      let lead = ranked[item.place - 1]
      #expect(lead.place == item.place && lead.score.value - item.score.value < 0.01)
      if at > 0 { #expect(ranked[at - 1].score.value >= item.score.value) }
    }
  }
}
