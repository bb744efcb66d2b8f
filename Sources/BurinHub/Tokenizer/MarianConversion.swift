/// A tokenizer.json out of Marian's files: the SentencePiece model of the source language, and a
/// vocabulary of both languages.
///
/// transformers has this tokenizer only in Python, on top of SentencePiece itself, so two parts of
/// what stands here are read by Burin only: a character map with `longest_match`, and a Unigram model
/// with `ids`, the vocabulary's, for the pieces of the source. A language code such as `>>fra<<` is
/// found when the vocabulary has it. Punctuation is left as it is, as
/// transformers leaves it where `sacremoses` is not installed. Ids turn back into text by the
/// vocabulary, which takes no model of the target language.
extension TokenizerSettings {
  /// Converts a model.
  func marian(_ model: SentencePieceModel, vocabulary: JSONField) throws(HubError) -> JSON {
    guard model.algorithm == .unigram else {
      throw HubError(
        file: model.file, key: "trainer_spec.model_type", expected: "unigram",
        found: "\(model.algorithm)")
    }
    guard let ids = vocabulary.value?.object else {
      throw vocabulary.error(expected: "an object of tokens and ids")
    }
    for key in ["eos_token", "unk_token", "pad_token"] as [ByteString] {
      guard let token = token(key), ids[token.content] != nil else {
        throw HubError(
          file: vocabulary.file, key: key.utf8String, expected: "a token of the vocabulary",
          found: token(key).map { "\($0.content)" } ?? "none")
      }
    }
    let end = token("eos_token")?.content ?? ""
    let codes = ids.filter { member in
      member.key.bytes.starts(with: ">>".utf8)
        && member.key.bytes.suffix(2).elementsEqual("<<".utf8)
    }.map { TokenizerSettings.json(TokenizerSettings.found($0.key)) }
    func replace(_ pattern: JSON, _ content: JSON) -> JSON {
      ["type": "Replace", "pattern": pattern, "content": content]
    }
    var normalizers: [JSON] = []
    if !model.characterMap.isEmpty {
      normalizers.append([
        "type": "Precompiled", "longest_match": true,
        "precompiled_charsmap": .string(ByteString(model.characterMap.base64)),
      ])
    }
    if model.removesExtraSpaces {
      // A mark at the end of the text goes as a space does, for by then spaces are marks.
      let end: JSON = model.escapesSpaces ? "\\A +|[ \u{2581}]+\\z" : "\\A +| +\\z"
      normalizers.append(replace(["Regex": end], ""))
      normalizers.append(replace(["Regex": " {2,}"], " "))
    }
    if model.addsDummyPrefix { normalizers.append(["type": "Prepend", "prepend": " "]) }
    if model.escapesSpaces { normalizers.append(replace(["String": " "], "\u{2581}")) }
    let pieces = model.pieces.filter { $0.kind == .normal || $0.kind == .userDefined }
    return [
      "version": "1.0", "truncation": nil, "padding": nil,
      "added_tokens": .array(merged(with: codes)),
      "normalizer": ["type": "Sequence", "normalizers": .array(normalizers)], "pre_tokenizer": nil,
      "post_processor": JSON(
        TokenizerSettings.template(["A", end], ["A", "B", end]) { ids[$0]?.int }),
      "decoder": [
        "type": "Sequence",
        "decoders": [
          replace(["String": "\u{2581}"], " "), ["type": "Fuse"],
          ["type": "Strip", "content": " ", "start": 1_000_000, "stop": 1_000_000],
        ],
      ],
      "model": [
        "type": "Unigram", "byte_fallback": false, "unk_id": nil,
        "unk_token": JSON(token("unk_token").map { .string($0.content) }),
        "vocab": .array(pieces.map { [.string($0.text), JSON($0.score)] }), "ids": .object(ids),
      ],
    ]
  }

  /// A token that is found as it stands and is not special.
  private static func found(_ content: ByteString) -> AddedToken {
    var token = special(content)
    token.isSpecial = false
    return token
  }
}
