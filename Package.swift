// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
  name: "burin",
  products: [
    .library(name: "Burin", targets: ["Burin"]),
    .executable(name: "burin", targets: ["BurinCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
  ],
  targets: [
    // The C that emitted code includes and links; a target too, so that tests can call it and
    // the compiler can carry its sources.
    .target(
      name: "CBurin", path: "Runtime", exclude: ["library"], sources: ["package"],
      publicHeadersPath: "package/include",
      cSettings: [.headerSearchPath("include"), .disableWarning("c23-extensions")]),
    .target(name: "BurinIR", swiftSettings: strict),
    .target(name: "BurinPasses", dependencies: ["BurinIR"], swiftSettings: strict),
    .target(name: "BurinC", dependencies: ["BurinIR"], swiftSettings: strict),
    // libpng and libjpeg-turbo, loaded when they are needed.
    .target(name: "CPictures"),
    .target(name: "BurinHub", dependencies: ["CPictures"], swiftSettings: strict),
    .target(
      name: "Burin",
      dependencies: [
        "BurinIR", "BurinPasses", "BurinC", "BurinHub", "CBurin",
        .product(name: "Crypto", package: "swift-crypto"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "BurinCLI",
      dependencies: [
        "Burin", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "encoder-sample", dependencies: ["Burin"], path: "Samples/Encoder",
      swiftSettings: strict),
    .executableTarget(
      name: "transformer-sample", dependencies: ["Burin"], path: "Samples/Transformer",
      swiftSettings: strict),
    .executableTarget(
      name: "rank-sample", dependencies: ["Burin"], path: "Samples/Rank",
      swiftSettings: strict),
    // Generated graphs and fixtures that several test targets share.
    .target(
      name: "BurinTestSupport", dependencies: ["BurinIR"], path: "Tests/Support",
      swiftSettings: strict),
    .testTarget(
      name: "BurinIRTests", dependencies: ["BurinIR", "BurinTestSupport"], swiftSettings: strict),
    .testTarget(
      name: "BurinPassesTests", dependencies: ["BurinPasses", "BurinTestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "BurinCTests", dependencies: ["BurinC", "BurinPasses", "BurinTestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "BurinHubTests", dependencies: ["BurinHub", "BurinTestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "BurinTests",
      dependencies: [
        "Burin", "BurinHub", "BurinIR", "BurinTestSupport", "encoder-sample", "rank-sample",
        "transformer-sample",
      ], swiftSettings: strict),
    .testTarget(
      name: "BurinCLITests",
      dependencies: ["BurinCLI", "BurinHub", "BurinIR", "BurinPasses", "BurinTestSupport"],
      swiftSettings: strict),
  ]
)
