// Hand-written declarations of the part of Photos that the demo uses, from Apple's documentation.
import CoreGraphics
import Foundation
import UIKit

public enum PHAuthorizationStatus: Int, Sendable {
  case notDetermined, restricted, denied, authorized, limited
}
public enum PHAccessLevel: Int, Sendable { case addOnly = 1, readWrite }
public final class PHChange: Sendable {}
public protocol PHPhotoLibraryChangeObserver: NSObjectProtocol {
  func photoLibraryDidChange(_ changeInstance: PHChange)
}
public final class PHPhotoLibrary: Sendable {
  public static func shared() -> PHPhotoLibrary { fatalError() }
  public static func authorizationStatus(for level: PHAccessLevel) -> PHAuthorizationStatus {
    fatalError()
  }
  public static func requestAuthorization(for level: PHAccessLevel) async -> PHAuthorizationStatus {
    fatalError()
  }
  public func register(_ observer: any PHPhotoLibraryChangeObserver) {}
  public func performChanges(_ changes: @escaping @Sendable () -> Void) async throws {}
}
public enum PHAssetMediaType: Int, Sendable { case unknown, image, video, audio }
public final class PHFetchOptions {
  public init() {}
  public var sortDescriptors: [NSSortDescriptor]?
}
public final class PHFetchResult<Object>: @unchecked Sendable {
  public var count: Int { 0 }
  public var firstObject: Object? { nil }
  public func enumerateObjects(
    _ block: (Object, Int, UnsafeMutablePointer<ObjCBool>) -> Void
  ) {}
}
public final class PHAsset: Sendable {
  public var localIdentifier: String { "" }
  public var creationDate: Date? { nil }
  public static func fetchAssets(
    with type: PHAssetMediaType, options: PHFetchOptions?
  ) -> PHFetchResult<PHAsset> { fatalError() }
  public static func fetchAssets(
    withLocalIdentifiers: [String], options: PHFetchOptions?
  ) -> PHFetchResult<PHAsset> { fatalError() }
}
public final class PHAssetResource: Sendable {
  public static func assetResources(for asset: PHAsset) -> [PHAssetResource] { [] }
  public var originalFilename: String { "" }
}
public final class PHAssetChangeRequest {
  public static func deleteAssets(_ assets: any Sendable) {}
}
public enum PHImageRequestOptionsVersion: Int, Sendable { case current, unadjusted, original }
public enum PHImageRequestOptionsDeliveryMode: Int, Sendable {
  case opportunistic, highQualityFormat, fastFormat
}
public enum PHImageContentMode: Int, Sendable { case aspectFit, aspectFill }
public final class PHImageRequestOptions {
  public init() {}
  public var version = PHImageRequestOptionsVersion.current
  public var deliveryMode = PHImageRequestOptionsDeliveryMode.opportunistic
  public var isNetworkAccessAllowed = false
}
public let PHImageResultIsInCloudKey = ""
public enum CGImagePropertyOrientation: UInt32, Sendable { case up = 1 }
public final class PHImageManager: Sendable {
  public static func `default`() -> PHImageManager { fatalError() }
  @discardableResult public func requestImage(
    for asset: PHAsset, targetSize: CGSize, contentMode: PHImageContentMode,
    options: PHImageRequestOptions?, resultHandler: @escaping (UIImage?, [AnyHashable: Any]?) -> Void
  ) -> Int32 { 0 }
  @discardableResult public func requestImageDataAndOrientation(
    for asset: PHAsset, options: PHImageRequestOptions?,
    resultHandler: @escaping (Data?, String?, CGImagePropertyOrientation, [AnyHashable: Any]?) ->
      Void
  ) -> Int32 { 0 }
}
