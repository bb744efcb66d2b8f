import BurinHub
import Glibc
import Testing

@testable import Burin

/// What `--emit` writes builds by itself, with the one line of its banner.
@Suite struct EmittedDirectoryTests {
  @Test("the banner's line builds the directory without a warning", arguments: ["", "-fopenmp"])
  func builds(without flag: String) throws {
    var template = Array("/tmp/burin emit-XXXXXX".utf8CString)
    let parent = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer {
      Leftovers.removeDirectory(parent + "/emitted")
      Leftovers.removeDirectory(parent)
    }
    let directory = parent + "/emitted"
    let compiler = Compiler(options: .init(target: try Target("x86-64-v3"), emit: directory))
    let spec = try ModelDirectory(Fixture(name: "gpt2-lm").path).spec()
    try compiler.compile(spec, to: parent + "/model.so")
    let source = String(
      decoding: try RegularFile(path: directory + "/model.c").contents(limit: 1 << 24),
      as: UTF8.self)
    let lines = source.split(separator: "\n")
    let build = try #require(lines.firstIndex(of: "// Build:").map { lines[$0 + 1] })
    var command = build.dropFirst(2).trimmingPrefix { $0 == " " }.replacing(
      " -o ", with: " -Werror -o ")
    if !flag.isEmpty { command = command.replacing(flag, with: "-Wno-unknown-pragmas") }
    let result = Command.run(
      [
        Command(
          path: "/bin/sh", arguments: ["-c", String(command)], directory: directory,
          timeLimit: .seconds(120))
      ], atMost: 1)[0]
    #expect(result.succeeded, "\(command): \(result.text)")
    #expect(result.text.isEmpty)
  }
}
