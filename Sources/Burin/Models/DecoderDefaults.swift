import BurinHub

/// What transformers' configuration classes of decoders say of keys that a file does not have: sizes,
/// and the special tokens.
enum DecoderDefaults {
  /// A configuration with the members that its class adds to it; `null` stays `null`.
  static func completed(_ config: JSONField, type: String) -> JSONField {
    guard let sizes = sizes[type], let object = config.value?.object else { return config }
    var members = object.members
    func add(_ key: ByteString, _ value: Int?) {
      if let value, object[key] == nil { members.append(.init(key, JSON(value))) }
    }
    for (key, value) in sizes { add(key, value) }
    let words = JSONObject(members)["vocab_size"]?.int ?? 0
    for (key, id) in tokens[type] ?? [] where id < words { add(key, id) }
    return JSONField(.object(JSONObject(members)), file: config.file, path: config.path)
  }

  private static let sizes: [String: [(ByteString, Int)]] = [
    "bloom": [("vocab_size", 250_880)],
    "gemma": llama(256_000, 3072, 24_576, layers: 28, heads: 16, positions: 8192),
    "gemma2": llama(256_000, 2304, 9216, layers: 26, heads: 8, positions: 8192),
    "gemma3_text": llama(262_208, 2304, 9216, layers: 26, heads: 8, positions: 131_072),
    "gpt2": [
      ("vocab_size", 50_257), ("n_embd", 768), ("n_layer", 12), ("n_head", 12),
      ("n_positions", 1024),
    ],
    "gpt_neox": llama(50_432, 6144, 24_576, layers: 44, heads: 64, positions: 2048),
    "granite": llama(32_000, 4096, 11_008, layers: 32, heads: 32, positions: 2048),
    "llama": llama(32_000, 4096, 11_008, layers: 32, heads: 32, positions: 2048),
    "mistral": llama(32_000, 4096, 14_336, layers: 32, heads: 32, positions: 131_072),
    "mixtral": llama(32_000, 4096, 14_336, layers: 32, heads: 32, positions: 131_072),
    "olmo2": llama(50_304, 4096, 11_008, layers: 32, heads: 32, positions: 2048),
    "olmoe": llama(50_304, 2048, 2048, layers: 16, heads: 16, positions: 4096),
    "opt": [
      ("vocab_size", 50_272), ("hidden_size", 768), ("ffn_dim", 3072), ("num_hidden_layers", 12),
      ("num_attention_heads", 12), ("max_position_embeddings", 2048),
    ],
    "phi": llama(51_200, 2048, 8192, layers: 24, heads: 32, positions: 2048),
    "phi3": llama(32_064, 3072, 8192, layers: 32, heads: 32, positions: 4096),
    "qwen2": llama(151_936, 4096, 22_016, layers: 32, heads: 32, positions: 32_768),
    "qwen2_moe": llama(151_936, 2048, 5632, layers: 24, heads: 16, positions: 32_768),
    "qwen3": llama(151_936, 4096, 22_016, layers: 32, heads: 32, positions: 32_768),
    "qwen3_moe": llama(151_936, 2048, 6144, layers: 24, heads: 32, positions: 32_768),
    "smollm3": llama(128_256, 2048, 11_008, layers: 36, heads: 16, positions: 32_768),
    "stablelm": llama(50_304, 2560, 6912, layers: 32, heads: 32, positions: 4096),
    "starcoder2": llama(49_152, 3072, 12_288, layers: 30, heads: 24, positions: 4096),
  ]

  private static func llama(
    _ vocabulary: Int, _ hidden: Int, _ intermediate: Int, layers: Int, heads: Int,
    positions: Int
  ) -> [(ByteString, Int)] {
    [
      ("vocab_size", vocabulary), ("hidden_size", hidden), ("intermediate_size", intermediate),
      ("num_hidden_layers", layers), ("num_attention_heads", heads),
      ("max_position_embeddings", positions),
    ]
  }

  private static let tokens: [String: [(ByteString, Int)]] = [
    "bloom": ids(start: 1, end: 2),
    "gemma": ids(start: 2, end: 1, padding: 0),
    "gemma2": ids(start: 2, end: 1, padding: 0),
    "gemma3_text": ids(start: 2, end: 1, padding: 0),
    "gpt2": ids(start: 50_256, end: 50_256),
    "gpt_neox": ids(start: 0, end: 2),
    "granite": ids(start: 1, end: 2),
    "llama": ids(start: 1, end: 2),
    "mistral": ids(start: 1, end: 2),
    "mixtral": ids(start: 1, end: 2),
    "olmo2": ids(end: 50_279, padding: 1),
    "olmoe": ids(end: 50_279, padding: 1),
    "opt": ids(start: 2, end: 2, padding: 1),
    "phi": ids(start: 1, end: 2),
    "phi3": ids(start: 1, end: 32_000, padding: 32_000),
    "smollm3": ids(start: 128_000, end: 128_001, padding: 128_004),
    "stablelm": ids(start: 0, end: 0),
    "starcoder2": ids(start: 50_256, end: 50_256),
  ]

  private static func ids(
    start: Int? = nil, end: Int, padding: Int? = nil
  ) -> [(ByteString, Int)] {
    let all: [(ByteString, Int?)] = [
      ("bos_token_id", start), ("eos_token_id", end), ("pad_token_id", padding),
    ]
    return all.compactMap { key, id in id.map { (key, $0) } }
  }
}
