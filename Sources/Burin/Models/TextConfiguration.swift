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
    guard Self.modelTypes.contains(type),
      let family = families.first(where: { $0.modelTypes.contains(type) })
    else { return nil }
    let own = JSONField(.object(object), file: config.file, path: text.path)
    self.config = DecoderDefaults.completed(own, type: type)
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

  /// The kinds of text models that such directories hold.
  private static let modelTypes = ["gemma3_text", "llama", "mistral", "qwen2"]
}
