import BurinHub
import Glibc

/// The few operations on directories that building needs.
enum Files {
  /// Makes a directory that only this user can enter, in `TMPDIR` or `/tmp`, and that is a leftover
  /// until it is removed.
  ///
  /// - Throws: `ToolError` with the system's own words.
  static func makeTemporaryDirectory() throws(ToolError) -> String {
    let chosen = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    let name = chosen.isEmpty ? "/tmp" : chosen
    guard let parent = resolved(name) else { throw failure(name) }
    let path = "\(parent)/burin-" + randomName()
    Leftovers.add(path)
    guard mkdir(path, 0o700) == 0 else {
      let failure = failure(path)
      Leftovers.remove(path)
      throw failure
    }
    return path
  }

  /// The absolute path without links; `nil` if there is no such file.
  static func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// What is in a directory; nothing if it cannot be read.
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

  /// A name that nobody else takes.
  static func randomName() -> String {
    var random = SystemRandomNumberGenerator()
    return String(random.next() as UInt64, radix: 36)
  }

  private static func failure(_ path: String) -> ToolError {
    ToolError(
      .cannotWrite,
      "\(printable(path)): expected a place for temporary files (TMPDIR), found \"\(systemMessage())\""
    )
  }
}
