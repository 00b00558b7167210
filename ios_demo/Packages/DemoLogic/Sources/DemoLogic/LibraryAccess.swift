/// What a person lets the app see of their photo library.
public enum LibraryAccess: String, Sendable, Hashable, Codable, CaseIterable {
  case notAsked
  case denied
  /// Somebody else decides: a parent, a school, an employer.
  case restricted
  /// The photos that the person picked, and no other.
  case limited
  case full

  /// Whether there is anything to scan.
  public var canScan: Bool { self == .limited || self == .full }
  /// Whether asking shows the system's question; after that it stays silent.
  public var canAsk: Bool { self == .notAsked }
  /// Whether the person can mend it in the Settings app.
  public var mendedInSettings: Bool { self == .denied }
  /// Whether the person can pick more photos.
  public var canPickMore: Bool { self == .limited }
}
