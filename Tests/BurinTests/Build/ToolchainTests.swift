import BurinHub
import Glibc
import Testing

@testable import Burin

@Suite struct CommandTests {
  private func shell(_ text: String, limit: Duration = .seconds(20)) -> Command {
    Command(path: "/bin/sh", arguments: ["-c", text], directory: "/", timeLimit: limit)
  }

  @Test func saysHowItEnded() {
    let said = shell("echo out; echo err >&2; exit 3").run()
    #expect(said.end == .exited(3))
    #expect(said.text == "out\nerr\n")
    #expect(shell("kill -9 $$").run().end == .killed(signal: 9))
    let absent = Command(path: "/no/such/program", arguments: [], directory: "/").run()
    #expect(absent.end == .notStarted("No such file or directory"))
  }

  @Test func argumentsAreNotInterpreted() {
    let awkward = ["a b", "$(id)", "`id`", "\"", "'", "*", "\n", "-n;", ""]
    let echo = Command(
      path: "/usr/bin/printf", arguments: ["%s|"] + awkward, directory: "/"
    ).run()
    #expect(echo.text == awkward.map { $0 + "|" }.joined())
  }

  @Test func killsWhatHangs() {  // 63
    let begin = ContinuousClock.now
    let result = shell("sleep 100 & sleep 100", limit: .milliseconds(200)).run()
    #expect(result.end == .timedOut)
    // A child that outlives its parent and keeps the pipe open is not waited for.
    #expect(shell("sleep 100 & echo left").run().text == "left\n")
    #expect(ContinuousClock.now - begin < .seconds(10))
  }

  @Test func killsWhatComputesForEver() {  // 63
    let begin = ContinuousClock.now
    #expect(shell("while :; do :; done", limit: .milliseconds(200)).run().end == .timedOut)
    #expect(ContinuousClock.now - begin < .seconds(10))
  }

  /// Each needs a quarter of its time, and none gets it before the limit has passed on the clock.
  @Test func waitsForWhatGetsNoProcessor() {
    let work = "taskset -p 1 $$ >/dev/null 2>&1; i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done"
    let commands = (0..<8).map { _ in shell(work, limit: .milliseconds(1500)) }
    let results = Command.run(commands, atMost: 8)
    #expect(results.map(\.end) == commands.map { _ in .exited(0) })
  }

  @Test func runsSideBySideAndKeepsTheOrder() {
    let results = Command.run(
      (0..<7).map { shell("sleep 0.0\($0 * 3 % 7); echo \($0)") }, atMost: 3)
    #expect(results.map(\.text) == (0..<7).map { "\($0)\n" })
  }

  @Test func longOutputIsCutNotWaitedFor() {
    let result = shell("head -c 5000000 /dev/zero").run()
    #expect(result.end == .exited(0))
    #expect(result.words.count <= 1 << 21)
  }

  @Test func environmentIsCleaned() {
    setenv("CPATH", "/nowhere", 1)
    defer { unsetenv("CPATH") }
    let text = shell("env").run().text
    #expect(text.contains("PATH="))
    #expect(!text.contains("CPATH="))
  }
}

@Suite struct TargetTests {
  @Test func levelsAreFeatureLists() throws {
    let v3 = try Target("x86-64-v3")
    #expect(v3.flags == ["-march=x86-64-v3"])
    #expect(try Target("x86-64-v4").flags == ["-march=x86-64-v4"])
    let more = try Target("x86-64-v4+avx512vnni")
    #expect(more.flags == ["-march=x86-64-v4", "-mavx512vnni"])
    #expect(more.features.last == "avx512vnni" && more.name == "x86-64-v4+avx512vnni")
    let between = try Target("x86-64-v3+avx512f")
    #expect(between.flags == ["-march=x86-64-v3", "-mavx512f"])
    #expect(try Target("native") == .native)
    let arm = try Target("aarch64")
    #expect(arm.features == ["neon"] && arm.name == "aarch64")
    #expect(try Target.levels("x86-64-v3") == [Target("x86-64-v3")])
    #expect(!Target.native.flags.contains { $0.contains("native") })
  }

  @Test(arguments: [
    "", "x86-64-v9", "native+-o", "x86-64-v3+", "v3;rm", "native\n", "aarch64+avx2",
  ])
  func unknownNamesAreRefused(name: String) {
    #expect {
      try Target(name)
    } throws: { error in
      (error as? ToolError)?.kind == .badTarget && !"\(error)".contains("\n")
    }
  }

  @Test func missingFeaturesAreNamed() {
    #expect(Target.missing(["avx2", "avx512fp16"], on: ["sse3", "avx2"]) == ["avx512fp16"])
  }
}

