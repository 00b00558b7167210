import Darwin
import DemoLogic
import Foundation
import UIKit

/// What this device is and how it feels, in the system's own words.
enum DeviceProbe {
  static func state() -> DeviceState {
    DeviceState(thermal: thermal, power: power, footprint: footprint)
  }

  /// `phys_footprint`: the bytes that the system counts against the app, and ends it over; 0 where the
  /// kernel does not tell.
  static var footprint: Int {
    var info = task_vm_info_data_t()
    let words = MemoryLayout<task_vm_info_data_t>.size / MemoryLayout<natural_t>.size
    var count = mach_msg_type_number_t(words)
    let status = withUnsafeMutablePointer(to: &info) { pointer in
      pointer.withMemoryRebound(to: integer_t.self, capacity: words) {
        task_info(mach_task_self_, task_flavor_t(TASK_VM_INFO), $0, &count)
      }
    }
    return status == KERN_SUCCESS ? Int(info.phys_footprint) : 0
  }

  static var thermal: String {
    switch ProcessInfo.processInfo.thermalState {
    case .nominal: "nominal"
    case .fair: "fair"
    case .serious: "serious"
    case .critical: "critical"
    @unknown default: "unknown"
    }
  }

  static var isLowPower: Bool { ProcessInfo.processInfo.isLowPowerModeEnabled }

  /// Whether Low Power Mode holds the processor back: what a figure needs to be understood by.
  static var power: String { isLowPower ? "low power mode" : "normal" }

  static var isSimulator: Bool {
    #if targetEnvironment(simulator)
      true
    #else
      false
    #endif
  }

  @MainActor static func device() -> BenchmarkRecord.Device {
    let process = ProcessInfo.processInfo
    return BenchmarkRecord.Device(
      name: isSimulator ? "Simulator" : machine,
      system: "\(UIDevice.current.systemName) \(UIDevice.current.systemVersion)",
      chip: machine, cores: process.activeProcessorCount, memory: Int(process.physicalMemory),
      simulated: isSimulator)
  }

  /// The model's code, e.g. `iPhone17,1`: it names the chip, which no public call does.
  private static var machine: String {
    var system = utsname()
    guard uname(&system) == 0 else { return "unknown" }
    return withUnsafeBytes(of: &system.machine) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
