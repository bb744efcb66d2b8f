import BurinC
import BurinHub
import Glibc

/// The directory that a compilation shows its work in: the IR after every pass, the C, and everything
/// that it takes to build it by hand.
struct EmittedDirectory {
  private let path: String
  private static let first = "00-model.burin"

  /// Takes a directory that is to be made, an empty one, or one that was written before.
  ///
  /// What else stands in a directory is not ours to mix with: the line that builds the C takes all of
  /// `*.c`, and nobody could tell anymore what is to be thrown away.
  ///
  /// - Throws: `HubError` for another file or directory.
  init(_ path: String) throws(HubError) {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw HubError(
        .cannotWrite, file: path, expected: "a path", found: path.isEmpty ? "none" : "a NUL")
    }
    self.path = path
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw EmittedDirectory.refusal(path, found: "a file")
    }
    let names = EmittedDirectory.names(in: path)
    guard let other = names.first, !names.contains(EmittedDirectory.first) else { return }
    throw EmittedDirectory.refusal(path, found: "one with \(printable(other)) in it")
  }

  /// Writes all files or none.
  ///
  /// - Parameter library: the file that the compilation will write; the directory must not be in its
  ///   place.
  /// - Throws: `HubError` for what cannot be written.
  func write(_ lowered: Compiler.Lowered, besides library: String) throws {
    let isNew = mkdir(path, 0o777) == 0
    guard isNew || errno == EEXIST else {
      throw EmittedDirectory.refusal(path, found: "\"\(systemMessage())\"")
    }
    let stages = lowered.stages.enumerated().map { number, stage in
      let digits = number < 10 ? "0\(number)" : "\(number)"
      return (
        name: "\(digits)-\(stage.pass ?? "model").burin", text: Array(stage.program.text.utf8)
      )
    }
    do {
      _ = try AtomicFile(path: library)
      let code = [
        (name: "model.c", text: Array(lowered.module.source.utf8)),
        (name: "model.h", text: Array(lowered.module.header(stem: "model").utf8)),
      ]
      let runtime = Toolchain.runtime.map { (name: $0.name, text: $0.text) }
      try AtomicFile.commit(
        (stages + code + runtime).map { source in
          let file = try AtomicFile(path: path + "/" + source.name)
          try file.write(source.text)
          return file
        })
    } catch {
      // By now nothing of ours is in it.
      if isNew { rmdir(path) }
      throw error
    }
    // What other passes gave before would be taken for what these gave.
    let written = Set(stages.map(\.name))
    for name in EmittedDirectory.names(in: path)
    where name.hasSuffix(".burin") && name.prefix(2).allSatisfy(\.isNumber)
      && name.dropFirst(2).first == "-" && !written.contains(name)
    {
      unlink(path + "/" + name)
    }
  }

  /// The files of a directory in order, without those that are being written.
  private static func names(in directory: String) -> [String] {
    Files.names(in: directory).filter { !$0.hasPrefix(".burin-") }.sorted()
  }

  private static func refusal(_ path: String, found: String) -> HubError {
    HubError(
      .cannotWrite, file: path,
      expected: "a new or empty directory, or one that --emit wrote", found: found)
  }
}
