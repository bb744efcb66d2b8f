import BurinHub
import BurinIR
import Glibc
import Testing

@testable import Burin

/// The hand-written program without weights, as a library.
private func load(_ directory: TestDirectory, name: String = "hand.so") throws -> CompiledModel {
  let target = try Target("x86-64-v3")
  let image = try BuildFixtures.toolchain().build(BuildFixtures.model(), target: target)
  let path = directory.path + "/" + name
  try LibraryFile.write(
    to: path, image: image, target: target, description: Array("{}".utf8), weightsSize: 0
  ) { _ in }
  return try CompiledModel(path)
}

private func ids(_ values: [Int64], _ shape: [Int]) -> HostTensor {
  HostTensor(values, shape: shape)
}

@Suite struct CompiledModelTests {
  @Test func describesItself() throws {
    let directory = try TestDirectory()
    let model = try load(directory)
    #expect(model.name == "hand" && model.hasStates)
    #expect(model.symbols.map(\.name) == ["batch", "seq", "context"])
    #expect(model.symbols.map(\.maximum) == [4, 100, 200])
    let forward = try #require(model.entry("forward"))
    #expect(
      forward.inputs[0]
        == CompiledModel.Port(
          name: "input_ids", element: .i32, shape: [.symbol("batch"), .symbol("seq")],
          isOptional: false, range: 0...9))
    #expect(forward.inputs[2].shape == [.fixed(3)] && forward.inputs[2].isOptional)
    #expect(model.entry("step")?.outputs.map(\.name) == ["sums", "calls"])
    #expect(model.file.description == Array("{}".utf8))
  }

  @Test func runs() throws {
    let directory = try TestDirectory()
    let model = try load(directory)
    let out = try model.run([
      "input_ids": ids([1, 2, 3, 4, 5, 6], [2, 3]),
      "scale": HostTensor([1, 10] as [Float], shape: [2]),
    ])
    #expect(out["embedded"] == HostTensor([2, 4, 6, 80, 100, 120] as [Float], shape: [2, 3]))
    #expect(out["last"]?.integers == [3, 6] && out["last"]?.element == .i64)
    let some = try Session(model).run(
      "forward", ["input_ids": HostTensor([7] as [Int32], shape: [1, 1])], outputs: ["last"])
    #expect(some.keys.sorted() == ["last"] && some["last"]?.integers == [7])
  }

  @Test func wrongCallsAreRefused() throws {
    let directory = try TestDirectory()
    let model = try load(directory)
    func refused(_ inputs: [String: HostTensor], _ kind: ModelError.Kind, _ text: String) {
      do {
        _ = try model.run(inputs)
        Issue.record("it ran")
      } catch let error as ModelError {
        #expect(error.kind == kind && error.description.contains(text), "\(error)")
      } catch { Issue.record(error) }
    }
    let good = ids([1, 2], [1, 2])
    refused([:], .badInput, "input_ids: forward needs this input")
    refused(["input_ids": good, "x\n": good], .badInput, "x?: forward has no such input")
    refused(["input_ids": HostTensor([1] as [Float], shape: [1, 1])], .badInput, "type f32")
    refused(["input_ids": ids([1], [1])], .badInput, "rank 1, expected 2")
    refused(["input_ids": ids([1], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1])], .badInput, "rank 10")
    refused(["input_ids": ids([], [1, 0])], .badInput, "extent 1 is 0")
    refused(["input_ids": ids([1, 10], [1, 2])], .badInput, "input_ids[0,1] is 10")
    refused(
      ["input_ids": ids(.init(repeating: 0, count: 101), [1, 101])], .badInput, "expected 1 to 100")
    #expect(message { try model.run([:], entry: "back") }.contains("no entry \"back\""))
    #expect(
      message { try Session(model).run("forward", ["input_ids": good], outputs: ["x"]) }
        .contains("no such output"))
    #expect(message { try Session(model, limits: ["seq": 101]) }.contains("limit of seq is 101"))
    #expect(message { try Session(model, limits: ["sex": 1]) }.contains("no symbol"))
    #expect(message { try Session(model, threads: -1) }.contains("threads is -1"))
    #expect(message { try Session(model, threads: .max) }.contains("threads is"))
  }

  @Test func remembersSequences() throws {
    let directory = try TestDirectory()
    let session = try Session(try load(directory), limits: ["batch": 2], threads: 1)
    func step(_ rows: [[Int64]]) throws -> [Int] {
      let input = ids(rows.flatMap { $0 }, [rows.count, rows[0].count])
      return try session.run("step", ["input_ids": input])["sums"]?.integers ?? []
    }
    #expect(try step([[1, 2, 3]]) == [6])
    #expect(try step([[4], [5]]) == [10, 5])
    #expect(try session.length(of: 0) == 4)
    try session.fork(0, to: 1)
    #expect(try step([[0], [1]]) == [10, 11])
    try session.reorder([1, 0])
    #expect(try step([[0], [0]]) == [11, 10])
    try session.truncate(0, to: 2)
    #expect(try step([[0], [0]]) == [3, 10])
    #expect(message { try session.truncate(2, to: 0) }.contains("sequence 2, expected 0 to 1"))
    let long = [Int64](repeating: 0, count: 100)
    _ = try step([long])
    #expect(throws: ModelError.self) { try step([long]) }
    #expect(try session.length(of: 0) == 103)
  }

  @Test func manyTasksShareASession() async throws {
    let directory = try TestDirectory()
    let model = try load(directory)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          let session = task % 2 == 0 ? nil : try Session(model, threads: task % 3)
          for round in 0..<50 {
            let values = (0..<20).map { Int64(($0 * task + round) % 10) }
            let input = ["input_ids": ids(values, [2, 10])]
            let out = try session?.run("forward", input) ?? model.run(input)
            #expect(out["embedded"]?.floats == values.map { 2 * Float($0) })
          }
        }
      }
      try await group.waitForAll()
    }
  }

  @Test func aLibraryThatWasReplacedIsLoadedAnew() throws {
    let directory = try TestDirectory()
    let path = directory.path + "/same.so"
    let target = try Target("x86-64-v3")
    var loaded: [CompiledModel] = []
    for scale in [1, 5, 7] as [Float] {
      let image = try BuildFixtures.toolchain().build(
        BuildFixtures.model(weights: 40), target: target)
      try LibraryFile.write(
        to: path, image: image, target: target, description: [], weightsSize: 40
      ) { write in
        try (0..<10).map { Float($0) * scale }.withUnsafeBytes(write)
      }
      loaded.append(try CompiledModel(path))
      let out = try loaded.map {
        try $0.run(["input_ids": ids([1], [1, 1])])["embedded"]?.floats.first ?? 0
      }
      #expect(out == [2, 10, 14].prefix(loaded.count).map { $0 })
    }
  }

  @Test func aRelativePathOutlivesTheDirectoryItWasRelativeTo() throws {
    let directory = try TestDirectory()
    let model = try load(directory, name: "moved.so")
    let link = directory.path + "/link.so"
    #expect(symlink("moved.so", link) == 0)
    #expect(try CompiledModel(link).name == model.name)
  }
}

