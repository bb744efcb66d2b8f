import BurinHub
import Testing

@testable import Burin

/// What surrounds a decoder, against what transformers computes (`Tests/Fixtures/decoding`).
@Suite struct DecodingTests {
  private func recorded(_ name: String) throws -> [JSONField] {
    let file = try RegularFile(path: Fixture.root + "decoding/" + name).contents(limit: 1 << 24)
    return try JSONField(JSON.parse(file), file: name).array()
  }

  private func model(_ name: String = "gpt2-lm") throws -> TextModel {
    try TextModel(Fixture(name: name).library())
  }

  @Test("scores texts as transformers does")
  func scores() throws {
    let scorer = try TextScorer(model())
    for field in try recorded("scores.json") {
      let score = try scorer(field["text"].string().utf8String)
      #expect(try score.tokens.map(Int.init) == field["ids"].array().map { try $0.int() })
      let expected = try field["log_probabilities"].array().map { try $0.double() }
      #expect(score.logProbabilities.first == .some(nil))
      let found = score.logProbabilities.dropFirst().compactMap { $0 }
      #expect(found.count == expected.count)
      for (one, other) in zip(found, expected) { #expect(abs(one - other) < 1e-4) }
      if field["perplexity"].exists {
        let perplexity = try #require(score.perplexity)
        #expect(abs(perplexity / (try field["perplexity"].double()) - 1) < 1e-4)
      } else {
        #expect(score.perplexity == nil)
      }
    }
    #expect(throws: TaskError.self) { try scorer([Int32](repeating: 1, count: 104)) }
    #expect(throws: TaskError.self) { try scorer([] as [Int32]) }
    #expect(throws: ModelError.self) { try scorer([1, 283]) }
    #expect(throws: TaskError.self) { try TextScorer(model("bert")) }
  }

  // MARK: Logits

  private func logits(_ field: JSONField) throws -> [Float] {
    let values = try #require(field.value?.array)
    return values.map { $0.isNull ? -.infinity : Float($0.double ?? .nan) }
  }

  /// Whether logits are equal but for the last bits that a division or a sum may differ in.
  private func agree(_ one: [Float], _ other: [Float]) -> Bool {
    one.count == other.count
      && zip(one, other).allSatisfy { $0 == $1 || abs($0 - $1) <= 1e-6 * max(1, abs($1)) }
  }

  @Test("leaves out the tokens that transformers leaves out")
  func filters() throws {
    let cases = try recorded("filters.json")
    for field in cases {
      let sampling = try Sampling(
        temperature: field["temperature"].double(default: 1), topK: field["top_k"].value?.int,
        topP: field["top_p"].value?.double, minP: field["min_p"].value?.double)
      let before = try logits(field["before"])
      var found = sampling.filtered(before)
      var expected = try logits(field["after"])
      if Set(before).count < before.count {
        // Which of several equal logits stay, PyTorch's sort does not specify; only how many.
        found.sort()
        expected.sort()
      }
      #expect(agree(found, expected), "\(field.path): \(found) and not \(expected)")
    }
    #expect(cases.count == 33)
  }

  @Test("changes logits as the processors of transformers do")
  func processors() throws {
    let cases = try recorded("processors.json")
    for field in cases {
      var rules = try LogitsRules(field["config"])
      if let end = field["config"]["eos_token_id"].value {
        rules.endTokens = (end.array ?? [end]).compactMap(\.int)
      }
      let sequence = try field["sequence"].array().map { Int32(try $0.int()) }
      rules.source = Array(sequence.prefix(try field["prompt"].int()))
      var found = try logits(field["before"])
      rules.apply(
        &found, after: sequence, new: sequence.count - (try field["prompt"].int()),
        isLast: try field["is_last"].bool())
      #expect(try agree(found, logits(field["after"])), "\(field.path)")
    }
    #expect(cases.count > 80)
  }

  @Test("refuses impossible rules")
  func refusesRules() {
    for json: JSON in [
      ["sequence_bias": [[[], 1.0]]], ["bad_words_ids": [1]], ["forced_bos_token_id": "a"],
      ["exponential_decay_length_penalty": [1]],
    ] {
      #expect(throws: HubError.self) {
        try LogitsRules(JSONField(json, file: "generation_config.json"))
      }
    }
  }

