import DemoLogic
import Foundation
import RaliCore
import RaliKit
import RaliMini
import SwiftUI
import UIKit

/// The benchmark as `ralikit bench ios` orders it: nobody taps, and the records are left in the app's documents.
enum OrderedBenchmark {
  /// The order that this process was started with; nil: none.
  static func order() throws -> BenchmarkOrder? {
    try BenchmarkOrder(environment: ProcessInfo.processInfo.environment)
  }

  /// - Returns: The file with the records; an older one is gone from the start.
  @MainActor
  static func run(_ order: BenchmarkOrder) async throws -> URL {
    let file = URL.documentsDirectory.appending(path: BenchmarkOrder.file)
    try? FileManager.default.removeItem(at: file)
    guard let package = RaliMini.modelURL else { throw UsageError(Words.Model.missing) }
    let session = BenchmarkSession(
      package: package, units: try order.units.map(unit), plan: order.plan, run: order.run,
      command: order.command)
    // A screen that goes dark suspends the app in the middle of a round.
    UIApplication.shared.isIdleTimerDisabled = true
    defer { UIApplication.shared.isIdleTimerDisabled = false }
    try Data(try await session.measure().lines.utf8).write(to: file)
    return file
  }

  private static func unit(_ name: String) throws -> ComputeUnits {
    guard let unit = ComputeUnits.allCases.first(where: { $0.recordName == name }) else {
      let known = ComputeUnits.allCases.map(\.recordName).joined(separator: ", ")
      throw UsageError("a compute unit is one of \(known), not \(name)")
    }
    return unit
  }
}

/// In place of the app while a benchmark is ordered: no other model is opened beside it.
struct OrderedScreen: View {
  let order: Result<BenchmarkOrder, any Error>

  var body: some View {
    ProgressView(Words.Bench.title).task { await obey() }
  }

  private func obey() async {
    do {
      let order = try order.get()
      guard order.runner == .app else { return }
      _ = try await OrderedBenchmark.run(order)
      exit(0)
    } catch {
      FileHandle.standardError.write(Data("error: \(error.localizedDescription)\n".utf8))
      exit(1)
    }
  }
}
