// Hand-written declarations of the part of PhotosUI that the demo uses, from Apple's documentation.
@_exported import Photos
import SwiftUI

public struct PHPickerFilter: Sendable {
  public static let images = PHPickerFilter()
}
public struct PhotosPickerItem: Sendable, Hashable {
  public func loadTransferable<Item: Transferable>(type: Item.Type) async throws -> Item? { nil }
}
public struct PhotosPicker<Content: View>: PrimitiveView {
  public init(
    selection: Binding<[PhotosPickerItem]>, matching: PHPickerFilter?,
    @ViewBuilder label: () -> Content
  ) {}
}
extension PhotosPicker where Content == Text {
  public init(
    _ title: String, selection: Binding<[PhotosPickerItem]>, matching: PHPickerFilter?
  ) {}
}
extension PHPhotoLibrary {
  @MainActor public func presentLimitedLibraryPicker(from controller: UIViewController) {}
}
