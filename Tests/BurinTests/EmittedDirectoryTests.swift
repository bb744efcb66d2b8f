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

  @Test("others' code is kept, and nothing old is left beside what is written")
  func keepsToItself() throws {
    let directory = try TestDirectory()
    let spec = try ModelDirectory(Fixture(name: "bert").path).spec()
    let library = directory.path + "/x.so"
    func emit(_ name: String, without passes: Set<String> = [], to library: String) throws {
      let compiler = Compiler(
        options: .init(target: try Target("x86-64-v3"), disabledPasses: passes, emit: name))
      try compiler.compile(spec, to: library)
    }
    func refused(_ name: String, _ found: String, library: String) {
      let error = #expect(throws: HubError.self) { try emit(name, to: library) }
      #expect(error?.kind == .cannotWrite, "\(name)")
      #expect(error?.found.hasPrefix(found) == true, "\(error?.description ?? "")")
    }
    try BuildFixtures.write(Array("mine".utf8), to: directory.path + "/notes")
    refused("", "none", library: library)
    refused("/", "the root", library: library)
    for name in ["mine.c", "model.h", "vectors.h", "03-mine.burin"] {
      try BuildFixtures.write(Array("mine".utf8), to: directory.path + "/" + name)
      refused(directory.path, "one with \(name) in it", library: library)
      unlink(directory.path + "/" + name)
    }
    refused(directory.path + "/notes", "a file", library: library)
    refused(directory.path + "/notes/deeper", "\"Not a directory\"", library: library)
    refused(directory.path + "/a/b", "\"No such file or directory\"", library: library)
    // The directory would stand where the library is to be.
    refused(library, "a directory", library: directory.path + "/./x.so")
    #expect(Files.names(in: directory.path) == ["notes"])

    let emitted = directory.path + "/emitted"
    mkdir(emitted, 0o777)
    try BuildFixtures.write(Array("mine".utf8), to: emitted + "/mine.h")
    try emit(emitted, to: library)
    let all = Set(Files.names(in: emitted))
    #expect(all.contains("10-tile-matmuls.burin") && all.contains("model.c"))
    try BuildFixtures.write(Array("mine".utf8), to: emitted + "/notes")
    try emit(emitted, without: ["fuse-attention"], to: library)
    let fewer = Set(Files.names(in: emitted))
    #expect(fewer.contains("notes") && fewer.contains("09-tile-matmuls.burin"))
    #expect(!fewer.contains("10-tile-matmuls.burin") && fewer.count { $0.hasPrefix("09-") } == 1)
    Leftovers.removeDirectory(emitted)
  }
}
