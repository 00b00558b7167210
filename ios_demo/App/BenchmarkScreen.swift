import DemoLogic
import RaliKit
import SwiftUI

/// Measures the model on this device and hands out the record.
struct BenchmarkScreen: View {
  let scorer: RaliScorer
  @State private var bench = BenchmarkModel()
  @State private var units: Set<ComputeUnits> = [.all]
  @State private var quick = true

  var body: some View {
    List {
      Section {
        Text(Words.Bench.intro).font(.caption).foregroundStyle(Color("Quiet"))
        if DeviceProbe.isSimulator { Text(Words.Bench.simulator) }
        if DeviceProbe.isLowPower { Text(Words.Bench.lowPower) }
        LabeledContent(Words.Bench.thermal, value: DeviceProbe.thermal)
        LabeledContent(Words.Bench.power, value: DeviceProbe.power)
      }
      Section(Words.Bench.units) {
        ForEach(ComputeUnits.allCases, id: \.self) { unit in
          Toggle(ReasonWords.words(unit), isOn: chosen(unit))
        }
        Picker(Words.Bench.title, selection: $quick) {
          Text(Words.Bench.quick).tag(true)
          Text(Words.Bench.final).tag(false)
        }
        .pickerStyle(.inline)
        .labelsHidden()
        runButton
      }
      outcome
    }
    .navigationTitle(Words.Bench.title)
    .onDisappear { bench.stop() }
  }

  @ViewBuilder private var runButton: some View {
    switch bench.state {
    case .preparing: ProgressView(Words.Bench.photo)
    case .running(let share):
      ProgressView(value: share)
      Button(Words.Common.cancel, role: .cancel) { bench.stop() }
    case .idle, .done, .failed:
      Button(Words.Bench.run) {
        let chosen = ComputeUnits.allCases.filter(units.contains)
        bench.run(scorer.model.url, units: chosen, plan: quick ? .quick : .final)
      }
      .disabled(units.isEmpty)
    }
  }

  @ViewBuilder private var outcome: some View {
    switch bench.state {
    case .done(let measured):
      ForEach(measured, id: \.unit) { measurement in
        MeasurementSection(
          measurement: measurement, residency: bench.residency[measurement.unit] ?? [:])
      }
      if let file = bench.file {
        ShareLink(Words.Bench.share, item: file)
      }
    case .failed(let why): Text(why).foregroundStyle(Color("Poor"))
    case .idle, .preparing, .running: EmptyView()
    }
  }

  private func chosen(_ unit: ComputeUnits) -> Binding<Bool> {
    Binding(
      get: { units.contains(unit) },
      set: { on in
        if on { units.insert(unit) } else { units.remove(unit) }
      })
  }
}

/// One unit's figures.
private struct MeasurementSection: View {
  let measurement: UnitMeasurement
  let residency: [String: Int]

  var body: some View {
    Section(measurement.unit) {
      ForEach(Array(zip(titles, measurement.percentiles)), id: \.0) { title, seconds in
        LabeledContent(title, value: milliseconds(seconds))
      }
      LabeledContent(Words.Bench.load, value: milliseconds(measurement.loadSeconds))
      LabeledContent(Words.Bench.first, value: milliseconds(measurement.firstSeconds))
      LabeledContent(
        Words.Bench.footprint,
        value: Words.Bench.megabytes(Figures.megabytes(measurement.peakFootprint)))
      LabeledContent(Words.Bench.thermal, value: measurement.after.thermal)
      LabeledContent(Words.Bench.residency) {
        if residency.isEmpty { Text(Words.Bench.noResidency) }
        VStack(alignment: .trailing) {
          ForEach(residency.sorted { $0.key < $1.key }, id: \.key) { device, count in
            Text(verbatim: "\(count) \(words(device))")
          }
        }
      }
    }
  }

  private var titles: [String] { [Words.Bench.median, Words.Bench.p90, Words.Bench.p99] }

  private func milliseconds(_ seconds: Double) -> String {
    Words.Common.milliseconds(Figures.milliseconds(seconds: seconds))
  }

  private func words(_ device: String) -> String {
    switch device {
    case "cpu": Words.Bench.onCPU
    case "gpu": Words.Bench.onGPU
    case "neural_engine": Words.Bench.onNeural
    default: Words.Bench.unknown
    }
  }
}
