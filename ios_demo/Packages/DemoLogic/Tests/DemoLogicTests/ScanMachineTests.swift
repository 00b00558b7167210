import Testing

@testable import DemoLogic

/// A machine behind a reference: `#expect` takes no call that changes a value.
@dynamicMemberLookup
private final class Machine {
  private var scan: ScanMachine

  init(limit: Int = 2) { scan = ScanMachine(limit: limit) }

  subscript<Value>(dynamicMember path: KeyPath<ScanMachine, Value>) -> Value { scan[keyPath: path] }

  func start(_ photos: [String], finished: Set<String> = []) {
    scan.start(photos, finished: finished)
  }
  func take() -> String? { scan.take() }
  func settle(_ id: String) -> Bool { scan.settle(id) }
  func pause(_ reason: ScanMachine.Pause) { scan.pause(reason) }
  func resume(_ reason: ScanMachine.Pause) { scan.resume(reason) }
  func cancel() { scan.cancel() }
  func fail(_ why: String) { scan.fail(why) }
  func libraryChanged(_ photos: [String], finished: Set<String>) -> Set<String> {
    scan.libraryChanged(photos, finished: finished)
  }
}

@Suite("The scan's states")
struct ScanMachineTests {
  @Test("takes photos in order, no more than the limit, and ends")
  func order() {
    let scan = Machine(limit: 2)
    #expect(scan.take() == nil)
    scan.start(["a", "b", "c", "b"])
    #expect(scan.total == 3)
    #expect(scan.take() == "a" && scan.take() == "b" && scan.take() == nil)
    #expect(scan.settle("b"))
    #expect(scan.take() == "c")
    #expect(scan.settle("a") && scan.phase == .running)
    #expect(scan.settle("c") && scan.phase == .finished && scan.share == 1)
    #expect(!scan.settle("c") && scan.done == 3)
  }

  @Test("nothing to do is finished at once")
  func nothing() {
    let scan = Machine()
    scan.start([])
    #expect(scan.phase == .finished && scan.share == 1)
    scan.start(["a"], finished: ["a", "elsewhere"])
    #expect(scan.phase == .finished && scan.done == 1)
  }

  @Test("a pause begins nothing, and counts what was under way")
  func pause() {
    let scan = Machine(limit: 1)
    scan.start(["a", "b"])
    #expect(scan.take() == "a")
    scan.pause(.person)
    #expect(scan.phase == .paused && scan.take() == nil)
    #expect(scan.settle("a") && scan.done == 1 && scan.phase == .paused)
    scan.resume(.person)
    #expect(scan.phase == .running && scan.take() == "b" && scan.done == 1)
  }

  @Test("goes on when the last reason to pause is gone, and not before")
  func reasons() {
    let scan = Machine()
    scan.start(["a"])
    for reason in [ScanMachine.Pause.person, .background, .heat] { scan.pause(reason) }
    scan.resume(.background)
    scan.resume(.heat)
    #expect(scan.phase == .paused && scan.take() == nil)
    scan.resume(.person)
    #expect(scan.phase == .running)
  }

  @Test("a scan that starts on a hot phone waits")
  func heldBefore() {
    let scan = Machine()
    scan.pause(.heat)
    #expect(scan.phase == .idle)
    scan.start(["a"])
    #expect(scan.phase == .paused && scan.take() == nil)
    scan.resume(.heat)
    #expect(scan.take() == "a")
  }

  @Test("the last photo may end during a pause")
  func endsPaused() {
    let scan = Machine()
    scan.start(["a"])
    _ = scan.take()
    scan.pause(.background)
    #expect(scan.settle("a") && scan.phase == .finished)
    scan.resume(.background)
    #expect(scan.phase == .finished)
  }

  @Test("stopping forgets what is under way and keeps what is done")
  func cancel() {
    let scan = Machine()
    scan.start(["a", "b"])
    _ = scan.take()
    #expect(scan.settle("a"))
    _ = scan.take()
    scan.cancel()
    #expect(!scan.settle("b") && scan.phase == .idle && scan.done == 1 && scan.left == 0)
    scan.resume(.person)
    #expect(scan.phase == .idle)
    scan.fail("the model is gone")
    #expect(scan.phase == .failed("the model is gone"))
  }

  @Test("limited access: other photos are picked while it runs")
  func picked() {
    let scan = Machine(limit: 1)
    scan.start(["a", "b", "c"])
    _ = scan.take()
    #expect(scan.settle("a"))
    #expect(scan.take() == "b")
    // a and b were taken away, d came.
    #expect(scan.libraryChanged(["c", "d"], finished: ["a"]) == ["a", "b"])
    #expect(!scan.settle("b"))
    #expect(scan.done == 0 && scan.total == 2 && scan.take() == "c")
    #expect(scan.settle("c"))
    #expect(scan.take() == "d" && scan.settle("d") && scan.phase == .finished)
    #expect(scan.libraryChanged(["c", "d"], finished: ["c", "d"]).isEmpty)
    #expect(scan.phase == .finished)
    #expect(scan.libraryChanged(["c", "d", "e"], finished: ["c", "d"]).isEmpty)
    #expect(scan.phase == .running && scan.take() == "e")
  }

  @Test("a changed library does not begin what nobody began, nor end a pause")
  func changedAtRest() {
    let scan = Machine()
    #expect(scan.libraryChanged(["a"], finished: []).isEmpty && scan.phase == .idle)
    scan.start(["a", "b"])
    scan.pause(.person)
    #expect(scan.libraryChanged(["b", "c"], finished: []) == ["a"])
    #expect(scan.phase == .paused && scan.total == 2)
  }

  @Test("10,000 photos: each is taken once, in order")
  func many() {
    let scan = Machine(limit: 3)
    let ids = (0..<10_000).map(String.init)
    scan.start(ids)
    var taken: [String] = []
    while let id = scan.take() {
      taken.append(id)
      if taken.count % 7 == 0 {
        scan.pause(.background)
        #expect(scan.take() == nil)
        scan.resume(.background)
      }
      #expect(scan.settle(id))
    }
    #expect(taken == ids && scan.phase == .finished)
  }
}
