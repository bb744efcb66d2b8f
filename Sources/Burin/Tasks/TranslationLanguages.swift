import BurinHub

/// The languages of a multilingual translator: a source is marked with its own, and a target begins
/// with its own, or the source is marked with that too (Marian).
extension Generator {
  /// The tokens of languages; nil where the tokenizer has none.
  private func languages() throws -> LanguageTokens? {
    let config = JSONField(model.description.tokenizerConfig, file: "tokenizer_config.json")
    return try LanguageTokens(config, modelType: model.description.modelType)
  }

  /// The ids of a source whose language, or its target's, was asked for; nil where none was, or where
  /// the source does not show it.
  func marked(_ source: String, _ options: GenerationOptions) throws -> [Int32]? {
    guard options.sourceLanguage != nil || options.targetLanguage != nil else { return nil }
    let languages = try required(options)
    if languages.marksTargetInSource, options.sourceLanguage != nil {
      throw TaskError(.badOption, "source-language: this model's sources are of one language")
    }
    let language =
      languages.marksTargetInSource ? options.targetLanguage : options.sourceLanguage
    guard let language else { return nil }
    let (before, after) = languages.around(language: language)
    let option = languages.marksTargetInSource ? "target-language" : "source-language"
    _ = try id(of: language, languages, option)
    func ids(_ tokens: [ByteString]) throws -> [Int32] {
      try tokens.map { token in
        guard let id = try model.tokenizer().id(of: token) else {
          throw TaskError("\(model.name): the tokenizer has no token \(token)")
        }
        return id
      }
    }
    let text = try model.tokenizer().encode(source, addSpecialTokens: false).ids
    return try ids(before) + text + ids(after)
  }

  /// The token that a target begins with, by its language; nil where none was asked for, or where the
  /// source says it.
  func targetToken(_ options: GenerationOptions) throws -> Int32? {
    guard let language = options.targetLanguage else { return nil }
    let languages = try required(options)
    return languages.marksTargetInSource
      ? nil : try id(of: language, languages, "target-language")
  }

  private func required(_ options: GenerationOptions) throws -> LanguageTokens {
    let option = options.sourceLanguage == nil ? "target-language" : "source-language"
    guard isEncoderDecoder, let languages = try languages() else {
      throw TaskError(.badOption, "\(option): \(model.name) is no multilingual translator")
    }
    return languages
  }

  private func id(
    of language: String, _ languages: LanguageTokens, _ option: String
  ) throws -> Int32 {
    let tokenizer = try model.tokenizer()
    if let id = tokenizer.id(of: languages.token(of: language)) { return id }
    let known = LanguageTokens.examples.filter { tokenizer.id(of: languages.token(of: $0)) != nil }
    let expected =
      known.isEmpty
      ? "a code that the tokenizer knows" : "a code such as " + known.joined(separator: ", ")
    throw TaskError(
      .badOption, "\(option): expected \(expected), found \"\(printable(language.utf8))\"")
  }
}
