import BurinHub
import BurinIR
import Glibc
import Testing

@testable import Burin

/// The programs in `Samples/`, built and run.
@Suite struct SampleTests {
  // MARK: Swift

  @Test func theEncoderLayerAgreesWithTheInterpreter() throws {
    let result = Command(path: try product("encoder-sample"), arguments: [], directory: "/").run()
    #expect(result.end == .exited(0), "\(result.text)")
    #expect(result.text.contains("fuse-attention: find-attention ×1"))
    #expect(result.text.contains("largest error"))
  }

  @Test func theTransformerAgreesWithTheInterpreter() throws {
    let sample = try product("transformer-sample")
    let result = Command(path: sample, arguments: [], directory: "/").run()
    #expect(result.end == .exited(0), "\(result.text)")
    #expect(result.text.contains("sums up to 1: true"))
    let base = Command(path: sample, arguments: ["base"], directory: "/").run()
    #expect(base.end == .exited(0))
    let program = try Program(text: base.text)
    #expect(program.weights.count == 181)
    #expect(Command(path: sample, arguments: ["small"], directory: "/").run().end == .exited(64))
  }

  @Test func theBestSentencesComeFirst() throws {
    let sentence = try SentenceLibrary()
    try BuildFixtures.write(
      Array("Anna lives in Vienna.\nThe river rises in the mountains.\n".utf8),
      to: sentence.directory.path + "/lines.txt")
    func rank(_ arguments: [String]) throws -> CommandResult {
      Command(
        path: try product("rank-sample"), arguments: arguments, directory: sentence.directory.path
      ).run()
    }
    let result = try rank(["sentence.so", "lines.txt", "The river rises in the mountains."])
    let lines = result.text.split(separator: "\n")
    #expect(result.end == .exited(0) && lines.count == 4, "\(result.text)")
    #expect(lines[2] == "   1.00  The river rises in the mountains.", "\(result.text)")
    #expect(try rank([]).end == .exited(64))
    #expect(try rank(["sentence.so", "none.txt", "?"]).end == .exited(65))
  }

  /// An executable of this package: it is built beside the tests.
  private func product(_ name: String) throws -> String {
    let tests = try #require(Files.resolved("/proc/self/exe"))
    let end = try #require(tests.lastIndex(of: "/"))
    let path = String(tests[...end]) + name
    try #require(access(path, X_OK) == 0, "\(path) is not built")
    return path
  }

  // MARK: C

  @Test func aProgramInC() throws {
    let sentence = try SentenceLibrary()
    let run = try sentence.buildC(flags: ["-O2"])
    #expect(values(run(sentence.ids)) == sentence.expected)
    let refused = run(["1", "100000"])
    #expect(refused.end == .exited(2), "BURIN_BAD_INPUT")
    #expect(refused.text.hasPrefix("input_ids[0,1] is 100000"), "\(refused.text)")
    #expect(run([]).end == .exited(64))
  }

  /// The same with the sanitizers in the program, in the runtime and in the model's own code.
  @Test func aProgramInCUnderTheSanitizers() throws {
    let flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    let clang = try BuildFixtures.toolchain().clang
    let probe = try TestDirectory()
    try BuildFixtures.write(Array("int main(void) { return 0; }\n".utf8), to: probe.path + "/t.c")
    let canSanitize = Command(
      path: clang, arguments: flags + ["t.c", "-o", "t"], directory: probe.path
    ).run().succeeded
    // Some distributions pack the sanitizers' runtime by itself.
    guard canSanitize else { return print("SKIPPED: \(clang) has no sanitizers") }
    let sentence = try SentenceLibrary(sanitizers: flags)
    let run = try sentence.buildC(flags: flags)
    #expect(values(run(sentence.ids)) == sentence.expected)
    #expect(run(["1", "-1"]).end == .exited(2))
  }

  // MARK: Python

