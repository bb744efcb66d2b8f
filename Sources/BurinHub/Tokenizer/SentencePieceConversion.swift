/// A tokenizer.json out of a SentencePiece model, as transformers makes it for each class.
extension TokenizerSettings {
  /// Converts a model.
  ///
  /// - Throws: `HubError` when the model is none that the class can have.
  func converted(_ model: SentencePieceModel) throws(HubError) -> JSON {
    let vocabulary = try vocabulary(of: model)
    var ids: [ByteString: Int] = [:]
    for (id, piece) in vocabulary.enumerated() { ids[piece.text] = id }
    // SigLIP's class finds only its special tokens in text.
    let found = family == .siglip ? [] : model.pieces
    let controls = found.filter { $0.kind == .control || $0.kind == .userDefined }.map {
      TokenizerSettings.json(addedPiece($0))
    }
    let added = merged(with: controls)
    for token in added {
      if let content = token["content"]?.string, ids[content] == nil { ids[content] = ids.count }
    }
    let steps = try steps(for: model)
    return [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(added),
      "normalizer": steps.normalizer, "pre_tokenizer": steps.preTokenizer,
      "post_processor": JSON(try postProcessor(file: model.file) { ids[$0] }),
      "decoder": steps.decoder, "model": try json(of: model, vocabulary),
    ]
  }

  /// A piece that is found in text as it stands.
  private func addedPiece(_ piece: SentencePieceModel.Piece) -> AddedToken {
    let isTurn =
      family == .gemma && ["<start_of_turn>", "<end_of_turn>"].contains(piece.text)
    return AddedToken(
      content: piece.text, id: 0, isSpecial: piece.kind == .control || isTurn,
      isSingleWord: false, stripsLeft: false, stripsRight: false, isNormalized: false)
  }

  // MARK: The model

  typealias Entry = (text: ByteString, score: Double)

  /// The tokens in the order of their ids, which is not always that of the pieces.
  private func vocabulary(of model: SentencePieceModel) throws(HubError) -> [Entry] {
    let pieces = model.pieces.map { Entry($0.text, $0.score) }
    func special(_ key: ByteString) -> Entry { (token(key)?.content ?? "", 0) }
    switch family {
    case .t5:
      let count = try config["extra_ids"].int(in: 0...100_000, default: 100)
      return pieces + (0..<count).reversed().map { (ByteString("<extra_id_\($0)>"), 0) }
    case .xlmRoberta:
      let first: [Entry] = [("<s>", 0), ("<pad>", 0), ("</s>", 0), ("<unk>", 0)]
      return first + pieces.dropFirst(3) + [("<mask>", 0)]
    case .mbart, .mbart50, .nllb:
      let first: [Entry] = [("<s>", 0), ("<pad>", 0), ("</s>", 0), ("<unk>", 0)]
      // NLLB's languages are added tokens.
      let languages = family == .nllb ? [] : LanguageCodes.tokens(of: family) + ["<mask>"]
      return first + pieces.dropFirst(3) + languages.map { ($0, 0) }
    case .camembert:
      let first: [Entry] = [
        ("<s>NOTUSED", 0), ("<pad>", 0), ("</s>NOTUSED", 0), ("<unk>", 0), ("<unk>NOTUSED", -100),
      ]
      return first + pieces.dropFirst() + [("<mask>", 0)]
    case .albert:
      // A number with a comma is to be written in two tokens.
      return pieces.map { piece in
        let scalars = UTF8Text.scalars(piece.text.bytes)
        guard scalars.count >= 2, scalars.last == 0x2C,
          UnicodeTables.shared[scalars[scalars.count - 2]].category == 8
        else { return piece }
        return (piece.text, piece.score - 100)
      }
    case .pegasus:
      let offset = try config["offset"].int(in: 2...100_000, default: 103)
      let fillers = (2..<offset).map { (ByteString("<unk_\($0)>"), -100.0) }
      var masks: [Entry] = [("<mask_1>", 0)]
      if let mask = config.value?["mask_token_sent"] {
        masks = mask.string.map { [($0, 0)] } ?? []
      }
      if token("mask_token") != nil { masks.append(special("mask_token")) }
      return [special("pad_token"), special("eos_token")] + masks + fillers + pieces.dropFirst(2)
    case .llama:
      return pieces.enumerated().map { number, piece in number < 3 ? (piece.text, 0) : piece }
    case .gemma:
      var all =
        [special("pad_token"), special("eos_token"), special("bos_token")] + pieces.dropFirst(3)
      // Where there is no tab, its byte takes its place.
      if !all.contains(where: { $0.text == "\t" }),
        let tab = all.firstIndex(where: { $0.text == "<0x09>" })
      {
        all[tab] = ("\t", 0)
      }
      return all
    default: return pieces
    }
  }

