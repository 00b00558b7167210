import Photos
import PhotosUI
import UIKit

/// The system's sheet where a person picks which photos the app may see.
@MainActor
enum LimitedPicker {
  static func show() {
    guard
      let window = UIApplication.shared.connectedScenes
        .compactMap({ $0 as? UIWindowScene }).compactMap(\.keyWindow).first,
      let controller = window.rootViewController
    else { return }
    PHPhotoLibrary.shared().presentLimitedLibraryPicker(from: controller)
  }
}
