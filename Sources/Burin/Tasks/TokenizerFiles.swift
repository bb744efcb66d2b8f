import BurinHub

extension ModelDirectory {
  /// The tokenizer in this directory: `tokenizer.json`, or what transformers would make of
  /// `vocab.txt`, or of `vocab.json` and `merges.txt`; nil without any of them.
  ///
  /// - Parameter config: `tokenizer_config.json`, if there is one.
  func tokenizer(_ config: JSONField?) throws(HubError) -> JSON? {
    if let bytes = try bytes("tokenizer.json") {
      var options = JSON.Options()
      // Vocabularies with a key twice exist; the last one counts, as it does for the original.
      options.duplicates = .keepLast
      do throws(JSONError) { return try JSON.parse(bytes, options: options) } catch {
        throw error.inFile(path + "/tokenizer.json")
      }
    }
    let config = config ?? JSONField(.null, file: path + "/tokenizer_config.json")
    if let vocabulary = try json("vocab.json"), let merges = try bytes("merges.txt") {
      return try bytePairs(vocabulary, merges, config)
    }
    if let vocabulary = try bytes("vocab.txt") { return try wordPieces(vocabulary, config) }
    return nil
  }

  /// A model description that knows nothing but the tokenizer.
  public func tokenizerDescription() throws(HubError) -> ModelDescription {
    var description = ModelDescription(name: path)
    let config = try json("tokenizer_config.json")
    description.tokenizerConfig = config?.value ?? .null
    description.tokenizer = try tokenizer(config) ?? .null
    return description
  }

  // MARK: WordPiece

  /// BERT's tokenizer from a file with a token on each line.
  private func wordPieces(_ file: [UInt8], _ config: JSONField) throws(HubError) -> JSON {
    let lines = file.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
    var members: [JSONObject.Member] = []
    for (id, line) in lines.enumerated() where id + 1 < lines.count || !line.isEmpty {
      let token = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      members.append(JSONObject.Member(ByteString(Array(token)), JSON(id)))
    }
    let vocabulary = JSONObject(members)
    func id(_ key: ByteString, _ absent: ByteString) throws(HubError) -> (ByteString, Int) {
      try special(config[key], absent, vocabulary)
    }
    let unknown = try id("unk_token", "[UNK]")
    let separator = try id("sep_token", "[SEP]")
    let classifier = try id("cls_token", "[CLS]")
    var added: [JSON] = []
    for (token, id) in [
      try id("pad_token", "[PAD]"), unknown, classifier, separator,
      try id("mask_token", "[MASK]"),
    ].sorted(by: { $0.1 < $1.1 }) {
      added.append(addedToken(token, id))
    }
    let lowercases = try config["do_lower_case"].bool(default: true)
    func piece(_ name: ByteString, _ type: Int) -> JSON {
      ["SpecialToken": ["id": .string(name), "type_id": JSON(type)]]
    }
    func sequence(_ name: ByteString, _ type: Int) -> JSON {
      ["Sequence": ["id": .string(name), "type_id": JSON(type)]]
    }
    func specialToken(_ token: (ByteString, Int)) -> JSONObject.Member {
      JSONObject.Member(
        token.0,
        [
          "id": .string(token.0), "ids": [JSON(token.1)], "tokens": [.string(token.0)],
        ])
    }
    let first = [
      piece(classifier.0, 0), sequence("A", 0), piece(separator.0, 0),
    ]
    return [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(added),
      "normalizer": [
        "type": "BertNormalizer", "clean_text": true,
        "handle_chinese_chars": JSON(
          try config["tokenize_chinese_chars"].bool(default: true)),
        "strip_accents": config["strip_accents"].value ?? .null, "lowercase": JSON(lowercases),
      ],
      "pre_tokenizer": ["type": "BertPreTokenizer"],
      "post_processor": [
        "type": "TemplateProcessing", "single": .array(first),
        "pair": .array(first + [sequence("B", 1), piece(separator.0, 1)]),
        "special_tokens": .object(
          JSONObject([specialToken(classifier), specialToken(separator)])),
      ],
      "decoder": ["type": "WordPiece", "prefix": "##", "cleanup": true],
      "model": [
        "type": "WordPiece", "unk_token": .string(unknown.0),
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": .object(vocabulary),
      ],
    ]
  }

