/// A tokenizer.json out of Marian's files, or M2M-100's: the SentencePiece model of the source, and a
/// vocabulary of both sides.
///
/// transformers has these tokenizers only in Python, on top of SentencePiece itself, so these parts
/// of what stands here are read by Burin only: a character map with `longest_match`, and a Unigram model
/// with `ids`, the vocabulary's, for the pieces of the source. A language code of Marian such as
/// `>>fra<<` is found when the vocabulary has it; those of M2M-100 are numbered behind it. Punctuation
/// is left as it is, as transformers leaves it where `sacremoses` is not installed. Ids turn back into
/// text by the vocabulary, or by the target's own (`target_vocab`, the third part that only Burin
/// reads), which takes no model of the target language.
extension TokenizerSettings {
  /// Converts a model.
  ///
  /// - Parameter targets: the vocabulary of what the model gives, where it is another one.
  func mapped(
    _ model: SentencePieceModel, vocabulary: JSONField, targets: JSONField?
  ) throws(HubError) -> JSON {
    guard var ids = vocabulary.value?.object else {
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
    if family == .m2m100 { ids = try numbered(ids) }
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
    let template = TokenizerSettings.template(["A", end], ["A", "B", end]) { ids[$0]?.int }
    return [
      "version": "1.0", "truncation": nil, "padding": nil,
      "added_tokens": .array(merged(with: codes)),
      "normalizer": ["type": "Sequence", "normalizers": .array(normalizers)], "pre_tokenizer": nil,
      "post_processor": JSON(try languageTemplate { ids[$0]?.int } ?? template),
      "decoder": [
        "type": "Sequence",
        "decoders": [
          replace(["String": "\u{2581}"], " "), ["type": "Fuse"],
          ["type": "Strip", "content": " ", "start": 1_000_000, "stop": 1_000_000],
        ],
      ],
      "model": try pieces(of: model, ids, file: vocabulary.file),
      "target_vocab": targets?.value ?? .null,
    ]
  }

  /// The pieces of the source with the ids of the vocabulary.
  private func pieces(
    of model: SentencePieceModel, _ ids: JSONObject, file: String
  ) throws(HubError) -> JSON {
    let pieces = model.pieces.filter { $0.kind == .normal || $0.kind == .userDefined }
    let unknown = JSON(token("unk_token").map { .string($0.content) })
    switch model.algorithm {
    case .unigram:
      return [
        "type": "Unigram", "byte_fallback": false, "unk_id": nil, "unk_token": unknown,
        "vocab": .array(pieces.map { [.string($0.text), JSON($0.score)] }), "ids": .object(ids),
      ]
    case .bpe:
      if let piece = pieces.first(where: { ids[$0.text] == nil }) {
        throw HubError(
          file: file, key: piece.text.utf8String, expected: "an id of this piece",
          found: "none")
      }
      let merges = try merges(of: model, model.pieces.map { ($0.text, $0.score) })
      return [
        "type": "BPE", "dropout": nil, "unk_token": unknown, "continuing_subword_prefix": nil,
        "end_of_word_suffix": nil, "fuse_unk": true, "byte_fallback": false,
        "ignore_merges": false, "vocab": .object(ids),
        "merges": .array(merges.map { [.string($0), .string($1)] }),
      ]
    case .word, .character:
      throw HubError(
        file: model.file, key: "trainer_spec.model_type", expected: "unigram or bpe",
        found: "\(model.algorithm)")
    }
  }

  /// The vocabulary with the tokens of M2M-100's languages behind it.
  private func numbered(_ ids: JSONObject) throws(HubError) -> JSONObject {
    let kind = try config["language_codes"].string(default: "m2m100")
    let codes = kind == "wmt21" ? LanguageCodes.wmt21 : LanguageCodes.m2m100
    let languages = codes.enumerated().map { index, code in
      JSONObject.Member(ByteString("__\(code)__"), JSON(ids.count + index))
    }
    return JSONObject(ids.members + languages)
  }

  /// A token that is found as it stands and is not special.
  private static func found(_ content: ByteString) -> AddedToken {
    var token = special(content)
    token.isSpecial = false
    return token
  }
}
