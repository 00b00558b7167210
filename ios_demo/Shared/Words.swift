import Foundation

/// Every text that a person reads. Keys stand in Localizable.xcstrings in each language; the English
/// here is what the catalog holds too. Views hold no text of their own: the checks look for it.
enum Words {
  enum Tab {
    static var rank: String { String(localized: "tab.rank", defaultValue: "Rank") }
    static var library: String { String(localized: "tab.library", defaultValue: "Library") }
    static var bursts: String { String(localized: "tab.bursts", defaultValue: "Bursts") }
    static var camera: String { String(localized: "tab.camera", defaultValue: "Camera") }
    static var more: String { String(localized: "tab.more", defaultValue: "More") }
  }

  enum Common {
    static var cancel: String { String(localized: "common.cancel", defaultValue: "Cancel") }
    static var done: String { String(localized: "common.done", defaultValue: "Done") }
    static var clear: String { String(localized: "common.clear", defaultValue: "Clear") }
    static var save: String { String(localized: "common.save", defaultValue: "Save as CSV") }
    static var settings: String {
      String(localized: "common.settings", defaultValue: "Open Settings")
    }
    static var again: String { String(localized: "common.again", defaultValue: "Try again") }
    static func milliseconds(_ value: String) -> String {
      String(localized: "common.milliseconds", defaultValue: "\(value) ms")
    }
  }

  enum Score {
    static func spoken(value: String, top: String) -> String {
      String(localized: "score.spoken", defaultValue: "Score \(value) of \(top)")
    }
    static var good: String { String(localized: "score.good", defaultValue: "good") }
    static var fair: String { String(localized: "score.fair", defaultValue: "fair") }
    static var poor: String { String(localized: "score.poor", defaultValue: "poor") }
    static func place(_ place: Int) -> String {
      String(localized: "score.place", defaultValue: "Place \(place)")
    }
    static func tied(_ place: Int) -> String {
      String(
        localized: "score.tied",
        defaultValue: """
          Place \(place), shared: too close to tell apart
          """)
    }
    static func why(_ reasons: String) -> String {
      String(localized: "score.why", defaultValue: "Why: \(reasons)")
    }
    static var noReason: String {
      String(localized: "score.noReason", defaultValue: "No fault named")
    }
  }

  enum Reason {
    static var outOfFocus: String {
      String(localized: "reason.outOfFocus", defaultValue: "out of focus")
    }
    static var motionBlur: String {
      String(localized: "reason.motionBlur", defaultValue: "motion blur")
    }
    static var noise: String { String(localized: "reason.noise", defaultValue: "noise") }
    static var tooDark: String { String(localized: "reason.tooDark", defaultValue: "too dark") }
    static var tooBright: String {
      String(localized: "reason.tooBright", defaultValue: "too bright")
    }
    static var lowContrast: String {
      String(localized: "reason.lowContrast", defaultValue: "low contrast")
    }
    static var poorColours: String {
      String(localized: "reason.poorColours", defaultValue: "dull or false colours")
    }
    static var compression: String {
      String(localized: "reason.compression", defaultValue: "compression blocks")
    }
  }

  enum Model {
    static var checking: String {
      String(localized: "model.checking", defaultValue: "Checking the file")
    }
    static var compiling: String {
      String(
        localized: "model.compiling",
        defaultValue: """
          Compiling the model for this device (once)
          """)
    }
    static var loading: String {
      String(localized: "model.loading", defaultValue: "Loading the model")
    }
    static func comparing(_ photo: String) -> String {
      String(
        localized: "model.comparing",
        defaultValue: """
          Comparing accelerator and processor on \(photo) (once)
          """)
    }
    static var ready: String { String(localized: "model.ready", defaultValue: "Ready") }
    static var firstLoad: String {
      String(
        localized: "model.firstLoad",
        defaultValue: """
          The first use of a model takes longer: the system prepares it for this device, a few \
          seconds for a small model and up to minutes for a large one.
          """)
    }
    static var missing: String {
      String(
        localized: "model.missing",
        defaultValue: """
          No model is in this app. Run ios_demo/prepare.sh and build again, or open a model \
          file.
          """)
    }
    static var title: String { String(localized: "model.title", defaultValue: "Model") }
    static var open: String { String(localized: "model.open", defaultValue: "Open a model file") }
    static var bundled: String {
      String(localized: "model.bundled", defaultValue: "Use the bundled model")
    }
    static var compiled: String {
      String(
        localized: "model.compiled",
        defaultValue: """
          A compiled model (.mlmodelc) cannot be checked any more. Open the .mlpackage it was \
          made from.
          """)
    }
    static func foreign(_ suffix: String) -> String {
      String(
        localized: "model.foreign",
        defaultValue: """
          Expected a .mlpackage or .aimodel, not .\(suffix). Export one with: ralikit export \
          --target coreml
          """)
    }
    static var name: String { String(localized: "model.name", defaultValue: "Name") }
    static var precision: String { String(localized: "model.precision", defaultValue: "Precision") }
    static var units: String { String(localized: "model.units", defaultValue: "Computes on") }
    static var runtime: String { String(localized: "model.runtime", defaultValue: "Runtime") }
    static var scale: String { String(localized: "model.scale", defaultValue: "Scale") }
    static var tieWidth: String {
      String(localized: "model.tieWidth", defaultValue: "Told apart from")
    }
    static var notMeasured: String {
      String(localized: "model.notMeasured", defaultValue: "not measured")
    }
    static var random: String {
      String(
        localized: "model.random",
        defaultValue: """
          The weights are random: its scores mean nothing.
          """)
    }
    static var licence: String { String(localized: "model.licence", defaultValue: "Licence") }
    static var notice: String { String(localized: "model.notice", defaultValue: "Notice") }
  }

