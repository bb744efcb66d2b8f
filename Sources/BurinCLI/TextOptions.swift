import ArgumentParser
import Burin
import BurinHub

/// Where the texts of a verb come from: `--text`, `--file`, or standard input.
struct TextOptions: ParsableArguments {
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("A text; repeatable.", valueName: "TEXT"))
  var text: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "A file with a text on each line; without --text too, standard input is that.",
      valueName: "FILE"))
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

/// How many threads a library runs on.
struct ThreadOptions: ParsableArguments {
  @Option(
    name: .customLong("threads"), parsing: .unconditional,
    help: ArgumentHelp("Threads (as many as OpenMP would take).", valueName: "N"))
  var chosen: Int?

  func validate() throws {
    if let chosen, !(1...1024).contains(chosen) {
      throw Failure.usage("--threads: expected an integer from 1 to 1024, found \(chosen)")
    }
  }

  /// As sessions take it: 0 for as many as OpenMP would take.
  var count: Int { chosen ?? 0 }
}

/// What every verb that runs a library on text takes.
struct LibraryOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("A compiled library.", valueName: "X.so"))
  var library: String

  @OptionGroup var threads: ThreadOptions

  @Flag(help: "Write one JSON value.")
  var json = false

  /// The library, opened for text.
  func model() throws -> TextModel { try TextModel(library, threads: threads.count) }
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
