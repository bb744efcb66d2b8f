import BurinHub

/// What transformers' configurations of encoder-decoders say of generation where a file leaves a key
/// out.
enum GenerationDefaults {
  static func of(modelType: String) -> [(key: ByteString, value: JSON)] {
    if let variant = BartVariant.all.first(where: { $0.key == modelType })?.value {
      let ids: [(ByteString, Int?)] = [
        ("bos_token_id", variant.beginID), ("eos_token_id", variant.endID),
        ("decoder_start_token_id", variant.startID),
        ("forced_eos_token_id", variant.forcedEndID),
        ("encoder_no_repeat_ngram_size", variant.noSourceRun),
      ]
      return ids.compactMap { key, id in id.map { (key, JSON($0)) } }
    }
    switch modelType {
    case "t5": return [("eos_token_id", 1)]
    case "mt5", "umt5": return [("eos_token_id", 1), ("decoder_start_token_id", 0)]
    case "whisper":
      return [
        ("bos_token_id", 50_256), ("eos_token_id", 50_256), ("decoder_start_token_id", 50_257),
        ("begin_suppress_tokens", [220, 50_256]),
      ]
    default: return []
    }
  }
}
