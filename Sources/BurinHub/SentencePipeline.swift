/// What a sentence-transformers directory does with a text, read from its `modules.json`.
///
/// The formats are those that sentence-transformers 2 to 6 write.
public struct SentencePipeline: Sendable, Hashable {
  /// A way to make one vector of a sequence's; several are concatenated in the order given.
  public enum Pooling: String, Sendable, Hashable, CaseIterable {
    /// The first token's vector.
    case cls
    /// The largest value of each column.
    case max
    /// The mean over the tokens.
    case mean
    /// The sum over the tokens divided by the square root of their number.
    case meanSquareRoot = "mean_sqrt_len_tokens"
    /// The mean weighted by 1, 2, 3 ...
    case weightedMean = "weightedmean"
    /// The last token's vector.
    case lastToken = "lasttoken"

    /// The key by which files of version 4 and earlier switch it on.
    fileprivate var key: ByteString {
      switch self {
      case .cls: "pooling_mode_cls_token"
      case .max: "pooling_mode_max_tokens"
      case .mean: "pooling_mode_mean_tokens"
      case .meanSquareRoot: "pooling_mode_mean_sqrt_len_tokens"
      case .weightedMean: "pooling_mode_weightedmean_tokens"
      case .lastToken: "pooling_mode_lasttoken"
      }
    }
  }

  /// What a dense layer applies to its result.
  public enum Activation: String, Sendable, Hashable, CaseIterable {
    /// Nothing.
    case identity = "torch.nn.modules.linear.Identity"
    /// The hyperbolic tangent.
    case tanh = "torch.nn.modules.activation.Tanh"
    /// max(x, 0).
    case relu = "torch.nn.modules.activation.ReLU"
    /// The exact GELU, by the error function.
    case gelu = "torch.nn.modules.activation.GELU"
    /// 1 / (1 + exp(-x)).
    case sigmoid = "torch.nn.modules.activation.Sigmoid"
    /// x · sigmoid(x).
    case silu = "torch.nn.modules.activation.SiLU"
  }

  /// What happens to the pooled vector.
  public enum Step: Sendable, Hashable {
    /// `activation(x · linear.weightᵀ + linear.bias)`; the weights are in a directory of their own.
    case dense(directory: String, inputs: Int, outputs: Int, bias: Bool, activation: Activation)
    /// Division by the Euclidean norm, which is taken as 1e-12 at least.
    case normalize
  }

  /// The directory of the Transformer inside the model's; often empty, which is the model's own.
  public var transformer: String
  /// The poolings, concatenated in this order.
  public var poolings: [Pooling]
  /// Whether the tokens of a prompt count in pooling.
  public var poolsPrompt: Bool
  /// What happens to the pooled vector, in order.
  public var steps: [Step]
  /// The longest text in tokens, or nil when the files leave it to the tokenizer.
  public var maxLength: Int?
  /// Whether the text is turned to lower case before it is tokenized.
  public var lowercases: Bool
  /// What may stand before a text, by name: the directory's prompts, and `query` and `document`, which
  /// are empty where it does not say.
  public var prompts: [ByteString: ByteString]
  /// What stands before every text unless another prompt is asked for; often empty.
  public var prompt: ByteString
  /// How many columns of a vector are kept, or nil for all.
  public var dimensions: Int?

  /// A pipeline; without arguments the mean over the tokens and nothing after it, which is what
  /// sentence-transformers makes of a directory that has no `modules.json`.
  public init(
    transformer: String = "", poolings: [Pooling] = [.mean], poolsPrompt: Bool = true,
    steps: [Step] = [], maxLength: Int? = nil, lowercases: Bool = false,
    prompts: [ByteString: ByteString] = ["query": "", "document": ""], prompt: ByteString = "",
    dimensions: Int? = nil
  ) {
    self.transformer = transformer
    self.poolings = poolings
    self.poolsPrompt = poolsPrompt
    self.steps = steps
    self.maxLength = maxLength
    self.lowercases = lowercases
    self.prompts = prompts
    self.prompt = prompt
    self.dimensions = dimensions
  }
}

extension ModelDirectory {
  /// The pipeline of a sentence-transformers directory; nil when it has no `modules.json`, or says that
  /// it is for something other than vectors of whole texts.
  ///
  /// - Throws: `HubError` that names the module that Burin does not know.
  public func sentencePipeline() throws(HubError) -> SentencePipeline? {
    guard let modules = try json("modules.json") else { return nil }
    let settings = try object("config_sentence_transformers.json")
    let kind = try settings?["model_type"].string(default: "SentenceTransformer")
    guard kind == nil || kind == "SentenceTransformer" else { return nil }
    var pipeline = SentencePipeline(poolings: [])
    if let settings { try readPrompts(settings, into: &pipeline) }
    for (number, module) in try modules.array().enumerated() {
      let directory = try module["path"].string(default: "").utf8String
      switch (number, try moduleName(module["type"])) {
      case (0, "Transformer"):
        pipeline.transformer = directory
        try readLength(of: subdirectory(directory), into: &pipeline)
      case (1, "Pooling"):
        try readPooling(moduleConfig(directory, module), into: &pipeline)
      case (2..., "Dense"):
        pipeline.steps.append(try dense(directory, moduleConfig(directory, module)))
      case (2..., "Normalize"): pipeline.steps.append(.normalize)
      case (2..., "Dropout"): break
      default:
        throw module["type"].error(
          expected: "Transformer, then Pooling, then any of Dense, Normalize, Dropout")
      }
    }
    guard !pipeline.poolings.isEmpty else {
      throw modules.error(expected: "a Transformer and a Pooling")
    }
    return pipeline
  }

