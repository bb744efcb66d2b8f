import BurinHub
import BurinIR

/// Everything that a compilation starts from: the program, where its weights are, and what the
/// library shall say of it.
public struct ModelSpec: Sendable {
  /// What it computes.
  public var program: Program
  /// Where its weights come from.
  public var weights: any WeightSource
  /// What its library tells of it: labels, tokenizer, pooling.
  public var description: ModelDescription
  /// What the user should hear although it stops nothing.
  public var warnings: [String] = []

  /// A program, its weights, and what the library says of it: nothing but its name, if left out.
  public init(
    program: Program, weights: any WeightSource, description: ModelDescription? = nil
  ) {
    self.program = program
    self.weights = weights
    self.description = description ?? ModelDescription(name: program.name)
  }
}

extension ModelDirectory {
  /// Reads the model in this directory: its configuration, the tensors' names and shapes, the
  /// tokenizer; not yet the weights.
  ///
  /// - Throws: `HubError` that names file, key, what was expected and what was found.
  public func spec(_ limits: Limits = Limits()) throws(HubError) -> ModelSpec {
    let pipeline = try sentencePipeline()
    let directory = try subdirectory(pipeline?.transformer ?? "")
    let config = try directory.config()
    let architecture = try Architecture(config, isPooled: pipeline != nil)
    let family = architecture.family
    var modules: [String] = []
    for case .dense(let name, _, _, _, _) in pipeline?.steps ?? [] { modules.append(name) }
    // Some heads for question answering call the body as GPT-2 does, whatever the others call it.
    let prefixes =
      [family.bodyPrefix] + (architecture.head == .questionAnswering ? ["transformer"] : [])
    let checkpoint = try Checkpoint(
      directory, prefixes: prefixes, modules: modules, of: self, isInside: architecture.isInside)
    let own = architecture.config
    try own.refuseSharedChanges()
    let model = try family.init(own, head: architecture.head, body: checkpoint.body)
    if let wanted = limits.sequence, wanted > model.maximumLength {
      throw HubError(
        file: config.file, expected: "a model of at least the \(wanted) positions asked for",
        found: "one of \(model.maximumLength)")
    }
    var limits = limits
    let preparation = try family.seesPictures ? directory.preparation("image_processor") : nil
    limits.picture =
      try preparation.map { field throws(HubError) in
        try PicturePreparation(field, modelType: config["model_type"].string().utf8String).size
      } ?? nil
    var entries = try model.entries(limits)
    var warnings: [String] = []
    if let pipeline, let model = model as? any PooledFamily {
      if let missing = checkpoint.missing(of: Program(name, entries: entries)) {
        // A pooler, which `AutoModel` makes up, and which has nothing to do with pooling.
        entries = [
          Entry.trace("forward") { [("last_hidden_state", model.states($0, limits).hidden)] }
        ]
        warnings.append(
          "\(directory.path): without \(missing), forward gives the last hidden state alone")
      }
      entries.append(try embedEntry(pipeline) { model.states($0, limits) })
    }
    let traced = Program(name, entries: entries)
    try checkpoint.check(traced) { name in
      // `AutoModel` leaves out what stands beside the body.
      family.isUnused(name) || pipeline != nil && checkpoint.isBesideBody(name)
    }
    let program: Program
    do throws(IRError) { program = try traced.storing(as: checkpoint) } catch {
      misuse(error.description)
    }
    var spec = ModelSpec(program: program, weights: checkpoint)
    spec.warnings = warnings
    spec.description.architecture = architecture.name
    spec.description.head = architecture.head
    spec.description.series = model.series
    spec.description.longContext = model.longContext
    try spec.describe(config, own, pipeline: pipeline, in: directory)
    if architecture.isInside {
      spec.warnings.append("\(config.file): only the text model is compiled, without pictures")
    }
    if let captions = family.captions, !architecture.head.hasLabels {
      spec.description.problem = captions.problem
      spec.description.paddedTokens = captions.length.map {
        min($0, spec.description.maximumTokens ?? .max, model.maximumLength)
      }
    }
    if let preparation { spec.describe(preparation, makes: limits.picture) }
    return spec
  }

