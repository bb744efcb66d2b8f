import BurinHub
import Testing

@testable import Burin

/// Vectors of texts against those of sentence-transformers.
@Suite struct SentenceVectorTests {
  private static let encoders = [
    "sentence-mean", "sentence-cls", "sentence-max", "sentence-mean-sqrt-len", "sentence-mpnet",
    "sentence-prompted", "sentence-t5",
  ]
  private static let decoders = [
    "sentence-qwen2", "sentence-qwen3", "sentence-gemma3", "sentence-mistral",
  ]
  private static let prompted = ["sentence-prompted"] + decoders[1...]

  private struct Recorded {
    let embedder: SentenceEmbedder
    let file: JSONField

    init(_ name: String) throws {
      let fixture = Fixture(name: name)
      let bytes = try RegularFile(path: fixture.path + "/text.json").contents(limit: 1 << 24)
      file = JSONField(try JSON.parse(bytes), file: name)
      embedder = try SentenceEmbedder(TextModel(fixture.library()))
    }

    /// The texts under a key, with the names of their prompts and their vectors.
    func texts(_ key: ByteString) throws -> [(text: String, prompt: String?, vector: [Float])] {
      try file[key].array().map { field in
        (
          try field["text"].string().utf8String, field["prompt_name"].value?.string?.utf8String,
          try field["vector"].array().map { Float(try $0.double()) }
        )
      }
    }
  }

  private func expect(_ vector: [Float], _ expected: [Float], _ text: String) {
    let scale = expected.map(abs).max() ?? 1
    let distance = zip(expected, vector).map { abs($0 - $1) }.max() ?? .infinity
    #expect(vector.count == expected.count && distance <= 1e-4 * scale, "\(text)")
  }

  @Test(
    "embeds as sentence-transformers does, alone and in a batch", arguments: encoders + decoders)
  func embeds(name: String) throws {
    let recorded = try Recorded(name)
    let sentences = try recorded.texts("sentences")
    let vectors = try recorded.embedder(sentences.map(\.text))
    for (sentence, vector) in zip(sentences, vectors) {
      expect(vector, sentence.vector, sentence.text)
      #expect(try recorded.embedder([sentence.text]) == [vector])
    }
  }

  @Test("puts the prompt of a name before texts", arguments: prompted)
  func prompts(name: String) throws {
    let recorded = try Recorded(name)
    var embedder = recorded.embedder
    for item in try recorded.texts("prompted") {
      embedder.prompt = try embedder.prompt(named: #require(item.prompt))
      expect(try embedder([item.text])[0], item.vector, item.text)
    }
    #expect(throws: TaskError.self) { try embedder.prompt(named: "nothing") }
    #expect(try Recorded("sentence-mean").embedder.prompt(named: "query").isEmpty)
  }

  @Test("cuts vectors, and makes their length 1 if asked to", arguments: prompted)
  func cuts(name: String) throws {
    let recorded = try Recorded(name)
    var embedder = recorded.embedder
    let items = try recorded.texts("cut")
    let texts = items.map(\.text)
    let whole = try embedder(texts)
    embedder.dimensions = 7
    #expect(try embedder(texts) == whole.map { Array($0[..<7]) })
    embedder.normalizes = true
    for (item, vector) in zip(items, try embedder(texts)) {
      expect(vector, item.vector, item.text)
    }
    embedder.dimensions = whole[0].count + 1
    #expect(throws: TaskError.self) { try embedder(["a"]) }
    embedder.dimensions = 0
    #expect(throws: TaskError.self) { try embedder(["a"]) }
  }

  /// The library's entry itself, which also takes what is filled up on the left.
  @Test(arguments: decoders)
  func paddingMayStandOnTheLeft(name: String) throws {
    let embedder = try Recorded(name).embedder
    let texts = ["The river rises in the mountains.", "joy"]
    let rows = try embedder.model.encode(texts).map(\.ids)
    let length = try #require(rows.map(\.count).max())
    func filled(_ row: (Int) -> [Int32]) -> HostTensor {
      let values = rows.indices.flatMap {
        [Int32](repeating: 0, count: length - rows[$0].count) + row($0)
      }
      return HostTensor(values, shape: [rows.count, length])
    }
    let outputs = try embedder.model.runner.run(
      "embed",
      [
        "input_ids": filled { rows[$0] },
        "attention_mask": filled { [Int32](repeating: 1, count: rows[$0].count) },
      ], outputs: nil)
    let vectors = try #require(outputs["sentence_embedding"]).floats
    for (place, vector) in try embedder(texts).enumerated() {
      let width = vector.count
      expect(Array(vectors[place * width..<(place + 1) * width]), vector, texts[place])
    }
  }

  /// What `AutoModel` makes of such a directory has no head, whatever class it names.
  @Test(arguments: decoders)
  func aDecoderThatEmbedsHasNoCache(name: String) throws {
    let model = try Fixture(name: name).library()
    #expect(model.entry("embed")?.outputs.map(\.name) == ["sentence_embedding"])
    #expect(model.entry("forward")?.outputs.map(\.name) == ["last_hidden_state"])
    #expect(model.entry("step") == nil && model.entry("verify") == nil)
    #expect {
      try Generator(TextModel(model))
    } throws: {
      "\($0)" == "\(name): generate needs a model for language-model, found one for no task"
    }
  }
}
