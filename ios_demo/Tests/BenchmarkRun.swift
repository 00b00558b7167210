import DemoLogic
import RaliCore
import XCTest

@testable import RaliDemo

/// What `ralikit bench ios` runs on a device; without its order there is nothing to do.
final class BenchmarkRun: XCTestCase {
  func testMeasures() async throws {
    guard let order = try OrderedBenchmark.order(), order.runner == .test else {
      throw XCTSkip("no benchmark is ordered: ralikit bench ios")
    }
    let file = try await OrderedBenchmark.run(order)
    let lines = try Data(contentsOf: file).split(separator: UInt8(ascii: "\n"))
    XCTAssertEqual(lines.count, order.units.count)
    for line in lines { _ = try Record.open(line) }
  }
}
