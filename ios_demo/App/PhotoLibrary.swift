import DemoLogic
import Foundation
import Photos
import RaliCore
import RaliKit
import UIKit

/// The photo library as far as the app may see it. Downloads nothing: what is in iCloud alone is said.
final class PhotoLibrary: NSObject, Sendable, PHPhotoLibraryChangeObserver {
  /// A value each time the library, or what the person shares of it, has changed.
  let changes: AsyncStream<Void>
  private let changed: AsyncStream<Void>.Continuation

  override init() {
    (changes, changed) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    super.init()
  }

  /// Ask to be told of changes; only once access was given, as it would show the system's question.
  func watch() { PHPhotoLibrary.shared().register(self) }

  func photoLibraryDidChange(_ changeInstance: PHChange) { changed.yield() }

  static var access: LibraryAccess {
    access(PHPhotoLibrary.authorizationStatus(for: .readWrite))
  }

  static func ask() async -> LibraryAccess {
    access(await PHPhotoLibrary.requestAuthorization(for: .readWrite))
  }

  private static func access(_ status: PHAuthorizationStatus) -> LibraryAccess {
    switch status {
    case .notDetermined: .notAsked
    case .restricted: .restricted
    case .denied: .denied
    case .limited: .limited
    case .authorized: .full
    @unknown default: .restricted
    }
  }

  /// All photos that the app may see, newest first; no video, no hidden photo.
  static func photos() async -> [PhotoInfo] {
    await Task.detached {
      let options = PHFetchOptions()
      options.sortDescriptors = [NSSortDescriptor(key: "creationDate", ascending: false)]
      let assets = PHAsset.fetchAssets(with: .image, options: options)
      var photos: [PhotoInfo] = []
      photos.reserveCapacity(assets.count)
      assets.enumerateObjects { asset, _, _ in
        photos.append(
          PhotoInfo(
            id: asset.localIdentifier, name: asset.localIdentifier.prefix(8).description,
            takenAt: asset.creationDate))
      }
      return photos
    }.value
  }

  /// Read one photo's file, score it and take its fingerprint.
  ///
  /// - Throws: ``PhotoError`` where this photo cannot be had.
  static func look(_ photo: PhotoInfo, scorer: any PhotoScoring) async throws -> Seen {
    guard let asset = asset(photo.id) else { throw PhotoError(Words.Library.gone(photo.name)) }
    let name = PHAssetResource.assetResources(for: asset).first?.originalFilename ?? photo.name
    let data = try await data(of: asset, name: name)
    let read = try Photo.read(data, name: name, limit: scorer.maximumPixels)
    let fingerprint = try Fingerprint(read)
    return Seen(score: try await scorer.score(read), fingerprint: fingerprint, name: name)
  }

  /// Delete photos; the system asks the person first.
  static func delete(_ ids: [String]) async throws {
    try await PHPhotoLibrary.shared().performChanges {
      let assets = PHAsset.fetchAssets(withLocalIdentifiers: ids, options: nil)
      PHAssetChangeRequest.deleteAssets(assets)
    }
  }

  /// Pictures of the library's photos.
  static let pictures = Pictures { photo, edge in
    guard let asset = asset(photo.id) else { return nil }
    let options = PHImageRequestOptions()
    options.deliveryMode = .highQualityFormat
    options.isNetworkAccessAllowed = false
    let size = CGSize(width: edge, height: edge)
    return await withCheckedContinuation { done in
      PHImageManager.default().requestImage(
        for: asset, targetSize: size, contentMode: .aspectFit, options: options
      ) { image, _ in
        done.resume(returning: image)
      }
    }
  }

  private static func asset(_ id: String) -> PHAsset? {
    PHAsset.fetchAssets(withLocalIdentifiers: [id], options: nil).firstObject
  }

  private static func data(of asset: PHAsset, name: String) async throws -> Data {
    let options = PHImageRequestOptions()
    options.version = .current
    options.deliveryMode = .highQualityFormat
    options.isNetworkAccessAllowed = false
    let (data, inCloud): (Data?, Bool) = await withCheckedContinuation { done in
      PHImageManager.default().requestImageDataAndOrientation(for: asset, options: options) {
        data, _, _, info in
        done.resume(returning: (data, info?[PHImageResultIsInCloudKey] as? Bool ?? false))
      }
    }
    if let data { return data }
    throw PhotoError(inCloud ? Words.Library.inCloud(name) : Words.Library.unreadable(name))
  }
}
