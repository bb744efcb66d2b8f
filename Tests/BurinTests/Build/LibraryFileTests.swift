import BurinHub
import CBurin
import Glibc
import Testing

@testable import Burin

/// Weights of the hand-written program: ten floats, then noise.
private func weights(_ size: Int, scale: Float = 1) -> [UInt8] {
  var state: UInt64 = 88_172_645_463_325_252
  var bytes = (0..<size).map { _ in
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return UInt8(truncatingIfNeeded: state)
  }
  bytes.withUnsafeMutableBytes { buffer in
    for index in 0..<10 {
      buffer.storeBytes(of: Float(index) * scale, toByteOffset: 4 * index, as: Float.self)
    }
  }
  return bytes
}

/// Three and a half pieces, so that the last is short and odd.
private let weightsSize = 3 << 20 | 1 << 19 | 5

private func writeLibrary(
  _ path: String, placement: LibraryFile.Placement = .embedded, scale: Float = 1,
  description: String = "{\"name\":\"hand\"}", strip: Int = 100_000
) throws {
  let image = try BuildFixtures.toolchain().build(
    BuildFixtures.model(weights: weightsSize), target: Target("x86-64-v3"))
  let bytes = weights(weightsSize, scale: scale)
  try LibraryFile.write(
    to: path, image: image, target: Target("x86-64-v3"), description: Array(description.utf8),
    weightsSize: weightsSize, placement: placement
  ) { write in
    for start in stride(from: 0, to: weightsSize, by: strip) {
      try bytes[start..<min(start + strip, weightsSize)].withUnsafeBytes(write)
    }
  }
}

private func doubled(_ model: CompiledModel) throws -> [Float] {
  try model.run(["input_ids": HostTensor([1, 2, 9] as [Int64], shape: [1, 3])])["embedded"]?.floats
    ?? []
}

@Suite struct LibraryFileTests {
  @Test(arguments: [1, 100_000, 1 << 20, 3 << 20])
  func stripsOfAnySizeGiveTheSameFile(strip: Int) throws {
    let directory = try TestDirectory()
    try writeLibrary(directory.path + "/a.so", strip: strip == 1 ? 1237 : strip)
    try writeLibrary(directory.path + "/b.so", strip: weightsSize)
    let isSame =
      try BuildFixtures.read(directory.path + "/a.so")
      == BuildFixtures.read(directory.path + "/b.so")
    #expect(isSame)
    #expect(directory.names == ["a.so", "b.so"])
  }

