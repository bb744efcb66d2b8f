/// How a multilingual translator's tokenizer marks a text with its language.
public struct LanguageTokens: Sendable {
  /// Where the mark of a source stands.
  enum Place: Sendable {
    case beforeText
    /// Behind the end token.
    case last
    /// Before the text, and it names the language of the target (Marian).
    case ofTarget
  }

  let place: Place
  /// What stands before and after a language's code in its token.
  let marks: (before: String, after: String)
  /// The language of a source where nobody says.
  let source: String
  let end: ByteString

  /// Reads which class of tokenizers it is; `nil` for one that knows no languages.
  ///
  /// - Parameters:
  ///   - config: `tokenizer_config.json`.
  ///   - modelType: `model_type` of `config.json`, which names the class where the former does not.
  public init?(_ config: JSONField, modelType: String?) throws(HubError) {
    let model = JSONField(
      .object(JSONObject([.init("model_type", .string(ByteString(modelType ?? "")))])),
      file: "config.json")
    try self.init(TokenizerFamily(config, model), config)
  }

  init?(_ family: TokenizerFamily, _ config: JSONField) throws(HubError) {
    let absent: ByteString
    switch family {
    case .mbart: (place, marks, absent) = (.last, ("", ""), "en_XX")
    case .mbart50: (place, marks, absent) = (.beforeText, ("", ""), "en_XX")
    case .nllb:
      let isLegacy = try config["legacy_behaviour"].bool(default: false)
      (place, marks, absent) = (isLegacy ? .last : .beforeText, ("", ""), "eng_Latn")
    case .m2m100: (place, marks, absent) = (.beforeText, ("__", "__"), "en")
    case .marian: (place, marks, absent) = (.ofTarget, (">>", "<<"), "")
    default: return nil
    }
    source = try config["src_lang"].string(default: absent).utf8String
    let end = config["eos_token"]
    self.end = try (end.value?.object == nil ? end : end["content"]).string(default: "</s>")
  }

  /// Whether a target's language is said in the source, and not by the target's first token.
  public var marksTargetInSource: Bool { place == .ofTarget }

  /// Some codes of each class.
  public static let examples = [
    "en_XX", "fr_XX", "eng_Latn", "fra_Latn", "en", "fr", "eng", "fra", "deu",
  ]

  /// The token of a language.
  public func token(of language: String) -> ByteString {
    ByteString(marks.before + language + marks.after)
  }

  /// The tokens around a source.
  ///
  /// - Parameter language: the source's, or the target's where that is marked; `nil` for the one
  ///   that the tokenizer's configuration names.
  public func around(language: String?) -> (before: [ByteString], after: [ByteString]) {
    let mark = token(of: language ?? source)
    switch place {
    case .beforeText: return ([mark], [end])
    case .last: return ([], [end, mark])
    case .ofTarget: return (language == nil ? [] : [mark], [end])
    }
  }
}

extension TokenizerSettings {
  /// The template that marks a source with its language; nil for other classes, and when a token has
  /// no id.
  func languageTemplate(_ id: (ByteString) -> Int?) throws(HubError) -> JSON? {
    guard family != .marian, let languages = try LanguageTokens(family, config) else { return nil }
    let (before, after) = languages.around(language: nil)
    return TokenizerSettings.template(before + ["A"] + after, before + ["A", "B"] + after, id)
  }
}
