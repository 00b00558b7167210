import RaliCore

/// Entries by photo, in the order in which they came; one a photo, the newest.
public struct Results: Sendable, Equatable {
  private var places: [String: Int] = [:]
  private var stored: [Entry?] = []

  public init() {}

  public init(_ entries: some Sequence<Entry>) {
    for entry in entries { set(entry) }
  }

  public var count: Int { places.count }
  public var isEmpty: Bool { places.isEmpty }
  public var entries: [Entry] { stored.compactMap(\.self) }
  /// How many could not be scored. Counted along: a scan asks after every photo.
  public private(set) var failures = 0

  public subscript(id: String) -> Entry? { places[id].flatMap { stored[$0] } }

  /// Add an entry, or put it in the place of the photo's older one.
  public mutating func set(_ entry: Entry) {
    if entry.failure != nil { failures += 1 }
    if let place = places[entry.id] {
      if stored[place]?.failure != nil { failures -= 1 }
      stored[place] = entry
    } else {
      places[entry.id] = stored.count
      stored.append(entry)
    }
  }

  /// Forget photos that are gone or no longer shared with the app.
  public mutating func remove(_ ids: some Sequence<String>) {
    for id in ids {
      guard let place = places.removeValue(forKey: id) else { continue }
      if stored[place]?.failure != nil { failures -= 1 }
      stored[place] = nil
    }
    guard stored.count > 2 * places.count else { return }
    stored = stored.filter { $0 != nil }
    places = Dictionary(
      uniqueKeysWithValues: stored.enumerated().map { ($1?.id ?? "", $0) })
  }
}
