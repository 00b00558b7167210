// Hand-written declarations of the part of AVFoundation and Core Media that the demo uses.
import CoreVideo
import Dispatch
import Foundation
import UIKit

public final class CMSampleBuffer {}
public func CMSampleBufferGetImageBuffer(_ sbuf: CMSampleBuffer) -> CVImageBuffer? { nil }
public struct AVMediaType: Sendable {
  public static let video = AVMediaType()
}
public enum AVAuthorizationStatus: Int, Sendable {
  case notDetermined, restricted, denied, authorized
}
public final class AVCaptureDevice {
  public enum Position: Int, Sendable { case unspecified, back, front }
  public struct DeviceType: Sendable {
    public static let builtInWideAngleCamera = DeviceType()
  }
  public static func authorizationStatus(for type: AVMediaType) -> AVAuthorizationStatus {
    .authorized
  }
  public static func requestAccess(for type: AVMediaType) async -> Bool { true }
  public static func `default`(
    _ type: DeviceType, for media: AVMediaType?, position: Position
  ) -> AVCaptureDevice? { nil }
}
public class AVCaptureInput {}
public class AVCaptureOutput {}
public final class AVCaptureConnection {}
public final class AVCaptureDeviceInput: AVCaptureInput {
  public init(device: AVCaptureDevice) throws {}
}
public protocol AVCaptureVideoDataOutputSampleBufferDelegate: NSObjectProtocol {
  func captureOutput(
    _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer,
    from connection: AVCaptureConnection)
}
public final class AVCaptureVideoDataOutput: AVCaptureOutput {
  public override init() {}
  public var videoSettings: [String: Any]!
  public var alwaysDiscardsLateVideoFrames = true
  public func setSampleBufferDelegate(
    _ delegate: (any AVCaptureVideoDataOutputSampleBufferDelegate)?, queue: DispatchQueue?
  ) {}
}
public final class AVCaptureSession {
  public struct Preset: Sendable {
    public static let hd1280x720 = Preset()
  }
  public init() {}
  public var sessionPreset = Preset()
  public var inputs: [AVCaptureInput] { [] }
  public func canAddInput(_ input: AVCaptureInput) -> Bool { true }
  public func addInput(_ input: AVCaptureInput) {}
  public func canAddOutput(_ output: AVCaptureOutput) -> Bool { true }
  public func addOutput(_ output: AVCaptureOutput) {}
  public func beginConfiguration() {}
  public func commitConfiguration() {}
  public func startRunning() {}
  public func stopRunning() {}
}
public struct AVLayerVideoGravity: Sendable {
  public static let resizeAspectFill = AVLayerVideoGravity()
}
@MainActor public final class AVCaptureVideoPreviewLayer: CALayer {
  public var session: AVCaptureSession?
  public var videoGravity = AVLayerVideoGravity()
}