  enum Rank {
    static var choose: String { String(localized: "rank.choose", defaultValue: "Choose photos") }
    static var empty: String {
      String(
        localized: "rank.empty",
        defaultValue: """
          Choose photos to see which are best. They stay on this device.
          """)
    }
    static func progress(done: Int, total: Int) -> String {
      String(localized: "rank.progress", defaultValue: "\(done) of \(total) scored")
    }
    static func unreadable(_ count: Int) -> String {
      String(localized: "rank.unreadable", defaultValue: "\(count) photos could not be scored")
    }
    static var unreadableTitle: String {
      String(localized: "rank.unreadableTitle", defaultValue: "Not scored")
    }
    static var compare: String { String(localized: "rank.compare", defaultValue: "Compare") }
    static var select: String { String(localized: "rank.select", defaultValue: "Select two") }
  }

  enum Filter {
    static var title: String { String(localized: "filter.title", defaultValue: "Filter") }
    static func below(_ value: String) -> String {
      String(localized: "filter.below", defaultValue: "Below \(value)")
    }
    static func atLeast(_ value: String) -> String {
      String(localized: "filter.atLeast", defaultValue: "At least \(value)")
    }
    static var useBelow: String {
      String(localized: "filter.useBelow", defaultValue: "Only below a score")
    }
    static var useAtLeast: String {
      String(localized: "filter.useAtLeast", defaultValue: "Only from a score")
    }
    static var reasons: String {
      String(localized: "filter.reasons", defaultValue: "Only with a reason")
    }
    static func reason(words: String, count: Int) -> String {
      String(localized: "filter.reason", defaultValue: "\(words) (\(count))")
    }
    static var off: String { String(localized: "filter.off", defaultValue: "Show all") }
    static var none: String {
      String(localized: "filter.none", defaultValue: "No photo fits the filter.")
    }
    static var search: String { String(localized: "filter.search", defaultValue: "Search by name") }
  }

  enum Detail {
    static var size: String { String(localized: "detail.size", defaultValue: "Size") }
    static func pixels(width: Int, height: Int) -> String {
      String(localized: "detail.pixels", defaultValue: "\(width) × \(height) pixels")
    }
    static var time: String { String(localized: "detail.time", defaultValue: "Time") }
    static func timings(decode: String, resize: String, model: String) -> String {
      String(
        localized: "detail.timings",
        defaultValue: """
          decode \(decode) ms, resize \(resize) ms, model \(model) ms
          """)
    }
    static var taken: String { String(localized: "detail.taken", defaultValue: "Taken") }
    static var reasons: String { String(localized: "detail.reasons", defaultValue: "Reasons") }
    static var noReasons: String {
      String(localized: "detail.noReasons", defaultValue: "This model names no reasons.")
    }
    static func reasonValue(words: String, percent: Int) -> String {
      String(localized: "detail.reasonValue", defaultValue: "\(words): \(percent) %")
    }
    static var notes: String { String(localized: "detail.notes", defaultValue: "Notes") }
  }

