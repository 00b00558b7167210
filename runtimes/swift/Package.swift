// swift-tools-version: 6.0
import PackageDescription

// RaliCore is plain Swift: Linux builds and tests it. RaliKit adds Core ML, Core AI and the picture
// types of Apple's systems. RaliMini carries the bundled model; `get-mini.sh` copies it in.
let package = Package(
  name: "RaliKit",
  platforms: [.iOS(.v16), .macOS(.v13)],
  products: [
    .library(name: "RaliCore", targets: ["RaliCore"]),
    .library(name: "RaliKit", targets: ["RaliKit"]),
    .library(name: "RaliMini", targets: ["RaliMini"]),
  ],
  targets: [
    .target(name: "RaliCore"),
    .target(
      name: "RaliKit", dependencies: ["RaliCore"],
      resources: [.copy("PrivacyInfo.xcprivacy"), .copy("Golden")]),
    .target(name: "RaliMini", resources: [.copy("Model")]),
    .testTarget(name: "RaliCoreTests", dependencies: ["RaliCore"]),
    .testTarget(name: "RaliKitTests", dependencies: ["RaliCore", "RaliKit"]),
  ],
  swiftLanguageModes: [.v6]
)

// Tests alone, and only where tests/native/ios/run.sh says where ONNX Runtime lies: the files that
// Python exports are scored through its C library.
if let ort = Context.environment["RALIKIT_ORT"] {
  package.targets += [
    .systemLibrary(name: "COrt", path: "Tests/COrt"),
    .testTarget(
      name: "OrtTests", dependencies: ["RaliCore", "RaliKit", "COrt"],
      swiftSettings: [.unsafeFlags(["-Xcc", "-I\(ort)/include"])],
      linkerSettings: [.unsafeFlags(["-L\(ort)/lib"])]),
    .executableTarget(
      name: "resize-bench", dependencies: ["RaliCore"], path: "Tests/ResizeBench"),
  ]
}