  @Test(.enabled(if: access("/usr/bin/python3", X_OK) == 0, "there is no python3"))
  func aProgramInPython() throws {
    let sentence = try SentenceLibrary()
    func run(_ ids: [String]) -> CommandResult {
      Command(
        path: "/usr/bin/python3",
        arguments: [BuildFixtures.root + "/Samples/python/sentence.py", "sentence.so"] + ids,
        directory: sentence.directory.path
      ).run()
    }
    #expect(values(run(sentence.ids)) == sentence.expected)
    let refused = run(["100000"])
    #expect(refused.end == .exited(1))
    #expect(refused.text.hasPrefix("input_ids[0,0] is 100000"), "\(refused.text)")
  }

  /// The numbers that a program wrote, in units of 1e-4; an error shows as text.
  private func values(_ result: CommandResult) -> [String] {
    guard result.end == .exited(0) else { return [result.text] }
    return result.text.split(separator: "\n").map { line in
      Double(String(line)).map(SentenceLibrary.rounded) ?? String(line)
    }
  }
}

/// The tiny sentence model as `sentence.so` in a directory of its own, with one sentence and the
/// beginning of the vector that transformers gives it.
private struct SentenceLibrary {
  let directory: TestDirectory
  let ids: [String]
  let expected: [String]

  static func rounded(_ value: Double) -> String { "\(Int((value * 1e4).rounded()))e-4" }

  /// - Parameter sanitizers: what the library's code is compiled with besides; nothing for the
  ///   compiler's own way.
  init(sanitizers: [String] = []) throws {
    let fixture = Fixture(name: "sentence-mean")
    let text = JSONField(
      try JSON.parse(BuildFixtures.read(fixture.path + "/text.json")), file: "text.json")
    let sentence = text["sentences"][0]
    ids = try sentence["ids"].array().map { "\(try $0.int())" }
    expected = try sentence["vector"].array().prefix(8).map {
      SentenceLibrary.rounded(try $0.double())
    }
    directory = try TestDirectory()
    let path = directory.path + "/sentence.so"
    let spec = try ModelDirectory(fixture.path).spec()
    guard !sanitizers.isEmpty else {
      try Compiler().compile(spec, to: path)
      return
    }
    let target = try Target("x86-64-v3")
    let compiler = Compiler(options: .init(target: target))
    let lowered = try compiler.lower(spec.program)
    let emitted = try TestDirectory()
    try EmittedDirectory(emitted.path).write(lowered, besides: path)
    let clang = try BuildFixtures.toolchain()
    if clang.openMP.hasPrefix("/") { symlink(clang.openMP, emitted.path + "/libomp.so") }
    // The line of the banner, with this clang and the sanitizers.
    let line = Toolchain.buildLine(target: target, output: "image.so").dropFirst("clang".count)
    let build = Command(
      path: "/bin/sh",
      arguments: ["-c", "\"$0\" \(line) -L. \(sanitizers.joined(separator: " "))", clang.clang],
      directory: emitted.path
    ).run()
    try #require(build.succeeded, "\(build.text)")
    try BuildFixtures.write(
      Array(lowered.module.header(stem: "sentence").utf8), to: directory.path + "/sentence.h")
    try LibraryFile.write(
      to: path, image: BuildFixtures.read(emitted.path + "/image.so"), target: target,
      description: [], weightsSize: lowered.module.weights.bytes
    ) { try WeightWriter(lowered.module.weights, source: spec.weights).run($0) { _ in } }
  }

  /// Builds the C program in the directory, as its own comment says; gives what runs it.
  func buildC(flags: [String]) throws -> ([String]) -> CommandResult {
    let clang = try BuildFixtures.toolchain()
    let root = BuildFixtures.root
    let built = Command(
      path: clang.clang,
      arguments: flags + [
        "-Wall", "-Wextra", "-Werror", "-I", root + "/Runtime/include", "-I.",
        root + "/Samples/c/sentence.c", "-L.", "-l:sentence.so", "-Wl,-rpath,$ORIGIN", "-o",
        "sentence",
      ], directory: directory.path
    ).run()
    try #require(built.succeeded, "\(built.text)")
    let path = directory.path + "/sentence"
    // libomp's threads outlive main, which the leak checker takes for a leak.
    return { arguments in
      Command(
        path: "/usr/bin/env", arguments: ["ASAN_OPTIONS=detect_leaks=0", path] + arguments,
        directory: "/"
      ).run()
    }
  }
}
