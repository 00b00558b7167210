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