  /// The last part of the path, for people.
  private var name: String {
    let parts = path.utf8.split(separator: UInt8(ascii: "/"))
    return parts.last.flatMap { String($0) } ?? "model"
  }
}

/// The class in transformers that a configuration names, and what it is here.
private struct Architecture {
  let family: any Family.Type
  let name: String?
  let head: Head
  /// The configuration that the family reads.
  let config: JSONField
  /// Whether it is the text model of something larger.
  let isInside: Bool

  /// Reads `model_type` and `architectures[0]`; without the latter the model is bare.
  ///
  /// - Parameter isPooled: whether the tokens' vectors are pooled: then the model is what `AutoModel`
  ///   makes of the directory, whose head, if it has one, does not count.
  init(_ config: JSONField, isPooled: Bool) throws(HubError) {
    let named = try Architecture(config)
    self = isPooled ? try named.pooled(config) : named
  }

  private init(
    family: any Family.Type, name: String?, head: Head, config: JSONField, isInside: Bool
  ) {
    (self.family, self.name, self.head) = (family, name, head)
    (self.config, self.isInside) = (config, isInside)
  }

  /// The same without a head of its own.
  private func pooled(_ config: JSONField) throws(HubError) -> Architecture {
    guard let family = family as? any PooledFamily.Type else {
      throw config["model_type"].error(
        expected: "an encoder or a decoder of text, whose tokens modules.json can pool")
    }
    let head = family.pooledHead
    // Of the classes without a head, the one of the same model as the class that is named.
    let bare = name.flatMap { given in
      family.architectures.filter { $0.value == head }.map(\.key).max {
        $0.sharedPrefix(with: given) < $1.sharedPrefix(with: given)
      }
    }
    return Architecture(
      family: family, name: isInside ? name : bare, head: head, config: self.config,
      isInside: isInside)
  }

  /// What the configuration itself says.
  private init(_ config: JSONField) throws(HubError) {
    let type = try config["model_type"].string().utf8String
    let related = families.filter { $0.modelTypes.contains(type) }
    let names = config["architectures"].exists ? try config["architectures"].array() : []
    guard let first = related.first else {
      guard let text = try TextConfiguration(config) else {
        var known: [String] = []
        for type in families.flatMap({ $0.modelTypes }) where !known.contains(type) {
          known.append(type)
        }
        throw config["model_type"].error(expected: "one of " + known.joined(separator: ", "))
      }
      (self.family, self.config, isInside) = (text.family, text.config, true)
      let given = try names.first?.string().utf8String
      guard let head = TextConfiguration.head(given ?? "Model") else {
        throw config["architectures"][0].error(
          expected: "a name that ends with Model or ForConditionalGeneration")
      }
      (name, self.head) = (given, head)
      return
    }
    (self.config, isInside) = (DecoderDefaults.completed(config, type: type), false)
    guard let field = names.first else {
      family = first
      name = nil
      head = .bare
      return
    }
    let name = try field.string().utf8String
    for family in related {
      guard let known = family.architectures.first(where: { $0.key == name }) else { continue }
      self.family = family
      self.name = name
      head = known.value
      return
    }
    let known = related.flatMap { $0.architectures.map { $0.key } }
    throw field.error(expected: "one of " + known.joined(separator: ", "))
  }
}

extension String {
  /// How many bytes two texts have in common before they differ.
  fileprivate func sharedPrefix(with other: String) -> Int {
    zip(utf8, other.utf8).prefix { $0 == $1 }.count
  }
}

extension ModelDirectory {
  /// Where this directory says what happens to pictures (`image_processor`) or sound
  /// (`feature_extractor`) before the model takes them: in a file of its own, or in the one of all
  /// that goes before the model; `nil` if it does not say.
  fileprivate func preparation(_ part: ByteString) throws(HubError) -> JSONField? {
    if let file = try json("preprocessor_config.json") { return file }
    let field = try json("processor_config.json")?[part]
    return field?.exists == true ? field : nil
  }
}

