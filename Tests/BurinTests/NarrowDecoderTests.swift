import BurinHub
import BurinPasses
import BurinTestSupport
import Testing

@testable import Burin

/// A trained decoder that rounds what it multiplies, or what it remembers: what becomes of a token
/// does not depend on what else is in its call.
@Suite struct NarrowDecoderTests {
  /// How the model of `Samples/trained/bytes` is compiled.
  struct Rounding: CustomTestStringConvertible, Sendable {
    var precision: Precision
    var cache = CacheType.f32
    var testDescription: String { "\(precision), caches of \(cache)" }

    /// The library, compiled when it is first asked for.
    func library() throws -> CompiledModel {
      let key = "\(precision)-\(cache)"
      return try NarrowDecoderTests.libraries(key) {
        let directory = try TestDirectory()
        return try withExtendedLifetime(directory) {
          let path = "\(directory.path)/\(key).so"
          let model = BuildFixtures.root + "/Samples/trained/bytes/model"
          try Compiler(options: .init(precision: precision, cacheType: cache)).compile(
            ModelDirectory(model).spec(), to: path)
          return try CompiledModel(path)
        }
      }
    }
  }

  private static let libraries = MadeOnce<CompiledModel>()

  static let roundings = [
    Rounding(precision: .bf16), Rounding(precision: .int8), Rounding(precision: .int4),
    Rounding(precision: .int8, cache: .int8),
  ]

  /// A token is a byte.
  private static let tokens = Array(
    "Return a list of the names of the files in the directory, or None.".utf8
  ).map { Int($0) }

  @Test("says how it rounds", arguments: roundings)
  func description(rounding: Rounding) throws {
    let description = try ModelDescription(library: rounding.library().file)
    #expect(description.precision == rounding.precision)
    #expect(description.cacheType == rounding.cache)
  }

  @Test("reads a text in pieces of any size to the same bits", arguments: roundings)
  func pieces(rounding: Rounding) throws {
    let session = try Session(rounding.library(), limits: ["batch": 1], threads: 2)
    let whole = try step(session, Self.tokens)
    for size in [1, 5, 16] {
      try session.truncate(0, to: 0)
      var last: [Float] = []
      for start in stride(from: 0, to: Self.tokens.count, by: size) {
        let end = min(Self.tokens.count, start + size)
        last = try step(session, Array(Self.tokens[start..<end]))
      }
      #expect(last.map(\.bitPattern) == whole.map(\.bitPattern), "pieces of \(size)")
    }
  }

  @Test("keeps sequences of a batch apart, each as if alone", arguments: roundings)
  func batches(rounding: Rounding) throws {
    let model = try rounding.library()
    let lengths = [23, 40, 1]
    let rows = lengths.map { Array(Self.tokens[..<$0]) + [Int](repeating: 0, count: 40 - $0) }
    let together = try Session(model, limits: ["batch": 3], threads: 2).run(
      "step",
      [
        "input_ids": HostTensor(rows.flatMap { $0 }.map(Int64.init), shape: [3, 40]),
        "counts": HostTensor(lengths.map(Int64.init), shape: [3]),
      ])
    let logits = try #require(together["logits"]).floats
    let width = logits.count / 3
    for (index, length) in lengths.enumerated() {
      let session = try Session(model, limits: ["batch": 1], threads: 2)
      let alone = try step(session, Array(Self.tokens[..<length]))
      let mine = logits[index * width..<(index + 1) * width]
      #expect(alone.map(\.bitPattern) == mine.map(\.bitPattern), "sequence \(index)")
    }
  }

  @Test("checks guesses with the bits of steps", arguments: roundings)
  func verifies(rounding: Rounding) throws {
    let session = try Session(rounding.library(), limits: ["batch": 1], threads: 2)
    let guesses = Self.tokens.prefix(1 + GenerationOptions.longestPromptLookup)
    let ids = HostTensor(guesses.map(Int64.init), shape: [1, guesses.count])
    let logits = try #require(session.run("verify", ["input_ids": ids])["logits"]).floats
    let width = logits.count / guesses.count
    try session.truncate(0, to: 0)
    for (place, token) in guesses.enumerated() {
      let row = logits[place * width..<(place + 1) * width]
      let alone = try step(session, [token])
      #expect(alone.map(\.bitPattern) == row.map(\.bitPattern), "guess \(place)")
    }
  }

  @Test("gives the tokens of a generation without guesses", arguments: roundings)
  func sameTokens(rounding: Rounding) throws {
    let generator = try Generator(TextModel(rounding.library(), threads: 2))
    let prompt = (Self.tokens + Self.tokens).map { Int32($0) }
    var options = GenerationOptions()
    options.maximumNewTokens = 100
    options.promptLookupTokens = 0
    let plain = try generator(prompt, options)
    #expect(plain.tokens.count == 100 && plain.drafted == 0)
    options.promptLookupTokens = GenerationOptions.longestPromptLookup
    let guessed = try generator(prompt, options)
    #expect(guessed.tokens == plain.tokens)
    #expect(guessed.drafted > 0 && guessed.accepted <= guessed.drafted)
  }
}