  enum Compare {
    static var title: String { String(localized: "compare.title", defaultValue: "Compare") }
    static func tie(_ gap: String) -> String {
      String(localized: "compare.tie", defaultValue: "Too close to call: \(gap) apart.")
    }
    static func better(name: String, gap: String) -> String {
      String(localized: "compare.better", defaultValue: "\(name) is better by \(gap).")
    }
    static var differences: String {
      String(localized: "compare.differences", defaultValue: "Where they differ")
    }
  }

  enum Library {
    static var title: String { String(localized: "library.title", defaultValue: "Weak photos") }
    static var intro: String {
      String(
        localized: "library.intro",
        defaultValue: """
          Scores every photo on this device and shows the weak ones. Nothing is sent, and \
          nothing is deleted without your word.
          """)
    }
    static var ask: String {
      String(localized: "library.ask", defaultValue: "Allow access to photos")
    }
    static var denied: String {
      String(
        localized: "library.denied",
        defaultValue: """
          This app may not see your photos. Allow it in Settings to look for weak ones.
          """)
    }
    static var restricted: String {
      String(
        localized: "library.restricted",
        defaultValue: """
          Access to photos is restricted on this device, and this app cannot ask for it.
          """)
    }
    static func limited(_ count: Int) -> String {
      String(
        localized: "library.limited",
        defaultValue: """
          You share \(count) photos with this app. Others are not looked at.
          """)
    }
    static var pickMore: String {
      String(localized: "library.pickMore", defaultValue: "Pick more photos")
    }
    static var start: String { String(localized: "library.start", defaultValue: "Start") }
    static var pause: String { String(localized: "library.pause", defaultValue: "Pause") }
    static var resume: String { String(localized: "library.resume", defaultValue: "Resume") }
    static var stop: String { String(localized: "library.stop", defaultValue: "Stop") }
    static func progress(done: Int, total: Int) -> String {
      String(localized: "library.progress", defaultValue: "\(done) of \(total) photos")
    }
    static func pace(_ rate: String) -> String {
      String(localized: "library.pace", defaultValue: "\(rate) photos a second")
    }
    static func left(_ time: String) -> String {
      String(localized: "library.left", defaultValue: "about \(time) left")
    }
    static func finished(_ count: Int) -> String {
      String(localized: "library.finished", defaultValue: "Finished: \(count) photos")
    }
    static var pausedPerson: String {
      String(localized: "library.pausedPerson", defaultValue: "Paused")
    }
    static var pausedBackground: String {
      String(
        localized: "library.pausedBackground",
        defaultValue: """
          Paused while the app is in the background
          """)
    }
    static var pausedHeat: String {
      String(localized: "library.pausedHeat", defaultValue: "Paused until the phone is cooler")
    }
    static var pausedLowPower: String {
      String(localized: "library.pausedLowPower", defaultValue: "Paused in Low Power Mode")
    }
    static func threshold(_ value: String) -> String {
      String(localized: "library.threshold", defaultValue: "Weak: below \(value)")
    }
    static func weak(_ count: Int) -> String {
      String(localized: "library.weak", defaultValue: "\(count) weak photos")
    }
    static func delete(_ count: Int) -> String {
      String(localized: "library.delete", defaultValue: "Delete \(count) photos")
    }
    static var selectAll: String {
      String(localized: "library.selectAll", defaultValue: "Select all shown")
    }
    static func notKept(_ why: String) -> String {
      String(
        localized: "library.notKept",
        defaultValue: """
          Results are not kept on this device: \(why)
          """)
    }
    static func inCloud(_ name: String) -> String {
      String(
        localized: "library.inCloud",
        defaultValue: """
          \(name) is in iCloud alone, and this app downloads nothing: open it in Photos once, \
          then scan again
          """)
    }
    static func unreadable(_ name: String) -> String {
      String(
        localized: "library.unreadable",
        defaultValue: """
          \(name) cannot be read from the library: open it in Photos and try again
          """)
    }
    static func gone(_ name: String) -> String {
      String(
        localized: "library.gone",
        defaultValue: """
          \(name) is no longer in the library: start again
          """)
    }
  }

  enum Bursts {
    static var title: String {
      String(localized: "bursts.title", defaultValue: "Best of each burst")
    }
    static var intro: String {
      String(
        localized: "bursts.intro",
        defaultValue: """
          Finds photos of the same moment and says which is best, or that it cannot tell.
          """)
    }
    static var best: String { String(localized: "bursts.best", defaultValue: "Best") }
    static var cannotTell: String {
      String(
        localized: "bursts.cannotTell",
        defaultValue: """
          Cannot tell: the best ones are too close.
          """)
    }
    static var none: String {
      String(localized: "bursts.none", defaultValue: "No burst was found.")
    }
    static var scanFirst: String {
      String(
        localized: "bursts.scanFirst",
        defaultValue: """
          Scan the library first: bursts are found among scored photos.
          """)
    }
    static func group(_ count: Int) -> String {
      String(localized: "bursts.group", defaultValue: "\(count) photos of one moment")
    }
  }

