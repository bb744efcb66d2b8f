import Glibc

/// The few operations on directories that building needs; errors are the system's own words.
enum Files {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// Makes a directory that only this user can enter, in `TMPDIR` or `/tmp`.
  static func makeTemporaryDirectory() throws(Failure) -> String {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    let path = "\(parent.isEmpty ? "/tmp" : parent)/burin-" + randomName()
    guard mkdir(path, 0o700) == 0, let absolute = resolved(path) else { throw failure(path) }
    return absolute
  }

  /// Removes a directory that holds nothing but files.
  static func removeDirectory(_ path: String) {
    guard let listing = opendir(path) else { return }
    while let item = readdir(listing) {
      let name = withUnsafePointer(to: &item.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { unlink("\(path)/\(name)") }
    }
    closedir(listing)
    rmdir(path)
  }

  /// The absolute path without links; `nil` if there is no such file.
  static func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// A name that nobody else takes.
  static func randomName() -> String {
    var random = SystemRandomNumberGenerator()
    return String(random.next() as UInt64, radix: 36)
  }

  private static func failure(_ path: String) -> Failure {
    Failure(description: "\(printable(path)): \(systemMessage())")
  }
}