  /// Checks that each dense layer of this directory's pipeline takes what stands before it, and that no
  /// more columns are to be kept than there are.
  ///
  /// - Parameter width: of the tokens' vectors.
  /// - Throws: `HubError` that names the file and both widths.
  public func check(_ pipeline: SentencePipeline, width: Int) throws(HubError) {
    var width = width * pipeline.poolings.count
    for case .dense(let directory, let inputs, let outputs, _, _) in pipeline.steps {
      guard inputs == width else {
        throw HubError(
          file: shown(directory + "/config.json"), key: "in_features",
          expected: "\(width), the width of what the modules before it give", found: "\(inputs)")
      }
      width = outputs
    }
    if let dimensions = pipeline.dimensions, dimensions > width {
      throw HubError(
        file: shown("config_sentence_transformers.json"), key: "truncate_dim",
        expected: "at most \(width), the width of the vectors", found: "\(dimensions)")
    }
  }

  /// The root of a file that holds an object; nil when there is no file.
  private func object(_ name: String) throws(HubError) -> JSONField? {
    let root = try json(name)
    if let root, root.value?.object == nil { throw root.error(expected: "an object") }
    return root
  }

  /// The class of a module, without the Python package that it lived in at the time.
  private func moduleName(_ type: JSONField) throws(HubError) -> String {
    let name = try type.string()
    guard name.bytes.starts(with: "sentence_transformers.".utf8) else {
      throw type.error(expected: "a module of sentence_transformers")
    }
    let last = name.bytes.split(separator: UInt8(ascii: ".")).last ?? []
    return String(decoding: last, as: UTF8.self)
  }

  private func moduleConfig(
    _ directory: String, _ module: JSONField
  ) throws(HubError) -> JSONField {
    guard !directory.isEmpty, let config = try object(directory + "/config.json") else {
      throw module["path"].error(expected: "a directory with a config.json")
    }
    return config
  }

  private func readPooling(
    _ config: JSONField, into pipeline: inout SentencePipeline
  ) throws(HubError) {
    pipeline.poolsPrompt = try config["include_prompt"].flag(default: true)
    let mode = config["pooling_mode"]
    if mode.exists {
      let modes = mode.value?.array == nil ? [mode] : try mode.array()
      pipeline.poolings = try modes.map { field throws(HubError) in
        let known = SentencePipeline.Pooling.allCases
        let name = try field.string(oneOf: known.map { ByteString($0.rawValue) })
        return known.first { ByteString($0.rawValue) == name } ?? .mean
      }
    } else {
      for pooling in SentencePipeline.Pooling.allCases
      where try config[pooling.key].bool(default: false) {
        pipeline.poolings.append(pooling)
      }
      // None switched on means the default of the class.
      if pipeline.poolings.isEmpty { pipeline.poolings = [.mean] }
    }
    guard !pipeline.poolings.isEmpty else { throw mode.error(expected: "a pooling mode") }
  }

  private func dense(
    _ directory: String, _ config: JSONField
  ) throws(HubError) -> SentencePipeline.Step {
    let known = SentencePipeline.Activation.allCases
    var activation = SentencePipeline.Activation.tanh
    let function = config["activation_function"]
    if function.exists {
      let name = try function.string(oneOf: known.map { ByteString($0.rawValue) })
      activation = known.first { ByteString($0.rawValue) == name } ?? .tanh
    }
    for key in ["module_input_name", "module_output_name"] as [ByteString]
    where config[key].exists {
      _ = try config[key].string(oneOf: ["sentence_embedding"])
    }
    if try config["use_residual"].bool(default: false) {
      throw config["use_residual"].error(expected: "false")
    }
    return .dense(
      directory: directory, inputs: try config["in_features"].int(in: 1...1 << 20),
      outputs: try config["out_features"].int(in: 1...1 << 20),
      bias: try config["bias"].flag(default: true), activation: activation)
  }

  /// The longest text and the case, from the first file of a name that was ever used.
  private func readLength(
    of directory: ModelDirectory, into pipeline: inout SentencePipeline
  ) throws(HubError) {
    let families = [
      "bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet",
    ]
    for family in families {
      guard let config = try directory.object("sentence_\(family)_config.json") else { continue }
      if config["max_seq_length"].exists {
        pipeline.maxLength = try config["max_seq_length"].int(in: 1...1 << 30)
      }
      pipeline.lowercases = try config["do_lower_case"].bool(default: false)
      return
    }
  }

  /// The prompts, the one that is taken where none is asked for, and how many columns are kept.
  private func readPrompts(
    _ settings: JSONField, into pipeline: inout SentencePipeline
  ) throws(HubError) {
    if settings["prompts"].exists {
      for (name, text) in try settings["prompts"].members() {
        pipeline.prompts[name] = try text.string(default: "")
      }
    }
    let name = settings["default_prompt_name"]
    if name.exists {
      guard let prompt = try pipeline.prompts[name.string()] else {
        let known = pipeline.prompts.keys.map(\.description).sorted()
        throw name.error(expected: "one of " + known.joined(separator: ", "))
      }
      pipeline.prompt = prompt
    }
    let dimensions = settings["truncate_dim"]
    if dimensions.exists { pipeline.dimensions = try dimensions.int(in: 1...1 << 30) }
  }
}
