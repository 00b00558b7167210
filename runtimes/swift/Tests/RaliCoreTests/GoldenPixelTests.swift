import Foundation
import Testing

@testable import RaliCore

/// The pixels of every step, byte for byte as Python makes them.
@Suite struct GoldenPixelTests {
  private func facts(_ name: String) throws -> JSONValue {
    try #require(try Repository.expected.get()["photos"]?[name])
  }

  private func check(_ width: Int, _ height: Int, _ bytes: [UInt8], _ fact: JSONValue?) throws {
    let fact = try #require(fact)
    #expect(fact["shape"]?.array?.compactMap(\.integer) == [height, width, 3])
    #expect(fact["sha256"]?.string == Hash.sha256(of: bytes))
  }

  @Test func everyPhotoIsThere() throws {
    let photos = try #require(try Repository.expected.get()["photos"]?.object)
    #expect(Repository.pngs.count + Repository.jpegs.count == photos.count)
    #expect(Repository.pngs.count >= 25)
  }

  @Test(arguments: Repository.pngs)
  func stored(_ name: String) throws {
    let photo = try Repository.photo(name)
    let opaque: [PixelLayout: PixelLayout] = [.rgba: .rgbx]
    var pixels = try photo.stored.memory.withBytes { Array($0) }
    var layout = opaque[photo.stored.layout] ?? photo.stored.layout
    if layout == .grayAlpha {
      pixels = stride(from: 0, to: pixels.count, by: 2).map { pixels[$0] }
      layout = .gray
    }
    let stored = try StoredPixels(
      memory: ArrayMemory(pixels), layout: layout, width: photo.stored.width,
      height: photo.stored.height, rowBytes: photo.stored.width * layout.bytes)
    let plain = try Photo(stored: stored).upright()
    try check(plain.width, plain.height, plain.rgb, facts(name)["steps"]?["stored"])
  }

  @Test(arguments: Repository.pngs)
  func colourAndTurning(_ name: String) throws {
    let photo = try Repository.photo(name)
    #expect(try facts(name)["orientation"]?.integer == photo.orientation)
    let unturned = try Photo(
      stored: photo.stored, conversion: photo.conversion, orientation: 1, notes: [],
      decodeSeconds: 0
    ).upright()
    try check(unturned.width, unturned.height, unturned.rgb, facts(name)["steps"]?["srgb"])
    let upright = try photo.upright()
    try check(upright.width, upright.height, upright.rgb, facts(name)["steps"]?["upright"])
  }

  @Test(arguments: Repository.pngs + Repository.jpegs)
  func resizeAndViews(_ name: String) throws {
    let photo = try Repository.photo(name)
    let settings = try #require(try Repository.expected.get()["settings"]?.object)
    #expect(settings.count == 5)
    for setting in settings {
      let preprocess = try Preprocess(golden: setting.value)
      let wanted = try #require(try facts(name)["settings"]?[setting.name])
      let size = preprocess.resized(width: photo.width, height: photo.height)
      let found = wanted["resized_size"]?.array?.compactMap(\.integer)
      #expect(found == [size.width, size.height])
      let corners = preprocess.corners(width: size.width, height: size.height)
      let places = wanted["corners"]?.array?.map { $0.array?.compactMap(\.integer) ?? [] }
      #expect(places == corners.map { [$0.left, $0.top] })
      if let whole = wanted["resized"], !whole.isNull {
        let resized = try photo.resized(
          width: size.width, height: size.height, filter: preprocess.resample)
        try check(size.width, size.height, resized.rgb, whole)
      }
      let views = try photo.views(preprocess)
      #expect(
        wanted["views"]?["sha256"]?.string == Hash.sha256(of: views), "\(name), \(setting.name)")
    }
  }

  @Test(arguments: Repository.jpegs)
  func decodedJPEGsAreWhatPythonHas(_ name: String) throws {
    let upright = try Repository.photo(name).upright()
    try check(upright.width, upright.height, upright.rgb, facts(name)["steps"]?["upright"])
  }

  @Test func encodingTableIsTheOneOfTheContract() {
    #expect(
      Hash.sha256(of: ColourMath.encode)
        == "02387f3d0fb18f89bd923d54abccebc15685f8587ac91b4f4e2ddd8b3e953b83")
  }
}