@Suite struct KernelCacheTests {
  private func key(_ text: String) -> KernelCache.Key { KernelCache.Key([Array(text.utf8)]) }

  @Test func findsWhatWasStored() throws {
    let directory = try TestDirectory()
    let cache = KernelCache(directory: directory.path + "/a/b")
    #expect(cache.trouble == nil)
    #expect(cache.find(key("x")) == nil)
    cache.store([1, 2, 3], under: key("x"))
    cache.store([4], under: key("x"))
    #expect(cache.find(key("x")) == [4])
    var status = stat()
    #expect(stat(directory.path + "/a/b", &status) == 0 && status.st_mode & 0o777 == 0o700)
    cache.clear()
    #expect(cache.find(key("x")) == nil && cache.size == 0)
    rmdir(directory.path + "/a/b")
    rmdir(directory.path + "/a")
  }

  @Test func keysTellListsApart() {
    let one = KernelCache.Key([[1, 2], [3]])
    #expect(one != KernelCache.Key([[1], [2, 3]]))
    #expect(one != KernelCache.Key([[1, 2, 3]]))
    #expect(one == KernelCache.Key([[1, 2], [3]]))
  }

  @Test func damagedEntriesAreAbsent() throws {
    let directory = try TestDirectory()
    let cache = KernelCache(directory: directory.path)
    cache.store([UInt8](repeating: 7, count: 100), under: key("x"))
    let path = directory.path + "/" + key("x").name
    var bytes = try BuildFixtures.read(path)
    bytes[bytes.count - 1] ^= 1
    try BuildFixtures.write(bytes, to: path)
    #expect(cache.find(key("x")) == nil)
    #expect(directory.names.isEmpty)
    try BuildFixtures.write([], to: path)
    #expect(cache.find(key("x")) == nil)
  }

  @Test func theOldestGoFirst() throws {
    let directory = try TestDirectory()
    var cache = KernelCache(directory: directory.path)
    for index in 0..<5 {
      cache.store([UInt8](repeating: 0, count: 1000), under: key("\(index)"))
      var times = [
        timespec(tv_sec: 1000 + index, tv_nsec: 0), timespec(tv_sec: 1000 + index, tv_nsec: 0),
      ]
      utimensat(AT_FDCWD, directory.path + "/" + key("\(index)").name, &times, 0)
    }
    #expect(cache.find(key("0")) != nil)
    cache.limit = 4000
    cache.store([UInt8](repeating: 0, count: 1000), under: key("5"))
    #expect(cache.find(key("1")) == nil)
    #expect(cache.find(key("0")) != nil)
    #expect(cache.find(key("5")) != nil)
    #expect(cache.size <= 4000)
  }

  @Test func aDirectoryThatOthersWriteToIsNotUsed() throws {
    let directory = try TestDirectory()
    chmod(directory.path, 0o777)
    let cache = KernelCache(directory: directory.path)
    #expect(cache.trouble == "others may write to it")
    cache.store([1], under: key("x"))
    #expect(cache.find(key("x")) == nil && directory.names.isEmpty)
    #expect(KernelCache(directory: "/proc/no").directory == nil)
    #expect(KernelCache(directory: "").directory == nil)
  }
}

@Suite struct ToolchainTests {
  @Test func theRuntimeIsCarriedWhole() throws {
    for folder in ["include", "kernels", "library"] {
      let path = BuildFixtures.root + "/Runtime/" + folder
      let listing = try #require(opendir(path))
      defer { closedir(listing) }
      while let item = readdir(listing) {
        let name = withUnsafePointer(to: &item.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        guard !name.hasPrefix(".") else { continue }
        let carried = Toolchain.runtime.first { $0.name == name }
        let expected = try BuildFixtures.read(path + "/" + name)
        let isCarried = carried?.text == expected
        #expect(isCarried, "Runtime/package/sources.c must carry \(name) as it is")
      }
    }
  }

  @Test func buildsALibraryThatExportsTheInterfaceOnly() throws {
    let image = try BuildFixtures.toolchain().build(
      try BuildFixtures.model(), target: Target("x86-64-v3"))
    let directory = try TestDirectory()
    try BuildFixtures.write(image, to: directory.path + "/hand.so")
    let names = Command(
      path: "/usr/bin/nm", arguments: ["-D", "--defined-only", "hand.so"],
      directory: directory.path
    ).run().text.split(separator: "\n").map { $0.split(separator: " ").last.map(String.init) ?? "" }
    #expect(!names.isEmpty && names.allSatisfy { $0.hasPrefix("burin_") })
    #expect(names.contains("burin_run") && !names.contains("burin_program"))
    let needed = Command(
      path: "/usr/bin/readelf", arguments: ["-d", "hand.so"], directory: directory.path
    ).run().text.split(separator: "\n").filter { $0.contains("NEEDED") }
    #expect(needed.contains { $0.contains("libomp.so.5") })
    #expect(
      needed.allSatisfy { line in
        ["libomp.so.5", "libc.so.6", "libm.so.6", "ld-linux"].contains { line.contains($0) }
      })
  }