  @Test func readsWhatWasWritten() throws {
    let directory = try TestDirectory()
    let path = directory.path + "/a b\"\n.so"
    try writeLibrary(path)
    let file = try LibraryFile(path)
    #expect(String(decoding: file.description, as: UTF8.self) == "{\"name\":\"hand\"}")
    #expect(file.features == (try Target("x86-64-v3")).features)
    #expect(file.weightsSize == weightsSize && file.placement == .embedded)
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o100 != 0)
    let model = try CompiledModel(path)
    #expect(try doubled(model) == [2, 4, 18])
  }

  @Test func separateWeightsAreBoundToTheirLibrary() throws {  // 68
    let directory = try TestDirectory()
    let (one, two) = (directory.path + "/one.so", directory.path + "/two.so")
    try writeLibrary(one, placement: .separate)
    try writeLibrary(two, placement: .separate, scale: 3)
    #expect(directory.names == ["one.so", "one.weights", "two.so", "two.weights"])
    let model = try CompiledModel(one)
    #expect(try doubled(model) == [2, 4, 18])
    #expect(try doubled(CompiledModel(two)) == [6, 12, 54])
    #expect(rename(directory.path + "/two.weights", directory.path + "/one.weights") == 0)
    #expect(message { try LibraryFile(one) }.contains("one.weights: expected the weights of"))
    #expect(message { try LibraryFile(two) }.contains("two.weights"))
    // C programs load without these checks; the library's own code has its own.
    let three = directory.path + "/three.so"
    try writeLibrary(three, placement: .separate)
    #expect(rename(directory.path + "/one.weights", directory.path + "/three.weights") == 0)
    let refused = try LibraryInterface(three)
    #expect(refused.describe() == nil)
    #expect(refused.error(4).description.contains("three.weights: these weights belong to another"))
    // A library that was loaded before the exchange has its weights already.
    try writeLibrary(one, placement: .separate)
    let early = try CompiledModel(one)
    try writeLibrary(two, placement: .separate, scale: 3)
    #expect(rename(directory.path + "/two.weights", directory.path + "/one.weights") == 0)
    #expect(try doubled(early) == [2, 4, 18])
  }

  @Test func damageIsFoundBeforeAnythingRuns() throws {  // 67
    let directory = try TestDirectory()
    let path = directory.path + "/a.so"
    try writeLibrary(path)
    let whole = try BuildFixtures.read(path)
    let image = try LibraryFile(path).imageSize
    let tail = whole.count - 64
    for place in [0, 5, image / 2, image - 1, tail - 200, tail, whole.count - 3, whole.count - 12] {
      var bytes = whole
      bytes[place] ^= 0x10
      try BuildFixtures.write(bytes, to: path)
      #expect(throws: HubError.self, "byte \(place)") { try LibraryFile(path) }
    }
    for size in [0, 3, 16, 64, image, image + 1, whole.count / 2, whole.count - 1] {
      try BuildFixtures.write(Array(whole[..<size]), to: path)
      #expect(throws: HubError.self, "\(size) bytes") { try LibraryFile(path) }
    }
    try BuildFixtures.write(whole + [0], to: path)
    #expect(throws: HubError.self) { try LibraryFile(path) }
    try BuildFixtures.write(whole + whole[(whole.count - 16)...], to: path)
    #expect(message { try LibraryFile(path) }.contains("bytes, found"))
    #expect(message { try LibraryFile("/dev/null") }.contains("a device"))
    #expect(message { try LibraryFile(directory.path) }.contains("a directory"))
  }

  @Test func aStrippedFileIsRecognised() throws {
    let directory = try TestDirectory()
    let path = directory.path + "/a.so"
    try writeLibrary(path)
    let strip = Command(path: "/usr/bin/strip", arguments: ["a.so"], directory: directory.path)
    #expect(strip.run().succeeded)
    #expect(message { try LibraryFile(path) }.contains("was it stripped?"))
    let interface = try LibraryInterface(path)
    #expect(interface.describe() == nil)
    #expect(interface.error(4).description.contains("truncated or stripped?"))
  }

  @Test func otherVersionsAndMachinesAreRefused() throws {  // 67
    let directory = try TestDirectory()
    let path = directory.path + "/a.so"
    try writeLibrary(path)
    #expect(message { try LibraryFile(path, machine: ["avx2", "fma"]) }.contains("without sse3"))
    let whole = try BuildFixtures.read(path)
    let header = whole.suffix(16).suffix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    for (offset, text) in [(8, "format version 1, found 9"), (12, "interface version 1, found 9")] {
      var bytes = whole
      bytes[header + offset] = 9
      try BuildFixtures.write(bytes, to: path)
      #expect(message { try LibraryFile(path) }.contains(text))
    }
  }

  @Test func damagedWeightsAreNamed() throws {  // 68
    let directory = try TestDirectory()
    let path = directory.path + "/a.so"
    try writeLibrary(path)
    var bytes = try BuildFixtures.read(path)
    let start = Int(BURIN_FILE_ALIGNMENT)
    bytes[start + (1 << 20) + 777] ^= 1
    try BuildFixtures.write(bytes, to: path)
    let model = try CompiledModel(path)
    #expect(message { try Session(model) }.contains("damaged in MiB 2 of 4"))
    #expect(message { try Session(model) }.contains("damaged in MiB 2 of 4"))
  }

  @Test func aFailureLeavesNothing() throws {
    struct Stop: Error {}
    let directory = try TestDirectory()
    for placement in [LibraryFile.Placement.embedded, .separate] {
      #expect(throws: Stop.self) {
        try LibraryFile.write(
          to: directory.path + "/a.so", image: [1], target: .native, description: [],
          weightsSize: 10, placement: placement
        ) { write in
          try [UInt8](repeating: 0, count: 5).withUnsafeBytes(write)
          throw Stop()
        }
      }
      for size in [3, 17] {
        #expect(throws: CompilerError.self) {
          try LibraryFile.write(
            to: directory.path + "/a.so", image: [1], target: .native, description: [],
            weightsSize: 10, placement: placement
          ) { write in try [UInt8](repeating: 0, count: size).withUnsafeBytes(write) }
        }
      }
      #expect(directory.names.isEmpty)
    }
    #expect(throws: HubError.self) {
      try LibraryFile.write(
        to: directory.path + "/none/a.so", image: [1], target: .native, description: [],
        weightsSize: 0
      ) { _ in }
    }
  }

  @Test func manyWritersOfOneFileGiveOneWholeResult() async throws {  // 66
    let directory = try TestDirectory()
    let path = directory.path + "/a.so"
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 1...4 {
        group.addTask { try writeLibrary(path, scale: Float(index)) }
      }
      try await group.waitForAll()
    }
    #expect(directory.names == ["a.so"])
    #expect(try [2, 4, 6, 8].contains(doubled(CompiledModel(path))[0]))
  }

  @Test func theChecksumIsTheSameEverywhere() throws {
    // By the definition, word by word.
    func slow(_ bytes: [UInt8]) -> UInt64 {
      var lanes = (1...64).map { UInt32($0) }
      let padded = bytes + [UInt8](repeating: 0, count: (4 - bytes.count % 4) % 4)
      for word in 0..<padded.count / 4 {
        let value = (0..<4).reduce(UInt32(0)) { $0 | UInt32(padded[4 * word + $1]) << (8 * $1) }
        let lane = (lanes[word % 64] ^ value) &* 0x9E37_79B1
        lanes[word % 64] = lane ^ (lane >> 15)
      }
      let size = UInt64(bytes.count)
      return (lanes.map(UInt64.init) + [size & 0xffff_ffff, size >> 32]).reduce(0) { sum, value in
        let next = (sum ^ value) &* 0x9E37_79B9_7F4A_7C15
        return next ^ (next >> 32)
      }
    }
    for size in [0, 1, 3, 4, 5, 255, 256, 257, 1000, 4099] {
      let bytes = Array(weights(5000)[..<size])
      #expect(burin_fast_checksum(bytes, size) == slow(bytes), "\(size) bytes")
    }
  }
}

/// What an action said when it failed; "" if it did not. Every message is one line.
func message<Result>(_ action: () throws -> Result) -> String {
  do {
    _ = try action()
    return ""
  } catch {
    let text = "\(error)"
    #expect(!text.contains("\n"))
    return text
  }
}
