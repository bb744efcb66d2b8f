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

  /// Reads `tokenizer.json`, or `vocab.txt`, or `vocab.json` and `merges.txt`, or a SentencePiece
  /// model, together with `tokenizer_config.json` and `special_tokens_map.json`; nil when there is
  /// no tokenizer of these kinds.
  ///
  /// - Throws: `HubError` when a file is there but wrong.
  public init?(_ directory: ModelDirectory) throws(HubError) {
    let config = try directory.json("tokenizer_config.json") ?? JSONField([:], file: "")
    let settings = try TokenizerSettings(
      config, model: try directory.json("config.json"),
      map: try directory.json("special_tokens_map.json"))
    if let bytes = try directory.bytes("tokenizer.json") {
      json = try settings.apply(to: bytes, file: directory.shown("tokenizer.json"))
    } else if settings.family != .gpt2, settings.family != .roberta,
      let lines = try directory.bytes("vocab.txt")
    {
      json = try settings.wordPiece(vocabulary: lines, file: directory.shown("vocab.txt")).utf8
    } else if let vocabulary = try directory.json("vocab.json"),
      let merges = try directory.bytes("merges.txt")
    {
      json = try settings.byteLevel(vocabulary: vocabulary, merges: merges).utf8
    } else if let name = settings.family.sentencePieceFile, let bytes = try directory.bytes(name) {
      let model = try SentencePieceModel(bytes, file: directory.shown(name))
      if settings.family == .marian {
        guard let vocabulary = try directory.json("vocab.json") else {
          throw HubError(
            .cannotRead, file: directory.shown("vocab.json"), expected: "a vocabulary",
            found: "nothing")
        }
        json = try settings.marian(model, vocabulary: vocabulary).utf8
      } else {
        json = try settings.converted(model).utf8
      }
    } else {
      for name in TokenizerFamily.sentencePieceFiles where try directory.bytes(name) != nil {
        throw config["tokenizer_class"].error(
          expected: "a class of tokenizers whose \(name) can be read, or a tokenizer.json")
      }
      return nil
    }
    maxLength = nil
    if let length = config["model_max_length"].value?.double, length >= 1, length <= 1e20 {
      maxLength = Int(min(length, Double(Int32.max)))
    }
    cleansUpSpaces = try config["clean_up_tokenization_spaces"].bool(default: false)
    truncationSide = config["truncation_side"].value == "left" ? .left : .right
    if let pad = settings.token("pad_token") {
      let tokenizer = try Tokenizer(json: json, file: directory.shown("tokenizer.json"))
      if let id = tokenizer.id(of: pad.content) {
        let type = try config["pad_token_type_id"].int(in: 0...Int(Int32.max), default: 0)
        padding = Padding(
          id: id, typeID: Int32(type),
          side: config["padding_side"].value == "left" ? .left : .right)
      }
    }
  }
}
