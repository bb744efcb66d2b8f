import BurinC
import BurinHub
import Glibc

/// The directory that a compilation shows its work in: the IR after every pass, the C, and everything
/// that it takes to build it by hand.
struct EmittedDirectory {
  private let path: String
  private static let first = "00-model.burin"

  /// Takes a directory that is to be made, one that was written before, or one without code.
  ///
  /// Code that Burin did not write is not to be mixed with its own: the line that builds the C takes all
  /// of `*.c`, and a file of the same name would be lost.
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
    guard !isRoot(status) else {
      throw EmittedDirectory.refusal(path, found: "the root of all files")
    }
    let names = EmittedDirectory.names(in: path)
    guard !names.contains(EmittedDirectory.first),
      let other = names.first(where: EmittedDirectory.mayBeWritten)
    else { return }
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
    where EmittedDirectory.isStage(name) && !written.contains(name) {
      unlink(path + "/" + name)
    }
  }

  /// Whether a name is like those of the IR after a pass.
  private static func isStage(_ name: String) -> Bool {
    name.hasSuffix(".burin") && name.prefix(2).allSatisfy(\.isNumber)
      && name.dropFirst(2).first == "-"
  }

  /// Whether a file of that name may be one of those that are written, or be compiled with them.
  private static func mayBeWritten(_ name: String) -> Bool {
    isStage(name) || name.hasSuffix(".c") || name == "model.h"
      || Toolchain.runtime.contains { $0.name == name }
  }

  /// The files of a directory in order, without those that are being written.
  private static func names(in directory: String) -> [String] {
    Files.names(in: directory).filter { !$0.hasPrefix(".burin-") }.sorted()
  }

  private static func refusal(_ path: String, found: String) -> HubError {
    HubError(
      .cannotWrite, file: path,
      expected: "a directory without C, or one that --emit wrote", found: found)
  }
}

private func isRoot(_ status: stat) -> Bool {
  var root = stat()
  return stat("/", &root) == 0 && root.st_dev == status.st_dev && root.st_ino == status.st_ino
}
