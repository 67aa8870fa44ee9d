// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "EdgeDeepLabDemo",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "EdgeDeepLabDemo", targets: ["EdgeDeepLabDemo"])],
    targets: [.target(name: "EdgeDeepLabDemo")]
)
