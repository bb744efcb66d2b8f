import BurinHub
import Testing

@testable import Burin

/// Keys that a configuration leaves out have the values of transformers' configuration classes.
@Suite struct AbsentKeyTests {
  /// Shapes that a configuration of nothing but its type leads to.
  static let shapes: KeyValuePairs<String, String> = [
    "bert": "[30522, 768]", "roberta": "[50265, 768]", "xlm-roberta": "[30522, 768]",
    "camembert": "[30522, 768]", "distilbert": "[30522, 768]", "electra": "[30522, 128]",
    "albert": "[30000, 128]", "mpnet": "[30527, 768]", "modernbert": "[50368, 768]",
    "deberta": "[50265, 768]", "deberta-v2": "[128100, 1536]", "t5": "[32128, 512]",
    "mt5-lm": "[250112, 512]", "bart": "[50265, 1024]", "blenderbot-lm": "[8008, 2560]",
    "bart-causal-lm": "[50265, 1024]",
  ]

  @Test("sizes", arguments: shapes.map { $0.key })
  func sizes(name: String) throws {
    let shape = try #require(Self.shapes.first { $0.key == name }?.value)
    let error = #expect(throws: HubError.self) {
      try Fixture(name: name).withCopy {
        $0.removeAll { !["model_type", "architectures"].contains($0.key) }
      } body: {
        _ = try ModelDirectory($0).spec()
      }
    }
    #expect(error?.description.contains(shape) == true, "\(error?.description ?? "nothing")")
  }

  @Test("patches")
  func patches() throws {
    let nothing = JSONField([:], file: "config.json")
    func side(_ family: any VisionFamily.Type) throws -> Int {
      try family.init(nothing, head: .bare, body: Weights()).patches.patchHeight
    }
    #expect(try side(ViT.self) == 16)
    #expect(try side(DINOv2.self) == 14)
    #expect(try side(DINOv2WithRegisters.self) == 16)
  }

  @Test("what embeddings are multiplied by")
  func scales() throws {
    func scales(_ type: JSON) throws -> [Double] {
      let config = JSONField(["model_type": type, "scale_embedding": true], file: "config.json")
      let bart = try Bart(config, head: .bare, body: Weights())
      return [bart.embeddingScale, bart.targetScale]
    }
    #expect(try scales("bart") == [32, 32])
    // The decoder of transformers' Blenderbot small does not scale.
    #expect(try scales("blenderbot-small") == [Double(512).squareRoot(), 1])
  }

  @Test("labels")
  func labels() throws {
    try Fixture(name: "bart-sequence-classification").withCopy {
      $0.removeAll { $0.key == "id2label" }
    } body: {
      let labels = try ModelDirectory($0).spec().description.labels
      #expect(labels.count == 3)
    }
  }

  @Test("the other names of sizes")
  func otherNames() throws {
    try Fixture(name: "distilbert").withCopy { members in
      let names: [ByteString: ByteString] = [
        "dim": "hidden_size", "n_heads": "num_attention_heads", "n_layers": "num_hidden_layers",
      ]
      members = members.map { .init(names[$0.key] ?? $0.key, $0.value) }
    } body: {
      _ = try ModelDirectory($0).spec()
    }
  }

  @Test("what begins and ends a target, and what it may not repeat")
  func generation() throws {
    let keys: [ByteString] = [
      "bos_token_id", "eos_token_id", "decoder_start_token_id", "forced_eos_token_id",
      "encoder_no_repeat_ngram_size",
    ]
    try Fixture(name: "blenderbot-lm").withCopy {
      $0.removeAll { keys.contains($0.key) }
    } body: {
      let description = try ModelDirectory($0).spec().description
      #expect(description.startToken == 1)
      #expect(description.endTokens == [2])
      let rules = try LogitsRules(JSONField(description.generation, file: "generation_config.json"))
      #expect(rules.noSourceRun == 3)
      #expect(rules.forcedEnd == [2])
    }
  }
}
