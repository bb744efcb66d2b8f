import BurinHub
import BurinIR
import BurinPasses

/// What a library says of its model besides the code and the weights: all that the verbs on text
/// need, so that one file is all that a user ships.
public struct ModelDescription: Sendable {
  /// The model's name, from its directory or its program.
  public var name: String
  /// transformers' `model_type`, if the model came from a directory.
  public var modelType: String?
  /// The class in transformers that the outputs are those of.
  public var architecture: String?
  /// What its outputs are for.
  public var head: Head
  /// A classifier's labels by index.
  public var labels: [String]
  /// Whether labels exclude each other (softmax), are independent (sigmoid), or are numbers.
  public var problem: Problem
  /// The longest text in tokens that the model's own files ask for.
  public var maximumTokens: Int?
  /// Whether `embed` turns texts to lower case first.
  public var lowercases: Bool
  /// What stands before every text that `embed` gets, unless another prompt is asked for.
  public var prompt: String
  /// What may stand there instead, by name.
  public var prompts: [String: String]
  /// How many columns of its vectors `embed` keeps; `nil` for all.
  public var dimensions: Int?
  /// `tokenizer.json`, or what stands for it; `null` without a tokenizer.
  public var tokenizer: JSON
  /// `tokenizer_config.json`.
  public var tokenizerConfig: JSON
  /// The length in tokens that every text is filled up to; `nil` where the longest decides.
  public var paddedTokens: Int?
  /// `generation_config.json`.
  public var generation: JSON
  /// `preprocessor_config.json`, of a model that sees pictures or hears sound.
  public var preprocessor: JSON
  /// The ids after which generation stops.
  public var endTokens: [Int]
  /// The id that begins every target of an encoder-decoder.
  public var startToken: Int?
  /// What a model that predicts series takes and gives; `nil` for others.
  public var series: SeriesDescription?
  /// From where on a sequence's positions turn otherwise; `nil` if they never do.
  public var longContext: LongContext?
  /// In what its products multiply.
  public var precision: Precision
  /// How conversations are written, if the model was made for them.
  public var chat: ChatDefinition?
  /// In what its caches keep keys and values.
  public var cacheType: CacheType
  /// The schedules that its kernels have instead of the cost model's.
  public var schedules: Schedules
  /// What rounding took off weights and large tables: the root mean square of the error, over that of
  /// the weights.
  public var weightError: Double?
  /// The program before any pass, as the IR's text; `inspect` and `bench` look at it.
  public var program: String?

  /// What the labels of a classifier are to each other.
  public enum Problem: String, Sendable {
    /// One of them holds: softmax.
    case single = "single_label_classification"
    /// Each holds or not: sigmoid.
    case multiple = "multi_label_classification"
    /// They are numbers as they are.
    case regression
  }

  /// The description of a model of which only the name is known.
  public init(name: String) {
    self.name = name
    head = .bare
    labels = []
    problem = .single
    lowercases = false
    prompt = ""
    prompts = [:]
    tokenizer = .null
    tokenizerConfig = .null
    generation = .null
    preprocessor = .null
    endTokens = []
    precision = .f32
    cacheType = .f32
    schedules = Schedules()
  }
}

/// A context beyond which rotary positions have other frequencies (LongRoPE).
public struct LongContext: Hashable, Sendable {
  /// The most positions of a sequence with the frequencies of short ones.
  public var above: Int
  /// Whether a sequence that grows beyond is read again; else its keys stay turned as they were.
  public var rereads: Bool
}

extension ModelDescription {
  /// The description as it stands in the library's file; the tokenizer, by far the longest part, is
  /// last.
  public var json: JSON {
    [
      "name": JSON(name), "model_type": modelType.map { JSON($0) } ?? .null,
      "architecture": architecture.map { JSON($0) } ?? .null, "head": JSON(head.rawValue),
      "labels": .array(labels.map { JSON($0) }), "problem_type": JSON(problem.rawValue),
      "maximum_tokens": maximumTokens.map { JSON($0) } ?? .null, "lowercases": JSON(lowercases),
      "prompt": JSON(prompt), "prompts": promptsJSON,
      "dimensions": dimensions.map { JSON($0) } ?? .null,
      "end_tokens": .array(endTokens.map { JSON($0) }),
      "start_token": startToken.map { JSON($0) } ?? .null,
      "long_context": longContext.map {
        ["above": JSON($0.above), "rereads": JSON($0.rereads)]
      } ?? .null,
      "padded_tokens": paddedTokens.map { JSON($0) } ?? .null, "preprocessor": preprocessor,
      "generation": generation, "tokenizer_config": tokenizerConfig,
      "dtype": JSON(precision.rawValue), "cache_dtype": JSON(cacheType.rawValue),
      "weight_error": weightError.map { JSON($0) } ?? .null, "schedules": schedules.json,
      "series": series?.json ?? .null, "chat": chat?.json ?? .null,
      "program": program.map { JSON($0) } ?? .null, "tokenizer": tokenizer,
    ]
  }

  /// The prompts, in the order of their names.
  private var promptsJSON: JSON {
    .object(
      JSONObject(
        prompts.sorted { $0.key < $1.key }.map { .init(ByteString($0.key), JSON($0.value)) }))
  }

  /// Reads the description of a library.
  public init(_ field: JSONField) throws(HubError) {
    self.init(name: try field["name"].string().utf8String)
    func text(_ key: ByteString) throws(HubError) -> String? {
      field[key].exists ? try field[key].string().utf8String : nil
    }
    modelType = try text("model_type")
    architecture = try text("architecture")
    head = Head(rawValue: try text("head") ?? "") ?? .bare
    for label in try field["labels"].array() { labels.append(try label.string().utf8String) }
    problem = Problem(rawValue: try text("problem_type") ?? "") ?? .single
    if field["maximum_tokens"].exists {
      maximumTokens = try field["maximum_tokens"].int(in: 1...Int(Int32.max))
    }
    if field["padded_tokens"].exists {
      paddedTokens = try field["padded_tokens"].int(in: 1...1 << 24)
    }
    preprocessor = field["preprocessor"].value ?? .null
    lowercases = try field["lowercases"].bool(default: false)
    prompt = try text("prompt") ?? ""
    if field["prompts"].exists {
      for (name, prompt) in try field["prompts"].members() {
        prompts[name.utf8String] = try prompt.string().utf8String
      }
    }
    if field["dimensions"].exists { dimensions = try field["dimensions"].int(in: 1...1 << 30) }
    for id in try field["end_tokens"].array() { endTokens.append(try id.int()) }
    precision = try text("dtype").flatMap(Precision.init(rawValue:)) ?? .f32
    cacheType = try text("cache_dtype").flatMap(CacheType.init(rawValue:)) ?? .f32
    schedules = try Schedules(field["schedules"])
    if field["weight_error"].exists { weightError = try field["weight_error"].double() }
    if field["start_token"].exists { startToken = try field["start_token"].int() }
    if field["long_context"].exists {
      longContext = LongContext(
        above: try field["long_context"]["above"].int(in: 1...1 << 24),
        rereads: try field["long_context"]["rereads"].bool(default: false))
    }
    program = try text("program")
    if field["series"].exists { series = try SeriesDescription(field["series"]) }
    chat = try ChatDefinition(field["chat"])
    generation = field["generation"].value ?? .null
    tokenizerConfig = field["tokenizer_config"].value ?? .null
    tokenizer = field["tokenizer"].value ?? .null
  }
}