  // MARK: Byte pairs

  /// GPT-2's or RoBERTa's tokenizer from a vocabulary and its merges.
  private func bytePairs(
    _ vocabulary: JSONField, _ file: [UInt8], _ config: JSONField
  ) throws(HubError) -> JSON {
    guard let tokens = vocabulary.value?.object else {
      throw vocabulary.error(expected: "an object")
    }
    var merges: [JSON] = []
    for (number, line) in file.split(separator: UInt8(ascii: "\n")).enumerated() {
      let bytes = Array(line.last == UInt8(ascii: "\r") ? line.dropLast() : line)
      if number == 0, bytes.starts(with: "#version".utf8) { continue }
      if !bytes.isEmpty { merges.append(.string(ByteString(bytes))) }
    }
    let isRoberta = try isRoberta(config)
    let prefixSpace = JSON(try config["add_prefix_space"].bool(default: false))
    var added: [(ByteString, Int)] = []
    var postProcessor: JSON = [
      "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true,
    ]
    if isRoberta {
      let classifier = try special(config["cls_token"], "<s>", tokens)
      let separator = try special(config["sep_token"], "</s>", tokens)
      added = [
        classifier, separator, try special(config["unk_token"], "<unk>", tokens),
        try special(config["pad_token"], "<pad>", tokens),
        try special(config["mask_token"], "<mask>", tokens),
      ]
      postProcessor = [
        "type": "RobertaProcessing", "sep": [.string(separator.0), JSON(separator.1)],
        "cls": [.string(classifier.0), JSON(classifier.1)], "trim_offsets": true,
        "add_prefix_space": prefixSpace,
      ]
    } else {
      added = [try special(config["eos_token"], "<|endoftext|>", tokens)]
    }
    added.sort { $0.1 < $1.1 }
    return [
      "version": "1.0", "truncation": nil, "padding": nil,
      "added_tokens": .array(
        added.map { addedToken($0.0, $0.1, stripsLeft: $0.0 == "<mask>") }),
      "normalizer": nil,
      "pre_tokenizer": [
        "type": "ByteLevel", "add_prefix_space": prefixSpace, "trim_offsets": true,
        "use_regex": true,
      ],
      "post_processor": postProcessor,
      "decoder": [
        "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
      ],
      "model": [
        "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
        "vocab": .object(tokens), "merges": .array(merges),
      ],
    ]
  }

  /// Whether the byte pairs are RoBERTa's: the tokenizer's class says so, or the model's type.
  private func isRoberta(_ config: JSONField) throws(HubError) -> Bool {
    if let name = config["tokenizer_class"].value?.string {
      return name.utf8String.hasPrefix("Roberta")
    }
    return try self.config()["model_type"].value?.string == "roberta"
  }

  // MARK: Special tokens

  /// A special token that a configuration names, as a string or as an object, and its id.
  private func special(
    _ field: JSONField, _ absent: ByteString, _ vocabulary: JSONObject
  ) throws(HubError) -> (ByteString, Int) {
    let name =
      field["content"].exists
      ? try field["content"].string() : try field.string(default: absent)
    guard let id = vocabulary[name]?.int else {
      throw HubError(
        file: field.file, key: field.path, expected: "a token of the vocabulary",
        found: name.description)
    }
    return (name, id)
  }

  private func addedToken(_ token: ByteString, _ id: Int, stripsLeft: Bool = false) -> JSON {
    [
      "id": JSON(id), "content": .string(token), "single_word": false,
      "lstrip": JSON(stripsLeft), "rstrip": false, "normalized": false, "special": true,
    ]
  }
}