extension ModelSpec {
  /// Notes how pictures are prepared, and warns where the model cannot take what comes of it.
  fileprivate mutating func describe(_ preparation: JSONField, makes size: PictureSize?) {
    description.preprocessor = preparation.value ?? .null
    let sizes = program.pictureSizes
    guard let size, !sizes.contains(size) else { return }
    warnings.append(
      "\(preparation.file): makes pictures of \(size) pixels, the model takes "
        + "\(sizes.map(\.description).joined(separator: ", ")): no verb can give it a picture")
  }

  /// Collects what the verbs on text need from the files beside the weights.
  fileprivate mutating func describe(
    _ config: JSONField, _ own: JSONField, pipeline: SentencePipeline?,
    in directory: ModelDirectory
  ) throws(HubError) {
    description.modelType = try config["model_type"].string().utf8String
    if description.head.hasLabels {
      description.labels = try config.labels()
      if config["problem_type"].exists {
        let known = ["single_label_classification", "multi_label_classification", "regression"]
        let name = try config["problem_type"].string(oneOf: known.map { ByteString($0) })
        description.problem = .init(rawValue: name.utf8String) ?? .single
      } else if description.labels.count == 1 {
        // transformers' pipeline gives a single label without a problem type a sigmoid.
        description.problem = .multiple
      }
    }
    let tokenizerConfig = try directory.json("tokenizer_config.json")
    description.tokenizerConfig = tokenizerConfig?.value ?? .null
    description.generation =
      try directory.json("generation_config.json")?.value ?? config.generation(own)
    if description.modelType == "whisper" { try describeSound(config, in: directory) }
    description.tokenizer = try TokenizerDefinition.file(in: directory) ?? .null
    try describeSpecialTokens(in: directory)
    if description.head == .languageModel || description.head == .sequenceToSequence {
      try describeChat(in: directory)
    }
    // transformers writes 1e30 where a tokenizer has no limit.
    let length = tokenizerConfig?["model_max_length"].value?.int
    description.maximumTokens = pipeline?.maxLength ?? length.flatMap { $0 < 1 << 30 ? $0 : nil }
    description.lowercases = pipeline?.lowercases ?? false
    description.prompt = pipeline?.prompt.utf8String ?? ""
    for (name, prompt) in pipeline?.prompts ?? [:] {
      description.prompts[name.utf8String] = prompt.utf8String
    }
    description.dimensions = pipeline?.dimensions
    try describeEndTokens(config, own)
  }

  /// How sound becomes input, and what Whisper's older files say of generation in `config.json`.
  private mutating func describeSound(
    _ config: JSONField, in directory: ModelDirectory
  ) throws(HubError) {
    if let preparation = try directory.preparation("feature_extractor") {
      description.preprocessor = try SpectrogramSettings(preparation).json
    }
    let hasOwn = try directory.contains("generation_config.json")
    var members = description.generation.object?.members ?? []
    for key: ByteString in ["forced_decoder_ids"] + (hasOwn ? [] : ["max_length"]) {
      guard description.generation[key]?.isNull != false, let value = config[key].value else {
        continue
      }
      members.removeAll { $0.key == key }
      members.append(.init(key, value))
    }
    if !members.isEmpty { description.generation = .object(JSONObject(members)) }
  }

  /// Adds to the tokenizer's configuration the special tokens that only an older file or the
  /// tokenizer's class names.
  private mutating func describeSpecialTokens(in directory: ModelDirectory) throws(HubError) {
    guard description.tokenizer != .null else { return }
    var members = description.tokenizerConfig.object?.members ?? []
    let known = Set(members.map(\.key))
    for member in try TokenizerDefinition.specialTokens(in: directory)
    where member.value.string != nil && !known.contains(member.key) {
      members.append(member)
    }
    description.tokenizerConfig = .object(JSONObject(members))
  }