/// The C driver, linked with the library code into one program.
@Suite struct RuntimeDriverTests {
  private static func compile(_ arguments: [String], in directory: TestDirectory) throws
    -> CommandResult
  {
    let clang = try BuildFixtures.toolchain().clang
    return Command(path: clang, arguments: arguments, directory: directory.path).run()
  }

  private static func drive(_ flags: [String], arguments: [String] = []) throws {
    let directory = try TestDirectory()
    let root = BuildFixtures.root
    let units =
      Toolchain.runtime.map(\.name).filter { $0.hasSuffix(".c") }.map { "Runtime/library/" + $0 }
      + ["model.c", "driver.c"].map { "Tests/Fixtures/runtime/" + $0 }
    let link = flags.contains("-fopenmp") ? [try BuildFixtures.toolchain().openMP] : []
    let built = try compile(
      flags + ["-Wall", "-Wextra", "-Werror", "-I\(root)/Runtime/include"]
        + ["-I\(root)/Runtime/library"] + units.map { "\(root)/\($0)" } + link
        + ["-ldl", "-lpthread", "-o", "driver"], in: directory)
    #expect(built.succeeded, "\(built.text)")
    // libomp's threads outlive main, which the leak checker takes for a leak.
    let driver = Command(
      path: "/usr/bin/env", arguments: ["ASAN_OPTIONS=detect_leaks=0", "./driver"] + arguments,
      directory: directory.path
    ).run()
    #expect(driver.succeeded && driver.text == "ok\n", "\(driver.text)")
  }

  @Test(arguments: [["-O2", "-fopenmp"], ["-O2"]])
  func callsRightAndWrong(flags: [String]) throws {
    try RuntimeDriverTests.drive(flags)
  }

  /// Whether clang has the sanitizers' own libraries.
  static let hasSanitizers: Bool = {
    guard let directory = try? TestDirectory() else { return false }
    let text = Array("int main(void) { return 0; }\n".utf8)
    try? BuildFixtures.write(text, to: directory.path + "/t.c")
    return ["address,undefined", "thread"].allSatisfy {
      (try? compile(["-fsanitize=" + $0, "t.c"], in: directory).succeeded) ?? false
    }
  }()

  @Test(
    .enabled(if: hasSanitizers),
    arguments: [
      ["-fopenmp", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
      ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
      ["-fsanitize=thread"],
    ])
  func callsRightAndWrongUnderSanitizers(flags: [String]) throws {
    // The argument leaves out the search for growth: a sanitizer holds on to freed memory.
    try RuntimeDriverTests.drive(["-O1"] + flags, arguments: ["short"])
  }
}
