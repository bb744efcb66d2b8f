import ArgumentParser
import Burin
import BurinHub

/// Where the texts of a verb come from: `--text`, `--file`, or standard input.
struct TextOptions: ParsableArguments {
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("A text; repeatable.", valueName: "text"))
  var text: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("A file with a text on each line.", valueName: "file"))
  var file: String?

  /// The texts in order; without any option, the lines of standard input.
  func texts() throws -> [String] {
    guard text.isEmpty || file == nil else {
      throw Failure.usage("--text and --file exclude each other")
    }
    if !text.isEmpty { return text }
    if let file { return lines(try RegularFile(path: file).contents(limit: 1 << 30)) }
    return lines(try Standard.input())
  }

  /// The lines of a file; an end of line at the end begins no further one.
  private func lines(_ bytes: [UInt8]) -> [String] {
    var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines.map { line in
      String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line, as: UTF8.self)
    }
  }
}

/// What every verb that runs a library on text takes.
struct LibraryOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("A compiled library.", valueName: "X.so"))
  var library: String

  @Option(parsing: .unconditional, help: "Threads; as many as OpenMP would take if left out.")
  var threads: Int?

  @Flag(help: "Write one JSON value.")
  var json = false

  func validate() throws { try checkThreads(threads) }

  /// The library, opened for text.
  func model() throws -> TextModel { try TextModel(library, threads: threads ?? 0) }
}

/// Refuses a seed that JSON's readers would take for another.
func checkSeed(_ seed: UInt64?) throws {
  if let seed, seed > UInt64(Int64.max) {
    throw Failure.usage("--seed: expected an integer from 0 to \(Int64.max), found \(seed)")
  }
}

extension JSON {
  /// A number by as few digits as tell it from every other float.
  static func score(_ value: Double) -> JSON { JSON(Float(value)) }

  /// The object of these members.
  static func members(_ members: KeyValuePairs<ByteString, JSON>) -> JSON {
    .object(JSONObject(members.map { JSONObject.Member($0.key, $0.value) }))
  }
}
