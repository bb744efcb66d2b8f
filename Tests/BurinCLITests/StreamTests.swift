import BurinHub
import Glibc
import Testing

/// Standard streams that nobody reads any more, or that were never open.
@Suite struct StreamTests {
  /// Runs `burin` with an output whose reader has gone.
  private func runUnread(
    _ arguments: [String], environment: [String: String] = [:]
  ) throws -> (status: Int32, errors: String) {
    let pipe = "\(Burin.directory)/pipe-\(UInt32.random(in: 0...UInt32.max))"
    try #require(mkfifo(pipe, 0o600) == 0)
    defer { for suffix in ["", ".errors"] { unlink(pipe + suffix) } }
    let reader = open(pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    let process = try Burin.start(arguments, output: pipe, environment: environment)
    close(reader)
    let status = Burin.wait(process)
    return (status, String(decoding: try Burin.read(pipe + ".errors"), as: UTF8.self))
  }

  @Test("a reader that has gone is 74, without a word")
  func unreadOutput() throws {
    let gpt2 = try Burin.library("gpt2-lm")
    for arguments in [
      ["generate", gpt2, "--prompt", "a"], ["score", gpt2, "--text", "a", "--json"],
      ["inspect", gpt2, "--c"], ["--help"],
    ] {
      let (status, errors) = try runUnread(arguments)
      #expect(status == 74 && errors.isEmpty, "\(arguments): \(errors)")
    }
  }

  @Test("what is temporary goes also when the reader has gone")
  func unreadProfile() throws {
    let place = Burin.directory + "/unread"
    mkdir(place, 0o700)
    let (status, errors) = try runUnread(
      ["bench", Burin.library("bert"), "--seq", "4", "--repeats", "1", "--profile"],
      environment: ["TMPDIR": place])
    #expect(status == 74 && errors.isEmpty, "\(errors)")
    #expect(Burin.names(in: place).isEmpty)
  }

  @Test("what a killed process left of libomp's does not matter to the next of its number")
  func staleRegistrations() throws {
    let library = try Burin.library("bert")
    func mark(_ process: some CustomStringConvertible) -> String {
      "/dev/shm/__KMP_REGISTERED_LIB_\(process)_\(getuid())"
    }
    let script = Burin.directory + "/marked"
    try Burin.write(
      Array("#!/bin/sh\n: > \(mark("$$"))\nexec \"$@\"\n".utf8), to: script, mode: 0o755)
    let bench = ["bench", library, "--seq", "4", "--repeats"]
    for arguments in [bench + ["1"], ["doctor"]] {
      let outcome = try Burin.run(arguments, through: script)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    // Nor is anything left when it is interrupted.
    let process = try Burin.start(
      bench + ["10000000"], output: Burin.directory + "/interrupted-bench")
    for _ in 0..<1000 where access(mark(process), F_OK) != 0 { usleep(10_000) }
    #expect(access(mark(process), F_OK) == 0)
    kill(process, SIGINT)
    #expect(Burin.wait(process) == 130)
    #expect(access(mark(process), F_OK) != 0)
  }

  @Test("streams that are closed are 74 where they are needed, and no file takes their place")
  func closedStreams() throws {
    let gpt2 = try Burin.library("gpt2-lm")
    func run(_ closing: String, _ arguments: [String]) throws -> Outcome {
      let script = "\(Burin.directory)/closing-\(UInt32.random(in: 0...UInt32.max))"
      try Burin.write(
        Array("#!/bin/sh\nexec \"$@\" \(closing)\n".utf8), to: script, mode: 0o755)
      return try Burin.run(arguments, through: script)
    }
    let input = try run("<&-", ["score", gpt2])
    #expect(input.status == 74 && input.errors.contains("standard input"), "\(input.errors)")
    let output = try run(">&-", ["score", gpt2, "--text", "a"])
    #expect(output.status == 74 && output.errors.contains("standard output"), "\(output.errors)")
    let unneeded = try run("<&- 2>&-", ["score", gpt2, "--text", "a"])
    #expect(unneeded.status == 0 && !unneeded.output.isEmpty)
    // What the compiler says goes to nobody, and not into the library.
    let place = Burin.directory + "/closed.so"
    let compiled = try run(
      "<&- >&- 2>&-", ["compile", Burin.fixtures + "bert", "-o", place])
    #expect(compiled.status == 0)
    #expect(try Burin.run(["inspect", place]).status == 0)
  }
}
