import Glibc

/// Runs the C compiler on snippets, so that printed C is judged by C.
enum Clang {
  /// The compiler's path, or `nil` if there is none.
  static let path: String? = {
    let folders = String(cString: getenv("PATH") ?? strdup("")).split(separator: ":")
    return folders.map { "\($0)/clang" }.first { access($0, X_OK) == 0 }
  }()

  static var isPresent: Bool { path != nil }

  /// What the compiler says against a whole file of C; empty if nothing.
  static func complaints(about source: String) throws -> String {
    try Folder.temporary { folder in
      let file = folder + "/snippet.c"
      try write(source, to: file)
      let result = try run([
        path ?? "clang", "-fsyntax-only", "-std=gnu11", "-Wall", "-Wextra", "-Werror",
        "-Wno-unused-function", file,
      ])
      return result.status == 0 ? "" : result.output + "\n" + source
    }
  }

  /// What a program prints, compiled and run.
  static func output(of source: String, warnings: [String] = ["-Wall", "-Wextra"]) throws -> String
  {
    try Folder.temporary { folder in
      let file = folder + "/program.c"
      let program = folder + "/program"
      try write(source, to: file)
      let flags = ["-std=gnu11", "-ffp-contract=off"] + warnings + ["-Werror"]
      let built = try run([path ?? "clang"] + flags + ["-o", program, file, "-lm"])
      guard built.status == 0 else { throw Failure(text: built.output) }
      let ran = try run([program])
      guard ran.status == 0 else { throw Failure(text: "exit \(ran.status): " + ran.output) }
      return ran.output
    }
  }

  /// Runs a command; its output and errors together.
  static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { throw Failure(text: "pipe: errno \(errno)") }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    posix_spawn_file_actions_addclose(&actions, ends[1])
    var words = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child = pid_t()
    let code = posix_spawn(&child, arguments[0], &actions, nil, &words, environ)
    close(ends[1])
    defer { close(ends[0]) }
    guard code == 0 else { throw Failure(text: "cannot start \(arguments[0]): \(code)") }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(ends[0], &buffer, buffer.count)
      if count <= 0 { break }
      output += buffer[..<count]
    }
    var status: Int32 = 0
    waitpid(child, &status, 0)
    let exit = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
    return (exit, String(decoding: output, as: UTF8.self))
  }

  /// Writes a small text file.
  static func write(_ text: String, to file: String) throws {
    guard let stream = fopen(file, "w") else { throw Failure(text: "cannot write \(file)") }
    let bytes = Array(text.utf8)
    let count = fwrite(bytes, 1, bytes.count, stream)
    guard fclose(stream) == 0, count == bytes.count else {
      throw Failure(text: "cannot write \(file)")
    }
  }

  struct Failure: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
  }
}

/// A folder that is gone afterwards.
enum Folder {
  static func temporary<Result>(_ body: (String) throws -> Result) throws -> Result {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/burin-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Clang.Failure(text: "mkdtemp: errno \(errno)") }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { _ = try? Clang.run(["/bin/rm", "-rf", "--", folder]) }
    return try body(folder)
  }
}
