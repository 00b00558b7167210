// swift-tools-version: 6.0
import PackageDescription

// What the app decides, without a picture or a button: Linux builds and tests it as it is.
let package = Package(
  name: "DemoLogic",
  platforms: [.iOS(.v17), .macOS(.v14)],
  products: [.library(name: "DemoLogic", targets: ["DemoLogic"])],
  dependencies: [.package(name: "RaliKit", path: "../../../runtimes/swift")],
  targets: [
    .target(name: "DemoLogic", dependencies: [.product(name: "RaliCore", package: "RaliKit")]),
    .testTarget(name: "DemoLogicTests", dependencies: ["DemoLogic"]),
  ],
  swiftLanguageModes: [.v6]
)