  enum Camera {
    static var title: String { String(localized: "camera.title", defaultValue: "Live score") }
    static var start: String { String(localized: "camera.start", defaultValue: "Start the camera") }
    static var denied: String {
      String(
        localized: "camera.denied",
        defaultValue: """
          This app may not use the camera. Allow it in Settings.
          """)
    }
    static var none: String {
      String(localized: "camera.none", defaultValue: "This device has no camera that can be used.")
    }
    static func fps(_ value: String) -> String {
      String(localized: "camera.fps", defaultValue: "\(value) frames a second")
    }
    static func skipped(_ percent: Int) -> String {
      String(localized: "camera.skipped", defaultValue: "\(percent) % of frames skipped")
    }
    static var preview: String {
      String(localized: "camera.preview", defaultValue: "Camera preview")
    }
  }

  enum Bench {
    static var title: String { String(localized: "bench.title", defaultValue: "Benchmark") }
    static var intro: String {
      String(
        localized: "bench.intro",
        defaultValue: """
          Measures this model on this device and writes a record that ralikit report reads.
          """)
    }
    static var units: String { String(localized: "bench.units", defaultValue: "Compute units") }
    static var unitAll: String { String(localized: "bench.unitAll", defaultValue: "All") }
    static var unitCPU: String { String(localized: "bench.unitCPU", defaultValue: "Processor") }
    static var unitGPU: String {
      String(localized: "bench.unitGPU", defaultValue: "Processor and GPU")
    }
    static var unitNeural: String {
      String(localized: "bench.unitNeural", defaultValue: "Processor and Neural Engine")
    }
    static var quick: String { String(localized: "bench.quick", defaultValue: "Quick look") }
    static var final: String {
      String(localized: "bench.final", defaultValue: "Final: 1,024 inferences a unit")
    }
    static var run: String { String(localized: "bench.run", defaultValue: "Measure") }
    static var median: String { String(localized: "bench.median", defaultValue: "Median") }
    static var p90: String { String(localized: "bench.p90", defaultValue: "90th percentile") }
    static var p99: String { String(localized: "bench.p99", defaultValue: "99th percentile") }
    static var load: String { String(localized: "bench.load", defaultValue: "Load") }
    static var first: String { String(localized: "bench.first", defaultValue: "First inference") }
    static var footprint: String {
      String(localized: "bench.footprint", defaultValue: "Memory (phys_footprint)")
    }
    static func megabytes(_ value: String) -> String {
      String(localized: "bench.megabytes", defaultValue: "\(value) MB")
    }
    static var thermal: String { String(localized: "bench.thermal", defaultValue: "Thermal state") }
    static var power: String { String(localized: "bench.power", defaultValue: "Power") }
    static var lowPower: String {
      String(
        localized: "bench.lowPower",
        defaultValue: """
          Low Power Mode is on: figures are those of a slower phone.
          """)
    }
    static var residency: String {
      String(localized: "bench.residency", defaultValue: "Planned operations")
    }
    static var noResidency: String {
      String(
        localized: "bench.noResidency",
        defaultValue: """
          This system does not tell where operations run.
          """)
    }
    static var onCPU: String { String(localized: "bench.onCPU", defaultValue: "on the processor") }
    static var onGPU: String { String(localized: "bench.onGPU", defaultValue: "on the GPU") }
    static var onNeural: String {
      String(localized: "bench.onNeural", defaultValue: "on the Neural Engine")
    }
    static var unknown: String { String(localized: "bench.unknown", defaultValue: "not told") }
    static var share: String { String(localized: "bench.share", defaultValue: "Share the record") }
    static var photo: String {
      String(localized: "bench.photo", defaultValue: "Making a photo of 12 megapixels")
    }
    static var simulator: String {
      String(
        localized: "bench.simulator",
        defaultValue: """
          A simulator: these figures say nothing of a phone.
          """)
    }
  }

  enum Share {
    static var title: String { String(localized: "share.title", defaultValue: "Rank photos") }
    static var nothing: String {
      String(
        localized: "share.nothing",
        defaultValue: """
          Nothing that was shared is a photo. Share photos and try again.
          """)
    }
  }
}
