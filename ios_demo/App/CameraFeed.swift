import AVFoundation
import CoreVideo
import DemoLogic
import Foundation
import RaliCore
import RaliKit

/// The back camera's frames, scored one at a time; those that come meanwhile are skipped.
final class CameraFeed: NSObject, @unchecked Sendable {
  // `session` is touched on `queue` alone once it runs, `busy` and `scorer` too: hence unchecked.

  enum Update: Sendable {
    case scored(RaliCore.Score, at: Double, milliseconds: Double)
    case skipped(at: Double)
    case failed(String)
  }

  let session = AVCaptureSession()
  let updates: AsyncStream<Update>
  private let tell: AsyncStream<Update>.Continuation
  private let queue = DispatchQueue(label: "ralikit.camera")
  private let output = AVCaptureVideoDataOutput()
  private var scorer: RaliScorer?
  private var busy = false

  override init() {
    (updates, tell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(8))
    super.init()
  }

  /// Whether the person lets the app use the camera; asks where nobody asked before.
  static func isAllowed() async -> Bool {
    switch AVCaptureDevice.authorizationStatus(for: .video) {
    case .authorized: true
    case .notDetermined: await AVCaptureDevice.requestAccess(for: .video)
    default: false
    }
  }

  /// - Throws: ``UsageError`` where the device has no camera that can be used.
  func start(_ scorer: RaliScorer) async throws {
    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
      queue.async {
        self.scorer = scorer
        done.resume(with: Result { try self.prepare() })
      }
    }
  }

  func stop() {
    queue.async {
      self.session.stopRunning()
      self.scorer = nil
    }
  }

  private func prepare() throws {
    if session.inputs.isEmpty {
      guard
        let camera = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .back),
        let input = try? AVCaptureDeviceInput(device: camera), session.canAddInput(input),
        session.canAddOutput(output)
      else { throw UsageError(Words.Camera.none) }
      session.beginConfiguration()
      session.sessionPreset = .hd1280x720
      session.addInput(input)
      output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: kCVPixelFormatType_32BGRA]
      output.alwaysDiscardsLateVideoFrames = true
      output.setSampleBufferDelegate(self, queue: queue)
      session.addOutput(output)
      session.commitConfiguration()
    }
    session.startRunning()
  }

  private func ended(_ update: Update) {
    tell.yield(update)
    queue.async { self.busy = false }
  }
}

extension CameraFeed: AVCaptureVideoDataOutputSampleBufferDelegate {
  func captureOutput(
    _ output: AVCaptureOutput, didOutput sampleBuffer: CMSampleBuffer,
    from connection: AVCaptureConnection
  ) {
    let start = ProcessInfo.processInfo.systemUptime
    guard let scorer, !busy, let buffer = CMSampleBufferGetImageBuffer(sampleBuffer) else {
      tell.yield(.skipped(at: start))
      return
    }
    busy = true
    // The camera delivers lying frames; 6 turns them as an upright phone sees them.
    let photo = Result { try Photo(buffer, orientation: 6) }
    Task {
      do {
        let score = try await scorer.score(photo.get())
        let end = ProcessInfo.processInfo.systemUptime
        ended(.scored(score, at: end, milliseconds: (end - start) * 1000))
      } catch {
        ended(.failed(error.localizedDescription))
      }
    }
  }
}
