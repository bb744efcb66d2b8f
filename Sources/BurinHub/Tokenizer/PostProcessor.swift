/// A step that puts a model's own tokens around encoded text; `post_processor` of tokenizer.json.
indirect enum PostProcessor: Sendable {
  case sequence([PostProcessor])
  case bert(separator: Int32, classifier: Int32)
  case roberta(separator: Int32, classifier: Int32, trimsOffsets: Bool, addsPrefixSpace: Bool)
  case template(Template)
  case byteLevel(trimsOffsets: Bool, addsPrefixSpace: Bool)

  /// The tokens around one text and around a pair.
  struct Template: Sendable {
    /// A part of the result.
    enum Piece: Sendable {
      case text(Int, typeID: Int32)
      case tokens([Int32], typeID: Int32)
    }

    let single: [Piece]
    let pair: [Piece]
  }

  /// The keys of each type.
  private static let keys: KeyValuePairs<ByteString, [ByteString]> = [
    "BertProcessing": ["sep", "cls"],
    "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"],
    "RobertaProcessing": ["sep", "cls", "trim_offsets", "add_prefix_space"],
    "Sequence": ["processors"],
    "TemplateProcessing": ["single", "pair", "special_tokens"],
  ]

  /// Reads a post-processor; nil when the place is empty.
  init?(_ field: JSONField) throws(HubError) {
    guard field.exists else { return nil }
    switch try field.type(of: PostProcessor.keys) {
    case "Sequence":
      var steps: [PostProcessor] = []
      for step in try field["processors"].array() {
        if let step = try PostProcessor(step) { steps.append(step) }
      }
      self = .sequence(steps)
    case "BertProcessing":
      self = .bert(
        separator: try PostProcessor.token(field["sep"]),
        classifier: try PostProcessor.token(field["cls"]))
    case "RobertaProcessing":
      self = .roberta(
        separator: try PostProcessor.token(field["sep"]),
        classifier: try PostProcessor.token(field["cls"]),
        trimsOffsets: try field["trim_offsets"].bool(),
        addsPrefixSpace: try field["add_prefix_space"].bool())
    case "TemplateProcessing": self = .template(try Template(field))
    default:
      self = .byteLevel(
        trimsOffsets: try field["trim_offsets"].bool(),
        addsPrefixSpace: try field["add_prefix_space"].bool())
    }
  }

  /// The id of `["[SEP]", 102]`.
  private static func token(_ field: JSONField) throws(HubError) -> Int32 {
    let pair = try field.array()
    guard pair.count == 2 else { throw field.error(expected: "a token and its id") }
    _ = try pair[0].string()
    return Int32(try pair[1].int(in: 0...Int(Int32.max)))
  }

  /// How many tokens are added to a text or a pair.
  func addedCount(isPair: Bool) -> Int {
    switch self {
    case .sequence(let steps): steps.reduce(0) { $0 + $1.addedCount(isPair: isPair) }
    case .bert: isPair ? 3 : 2
    case .roberta: isPair ? 4 : 2
    case .template(let template):
      (isPair ? template.pair : template.single).reduce(0) { sum, piece in
        if case .tokens(let tokens, _) = piece { sum + tokens.count } else { sum }
      }
    case .byteLevel: 0
    }
  }

  /// Whether it needs to know how many spaces a token's text begins and ends with.
  var trimsOffsets: Bool {
    switch self {
    case .sequence(let steps): steps.contains(where: \.trimsOffsets)
    case .roberta(_, _, let trims, _), .byteLevel(let trims, _): trims
    case .bert, .template: false
    }
  }

  /// Works on the encodings of the texts, in the end one after the other.
  func apply(_ encodings: inout [Encoding], addsSpecialTokens: Bool) {
    switch self {
    case .sequence(let steps):
      for step in steps { step.apply(&encodings, addsSpecialTokens: addsSpecialTokens) }
    case .bert(let separator, let classifier):
      guard addsSpecialTokens else { return }
      for index in encodings.indices {
        let typeID: Int32 = index == 0 ? 0 : 1
        encodings[index].surround(
          before: index == 0 ? [classifier] : [], after: [separator], typeID: typeID)
      }
    case .roberta(let separator, let classifier, let trims, let addsPrefixSpace):
      for index in encodings.indices {
        if trims { encodings[index].trimOffsets(addsPrefixSpace) }
        encodings[index].setTypeIDs(0)
        guard addsSpecialTokens else { continue }
        for part in encodings[index].overflowing.indices {
          encodings[index].overflowing[part].setTypeIDs(0)
        }
        encodings[index].surround(
          before: [index == 0 ? classifier : separator], after: [separator], typeID: 0)
      }
    case .template(let template):
      // Template after template sees more parts than texts; the first two are the texts.
      let pieces = encodings.count > 1 ? template.pair : template.single
      var result: [Encoding] = []
      for piece in pieces {
        switch piece {
        case .text(let number, let typeID):
          guard number < encodings.count else { continue }
          encodings[number].setTypeIDs(typeID)
          encodings[number].setSequence(number)
          result.append(encodings[number])
        case .tokens(let tokens, let typeID):
          if addsSpecialTokens { result.append(.added(tokens, typeID: typeID)) }
        }
      }
      encodings = result
    case .byteLevel(let trims, let addsPrefixSpace):
      for index in encodings.indices {
        if trims { encodings[index].trimOffsets(addsPrefixSpace) }
        encodings[index].setSequence(index)
      }
    }
  }
}

