import BurinHub

/// The text model of a directory that also holds an encoder of pictures, as Gemma 3, LLaVA and
/// Mistral 3 do: a configuration inside of the model's own, under `text_config`.
struct TextConfiguration {
  /// What it says, with what transformers takes for keys that are absent.
  let config: JSONField
  let family: any Family.Type

  /// The text model that a configuration holds; `nil` if it holds none of a known kind.
  init?(_ config: JSONField) throws(HubError) {
    let text = config["text_config"]
    guard text.exists, let object = text.value?.object else { return nil }
    let type =
      text["model_type"].exists
      ? try text["model_type"].string().utf8String
      : try config["model_type"].string().utf8String + "_text"
    guard let family = families.first(where: { $0.modelTypes.contains(type) }),
      let defaults = Self.defaults[type]
    else { return nil }
    var members = Array(object)
    for (key, value) in defaults where !text[key].exists {
      members.append(JSONObject.Member(key, JSON(value)))
    }
    self.config = JSONField(
      .object(JSONObject(members)), file: config.file, path: text.path)
    self.family = family
  }

  /// The head that a class of transformers puts on the text model; `nil` for an unknown class.
  static func head(_ name: String) -> Head? {
    if name.hasSuffix("ForConditionalGeneration") { return .languageModel }
    return name.hasSuffix("Model") ? .bare : nil
  }

  /// The name that a tensor of the text model has in a directory of its own; `nil` for a tensor of
  /// something else.
  static func ownName(_ name: ByteString) -> ByteString? {
    func without(_ prefix: String, keeping kept: String) -> ByteString? {
      name.bytes.starts(with: prefix.utf8)
        ? ByteString(Array(kept.utf8) + name.bytes.dropFirst(prefix.utf8.count)) : nil
    }
    if name.bytes.starts(with: "lm_head.".utf8) { return name }
    return without("language_model.", keeping: "")
      ?? without("model.language_model.", keeping: "model.")
  }

  /// The sizes that transformers takes for absent keys: a configuration inside of another one is
  /// stored without those that have them.
  private static let defaults: [String: [(ByteString, Int)]] = [
    "gemma3_text": sizes(262_208, 2304, 9216, layers: 26, heads: 8),
    "llama": sizes(32_000, 4096, 11_008, layers: 32, heads: 32),
    "mistral": sizes(32_000, 4096, 14_336, layers: 32, heads: 32),
    "qwen2": sizes(151_936, 4096, 22_016, layers: 32, heads: 32),
  ]

  private static func sizes(
    _ vocabulary: Int, _ hidden: Int, _ intermediate: Int, layers: Int, heads: Int
  ) -> [(ByteString, Int)] {
    [
      ("vocab_size", vocabulary), ("hidden_size", hidden), ("intermediate_size", intermediate),
      ("num_hidden_layers", layers), ("num_attention_heads", heads),
    ]
  }
}