  /// The chat templates, apart from the rest of the tokenizer's configuration. One that Burin cannot
  /// read is a warning: the model is worth having without.
  private mutating func describeChat(in directory: ModelDirectory) throws(HubError) {
    description.chat = try ChatDefinition(directory)
    guard let chat = description.chat else { return }
    if let members = description.tokenizerConfig.object?.members {
      let others = members.filter { $0.key != "chat_template" }
      description.tokenizerConfig = .object(JSONObject(others))
    }
    do throws(HubError) { _ = try chat.template(file: directory.path) } catch {
      warnings.append("\(error); generate --chat will not work")
    }
  }

  /// The end tokens of generation: one id or several, of `generation_config.json`, or of the
  /// configuration where there is no such file. An id that no logit stands for is a warning.
  private mutating func describeEndTokens(
    _ config: JSONField, _ own: JSONField
  ) throws(HubError) {
    let generation = JSONField(description.generation, file: "generation_config.json")
    if description.head == .sequenceToSequence {
      let keys: [ByteString] = ["decoder_start_token_id", "bos_token_id"]
      let start = keys.flatMap { [generation[$0], config[$0]] }.first { $0.exists }
      if let start { description.startToken = try start.int(in: 0...1 << 24) }
    }
    guard description.head == .languageModel || description.head == .sequenceToSequence else {
      return
    }
    let field = generation["eos_token_id"]
    guard field.exists else { return }
    let ids = field.value?.array == nil ? [field] : try field.array()
    let vocabulary = try own.first(of: "decoder_vocab_size", "vocab_size").int(
      in: 1...1 << 24, default: 1 << 24)
    for id in ids {
      let value = try id.int()
      if (0..<vocabulary).contains(value) {
        description.endTokens.append(value)
      } else {
        warnings.append(
          "\(field.file): \(id.path) \(value) is outside the vocabulary of \(vocabulary): "
            + "it can never be produced")
      }
    }
  }
}

extension JSONField {
  /// Refuses what changes the weights of any family in transformers, and is known of none here.
  fileprivate func refuseSharedChanges() throws(HubError) {
    let pruned = self["pruned_heads"]
    if let members = pruned.value?.object?.members, !members.isEmpty {
      throw pruned.error(expected: "{}: layers with fewer heads are not known")
    }
    let tied = self["tie_encoder_decoder"]
    if try tied.bool(default: false) {
      throw tied.error(expected: "false: an encoder that is its decoder is not known")
    }
  }

  /// What a configuration says of generation, where no file says it: old models have it there. What
  /// it does not say may stand in that of the model's own inside of it.
  fileprivate func generation(_ own: JSONField) -> JSON {
    let keys =
      LogitsRules.keys + [
        "bos_token_id", "eos_token_id", "decoder_start_token_id", "length_penalty",
        "early_stopping",
      ]
    var members = keys.compactMap { key -> JSONObject.Member? in
      (self[key].value ?? own[key].value).map { JSONObject.Member(key, $0) }
    }
    let type = self["model_type"].value?.string?.utf8String ?? ""
    for (key, absent) in GenerationDefaults.of(modelType: type) where value?[key] == nil {
      members.append(.init(key, absent))
    }
    return members.isEmpty ? .null : .object(JSONObject(members))
  }

  /// The names of a classifier's labels, `LABEL_0` and so on where the file gives none.
  fileprivate func labels() throws(HubError) -> [String] {
    let count = try labelCount()
    var labels = (0..<count).map { "LABEL_\($0)" }
    guard self["id2label"].exists else { return labels }
    for (key, field) in try self["id2label"].members() {
      guard let index = Int(key.utf8String), labels.indices.contains(index) else {
        throw field.error(expected: "labels for the ids 0 to \(count - 1)")
      }
      labels[index] = try field.string().utf8String
    }
    return labels
  }
}