  /// The id of the unknown token.
  private func unknownID(in model: SentencePieceModel) throws(HubError) -> Int {
    switch family {
    case .xlmRoberta, .camembert, .gemma, .mbart, .mbart50, .nllb: 3
    case .pegasus: model.unknownID + (try config["offset"].int(in: 2...100_000, default: 103))
    case .llama: 0
    default: model.unknownID
    }
  }

  private func json(
    of model: SentencePieceModel, _ vocabulary: [Entry]
  ) throws(HubError) -> JSON {
    let fallsBack = family == .llama || family == .gemma
    switch model.algorithm {
    case .unigram:
      return [
        "type": "Unigram", "unk_id": JSON(try unknownID(in: model)),
        "byte_fallback": JSON(fallsBack),
        "vocab": .array(vocabulary.map { [.string($0.text), JSON($0.score)] }),
      ]
    case .bpe:
      let merges = try merges(of: model, vocabulary)
      return [
        "type": "BPE", "dropout": nil, "unk_token": .string(model.unknownPiece),
        "continuing_subword_prefix": nil, "end_of_word_suffix": nil, "fuse_unk": true,
        "byte_fallback": JSON(fallsBack), "ignore_merges": false,
        "vocab": .object(
          JSONObject(vocabulary.enumerated().map { .init($0.element.text, JSON($0.offset)) })),
        "merges": .array(merges.map { [.string($0), .string($1)] }),
      ]
    case .word, .character:
      throw HubError(
        file: model.file, key: "trainer_spec.model_type", expected: "unigram or bpe",
        found: "\(model.algorithm)")
    }
  }

  /// The pairs that merge into the tokens, the most probable first.
  func merges(
    of model: SentencePieceModel, _ vocabulary: [Entry]
  ) throws(HubError) -> [(ByteString, ByteString)] {
    var list = TokenList()
    for (id, piece) in model.pieces.enumerated() {
      list.bytes += piece.text.bytes
      list.endToken(id: id)
    }
    if family == .gemma, !model.pieces.contains(where: { $0.text == "\t" }) {
      list.bytes.append(9)
      list.endToken(id: list.ids.count)
    }
    let pieces = try Vocabulary(list, field: JSONField(.null, file: model.file))
    struct Merge {
      var left: ByteString
      var right: ByteString
      var lengths: (Int, Int)
      var score: Double
      var token: Int
    }
    func length(_ bytes: ArraySlice<UInt8>) -> Int {
      bytes.reduce(0) { $0 + ($1 & 0xC0 != 0x80 ? 1 : 0) }
    }
    var merges: [Merge] = []
    for (number, entry) in vocabulary.enumerated() {
      let bytes = entry.text.bytes
      for middle in bytes.indices.dropFirst() where bytes[middle] & 0xC0 != 0x80 {
        let left = bytes[..<middle]
        let right = bytes[middle...]
        guard pieces.id(of: Array(left)) != nil, pieces.id(of: Array(right)) != nil else {
          continue
        }
        merges.append(
          Merge(
            left: ByteString(Array(left)), right: ByteString(Array(right)),
            lengths: (length(left), length(right)), score: entry.score, token: number))
      }
    }
    // By score, then the longer parts first, then in the order of the tokens.
    merges.sort { a, b in
      if a.score != b.score { return a.score > b.score }
      if a.lengths != b.lengths { return a.lengths > b.lengths }
      return a.token < b.token
    }
    return merges.map { ($0.left, $0.right) }
  }

