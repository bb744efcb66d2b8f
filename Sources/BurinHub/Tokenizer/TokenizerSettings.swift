/// What the files beside a vocabulary say about a tokenizer, defaults of its class filled in.
struct TokenizerSettings {
  let family: TokenizerFamily
  let config: JSONField
  /// The special tokens by the name of their part, in the order in which they are added.
  private var special: [(key: ByteString, token: AddedToken)] = []
  /// Tokens that `tokenizer_config.json` lists with all their properties.
  private var listed: [AddedToken] = []

  private static let keys: [ByteString] = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]

  /// Reads the files.
  init(_ config: JSONField, model: JSONField?, map: JSONField?) throws(HubError) {
    self.config = config
    family = try TokenizerFamily(config, model)
    let decoder = config["added_tokens_decoder"]
    if decoder.exists {
      var numbered: [(Int, AddedToken)] = []
      for (key, field) in try decoder.members() {
        guard let number = Int(key.utf8String) else {
          throw field.error(expected: "an id as the key")
        }
        numbered.append((number, try TokenizerSettings.token(field, isSpecial: false)))
      }
      listed = numbered.sorted { $0.0 < $1.0 }.map(\.1)
    }
    for key in TokenizerSettings.keys {
      var field = config[key]
      // Before the configuration had them, special tokens had a file of their own.
      if !decoder.exists, let map, map[key].exists { field = map[key] }
      if field.exists {
        special.append((key, try TokenizerSettings.token(field, isSpecial: true)))
      } else if config.value?[key] == nil, let content = family.defaults[key] {
        special.append((key, TokenizerSettings.special(content)))
      }
    }
    for index in special.indices {
      let (key, token) = special[index]
      if let listed = listed.first(where: { $0.content == token.content }) {
        special[index].token = listed
        special[index].token.isSpecial = true
      } else if config[key].value?.object == nil, map?[key].value?.object == nil {
        if key == "mask_token", family.maskStripsLeft { special[index].token.stripsLeft = true }
        if key == "unk_token", family == .debertaV2 { special[index].token.isNormalized = true }
        if family == .siglip {
          special[index].token.stripsLeft = true
          special[index].token.stripsRight = true
        }
      }
    }
    let additional = config["additional_special_tokens"]
    var names: [ByteString]?
    if additional.exists {
      names = []
      for field in try additional.array() {
        let token = try TokenizerSettings.token(field, isSpecial: true)
        special.append(("", token))
        names?.append(token.content)
      }
    }
    for name in try family.additional(names, config) where names?.contains(name) != true {
      special.append(("", TokenizerSettings.special(name)))
    }
  }

  /// The special token of a part, such as `pad_token`.
  func token(_ key: ByteString) -> AddedToken? {
    special.first { $0.key == key }?.token
  }

  /// The texts of the special tokens by their parts' names, those without a part in a list.
  var specialTokens: JSONObject {
    var members: [JSONObject.Member] = []
    for (key, token) in special where !key.isEmpty {
      members.append(.init(key, .string(token.content)))
    }
    let others = special.filter(\.key.isEmpty).map { JSON.string($0.token.content) }
    if !others.isEmpty { members.append(.init("additional_special_tokens", .array(others))) }
    return JSONObject(members)
  }

  static func special(_ content: ByteString) -> AddedToken {
    AddedToken(
      content: content, id: 0, isSpecial: true, isSingleWord: false, stripsLeft: false,
      stripsRight: false, isNormalized: false)
  }

  /// Reads a token that is a string or an object with its properties.
  private static func token(_ field: JSONField, isSpecial: Bool) throws(HubError) -> AddedToken {
    guard field.value?.object != nil else { return special(try field.string()) }
    let isSpecial = try field["special"].bool(default: isSpecial)
    return AddedToken(
      content: try field["content"].string(), id: 0, isSpecial: isSpecial,
      isSingleWord: try field["single_word"].bool(default: false),
      stripsLeft: try field["lstrip"].bool(default: false),
      stripsRight: try field["rstrip"].bool(default: false),
      isNormalized: try field["normalized"].bool(default: !isSpecial))
  }

  // MARK: A tokenizer.json changed

  /// What the settings make of a tokenizer.json.
  func apply(to bytes: [UInt8], file: String) throws(HubError) -> JSON {
    var options = JSON.Options()
    // Vocabularies with a key twice exist; the last one counts, as it does for the original.
    options.duplicates = .keepLast
    let root: JSON
    do throws(JSONError) {
      root = try JSON.parse(bytes, options: options)
    } catch {
      throw error.inFile(file)
    }
    guard root.object != nil else {
      throw HubError(file: file, expected: "an object", found: root.summary)
    }
    var result = root
    if family == .bert, root["normalizer"]?["type"] == "BertNormalizer" {
      result.set(["normalizer", "lowercase"], JSON(try lowercases))
      result.set(["normalizer", "strip_accents"], config["strip_accents"].value ?? .null)
      result.set(["normalizer", "handle_chinese_chars"], JSON(try separatesChinese))
    }
    let addsPrefixSpace = JSON(try config["add_prefix_space"].bool(default: false))
    // `Metaspace` has a key of this name too, which is not what the configuration means.
    if root["pre_tokenizer"]?["type"] == "ByteLevel" {
      result.set(["pre_tokenizer", "add_prefix_space"], addsPrefixSpace)
    }
    if family == .roberta, root["post_processor"]?["add_prefix_space"] != nil {
      result.set(["post_processor", "add_prefix_space"], addsPrefixSpace)
      result.set(
        ["post_processor", "trim_offsets"], JSON(try config["trim_offsets"].bool(default: true)))
    }
    if let model = root["model"]?["vocab"] {
      func id(_ token: ByteString) -> Int? {
        model[token]?.int
          ?? root["added_tokens"]?.array?.first { $0["content"]?.string == token }?["id"]?.int
      }
      var processor = try beginAndEnd(id)
      if processor == nil { processor = try languageTemplate(id) }
      if let processor { result.set(["post_processor"], processor) }
    }
    let added = root["added_tokens"]?.array ?? []
    let all = merged(with: added)
    if all != added { result.set(["added_tokens"], .array(all)) }
    return result
  }

  /// The file's tokens, then those listed that differ from them, then special tokens that are in
  /// neither.
  func merged(with added: [JSON]) -> [JSON] {
    var all = added
    var contents = Set(added.compactMap { $0["content"]?.string })
    let names = Set(special.map(\.token.content))
    for var token in listed {
      token.isSpecial = token.isSpecial || names.contains(token.content)
      let json = TokenizerSettings.json(token)
      let known = all.first { $0["content"]?.string == token.content }
      if let known, TokenizerSettings.isSame(known, json) { continue }
      all.append(json)
      contents.insert(token.content)
    }
    for (_, token) in special {
      let json = TokenizerSettings.json(token)
      if contents.contains(token.content) {
        // Only one with properties of its own is said again.
        guard token.stripsLeft || token.stripsRight || token.isSingleWord || token.isNormalized,
          let known = all.last(where: { $0["content"]?.string == token.content }),
          !TokenizerSettings.isSame(known, json)
        else { continue }
      }
      all.append(json)
      contents.insert(token.content)
    }
    return all
  }

  private static func isSame(_ left: JSON, _ right: JSON) -> Bool {
    ["single_word", "lstrip", "rstrip", "normalized", "special"].allSatisfy {
      left[$0] == right[$0]
    }
  }

  static func json(_ token: AddedToken, id: Int = 0) -> JSON {
    [
      "id": JSON(id), "content": .string(token.content),
      "single_word": JSON(token.isSingleWord), "lstrip": JSON(token.stripsLeft),
      "rstrip": JSON(token.stripsRight), "normalized": JSON(token.isNormalized),
      "special": JSON(token.isSpecial),
    ]
  }

  // MARK: A tokenizer.json made

  private var lowercases: Bool {
    get throws(HubError) { try config["do_lower_case"].bool(default: true) }
  }

  private var separatesChinese: Bool {
    get throws(HubError) { try config["tokenize_chinese_chars"].bool(default: true) }
  }

  /// A BERT tokenizer with one token a line.
  func wordPiece(vocabulary bytes: [UInt8], file: String) throws(HubError) -> JSON {
    if let damage = UTF8Text.firstDamage(in: bytes) {
      throw HubError(file: file, key: "byte \(damage)", expected: "UTF-8", found: "something else")
    }
    // As Python reads lines: \r\n and \r end them too, and of equal lines the last counts.
    var members: [JSONObject.Member] = []
    var line: [UInt8] = []
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if byte == 13, index < bytes.count, bytes[index] == 10 { index += 1 }
      if byte == 10 || byte == 13 {
        members.append(.init(ByteString(line), JSON(members.count)))
        line.removeAll(keepingCapacity: true)
      } else {
        line.append(byte)
      }
    }
    if !line.isEmpty { members.append(.init(ByteString(line), JSON(members.count))) }
    let vocabulary = JSONObject(members)
    let (tokens, ids) = number(in: vocabulary)
    func id(_ key: ByteString) throws(HubError) -> (ByteString, JSON) {
      let name = token(key)?.content ?? ""
      guard let id = vocabulary[name] ?? ids[name] else {
        throw HubError(file: file, key: key.utf8String, expected: "a token", found: "none")
      }
      return (name, id)
    }
    let (classifier, classifierID) = try id("cls_token")
    let (separator, separatorID) = try id("sep_token")
    func text(_ name: ByteString, _ type: Int) -> JSON {
      ["Sequence": ["id": .string(name), "type_id": JSON(type)]]
    }
    func part(_ name: ByteString, _ type: Int) -> JSON {
      ["SpecialToken": ["id": .string(name), "type_id": JSON(type)]]
    }
    func special(_ name: ByteString, _ id: JSON) -> JSONObject.Member {
      .init(name, ["id": .string(name), "ids": [id], "tokens": [.string(name)]])
    }
    let single = [part(classifier, 0), text("A", 0), part(separator, 0)]
    return [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(tokens),
      "normalizer": [
        "type": "BertNormalizer", "clean_text": true,
        "handle_chinese_chars": JSON(try separatesChinese),
        "strip_accents": config["strip_accents"].value ?? .null, "lowercase": JSON(try lowercases),
      ], "pre_tokenizer": ["type": "BertPreTokenizer"],
      "post_processor": [
        "type": "TemplateProcessing", "single": .array(single),
        "pair": .array(single + [text("B", 1), part(separator, 1)]),
        "special_tokens": .object(
          JSONObject([special(classifier, classifierID), special(separator, separatorID)])),
      ], "decoder": ["type": "WordPiece", "prefix": "##", "cleanup": true],
      "model": [
        "type": "WordPiece", "unk_token": .string(token("unk_token")?.content ?? "[UNK]"),
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
        "vocab": .object(vocabulary),
      ],
    ]
  }

  /// A GPT-2, RoBERTa or CLIP tokenizer with its merges one a line after a line that says the version.
  func byteLevel(vocabulary: JSONField, merges bytes: [UInt8]) throws(HubError) -> JSON {
    guard let object = vocabulary.value?.object else {
      throw vocabulary.error(expected: "an object of tokens and ids")
    }
    let lines = bytes.split(separator: 10, omittingEmptySubsequences: false).dropFirst().dropLast()
    let merges = lines.map { line in
      JSON.array(
        line.split { $0 == 32 || $0 == 9 || $0 == 13 }.map { JSON.string(ByteString(Array($0))) })
    }
    let (tokens, ids) = number(in: object)
    let addsPrefixSpace = JSON(try config["add_prefix_space"].bool(default: false))
    func pair(_ key: ByteString) throws(HubError) -> JSON {
      let name = token(key)?.content ?? ""
      guard let id = object[name] ?? ids[name] else {
        throw HubError(
          file: vocabulary.file, key: key.utf8String, expected: "a token", found: "none")
      }
      return [.string(name), id]
    }
    var processor: JSON = [
      "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true,
    ]
    if family == .clip {
      return clip(
        object, merges: merges, tokens: tokens, sep: try pair("eos_token"),
        cls: try pair("bos_token"))
    }
    if family == .roberta {
      processor = [
        "type": "RobertaProcessing", "sep": try pair("sep_token"), "cls": try pair("cls_token"),
        "trim_offsets": JSON(try config["trim_offsets"].bool(default: true)),
        "add_prefix_space": addsPrefixSpace,
      ]
    } else if try config["add_bos_token"].bool(default: false) {
      let bos = try pair("bos_token")
      let name = bos.array?.first ?? .null
      let first: JSON = ["SpecialToken": ["id": name, "type_id": 0]]
      let text: JSON = ["Sequence": ["id": "A", "type_id": 0]]
      processor = [
        "type": "TemplateProcessing", "single": [first, text],
        "pair": [first, text, ["Sequence": ["id": "B", "type_id": 1]]],
        "special_tokens": .object(
          JSONObject([
            .init(
              name.string ?? "",
              ["id": name, "ids": [bos.array?.last ?? .null], "tokens": [name]])
          ])),
      ]
    }
    return [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(tokens),
      "normalizer": nil,
      "pre_tokenizer": [
        "type": "ByteLevel", "add_prefix_space": addsPrefixSpace, "trim_offsets": true,
        "use_regex": true,
      ], "post_processor": processor,
      "decoder": [
        "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true,
      ],
      "model": [
        "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
        "vocab": .object(object), "merges": .array(merges),
      ],
    ]
  }

  /// The added tokens, those outside a vocabulary numbered after it.
  private func number(in vocabulary: JSONObject) -> (tokens: [JSON], ids: [ByteString: JSON]) {
    var ids: [ByteString: JSON] = [:]
    var next = vocabulary.count
    let tokens = merged(with: []).map { token -> JSON in
      guard let content = token["content"]?.string, vocabulary[content] == nil, ids[content] == nil
      else { return token }
      ids[content] = JSON(next)
      next += 1
      return token
    }
    return (tokens, ids)
  }
}

extension JSON {
  /// Puts a value at the end of a path of keys through objects.
  fileprivate mutating func set(_ path: ArraySlice<ByteString>, _ value: JSON) {
    guard let key = path.first else {
      self = value
      return
    }
    var members = object?.members ?? []
    if let place = members.firstIndex(where: { $0.key == key }) {
      members[place].value.set(path.dropFirst(), value)
    } else {
      var inner = JSON.null
      inner.set(path.dropFirst(), value)
      members.append(.init(key, inner))
    }
    self = .object(JSONObject(members))
  }
}