extension PostProcessor.Template {
  fileprivate init(_ field: JSONField) throws(HubError) {
    let special = field["special_tokens"]
    single = try PostProcessor.Template.pieces(field["single"], special, texts: 1)
    pair = try PostProcessor.Template.pieces(field["pair"], special, texts: 2)
  }

  private static func pieces(
    _ field: JSONField, _ special: JSONField, texts: Int
  ) throws(HubError) -> [Piece] {
    var pieces: [Piece] = []
    for entry in try field.array() {
      if entry["Sequence"].exists {
        let id = try entry["Sequence"]["id"].string(oneOf: ["A", "B"])
        guard id == "A" || texts == 2 else {
          throw entry["Sequence"]["id"].error(expected: "\"A\" around a single text")
        }
        let typeID = try entry["Sequence"]["type_id"].int(in: 0...Int(Int32.max))
        pieces.append(.text(id == "A" ? 0 : 1, typeID: Int32(typeID)))
      } else {
        let token = entry["SpecialToken"]
        let name = try token["id"].string()
        guard special[name].exists else {
          throw token["id"].error(expected: "one of special_tokens")
        }
        var ids: [Int32] = []
        for id in try special[name]["ids"].array() {
          ids.append(Int32(try id.int(in: 0...Int(Int32.max))))
        }
        let typeID = try token["type_id"].int(in: 0...Int(Int32.max))
        pieces.append(.tokens(ids, typeID: Int32(typeID)))
      }
    }
    return pieces
  }
}

extension Encoding {
  /// Gives every token a type; what was cut off keeps its own.
  mutating func setTypeIDs(_ typeID: Int32) {
    typeIDs = [Int32](repeating: typeID, count: count)
  }

  /// Says which text the tokens come from.
  mutating func setSequence(_ number: Int) {
    sequenceIDs = [Int?](repeating: number, count: count)
  }

  /// Puts tokens around this and what was cut off.
  fileprivate mutating func surround(before: [Int32], after: [Int32], typeID: Int32) {
    for index in overflowing.indices {
      overflowing[index].surround(before: before, after: after, typeID: typeID)
    }
    let cut = overflowing
    overflowing = []
    var result = Encoding.added(before, typeID: typeID)
    result.append(self)
    result.append(.added(after, typeID: typeID))
    self = result
    overflowing = cut
  }

  /// Takes the spaces at its ends out of each token's span.
  fileprivate mutating func trimOffsets(_ addsPrefixSpace: Bool) {
    for index in overflowing.indices { overflowing[index].trimOffsets(addsPrefixSpace) }
    for index in offsets.indices {
      var leading = Int(leadingSpaces[index])
      let trailing = Int(trailingSpaces[index])
      if leading > 0 {
        // The space that was added in front of the text is not in the span.
        let isFirst = index == 0 || offsets[index].start == 0
        if isFirst, addsPrefixSpace, leading == 1 { leading = 0 }
        offsets[index].start = min(offsets[index].start + leading, offsets[index].end)
      }
      if trailing > 0, offsets[index].end >= trailing {
        offsets[index].end = max(offsets[index].end - trailing, offsets[index].start)
      }
    }
  }
}
