import BurinHub
import BurinTestSupport
import Glibc
import Testing

/// What a run of `burin` gave.
struct Outcome {
  var status: Int32
  var output: [UInt8]
  var errors: String

  var text: String { String(decoding: output, as: UTF8.self) }

  /// Standard output as exactly one JSON value.
  func json() throws -> JSONField { JSONField(try JSON.parse(output), file: "standard output") }
}

/// The built command and what its tests share.
enum Burin {
  /// A directory for this process's files, which goes with it.
  static let directory: String = {
    var template = Array("/tmp/burin-cli-XXXXXX".utf8CString)
    guard let path = mkdtemp(&template).map({ String(cString: $0) }) else { return "/tmp" }
    atexit { Burin.remove(Burin.directory) }
    return path
  }()

  /// Removes a directory and what it holds.
  private static func remove(_ path: String) {
    for name in names(in: path) where unlink("\(path)/\(name)") != 0 {
      remove("\(path)/\(name)")
    }
    rmdir(path)
  }

  /// The executable, beside the test's own.
  static let executable: String = {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = buffer.withUnsafeMutableBytes {
      readlink("/proc/self/exe", $0.baseAddress!, $0.count)
    }
    // The tests may run inside a helper of the toolchain: its argument then names the bundle.
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") }
    let own = String(decoding: buffer[..<max(count, 0)], as: UTF8.self)
    let place = bundle ?? own
    return (place.lastIndex(of: "/").map { String(place[...$0]) } ?? "./") + "burin"
  }()

  static let fixtures =
    String(#filePath.dropLast("BurinCLITests/CommandLine.swift".count)) + "Fixtures/models/"

  /// Starts `burin`, or a program that gets it as its arguments; its output and its errors go to
  /// files.
  static func start(
    _ arguments: [String], through program: String? = nil, input: String = "/dev/null",
    output: String, environment: [String: String] = [:]
  ) throws -> pid_t {
    try spawn(arguments, through: program, environment: environment) { actions in
      let flags = O_WRONLY | O_CREAT | O_TRUNC
      posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
      posix_spawn_file_actions_addopen(&actions, 1, output, flags, 0o600)
      posix_spawn_file_actions_addopen(&actions, 2, output + ".errors", flags, 0o600)
    }
  }

  /// Starts `burin`, or a program that gets it as its arguments.
  ///
  /// - Parameters:
  ///   - flags: those of the process's attributes.
  ///   - open: gives it its standard streams.
  static func spawn(
    _ arguments: [String], through program: String? = nil, environment: [String: String] = [:],
    flags: Int16 = 0, open: (inout posix_spawn_file_actions_t) -> Void
  ) throws -> pid_t {
    // The cache is that of the tests in this process: what they compiled is compiled once.
    var variables: [String: String] = [:]
    for name in ["PATH", "HOME", "LD_LIBRARY_PATH", "BURIN_CACHE", "XDG_CACHE_HOME"] {
      if let value = getenv(name) { variables[name] = String(cString: value) }
    }
    for (name, value) in environment { variables[name] = value }
    let words = (program.map { [$0] } ?? []) + [executable] + arguments
    let list = words.map { strdup($0) } + [nil]
    let environment = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
    defer { for pointer in list + environment { free(pointer) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    open(&actions)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setflags(&attributes, flags)
    var process: pid_t = 0
    let failure = posix_spawn(&process, words[0], &actions, &attributes, list, environment)
    try #require(failure == 0, "\(words[0]): \(String(cString: strerror(failure)))")
    return process
  }

  /// The exit status of a process; 128 and the signal's number if one ended it.
  static func wait(_ process: pid_t) -> Int32 {
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    return exitStatus(status)
  }

  /// The exit status in what `waitpid` says; 128 and the signal's number if one ended the process.
  static func exitStatus(_ status: Int32) -> Int32 {
    status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
  }

  /// Runs `burin` to its end.
  @discardableResult static func run(
    _ arguments: [String], through program: String? = nil, input: String? = nil,
    environment: [String: String] = [:]
  ) throws -> Outcome {
    let output = directory + "/" + String(UInt64.random(in: 0...UInt64.max), radix: 36)
    defer { for suffix in ["", ".errors", ".input"] { unlink(output + suffix) } }
    if let input {
      let file = try AtomicFile(path: output + ".input")
      try file.write(Array(input.utf8))
      try file.commit()
    }
    let process = try start(
      arguments, through: program, input: input == nil ? "/dev/null" : output + ".input",
      output: output, environment: environment)
    let status = wait(process)
    func contents(_ path: String) throws -> [UInt8] {
      try RegularFile(path: path).contents(limit: 1 << 28)
    }
    return Outcome(
      status: status, output: try contents(output),
      errors: String(decoding: try contents(output + ".errors"), as: UTF8.self))
  }

  // MARK: Libraries

  private static let libraries = MadeOnce<String>()

  /// A fixture's library, compiled by `burin compile` when it is first asked for.
  static func library(_ name: String) throws -> String {
    try libraries(name) {
      let path = "\(directory)/\(name).so"
      let outcome = try run(["compile", fixtures + name, "-o", path])
      try #require(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.isEmpty)
      return path
    }
  }

  /// The names in a directory.
  static func names(in directory: String) -> [String] {
    guard let listing = opendir(directory) else { return [] }
    defer { closedir(listing) }
    var names: [String] = []
    while let item = readdir(listing) {
      let name = withUnsafePointer(to: &item.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }
}
