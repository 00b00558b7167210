import DemoLogic
import Foundation
import ImageIO
import UIKit

/// Small pictures to look at; scores never come from them.
struct Pictures: Sendable {
  /// The photo, no edge longer than so many pixels; nil where there is none.
  let picture: @Sendable (PhotoInfo, Int) async -> UIImage?

  /// Photos whose id is their file's path.
  static let files = Pictures { photo, edge in
    await Task.detached { thumbnail(URL(filePath: photo.id), edge: edge) }.value
  }

  /// Decoded at the size that is shown: a photo of 48 megapixels would take 190 MB.
  private static func thumbnail(_ file: URL, edge: Int) -> UIImage? {
    let options: [CFString: Any] = [
      kCGImageSourceCreateThumbnailFromImageAlways: true,
      kCGImageSourceCreateThumbnailWithTransform: true,
      kCGImageSourceThumbnailMaxPixelSize: edge,
    ]
    guard let source = CGImageSourceCreateWithURL(file as CFURL, nil),
      let image = CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary)
    else { return nil }
    return UIImage(cgImage: image)
  }
}

/// Copies of photos that the person handed over, until the app is closed.
enum Handed {
  static var folder: URL {
    FileManager.default.temporaryDirectory.appending(path: "handed", directoryHint: .isDirectory)
  }

  /// Copy a file to a place of its own.
  static func keep(_ file: URL) throws -> URL {
    let place = folder.appending(path: UUID().uuidString, directoryHint: .isDirectory)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    let copy = place.appending(path: file.lastPathComponent)
    try FileManager.default.copyItem(at: file, to: copy)
    return copy
  }

  static func info(_ copy: URL) -> PhotoInfo {
    PhotoInfo(id: copy.path(percentEncoded: false), name: copy.lastPathComponent)
  }

  static func clear() { try? FileManager.default.removeItem(at: folder) }
}
