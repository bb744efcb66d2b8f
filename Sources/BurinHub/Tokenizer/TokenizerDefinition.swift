/// A directory's tokenizer as one tokenizer.json, with what its other files change in it.
///
/// transformers builds a tokenizer out of several files; the library file carries one. This is
/// what `AutoTokenizer.from_pretrained` would end up with (transformers 4.57).
public struct TokenizerDefinition: Sendable {
  /// A tokenizer.json, for `Tokenizer(json:)`.
  public var json: [UInt8]
  /// How many tokens the model is said to take, or nil when nothing is said.
  public var maxLength: Int?
  /// The padding that the files name, or nil without a padding token.
  public var padding: Padding?
  /// The side on which text that is too long is cut.
  public var truncationSide: Truncation.Side
  /// Whether decoded text gets `Tokenizer.cleanUpSpaces`.
  public var cleansUpSpaces: Bool

  /// Reads the directory's tokenizer together with `tokenizer_config.json` and
  /// `special_tokens_map.json`; nil when there is none of the kinds that `file(in:)` reads.
  ///
  /// - Throws: `HubError` when a file is there but wrong.
  public init?(_ directory: ModelDirectory) throws(HubError) {
    let config = try directory.json("tokenizer_config.json") ?? JSONField([:], file: "")
    let settings = try TokenizerSettings(config, in: directory)
    guard let json = try TokenizerDefinition.file(in: directory, settings) else { return nil }
    self.json = json.utf8
    maxLength = nil
    if let length = config["model_max_length"].value?.double, length >= 1, length <= 1e20 {
      maxLength = Int(min(length, Double(Int32.max)))
    }
    cleansUpSpaces = try config["clean_up_tokenization_spaces"].bool(default: false)
    truncationSide = config["truncation_side"].value == "left" ? .left : .right
    if let pad = settings.token("pad_token") {
      let tokenizer = try Tokenizer(JSONField(json, file: directory.shown("tokenizer.json")))
      if let id = tokenizer.id(of: pad.content) {
        let type = try config["pad_token_type_id"].int(in: 0...Int(Int32.max), default: 0)
        padding = Padding(
          id: id, typeID: Int32(type),
          side: config["padding_side"].value == "left" ? .left : .right)
      }
    }
  }

  /// The tokenizer.json of a directory, as it stands there or made of other files, with what the
  /// configuration changes in it; its parts are not looked at.
  ///
  /// - Throws: `HubError` when a file is there but wrong.
  public static func file(in directory: ModelDirectory) throws(HubError) -> JSON? {
    let config = try directory.json("tokenizer_config.json") ?? JSONField([:], file: "")
    return try file(in: directory, TokenizerSettings(config, in: directory))
  }

  /// The texts of the special tokens by their parts' names, such as `bos_token`, as the configuration,
  /// an older file or the tokenizer's class names them: what chat templates see.
  public static func specialTokens(in directory: ModelDirectory) throws(HubError) -> JSONObject {
    let config = try directory.json("tokenizer_config.json") ?? JSONField([:], file: "")
    return try TokenizerSettings(config, in: directory).specialTokens
  }

  /// `tokenizer.json`, or `vocab.txt`, or `vocab.json` and `merges.txt`, or a SentencePiece model.
  private static func file(
    in directory: ModelDirectory, _ settings: TokenizerSettings
  ) throws(HubError) -> JSON? {
    // SigLIP's class reads no tokenizer.json, though directories carry one that other programs made.
    let hasPieces = try directory.contains("spiece.model")
    if settings.family != .siglip || !hasPieces,
      let bytes = try directory.bytes("tokenizer.json")
    {
      return try settings.apply(to: bytes, file: directory.shown("tokenizer.json"))
    }
    if settings.family != .gpt2, settings.family != .roberta,
      let lines = try directory.bytes("vocab.txt")
    {
      return try settings.wordPiece(vocabulary: lines, file: directory.shown("vocab.txt"))
    }
    if let vocabulary = try directory.json("vocab.json"),
      let merges = try directory.bytes("merges.txt")
    {
      return try settings.byteLevel(vocabulary: vocabulary, merges: merges)
    }
    if let name = settings.family.sentencePieceFile, let bytes = try directory.bytes(name) {
      let model = try SentencePieceModel(bytes, file: directory.shown(name))
      guard settings.family == .marian || settings.family == .m2m100 else {
        return try settings.converted(model)
      }
      func vocabulary(_ name: String) throws(HubError) -> JSONField {
        if let vocabulary = try directory.json(name) { return vocabulary }
        throw HubError(
          .cannotRead, file: directory.shown(name), expected: "a vocabulary", found: "nothing")
      }
      let isApart = try settings.config["separate_vocabs"].bool(default: false)
      return try settings.mapped(
        model, vocabulary: vocabulary("vocab.json"),
        targets: isApart ? vocabulary("target_vocab.json") : nil)
    }
    for name in TokenizerFamily.sentencePieceFiles where try directory.bytes(name) != nil {
      throw settings.config["tokenizer_class"].error(
        expected: "a class of tokenizers whose \(name) can be read, or a tokenizer.json")
    }
    return nil
  }
}

extension TokenizerSettings {
  fileprivate init(_ config: JSONField, in directory: ModelDirectory) throws(HubError) {
    try self.init(
      config, model: try directory.json("config.json"),
      map: try directory.json("special_tokens_map.json"))
  }
}
