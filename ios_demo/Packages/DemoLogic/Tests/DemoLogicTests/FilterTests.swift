import RaliCore
import Testing

@testable import DemoLogic

@Suite("Filter by score, reason and name")
struct FilterTests {
  let all = [
    entry("dusk", 1.9, reasons: ["too-dark": 0.8, "noise": 0.6]),
    entry("blur", 2.5, reasons: ["motion-blur": 0.5, "noise": 0.49]),
    entry("Café", 4.2, reasons: ["noise": 0.1]),
    failure("cut"),
  ]

  private func shown(_ filter: PhotoFilter) -> [String] { all.filter(filter.shows).map(\.id) }

  @Test("off shows every score and no failure")
  func off() {
    #expect(PhotoFilter().isOff)
    #expect(shown(PhotoFilter()) == ["dusk", "blur", "Café"])
  }

  @Test("below leaves its limit out, atLeast takes it in")
  func limits() {
    #expect(shown(PhotoFilter(below: 2.5)) == ["dusk"])
    #expect(shown(PhotoFilter(atLeast: 2.5)) == ["blur", "Café"])
    #expect(shown(PhotoFilter(below: 2.5, atLeast: 2.5)).isEmpty)
  }

  @Test("any of the reasons, and only where it is named: at least 0.5")
  func reasons() {
    #expect(shown(PhotoFilter(reasons: ["noise"])) == ["dusk"])
    #expect(shown(PhotoFilter(reasons: ["motion-blur", "too-dark"])) == ["dusk", "blur"])
    #expect(shown(PhotoFilter(reasons: ["unknown"])).isEmpty)
  }

  @Test("names whatever their case and accents")
  func names() { #expect(shown(PhotoFilter(name: "CAFE")) == ["Café"]) }

  @Test("reasons to choose from, most often first, equal ones by id")
  func named() {
    let named = PhotoFilter.named(in: all + [entry("more", 2, reasons: ["noise": 0.9])])
    #expect(named.map(\.reason.id) == ["noise", "motion-blur", "too-dark"])
    #expect(named.map(\.count) == [2, 1, 1])
  }
}

@Suite("Results: one entry a photo")
struct ResultsTests {
  @Test("an entry takes the place of the older one; removed ones are gone")
  func replaced() {
    var results = Results([entry("a", 1), failure("b"), entry("c", 3)])
    results.set(entry("b", 2))
    #expect(results.entries.map(\.id) == ["a", "b", "c"] && results.failures == 0)
    results.remove(["a", "nobody"])
    #expect(results.count == 2 && results["a"] == nil && results["c"]?.score?.value == 3)
    results.set(failure("c"))
    results.set(failure("c"))
    #expect(results.failures == 1)
    results.remove(["c"])
    #expect(results.failures == 0)
    results.set(entry("d", 4))
    #expect(results.entries.map(\.id) == ["b", "d"] && results["d"]?.score?.value == 4)
  }

  @Test("an entry holds no embedding")
  func noEmbedding() {
    let entry = Entry(photo: photo("a"), outcome: .scored(score(2, embedding: [1, 2])))
    #expect(entry.score?.embedding == nil && entry.score?.value == 2)
  }
}
