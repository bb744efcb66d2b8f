import BurinHub
import Glibc
import Testing

@testable import Burin

/// Files for the tests of building and loading.
enum BuildFixtures {
  /// The repository.
  static let root: String = {
    var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    parts.removeLast(4)
    return parts.joined(separator: "/")
  }()

  static func read(_ path: String) throws -> [UInt8] {
    try RegularFile(path: path).contents(limit: 1 << 30)
  }

  static func write(_ bytes: [UInt8], to path: String, mode: UInt32 = 0o644) throws {
    let file = try AtomicFile(path: path, mode: mode)
    try file.write(bytes)
    try file.commit()
  }

  /// The hand-written program, told how many bytes of weights it has.
  static func model(weights: Int = 0) throws -> [Toolchain.Source] {
    let text = try read(root + "/Tests/Fixtures/runtime/model.c")
    return [Toolchain.Source("model.c", Array("#define HAND_WEIGHTS \(weights)\n".utf8) + text)]
  }

  /// One cache for the whole run, so that the runtime is compiled once.
  static let cache: KernelCache = {
    let directory = try? Files.makeTemporaryDirectory()
    return KernelCache(directory: directory)
  }()

  static func toolchain() throws -> Toolchain {
    var toolchain = try Toolchain.find(cache: cache)
    toolchain.warningsAreErrors = true
    return toolchain
  }
}

/// A directory that goes away with the test.
final class TestDirectory {
  let path: String

  init() throws { path = try Files.makeTemporaryDirectory() }

  deinit {
    TestDirectory.empty(path)
    Leftovers.removeDirectory(path)
  }

  /// Removes what a directory holds, directories too.
  private static func empty(_ path: String) {
    for name in Files.names(in: path) where unlink("\(path)/\(name)") != 0 {
      empty("\(path)/\(name)")
      rmdir("\(path)/\(name)")
    }
  }

  /// The names of the files in it, sorted.
  var names: [String] { Files.names(in: path).sorted() }
}