  @Test("draws by SplitMix64")
  func specifiesGenerator() {
    // The first outputs for the seed 1234567, as the generator's authors give them.
    var random = SeededRandom(seed: 1_234_567)
    #expect(random.next() == 6_457_827_717_110_365_317)
    #expect(random.next() == 3_203_168_211_198_807_973)
  }

  // MARK: Reuse

  @Test("keeps what two texts have in common, to the same bits")
  func reuses() throws {
    let library = try Fixture(name: "gpt2-lm").library()
    func logits(_ session: Session, _ ids: ArraySlice<Int32>) throws -> [UInt32] {
      let input = HostTensor(Array(ids), shape: [1, ids.count])
      return try #require(try session.run("step", ["input_ids": input])["logits"]).floats
        .map(\.bitPattern)
    }
    let one: [Int32] = (0..<70).map { ($0 * 7 + 3) % 250 }
    var other = one
    for place in 66..<70 { other[place] = 5 }
    let session = try Session(library)
    #expect(try session.reset(to: one) == 0)
    let first = try logits(session, one[...])
    // The last token is computed again: its logits are wanted.
    #expect(try session.reset(to: one) == 69)
    #expect(try logits(session, one[69...]) == first)
    #expect(try session.reset(to: other) == 66)
    #expect(try session.length(of: 0) == 66)
    #expect(try logits(session, other[66...]) == logits(Session(library), other[...]))
    // Another text, a copied sequence, and one that was made another way.
    try session.fork(0, to: 1)
    #expect(try session.reset(to: other + [9], sequence: 1) == 70)
    #expect(try session.reset(to: [9, 9]) == 0)
    try session.reorder([1, 0])
    #expect(try session.reset(to: other) == 69)
    try session.truncate(0, to: 3)
    #expect(try session.reset(to: one) == 3)
  }

  @Test("generates the same after any earlier text")
  func reusesPrompts() throws {
    let (used, ids) = (try Generator(model()), (0..<40).map { Int32($0 * 5 % 250) })
    var options = GenerationOptions()
    options.maximumNewTokens = 12
    let fresh = try Generator(model())(ids, options)
    #expect(try used(ids, options).tokens == fresh.tokens)
    #expect(try used(ids, options).tokens == fresh.tokens)
    _ = try used(Array(ids[..<20]) + fresh.tokens, options)
    #expect(try used(ids, options).tokens == fresh.tokens)
  }

  // MARK: Cancellation

  @Test("stops before the next token, and before the next piece of a prompt")
  func cancels() throws {
    // A library without a tokenizer streams no text: nothing but the question can stop it.
    let generator = try Generator(model("gpt2-lm-scaled"))
    var options = GenerationOptions()
    options.maximumNewTokens = 20
    options.ignoresEndTokens = true
    var asked = 0
    let result = try generator(
      [1, 2, 3], options,
      isCancelled: {
        asked += 1
        return asked > 5
      })
    #expect(result.end == .cancelled)
    #expect(result.tokens.count == 5)
    let nothing = try generator([1, 2, 3], options, isCancelled: { true })
    #expect(nothing.tokens.isEmpty && nothing.end == .cancelled)
    // What was computed stays usable.
    options.maximumNewTokens = 5
    #expect(try generator([1, 2, 3], options).tokens == result.tokens)
  }

  @Test("ends the stream of a cancelled task")
  func cancelsStream() async throws {
    let library = try Fixture(name: "gpt2-lm").library()
    var options = GenerationOptions()
    options.maximumNewTokens = 90
    options.ignoresEndTokens = true
    var pieces = 0
    for try await _ in library.generate("The river", options) {
      pieces += 1
      if pieces == 2 { break }
    }
    #expect(pieces == 2)
  }
}
