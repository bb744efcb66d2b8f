import Burin
import BurinHub
import Testing

/// The tasks on text against what transformers' pipelines gave for the same texts.
@Suite struct TasksFixtureTests {
  /// The recorded texts of a fixture, under a key of its `text.json`.
  private func texts(_ name: String, _ key: ByteString) throws -> (TextModel, [JSONField]) {
    let fixture = Fixture(name: name)
    let file = try RegularFile(path: fixture.path + "/text.json").contents(limit: 1 << 24)
    let root = JSONField(try JSON.parse(file), file: name)
    return (try TextModel(fixture.library()), try root[key].array())
  }

  private func text(_ field: JSONField) throws -> String { try field.string().utf8String }

  @Test("classifies as transformers does")
  func classifies() throws {
    let (model, recorded) = try texts("bert-sequence-classification", "texts")
    let results = try TextClassifier(model)(recorded.map { try text($0["text"]) })
    for (labels, field) in zip(results, recorded) {
      let expected = try field["labels"].array()
      #expect(try labels.map(\.label) == expected.map { try text($0["label"]) })
      for (label, field) in zip(labels, expected) {
        #expect(abs(label.score - (try field["score"].double())) < 1e-5)
      }
    }
    #expect(results.count == recorded.count)
  }

  @Test(
    "tags as transformers does",
    arguments: ["bert-token-classification", "roberta-token-classification"])
  func tags(name: String) throws {
    let (model, recorded) = try texts(name, "texts")
    let results = try EntityTagger(model)(recorded.map { try text($0["text"]) })
    for (entities, field) in zip(results, recorded) {
      let expected = try field["entities"].array()
      #expect(entities.count == expected.count)
      for (entity, field) in zip(entities, expected) {
        #expect(try entity.entity == text(field["entity"]))
        #expect(try entity.start == field["start"].int())
        #expect(try entity.end == field["end"].int())
        #expect(abs(entity.score - (try field["score"].double())) < 1e-5)
        #expect(entity.text.unicodeScalars.count == entity.end - entity.start)
      }
    }
    #expect(results.count == recorded.count)
  }

  @Test("answers as transformers does, also from contexts longer than a window")
  func answers() throws {
    let (model, recorded) = try texts("bert-question-answering", "questions")
    let answerer = try QuestionAnswerer(model)
    for field in recorded {
      let found = try answerer(
        question: text(field["question"]), context: text(field["context"]), count: 3)
      let expected = try field["answers"].array()
      #expect(found.count == expected.count)
      for (answer, field) in zip(found, expected) {
        #expect(try answer.answer == text(field["answer"]))
        #expect(try answer.start == field["start"].int())
        #expect(try answer.end == field["end"].int())
        #expect(abs(answer.score - (try field["score"].double())) < 1e-5)
      }
    }
    #expect(throws: TaskError.self) { try answerer(question: "", context: "x") }
  }

  @Test("continues prompts as transformers does, and streams the same text")
  func continues() throws {
    let (model, recorded) = try texts("gpt2-lm", "prompts")
    let generator = try Generator(model)
    for field in recorded {
      let ids = try generator.encode(text(field["text"]))
      #expect(try ids.map(Int.init) == field["ids"].array().map { try $0.int() })
      var options = GenerationOptions()
      options.maximumNewTokens = 32
      var streamed = ""
      let result = try generator(ids, options) { piece in
        streamed += piece
        return true
      }
      #expect(try result.tokens.map(Int.init) == field["tokens"].array().map { try $0.int() })
      #expect(try Array((result.text ?? "").utf8) == field["continuation"].string().bytes)
      #expect(streamed.utf8.elementsEqual((result.text ?? "").utf8))
    }
  }

  @Test("stops at end tokens, at stops, at the receiver's word and at the context's end")
  func stops() throws {
    let (model, recorded) = try texts("gpt2-lm", "prompts")
    let generator = try Generator(model)
    let ids = try generator.encode(text(recorded[0]["text"]))
    var options = GenerationOptions()
    options.maximumNewTokens = 8
    options.stops = ["77"]
    let stopped = try generator(ids, options)
    #expect(stopped.end == .stop)
    #expect(stopped.text?.contains("7") == false)
    options.stops = []
    let cancelled = try generator(ids, options) { _ in false }
    #expect(cancelled.end == .cancelled)
    #expect(cancelled.tokens.count < 8)
    options.maximumNewTokens = 103 - ids.count + 1
    options.ignoresEndTokens = true
    let full = try generator(ids, options)
    #expect(full.tokens.count == options.maximumNewTokens)
    #expect(!full.tokens.contains(127))
    options.maximumNewTokens = 103 - ids.count + 2
    #expect(throws: TaskError.self) { try generator(ids, options) }
    options.maximumNewTokens = 1 << 31
    #expect(throws: TaskError.self) { try generator(ids, options) }
    #expect(throws: TaskError.self) { try generator([], options) }
    #expect(throws: ModelError.self) { try generator([283]) }
  }

  @Test("samples the same tokens from the same seed")
  func samples() throws {
    let (model, _) = try texts("gpt2-lm", "prompts")
    let generator = try Generator(model)
    var options = GenerationOptions()
    options.maximumNewTokens = 20
    options.ignoresEndTokens = true
    func tokens(_ seed: UInt64) throws -> [Int32] {
      options.sampling = try Sampling(temperature: 1.5, seed: seed)
      return try generator([52, 257], options).tokens
    }
    #expect(try tokens(1) == tokens(1))
    #expect(try tokens(1) != tokens(2))
    // Of one token there is nothing to draw.
    options.sampling = try Sampling(topK: 1)
    let drawn = try generator([52, 257], options).tokens
    options.sampling = nil
    #expect(try generator([52, 257], options).tokens == drawn)
  }

  @Test("streams from Swift")
  func streams() async throws {
    let model = try Fixture(name: "gpt2-lm").library()
    var options = GenerationOptions()
    options.maximumNewTokens = 6
    var text = ""
    for try await piece in model.generate("The river", options) { text += piece }
    let whole = try Generator(TextModel(model))
    #expect(try whole(whole.encode("The river"), options).text == text)
  }

  @Test("refuses other tasks' models and models without a tokenizer")
  func refuses() throws {
    let bare = try TextModel(Fixture(name: "bert").library())
    #expect(throws: TaskError.self) { try TextClassifier(bare) }
    #expect(throws: TaskError.self) { try EntityTagger(bare) }
    #expect(throws: TaskError.self) { try QuestionAnswerer(bare) }
    #expect(throws: TaskError.self) { try Generator(bare) }
    #expect(throws: TaskError.self) { try SentenceEmbedder(bare)(["text"]) }
  }
}