  @Test(arguments: [true, false])
  func theBuildLineBuildsTheEmittedDirectory(withOpenMP: Bool) throws {
    let directory = try TestDirectory()
    for source in try BuildFixtures.model() + Toolchain.runtime {
      try BuildFixtures.write(source.text, to: directory.path + "/" + source.name)
    }
    let line = Toolchain.buildLine(target: try Target("x86-64-v3"), output: "model.so")
    #expect(line.hasPrefix("clang ") && !line.contains("/") && !line.contains("native"))
    // The machine's clang may have another name, or need to be told where libomp is.
    let toolchain = try BuildFixtures.toolchain()
    let rest = line.dropFirst("clang".count).split(separator: " ").map(String.init)
      .filter { withOpenMP || $0 != "-fopenmp" }
    let command =
      "'\(toolchain.clang)' -Werror " + rest.joined(separator: " ")
      + (withOpenMP && toolchain.openMP != "-fopenmp" ? " '\(toolchain.openMP)'" : "")
    let built = Command(
      path: "/bin/sh", arguments: ["-c", command], directory: directory.path
    ).run()
    #expect(built.succeeded && built.words.isEmpty, "\(built.text)")
    let interface = try LibraryInterface(directory.path + "/model.so")
    #expect(interface.describe() != nil)
  }

  @Test func aSecondBuildComesFromTheCache() throws {
    var toolchain = try BuildFixtures.toolchain()
    let model = try BuildFixtures.model(weights: 64)
    let target = try Target("x86-64-v3")
    let image = try toolchain.build(model, target: target)
    // No time at all is enough for what needs no compiler.
    toolchain.timeLimit = .zero
    #expect(try toolchain.build(model, target: target) == image)
    #expect(throws: ToolError.self) {
      try toolchain.build(BuildFixtures.model(weights: 65), target: target)
    }
  }

  @Test func clangsWordsAreShownAndItsInputKept() throws {
    let broken = Toolchain.Source("model.c", Array("int x = \"no\" * ;\n".utf8))
    do {
      _ = try BuildFixtures.toolchain().build([broken], target: .native)
      Issue.record("it compiled")
    } catch let error as ToolError {
      #expect(error.kind == .failed)
      #expect(error.words.contains("model.c:1:"))
      let kept = try #require(error.kept)
      #expect(try BuildFixtures.read(kept + "/model.c") == broken.text)
      Leftovers.removeDirectory(kept)
    }
  }

  @Test(arguments: [
    ("#!/bin/sh\necho 'something else'\n", "not a clang"),
    ("#!/bin/sh\n[ \"$1\" = --version ] && echo clang version 1 || exit 4\n", "status 4"),
    ("#!/bin/sh\nkill -11 $$\n", "signal 11"),
    ("#!/bin/sh\nsleep 100\n", "time limit"),
    ("not a program at all", "could not be started"),
  ])
  func aBadCompilerIsNamedWithTheReason(script: String, reason: String) throws {  // 63
    let directory = try TestDirectory()
    let path = directory.path + "/clang"
    try BuildFixtures.write(Array(script.utf8), to: path, mode: 0o755)
    let error = Toolchain.trouble(with: path, timeLimit: .seconds(1))
    #expect(error?.kind == .missing)
    #expect(error?.summary.contains(reason) == true, "\(error?.summary ?? "none")")
    #expect(Toolchain.trouble(with: "/no/clang")?.summary == "No such file or directory")
    #expect(Toolchain.trouble(with: directory.path)?.summary == "not a program")
  }
}
