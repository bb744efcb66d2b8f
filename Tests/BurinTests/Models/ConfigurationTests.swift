import Burin
import BurinHub
import Testing

/// Bad inputs 33 to 40: configurations that are wrong end in one line that names the key.
@Suite struct ConfigurationTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let key: ByteString
    let value: JSON
    /// What the message must hold.
    let message: [String]
    var fixture = "bert"
    var testDescription: String { name }
  }

  static let cases = [
    // 33
    Case(name: "width 0", key: "hidden_size", value: 0, message: ["hidden_size", "found 0"]),
    Case(name: "width -1", key: "hidden_size", value: -1, message: ["hidden_size", "found -1"]),
    Case(
      name: "width 2^40", key: "hidden_size", value: JSON(1 << 40),
      message: ["hidden_size", "1099511627776"]),
    Case(
      name: "another width", key: "hidden_size", value: 72,
      message: ["word_embeddings", "[101, 72]", "[101, 36]"]),
    // 34
    Case(
      name: "heads do not divide", key: "num_attention_heads", value: 5,
      message: ["num_attention_heads", "divisor of 36", "found 5"]),
    // 35
    Case(
      name: "vocabulary disagrees", key: "vocab_size", value: 102,
      message: ["word_embeddings", "102", "101"]),
    // 36
    Case(
      name: "unknown model", key: "model_type", value: "berd",
      message: ["model_type", "bert", "gpt2", "berd"]),
    Case(
      name: "unknown head", key: "architectures", value: ["BertForNothing"],
      message: ["architectures[0]", "BertModel", "BertForNothing"]),
    Case(
      name: "unknown activation", key: "hidden_act", value: "gulu",
      message: ["hidden_act", "gelu", "relu", "gulu"]),
    // 37
    Case(name: "epsilon 0", key: "layer_norm_eps", value: 0, message: ["layer_norm_eps"]),
    Case(name: "epsilon text", key: "layer_norm_eps", value: "x", message: ["layer_norm_eps"]),
    // 39
    Case(
      name: "10^9 layers", key: "num_hidden_layers", value: 1_000_000_000,
      message: ["num_hidden_layers", "1000000000"]),
    // 40
    Case(
      name: "a string for a number", key: "intermediate_size", value: "52",
      message: ["intermediate_size", "an integer"]),
    // And what else cannot be.
    Case(
      name: "unknown positions", key: "position_embedding_type", value: "sideways",
      message: ["position_embedding_type", "absolute", "relative_key_query", "sideways"]),
    Case(
      name: "heads that were taken out", key: "pruned_heads", value: ["0": [1]],
      message: ["pruned_heads", "{}"]),
    Case(
      name: "an encoder that is its decoder", key: "tie_encoder_decoder", value: true,
      message: ["tie_encoder_decoder", "false"], fixture: "t5-lm"),
    Case(
      name: "labels out of order", key: "id2label", value: ["7": "x", "0": "y", "1": "z"],
      message: ["id2label"], fixture: "bert-sequence-classification"),
    Case(
      name: "GPT-2's heads", key: "n_head", value: 7, message: ["n_head", "divisor"],
      fixture: "gpt2-lm"),
    // 34
    Case(
      name: "groups of heads", key: "num_key_value_heads", value: 4,
      message: ["num_key_value_heads", "divisor of 6", "found 4"], fixture: "llama-lm"),
    // 38
    Case(
      name: "unknown scaling of rotary positions", key: "rope_scaling",
      value: ["rope_type": "sideways"],
      message: ["rope_scaling.rope_type", "llama3", "yarn", "sideways"], fixture: "llama-lm"),
    Case(
      name: "scaling by 0", key: "rope_scaling", value: ["type": "linear", "factor": 0.0],
      message: ["rope_scaling.factor"], fixture: "llama-lm"),
    Case(
      name: "scaling without its factor", key: "rope_scaling", value: ["type": "linear"],
      message: ["rope_scaling.factor", "nothing"], fixture: "llama-lm"),
    Case(
      name: "a window of 0", key: "sliding_window", value: 0,
      message: ["sliding_window", "found 0"], fixture: "mistral-lm"),
    Case(
      name: "types of too few layers", key: "layer_types", value: ["full_attention"],
      message: ["layer_types", "3 layers"], fixture: "qwen2-lm"),
    Case(
      name: "a language model that looks ahead", key: "use_bidirectional_attention", value: true,
      message: ["use_bidirectional_attention", "false in a model that continues"],
      fixture: "gemma3-lm"),
    Case(
      name: "a language model that is not causal", key: "is_causal", value: false,
      message: ["is_causal", "true in a model that continues"], fixture: "llama-lm"),
    Case(
      name: "a window in both directions", key: "is_causal", value: false,
      message: ["is_causal", "true where layers have a window"], fixture: "mistral-lm"),
    Case(
      name: "norms of another width than the heads", key: "head_dim", value: 10,
      message: ["head_dim", "expected 8", "found 10"], fixture: "phi-lm"),
    Case(
      name: "ModernBERT's unknown scaling", key: "rope_scaling", value: ["rope_type": "sideways"],
      message: ["rope_scaling.rope_type", "sideways"], fixture: "modernbert"),
    Case(
      name: "a tower's heads", key: "vision_config", value: ["num_attention_heads": 7],
      message: ["vision_config.num_attention_heads", "divisor of 768"], fixture: "clip"),
    Case(
      name: "the old spelling of a tower", key: "text_config_dict", value: ["hidden_act": "gulu"],
      message: ["text_config_dict.hidden_act", "quick_gelu", "gulu"], fixture: "clip"),
    Case(
      name: "towers of different widths", key: "vision_config", value: ["hidden_size": 24],
      message: ["text_config.projection_size", "24"], fixture: "siglip"),
    Case(
      name: "patches that are no square", key: "image_size", value: [12, 60],
      message: ["image_size", "square"], fixture: "dinov2-wide"),
    Case(
      name: "patches beyond the image", key: "patch_size", value: 32,
      message: ["patch_size", "16 x 16"], fixture: "vit-picture"),
    Case(
      name: "an odd head", key: "head_dim", value: 9, message: ["pairs of the 9 elements"],
      fixture: "llama-lm"),
    Case(
      name: "an odd part that is cut off", key: "partial_rotary_factor", value: 0.4,
      message: ["partial_rotary_factor", "pairs of the 8 elements", "found 0.4"],
      fixture: "phi-lm"),
    Case(
      name: "YaRN over an odd number of elements", key: "rope_parameters",
      value: ["rope_type": "yarn", "factor": 2.0, "partial_rotary_factor": 0.45],
      message: ["rope_parameters", "odd", "(5)"], fixture: "gpt-neox"),
    Case(
      name: "an activation with parameters", key: "hidden_act", value: "prelu",
      message: ["hidden_act", "relu2", "mish", "prelu"], fixture: "llama-lm"),
  ]

  @Test("a wrong configuration names the key", arguments: cases)
  func wrong(_ example: Case) throws {
    let fixture = Fixture(name: example.fixture)
    let error = #expect(throws: HubError.self) {
      try fixture.withCopy([(example.key, example.value)]) { _ = try $0.spec() }
    }
    let text = error?.description ?? ""
    for part in example.message { #expect(text.contains(part), "\(text)") }
    #expect(!text.contains("\n"))
  }

  // 40
  @Test("auto_map is not obeyed")
  func autoMap() throws {
    try Fixture(name: "bert").withCopy([("auto_map", ["AutoModel": "x.Y"])]) {
      let entries = try $0.spec().program.entries.map(\.name)
      #expect(entries == ["forward"])
    }
  }

  @Test("a limit beyond the model's positions is refused")
  func limit() throws {
    let error = #expect(throws: HubError.self) {
      try ModelDirectory(Fixture(name: "bert").path).spec(Limits(sequence: 1000))
    }
    #expect(error?.description.contains("1000") == true)
  }

  /// Copies a fixture with one member of its configuration replaced.
  private func withCopy(
    of fixture: Fixture, setting key: ByteString, to value: JSON, _ body: (String) throws -> Void
  ) throws {
    try fixture.withCopy {
      $0.removeAll { $0.key == key }
      $0.append(JSONObject.Member(key, value))
    } body: {
      try body($0)
    }
  }
}
