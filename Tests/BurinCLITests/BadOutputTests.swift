import BurinHub
import Glibc
import Testing

/// Bad inputs 64 to 66, through the command line: disks that are full, directories that are not
/// there, and two writers at once.
@Suite struct BadOutputTests {
  private static let bert = Burin.fixtures + "bert"
  private static let inputs = bert + "/inputs.safetensors"

  /// What writes a file.
  enum Writer: String, CaseIterable {
    case compile, separate, emit, run, html

    /// The arguments that write to a path.
    func callAsFunction(_ path: String) throws -> [String] {
      switch self {
      case .compile: ["compile", bert, "-o", path]
      case .separate: ["compile", bert, "--weights", "separate", "-o", path]
      case .emit: ["compile", bert, "-o", path, "--emit", path + "-emitted"]
      case .run: ["run", try Burin.library("bert"), "--inputs", inputs, "--outputs", path]
      case .html: ["inspect", bert, "--html", path]
      }
    }
  }

  /// Expects that a writer that finds no room says so in one line, and leaves what was there.
  private func expectNoRoom(_ outcome: Outcome, in place: String, _ note: String) throws {
    #expect(outcome.status == 74 && outcome.output.isEmpty, "\(note): \(outcome.errors)")
    #expect(
      outcome.errors.contains("No space left on device")
        || outcome.errors.contains("File too large"), "\(note): \(outcome.errors)")
    #expect(outcome.errors.filter { $0 == "\n" }.count == 1, "\(outcome.errors)")
    // What `--emit` has written is whole, and stays.
    let emitted = Burin.names(in: place + "/x.so-emitted")
    #expect(emitted.isEmpty || emitted.contains("model.c"))
    let names = Burin.names(in: place).filter { emitted.isEmpty || $0 != "x.so-emitted" }
    #expect(names == ["x.so"], "\(note): \(names)")
    #expect(try Burin.read(place + "/x.so") == Array("old".utf8), "\(note)")
  }

  @Test(
    "64: a limit on the size of files is an error at each write",
    arguments: Writer.allCases)
  func filesTooLarge(writer: Writer) throws {
    let place = Burin.directory + "/limited-\(writer)"
    mkdir(place, 0o700)
    try Burin.write(Array("old".utf8), to: place + "/x.so")
    let arguments = try writer(place + "/x.so")
    // libomp itself fails with less. Everything that clang does comes from the cache, which has no limit.
    try Burin.run(writer(place + "-warm.so"))
    let script = place + "-limit"
    var failures = 0
    for blocks in [8, 20, 50] {
      try Burin.write(
        Array("#!/bin/sh\nulimit -f \(blocks)\nexec \"$@\"\n".utf8), to: script, mode: 0o755)
      let outcome = try Burin.run(arguments, through: script)
      if outcome.status == 0 { break }
      failures += 1
      try expectNoRoom(outcome, in: place, "\(writer), \(blocks) blocks")
    }
    #expect(failures > 0)
  }

  /// Whether this process may mount a file system.
  static let mounts: Bool = {
    let place = Burin.directory + "/mount"
    mkdir(place, 0o700)
    guard geteuid() == 0, mount("tmpfs", place, "tmpfs", 0, "size=16k") == 0 else { return false }
    umount(place)
    return true
  }()

  /// A small file system while `body` runs.
  private func withDisk(
    _ kilobytes: Int, flags: UInt = 0, _ body: (String) throws -> Void
  ) throws {
    let place = Burin.directory + "/disk-\(kilobytes)-\(UInt32.random(in: 0...UInt32.max))"
    mkdir(place, 0o700)
    try #require(mount("tmpfs", place, "tmpfs", flags, "size=\(kilobytes)k") == 0)
    defer {
      umount2(place, Int32(MNT_DETACH))
      rmdir(place)
    }
    try body(place)
  }

  @Test("64: disk full at each write", .enabled(if: mounts), arguments: Writer.allCases)
  func disksFull(writer: Writer) throws {
    try Burin.run(writer(Burin.directory + "/warm-\(writer).so"))
    var failures = 0
    for kilobytes in stride(from: 8, to: 2_000, by: 44) {
      var isDone = false
      try withDisk(kilobytes) { place in
        try Burin.write(Array("old".utf8), to: place + "/x.so")
        let outcome = try Burin.run(writer(place + "/x.so"))
        isDone = outcome.status == 0
        if !isDone { try expectNoRoom(outcome, in: place, "\(writer), \(kilobytes) KiB") }
      }
      if isDone { break }
      failures += 1
    }
    #expect(failures > 0)
  }

  @Test("64: no room for clang's files, or for the cache", .enabled(if: mounts))
  func noRoomToWork() throws {
    let out = Burin.directory + "/out.so"
    for kilobytes in [8, 100, 300] {
      try withDisk(kilobytes) { place in
        let outcome = try Burin.run(
          ["compile", Self.bert, "-o", out],
          environment: ["TMPDIR": place, "BURIN_CACHE": "\(out)-cache-\(kilobytes)"])
        #expect(outcome.status == 74, "\(kilobytes): \(outcome.errors)")
        #expect(outcome.errors.contains("No space left on device"), "\(outcome.errors)")
        #expect(Burin.names(in: place).isEmpty)
        let cached = try Burin.run(
          ["compile", Self.bert, "-o", out], environment: ["BURIN_CACHE": place])
        #expect(cached.status == 0, "\(cached.errors)")
      }
    }
  }

  @Test("64: standard output without room")
  func fullOutput() throws {
    let gpt2 = try Burin.library("gpt2-lm")
    for arguments in [
      ["generate", gpt2, "--prompt", "a"], ["generate", gpt2, "--prompt", "a", "--json"],
      ["score", gpt2, "--text", "a"], ["tokenize", gpt2, "--text", "a"], ["doctor"],
      ["inspect", gpt2, "--c"], ["embed", try Burin.library("sentence-mean"), "--text", "a"],
    ] {
      let process = try Burin.start(arguments, output: "/dev/full")
      #expect(Burin.wait(process) == 74, "\(arguments)")
    }
  }

  @Test("65: output directory missing or a file")
  func missingDirectories() throws {
    let file = Burin.directory + "/a file"
    try Burin.write([], to: file)
    for writer in Writer.allCases {
      for path in [Burin.directory + "/none/x.so", file + "/x.so"] {
        // It is said before clang is missed.
        let outcome = try Burin.run(writer(path), environment: ["PATH": "/none"])
        #expect(
          outcome.status == 74 && outcome.errors.contains("\(path): expected"),
          "\(writer): \(outcome.errors)")
      }
    }
  }

  @Test("65: output directory read-only", .enabled(if: mounts))
  func readOnlyDirectories() throws {
    try withDisk(64, flags: UInt(MS_RDONLY)) { place in
      for writer in Writer.allCases {
        let outcome = try Burin.run(writer(place + "/x.so"))
        #expect(outcome.status == 74, "\(writer)")
        #expect(outcome.errors.contains("Read-only file system"), "\(writer): \(outcome.errors)")
      }
    }
  }

  @Test("65: output directory symlinked")
  func symlinkedDirectories() throws {
    let place = Burin.directory + "/real"
    mkdir(place, 0o700)
    let link = Burin.directory + "/link"
    #expect(symlink("real", link) == 0)
    for weights in ["embedded", "separate"] {
      let outcome = try Burin.run([
        "compile", Self.bert, "--weights", weights, "-o", link + "/x.so",
      ])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let result = try Burin.run([
        "run", link + "/x.so", "--inputs", Self.inputs, "--outputs", link + "/y",
      ])
      #expect(result.status == 0, "\(result.errors)")
    }
    #expect(Set(Burin.names(in: place)) == ["x.so", "x.h", "x.weights", "y"])
  }

  @Test("66: two compilations into one output give one whole result")
  func twoWriters() throws {
    let models = [Burin.fixtures + "bert", Burin.fixtures + "gpt2-lm"]
    for model in models { try Burin.run(["compile", model, "-o", Burin.directory + "/warm.so"]) }
    let place = Burin.directory + "/shared"
    mkdir(place, 0o700)
    for round in 0..<4 {
      let processes = try (0..<4).map { number in
        try Burin.start(
          ["compile", models[number % 2], "--weights", "separate", "-o", place + "/x.so"],
          output: "\(Burin.directory)/writer-\(number)")
      }
      for process in processes { #expect(Burin.wait(process) == 0) }
      #expect(Set(Burin.names(in: place)) == ["x.so", "x.h", "x.weights"])
      // The library, its weights and its header are those of one of the two.
      let program = try Burin.run(["inspect", place + "/x.so"])
      #expect(program.status == 0, "round \(round): \(program.errors)")
      let header = String(decoding: try Burin.read(place + "/x.h"), as: UTF8.self)
      let name = program.text.hasPrefix("bert") ? "bert" : "gpt2-lm"
      #expect(header.contains(name), "round \(round)")
      let inputs = "\(Burin.fixtures)\(name)/inputs.safetensors"
      let run = try Burin.run([
        "run", place + "/x.so", "--inputs", inputs, "--outputs", place + "-y",
      ])
      #expect(run.status == 0, "round \(round): \(run.errors)")
    }
  }
}
