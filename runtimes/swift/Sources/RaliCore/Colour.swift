/// Which conversion a photo's pixels get, and what its user should know.
package struct Colour: Sendable {
  package enum Kind: Sendable { case gray, rgb, cmyk }

  package let conversion: Conversion?
  package let notes: [String]

  package static let plain = Colour(conversion: nil, notes: [])

  private static let damaged =
    "its colour profile is damaged and was left out: the pixels were taken as sRGB"
  private static let misfit =
    "its colour profile is for another kind of pixels and was left out"
  package static let tableRefused = PhotoError(
    "its colour profile is a table, which is not read here; save it as sRGB")

  private init(conversion: Conversion?, notes: [String]) {
    self.conversion = conversion
    self.notes = notes
  }

  /// - Parameters:
  ///   - kind: The stored pixels.
  ///   - profile: The embedded profile's bytes; empty: there is one, but it cannot be unpacked.
  ///   - coded: Colour by numbers, which goes before a profile.
  /// - Throws: ``PhotoError`` for high dynamic range and for tables.
  package init(
    _ kind: Kind, profile: [UInt8]?, coded: CodedColour? = nil
  ) throws(PhotoError) {
    if let coded, kind != .cmyk {
      if let range = coded.highDynamicRange { throw PhotoError.highDynamicRange(range) }
      let (conversion, notes) = coded.conversion
      self.init(conversion: conversion, notes: notes)
      return
    }
    guard let profile else {
      self = .plain
      return
    }
    guard let read = ICCProfile(profile) else {
      self.init(conversion: nil, notes: [Self.damaged])
      return
    }
    if let range = read.highDynamicRange { throw PhotoError.highDynamicRange(range) }
    let fits =
      switch read.space {
      case .rgb: kind != .cmyk
      case .gray: kind == .gray
      case .cmyk: kind == .cmyk
      }
    guard fits else {
      self.init(conversion: nil, notes: [Self.misfit])
      return
    }
    switch read.kind {
    case .none: self = .plain
    case .conversion(let conversion): self.init(conversion: conversion, notes: [])
    case .table: throw Self.tableRefused
    }
  }
}
