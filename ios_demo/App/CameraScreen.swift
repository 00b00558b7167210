import AVFoundation
import DemoLogic
import RaliCore
import RaliKit
import SwiftUI
import UIKit

/// What the camera sees, scored while one looks.
struct CameraScreen: View {
  let store: ModelStore
  @State private var feed = CameraFeed()
  @State private var meter = LiveMeter()
  @State private var last: RaliCore.Score?
  @State private var running = false
  @State private var trouble: String?

  var body: some View {
    NavigationStack {
      WithModel(store: store) { scorer in
        VStack(spacing: 12) {
          CameraPreview(session: feed.session)
            .accessibilityLabel(Words.Camera.preview)
          figures
          if let trouble { Text(trouble) }
          if !running {
            Button(Words.Camera.start) { Task { await start(scorer) } }
              .prominent()
          }
        }
        .padding()
        .task(id: running) { if running { await follow() } }
      }
      .navigationTitle(Words.Camera.title)
      .onDisappear {
        feed.stop()
        running = false
      }
    }
  }

  @ViewBuilder private var figures: some View {
    if let last, let value = meter.score {
      Text(Figures.score(value)).font(.largeTitle).monospacedDigit()
        .accessibilityLabel(
          Words.Score.spoken(value: Figures.score(value), top: Figures.score(last.maximum))
        )
        .accessibilityAddTraits(.updatesFrequently)
      Text(ReasonWords.why(last))
    }
    HStack {
      if let rate = meter.framesPerSecond { Text(Words.Camera.fps(Figures.one(rate))) }
      if let time = meter.milliseconds { Text(Words.Common.milliseconds(Figures.one(time))) }
      Text(Words.Camera.skipped(Figures.percent(meter.skippedShare)))
    }
    .font(.caption)
    .monospacedDigit()
  }

  private func start(_ scorer: RaliScorer) async {
    guard await CameraFeed.isAllowed() else {
      trouble = Words.Camera.denied
      return
    }
    do {
      try await feed.start(scorer)
      (trouble, running) = (nil, true)
    } catch {
      trouble = error.localizedDescription
    }
  }

  private func follow() async {
    for await update in feed.updates {
      switch update {
      case .scored(let score, let end, let milliseconds):
        last = score
        meter.scored(at: end, milliseconds: milliseconds, score: score.value)
      case .skipped(let time): meter.skipped(at: time)
      case .failed(let why): trouble = why
      }
    }
  }
}

/// The camera's own picture.
private struct CameraPreview: UIViewRepresentable {
  let session: AVCaptureSession

  final class Preview: UIView {
    override static var layerClass: AnyClass { AVCaptureVideoPreviewLayer.self }
  }

  func makeUIView(context: Context) -> Preview {
    let view = Preview()
    let layer = view.layer as? AVCaptureVideoPreviewLayer
    layer?.session = session
    layer?.videoGravity = .resizeAspectFill
    return view
  }

  func updateUIView(_ uiView: Preview, context: Context) {}
}
