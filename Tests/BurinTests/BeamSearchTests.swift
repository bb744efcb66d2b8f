import BurinHub
import Glibc
import Testing

@testable import Burin

/// Beam search against what transformers finds (`Tests/Fixtures/decoding/beams.json`).
@Suite struct BeamSearchTests {
  @Test("finds the tokens that transformers finds")
  func findsTheSame() throws {
    let path = String(Fixture.root) + "decoding/beams.json"
    let file = try RegularFile(path: path).contents(limit: 1 << 24)
    let cases = try JSONField(JSON.parse(file), file: path).array()
    #expect(cases.count >= 40)
    // One session for all of a model's cases: nothing may be left of an earlier search.
    var models: [String: TextModel] = [:]
    for field in cases {
      let name = try field["model"].string().utf8String
      let model = try models[name] ?? TextModel(Fixture(name: name).library())
      models[name] = model
      var description = model.description
      let config = field["config"]
      description.generation = try #require(config.value)
      if let end = config["eos_token_id"].value {
        description.endTokens = (end.array ?? [end]).compactMap(\.int)
      }
      var options = GenerationOptions()
      options.beams = try field["beams"].int()
      options.maximumNewTokens = try field["max_new_tokens"].int()
      let prompt = try field["prompt"].array().map { Int32(try $0.int()) }
      let result = try Generator(TextModel(model.runner, description))(prompt, options)
      let expected = try field["tokens"].array().map { try $0.int() }
      #expect(result.tokens.map(Int.init) == expected, "\(field.path)")
      let score = try #require(result.score)
      #expect(try abs(score - field["score"].double()) < 1e-4, "\(field.path)")
      #expect((result.end == .endToken) == description.endTokens.contains(expected.last ?? -1))
    }
  }

  @Test("takes the logarithm of the softmax", arguments: [1, 15, 16, 511, 513, 1000])
  func logarithms(count: Int) {
    let logits = (0..<count).map { Float(($0 * 7919) % 1009) / 40 - 12 }
    func found(_ logits: [Float]) -> [Float] { logSoftmax(([0] + logits)[1...]) }
    let sum = logits.reduce(0) { $0 + exp(Double($1)) }
    for (value, logit) in zip(found(logits), logits) {
      #expect(abs(Double(value) - (Double(logit) - log(sum))) < 4e-6)
    }
    var excluded = logits
    excluded[count / 2] = -.infinity
    #expect(count == 1 || found(excluded)[count / 2] == -.infinity)
    for wrong: Float in [.nan, .infinity] {
      var logits = logits
      logits[count - 1] = wrong
      #expect(!found(logits).contains { !$0.isNaN })
    }
  }

  @Test("can be cancelled, and takes the caller's penalty")
  func cancels() throws {
    let generator = try Generator(TextModel(Fixture(name: "gpt2-lm").library()))
    var options = GenerationOptions()
    options.beams = 3
    options.maximumNewTokens = 20
    var asked = 0
    let result = try generator([1, 2, 3], options) { _ in
      true
    } isCancelled: {
      asked += 1
      return asked > 4
    }
    #expect(result.end == .cancelled && result.tokens.isEmpty && result.text == nil)
    let one = try generator([1, 2, 3], options)
    options.lengthPenalty = 0
    options.earlyStopping = .never
    let other = try generator([1, 2, 3], options)
    // Without division the score is the plain sum.
    #expect(try #require(other.score) < #require(one.score))
    var pieces: [String] = []
    _ = try generator([1, 2, 3], options) { piece in
      pieces.append(piece)
      return true
    }
    #expect(pieces == [other.text])
    options.lengthPenalty = .infinity
    #expect(throws: TaskError.self) { try generator([1, 2, 3], options) }
    options.beams = 0
    #expect(throws: TaskError.self) { try generator([1, 2, 3], options) }
  }

  @Test("reads when to stop")
  func readsEarlyStopping() throws {
    func read(_ json: JSON) throws -> EarlyStopping {
      try EarlyStopping(JSONField(json, file: "generation_config.json")["early_stopping"])
    }
    #expect(try read([:]) == .heuristic)
    #expect(try read(["early_stopping": false]) == .heuristic)
    #expect(try read(["early_stopping": true]) == .whenFull)
    #expect(try read(["early_stopping": "never"]) == .never)
    #expect(throws: HubError.self) { try read(["early_stopping": "often"]) }
  }
}