  // MARK: The steps around it

  private func steps(
    for model: SentencePieceModel
  ) throws(HubError) -> (normalizer: JSON, preTokenizer: JSON, decoder: JSON) {
    let isLegacy = try config["legacy"].bool(default: true)
    let addsSpace = try config["add_prefix_space"].bool(default: true)
    let scheme: JSON = addsSpace ? isLegacy ? "always" : "first" : "never"
    func metaspace(splits: Bool = true) -> JSON {
      [
        "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": scheme,
        "split": JSON(splits),
      ]
    }
    func sequence(_ key: ByteString, _ steps: [JSON]) -> JSON {
      .object(JSONObject([.init("type", "Sequence"), .init(key, .array(steps))]))
    }
    func replace(_ pattern: JSON, _ content: JSON) -> JSON {
      ["type": "Replace", "pattern": pattern, "content": content]
    }
    let characterMap: [JSON] =
      model.characterMap.isEmpty
      ? []
      : [
        [
          "type": "Precompiled",
          "precompiled_charsmap": .string(ByteString(model.characterMap.base64)),
        ]
      ]
    let spaces = replace(["Regex": " {2,}"], " ")
    var normalizers = characterMap
    var preTokenizer = metaspace()
    var decoder = metaspace()
    switch family {
    case .albert:
      normalizers = [replace(["String": "``"], "\""), replace(["String": "''"], "\"")]
      if !(try config["keep_accents"].bool(default: false)) {
        normalizers += [["type": "NFKD"], ["type": "StripAccents"]]
      }
      if try config["do_lower_case"].bool(default: true) {
        normalizers.append(["type": "Lowercase"])
      }
      normalizers += characterMap + [spaces]
    case .debertaV2:
      normalizers = []
      if try config["do_lower_case"].bool(default: false) {
        normalizers.append(["type": "Lowercase"])
      }
      normalizers.append(["type": "Strip", "strip_left": true, "strip_right": true])
      normalizers += characterMap + [spaces]
      var parts = [preTokenizer]
      if try config["split_by_punct"].bool(default: false) {
        parts.insert(["type": "Punctuation", "behavior": "Isolated"], at: 0)
      }
      preTokenizer = sequence("pretokenizers", parts)
    case .siglip:
      // The mark stands before any text; ASCII punctuation says nothing of a picture.
      normalizers = [
        replace(["String": "\u{2581}"], " "), ["type": "Prepend", "prepend": "\u{2581}"],
      ]
      if try config["do_lower_case"].bool(default: true) {
        normalizers.append(["type": "Lowercase"])
      }
      normalizers += [
        replace(["Regex": #"[!-/:-@\[-`{-~]"#], ""), replace(["Regex": #"\s+"#], " "),
        ["type": "Strip", "strip_left": true, "strip_right": true],
      ]
      normalizers += characterMap + [["type": "Strip", "strip_left": false, "strip_right": true]]
      normalizers += [spaces, replace(["Regex": "^\u{2581}$"], "")]
      preTokenizer = [
        "type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "never", "split": true,
      ]
    case .llama, .gemma:
      var parts = [
        replace(["String": "\u{2581}"], " "), ["type": "ByteFallback"], ["type": "Fuse"],
      ]
      let marks = replace(["String": " "], "\u{2581}")
      if family == .gemma {
        decoder = sequence("decoders", parts)
        return (
          marks,
          [
            "type": "Split", "pattern": ["String": " "], "behavior": "MergedWithPrevious",
            "invert": false,
          ], decoder
        )
      }
      if addsSpace { parts.append(["type": "Strip", "content": " ", "start": 1, "stop": 0]) }
      decoder = sequence("decoders", parts)
      guard isLegacy else { return (.null, metaspace(splits: false), decoder) }
      let prefix: [JSON] = addsSpace ? [["type": "Prepend", "prepend": "\u{2581}"]] : []
      return (sequence("normalizers", prefix + [marks]), .null, decoder)
    default:
      normalizers += [
        ["type": "Strip", "strip_left": false, "strip_right": true],
        replace(["Regex": " {2,}"], "\u{2581}"),
      ]
      if family == .pegasus {
        preTokenizer = sequence("pretokenizers", [["type": "WhitespaceSplit"], preTokenizer])
      }
    }
    return (sequence("normalizers", normalizers), preTokenizer, decoder)
  }

  // MARK: The tokens around a text

  /// The template of the class; nil when it has none.
  private func postProcessor(
    file: String, _ id: (ByteString) -> Int?
  ) throws(HubError) -> JSON? {
    let single: [ByteString]
    let pair: [ByteString]
    switch family {
    case .t5: (single, pair) = (["A", "</s>"], ["A", "</s>", "B", "</s>"])
    case .siglip:
      let end = token("eos_token")?.content ?? "</s>"
      (single, pair) = (["A", end], ["A", end, "B", end])
    case .xlmRoberta, .camembert:
      single = ["<s>", "A", "</s>"]
      pair = single + ["</s>", "B", "</s>"]
    case .albert, .debertaV2:
      single = ["[CLS]", "A", "[SEP]"]
      pair = single + ["B:1", "[SEP]:1"]
    case .pegasus:
      let end = token("eos_token")?.content ?? "</s>"
      (single, pair) = (["A", end], ["A", "B", end])
    default:
      if let template = try beginAndEnd(id) { return template }
      return try languageTemplate(id)
    }
    guard let template = TokenizerSettings.template(single, pair, id) else {
      throw HubError(
        file: file, expected: "the tokens \(single) that surround a text", found: "not all of them")
    }
    return template
  }

  /// The template that Llama and Gemma have for the first and the last token of a text; nil for
  /// other classes, and when a token has no id.
  func beginAndEnd(_ id: (ByteString) -> Int?) throws(HubError) -> JSON? {
    guard family == .llama || family == .gemma else { return nil }
    var begin: [ByteString] = []
    var end: [ByteString] = []
    if try config["add_bos_token"].bool(default: true) {
      guard let token = token("bos_token") else { return nil }
      begin = [token.content]
    }
    if try config["add_eos_token"].bool(default: false) {
      guard let token = token("eos_token") else { return nil }
      end = [token.content]
    }
    func second(_ tokens: [ByteString]) -> [ByteString] {
      tokens.map { ByteString($0.bytes + Array(":1".utf8)) }
    }
    let single = begin + ["A"] + end
    return TokenizerSettings.template(
      single, single + second(begin) + ["B:1"] + second(end), id)
  }

  /// A template out of names of texts, `A` and `B`, and of tokens, each followed by `:1` where its
  /// type is 1; nil when a token has no id.
  static func template(
    _ single: [ByteString], _ pair: [ByteString], _ id: (ByteString) -> Int?
  ) -> JSON? {
    var special: [ByteString: JSON] = [:]
    var isKnown = true
    func pieces(_ names: [ByteString]) -> JSON {
      .array(
        names.map { name in
          var name = name
          var type: JSON = 0
          if name.bytes.suffix(2).elementsEqual(":1".utf8) {
            name.bytes.removeLast(2)
            type = 1
          }
          if name == "A" || name == "B" {
            return ["Sequence": ["id": .string(name), "type_id": type]]
          }
          guard let id = id(name) else {
            isKnown = false
            return .null
          }
          special[name] = ["id": .string(name), "ids": [JSON(id)], "tokens": [.string(name)]]
          return ["SpecialToken": ["id": .string(name), "type_id": type]]
        })
    }
    let json: JSON = [
      "type": "TemplateProcessing", "single": pieces(single), "pair": pieces(pair),
      "special_tokens": .object(
        JSONObject(special.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) })),
    ]
    return isKnown ? json : nil
  }
}
