import BurinHub

/// What a generation may choose.
public struct GenerationOptions: Sendable {
  /// New tokens, at most; nil for 64, or what the context has room for.
  public var maximumNewTokens: Int?
  /// How tokens are drawn; nil for the most probable one each time.
  public var sampling: Sampling?
  /// What the logits of tokens that have occurred are divided by; nil for what the model's own
  /// generation configuration says.
  public var repetitionPenalty: Double?
  /// Whether end tokens get no probability.
  public var ignoresEndTokens = false
  /// Texts at which generation ends; the text that is given ends before them.
  public var stops: [String] = []

  /// How many tokens are guessed at once, at most, from where the last ones stood before; they are
  /// checked together, and the tokens are those of a generation without guesses. 0 for none; only for
  /// decoders, and not where tokens are drawn.
  public var promptLookupTokens = 8
  /// The most that `promptLookupTokens` may ask for.
  public static let longestPromptLookup = 15

  /// The languages that a multilingual translator reads and writes, by its tokenizer's codes; nil for
  /// those that the model's own files say.
  public var sourceLanguage, targetLanguage: String?

  /// How many sequences a search keeps; 1 for no search.
  public var beams = 1
  /// A finished beam's score is divided by its number of new tokens to this power; nil for what the
  /// model's own generation configuration says.
  public var lengthPenalty: Double?
  /// When a search ends; nil for what the model's own generation configuration says.
  public var earlyStopping: EarlyStopping?

  /// Greedy generation.
  public init() {}
}

/// What was generated.
public struct Generation: Sendable {
  /// The new ids, up to and including the end token.
  public var tokens: [Int32] = []
  /// The text of the new tokens without special ones; nil without a tokenizer.
  public var text: String?
  /// How many tokens the prompt has.
  public var promptTokens: Int
  /// Why it ended.
  public var end: End = .length
  /// How many tokens were guessed.
  public var drafted = 0
  /// How many of those were right, and so came without a step of their own.
  public var accepted = 0
  /// The sum of the tokens' log-probabilities, divided by a power of their number (the length
  /// penalty); nil unless beams were searched.
  public var score: Double?

  /// Why a generation ended.
  public enum End: String, Sendable {
    /// As many tokens as were asked for, or as the model has room for.
    case length
    /// An end token of the model.
    case endToken = "end"
    /// One of the texts to stop at.
    case stop
    /// The receiver of the text wanted no more.
    case cancelled
  }
}

/// Continues token sequences with a decoder's `step`.
public struct Generator {
  /// The decoder.
  public let model: TextModel
  /// Whether a prompt is a source that an encoder reads.
  let isEncoderDecoder: Bool

  /// A generator over a model with a language model head.
  ///
  /// - Throws: `TaskError` if the library's model cannot generate, or not from text.
  public init(_ model: TextModel) throws {
    isEncoderDecoder = model.description.head == .sequenceToSequence
    if !isEncoderDecoder { try model.require(.languageModel, for: "generate") }
    guard !model.readsSound else {
      throw TaskError("\(model.name): the model reads sound, not a text: transcribe takes it")
    }
    self.model = model
  }

  /// A generator of what a model says to sound.
  init(transcribing model: TextModel) {
    isEncoderDecoder = true
    self.model = model
  }

  /// The ids of a prompt, with what the tokenizer adds to it. An empty prompt becomes the token that
  /// texts begin with.
  ///
  /// - Parameter options: whose languages a translator's source is marked with.
  public func encode(
    _ prompt: String, _ options: GenerationOptions = GenerationOptions()
  ) throws -> [Int32] {
    if let ids = try marked(prompt, options) { return ids }
    let ids = try model.tokenizer().encode(prompt).ids
    guard ids.isEmpty else { return ids }
    let start = model.description.generation["bos_token_id"]?.int.flatMap { Int32(exactly: $0) }
    guard let id = try start ?? model.specialID("bos_token") else {
      throw TaskError("\(model.name): an empty prompt, and no token that begins a text")
    }
    return [id]
  }

  /// How many new tokens there may be after a prompt; the last one needs no place in the context.
  private func allowance(_ prompt: [Int32], _ asked: Int?) throws -> Int {
    let context = model.runner.maximum(of: "context") ?? model.maximumLength
    guard !prompt.isEmpty else { throw TaskError("a prompt without any token") }
    guard prompt.count <= min(context, model.maximumLength) else {
      throw TaskError(
        "the prompt has \(prompt.count) tokens, the context takes at most "
          + "\(min(context, model.maximumLength))")
    }
    let room = isEncoderDecoder ? context : context - prompt.count + 1
    guard let asked else { return min(64, room) }
    guard asked >= 1 else {
      throw TaskError(
        .badOption, "max-new-tokens: expected an integer of at least 1, found \(asked)")
    }
    guard asked <= room else {
      let prompt = isEncoderDecoder ? "" : " after a prompt of \(prompt.count)"
      throw TaskError(
        "a context of \(context) tokens:\(prompt) there is room for \(room) new ones, not for "
          + "\(asked)")
    }
    return asked
  }

  /// The logits rules of the model's own configuration, with what the options change.
  func rules(
    _ options: GenerationOptions, source: [Int32]
  ) throws -> LogitsRules {
    let description = model.description
    var rules = try LogitsRules(
      JSONField(description.generation, file: "generation_config.json"))
    if let penalty = options.repetitionPenalty {
      guard penalty > 0, penalty.isFinite else {
        throw TaskError(
          .badOption, "repetition-penalty: expected a number above 0, found \(penalty)")
      }
      rules.repetitionPenalty = penalty
    }
    rules.endTokens = description.endTokens
    rules.source = source
    if let id = try targetToken(options) { rules.forcedStart = Int(id) }
    if options.ignoresEndTokens { rules.suppressed += description.endTokens }
    return rules
  }

  /// The stop strings of the model's own configuration.
  private func ownStops() throws -> [String] {
    let field = JSONField(model.description.generation, file: "generation_config.json")[
      "stop_strings"]
    guard field.exists else { return [] }
    if field.value?.array == nil { return [try field.string().utf8String] }
    var stops: [String] = []
    for stop in try field.array() { stops.append(try stop.string().utf8String) }
    return stops
  }

  /// Tokens of a prompt in one call, at most: between two calls a generation can be cancelled.
  private static let piece = 256

  /// Appends tokens to the sequence and gives the logits after the last one; nil if cancelled.
  ///
  /// - Parameters:
  ///   - source: how many tokens the source has that `encode` read.
  ///   - span: how many tokens the sequence has then.
  func step(
    _ tokens: [Int32], source: Int?, span: Int, _ isCancelled: () -> Bool
  ) throws -> [Float]? {
    var logits: [Float] = []
    for start in stride(from: 0, to: tokens.count, by: Self.piece) {
      if isCancelled() { return nil }
      let piece = Array(tokens[start..<min(tokens.count, start + Self.piece)])
      logits = try step(piece, sequences: 1, source: source, span: span)
    }
    return logits
  }

  /// Appends as many tokens to each of the first sequences and gives the logits after the last one,
  /// sequence by sequence.
  func step(
    _ tokens: [Int32], sequences: Int, source: Int?, span: Int
  ) throws -> [Float] {
    var inputs = [
      "input_ids": HostTensor(tokens, shape: [sequences, tokens.count / sequences])
    ]
    if model.description.longContext != nil {
      inputs["rope_lengths"] = HostTensor(
        [Int32](repeating: Int32(span), count: sequences), shape: [sequences])
    }
    if let source {
      inputs["encoder_attention_mask"] = HostTensor(
        [Int32](repeating: 1, count: sequences * source), shape: [sequences, source])
    }
    let outputs = try model.runner.run("step", inputs, outputs: ["logits"])
    let logits = outputs["logits"]?.floats ?? []
    guard !logits.isEmpty else {
      throw TaskError("\(model.name): expected the output logits of step, found none")
    }
    return logits
  }

  /// Encodes a source once for each of `sequences`, and forgets the targets so far; gives its length.
  func encode(source: [Int32], sequences: Int) throws -> Int {
    let shape = [sequences, source.count]
    let ids = Array(repeatElement(source, count: sequences).joined())
    _ = try model.runner.run(
      "encode",
      [
        "input_ids": HostTensor(ids, shape: shape),
        "attention_mask": HostTensor([Int32](repeating: 1, count: ids.count), shape: shape),
      ], outputs: [])
    _ = try model.runner.reset(to: [])
    return source.count
  }

  /// The token that begins every target.
  func startToken() throws -> Int32 {
    guard let start = model.description.startToken, let id = Int32(exactly: start) else {
      throw TaskError("\(model.name): no decoder_start_token_id says how a target begins")
    }
    return id
  }

  /// What of a prompt the session does not hold. What it holds may have been turned as in a text of
  /// another length; then it is forgotten.
  func unread(_ prompt: [Int32]) throws -> [Int32] {
    let keeps = model.description.longContext == nil
    return Array(prompt[try model.runner.reset(to: keeps ? prompt : [])...])
  }

  /// The logits after the last of `tokens` and after each of the drafts that follow them; nil if
  /// cancelled.
  private func rows(
    _ tokens: [Int32], _ drafts: [Int32], source: Int?, span: Int, _ isCancelled: () -> Bool
  ) throws -> [[Float]]? {
    guard drafts.isEmpty else {
      return isCancelled() ? nil : try verify(tokens + drafts, span: span)
    }
    return try step(tokens, source: source, span: span, isCancelled).map { [$0] }
  }

  /// Continues a prompt of ids, which are taken as they are; an encoder-decoder takes them as its
  /// source. What the session still holds of an earlier call's tokens is not computed again.
  ///
  /// - Parameters:
  ///   - receive: hears the text as it grows, never a part of a character, and says whether to go
  ///     on; called only if the library has a tokenizer.
  ///   - isCancelled: asked before each piece of the prompt and before each token.
  public func callAsFunction(
    _ prompt: [Int32], _ options: GenerationOptions = GenerationOptions(),
    receive: (String) throws -> Bool = { _ in true }, isCancelled: () -> Bool = { false }
  ) throws -> Generation {
    let description = model.description
    let count = try allowance(prompt, options.maximumNewTokens)
    let rules = try rules(options, source: prompt)
    guard options.beams >= 1 else {
      throw TaskError(
        .badOption, "num-beams: expected an integer of at least 1, found \(options.beams)")
    }
    if options.beams > 1 {
      return try search(
        prompt, options, count: count, rules, receive: receive, isCancelled: isCancelled)
    }
    let stops = try options.stops + (model.hasTokenizer ? ownStops() : [])
    var text = try GeneratedText(model, stops: stops)
    var random = options.sampling.map { SeededRandom(seed: $0.seed) }
    let source = isEncoderDecoder ? try encode(source: prompt, sequences: 1) : nil
    var sequence = isEncoderDecoder ? [try startToken()] : prompt
    var result = Generation(promptTokens: prompt.count)
    var fresh = isEncoderDecoder ? sequence : try unread(prompt)
    let long = description.longContext
    let guesses = options.sampling == nil && model.runner.inputs(of: "verify") != nil
    var lookup = PromptLookup(limit: guesses ? options.promptLookupTokens : 0)
    let clock = ContinuousClock()
    while result.tokens.count < count, result.end == .length {
      if let long, long.rereads, sequence.count == long.above + 1, prompt.count <= long.above {
        _ = try model.runner.reset(to: [])
        fresh = sequence
      }
      var room = count - result.tokens.count - 1
      // Guesses turn as the token before them does.
      if let long, sequence.count <= long.above { room = min(room, long.above - sequence.count) }
      let drafts = fresh.count == 1 ? lookup.drafts(after: sequence, room: room) : []
      let start = clock.now
      let rows = try rows(fresh, drafts, source: source, span: sequence.count, isCancelled)
      guard let rows else {
        result.end = .cancelled
        break
      }
      let seconds = (clock.now - start) / .seconds(1)
      if fresh.count == 1, drafts.isEmpty { lookup.note(step: seconds) }
      var accepted = 0
      for var logits in rows {
        rules.apply(
          &logits, after: sequence, new: result.tokens.count,
          isLast: result.tokens.count == count - 1)
        let token: Int32
        if let sampling = options.sampling, random != nil {
          token = Int32(random!.draw(sampling.weights(logits)))
        } else {
          token = Int32(firstMaximum(logits) ?? 0)
        }
        result.tokens.append(token)
        sequence.append(token)
        let piece = try text.append(token)
        let goesOn = try piece.isEmpty || receive(piece)
        if description.endTokens.contains(Int(token)) { result.end = .endToken }
        if text.hasStopped { result.end = .stop }
        if !goesOn { result.end = .cancelled }
        guard result.end == .length, accepted < drafts.count, drafts[accepted] == token else {
          break
        }
        accepted += 1
      }
      fresh = Array(sequence.suffix(1))
      guard !drafts.isEmpty else { continue }
      lookup.note(accepted: accepted, of: drafts.count, seconds: seconds)
      result.drafted += drafts.count
      result.accepted += accepted
      if accepted < drafts.count {
        // What follows a wrong guess is forgotten; where a cache cannot go back, all is read again.
        let kept = try model.runner.reset(to: sequence)
        if kept < sequence.count - 1 { lookup = PromptLookup(limit: 0) }
        fresh = Array(sequence[kept...])
      }
    }
    let rest = try text.finish()
    if !rest.isEmpty { _ = try receive(rest) }
    result.text = text.all
    return result
  }
}

extension CompiledModel {
  /// Continues a prompt; the text comes piece by piece, in whole characters.
  ///
  /// Leaving the loop, or cancelling the task, ends the generation before its next token.
  public func generate(
    _ prompt: String, _ options: GenerationOptions = GenerationOptions()
  ) -> AsyncThrowingStream<String, any Error> {
    pieces { receive, isCancelled in
      let generator = try Generator(TextModel(self))
      _ = try generator(
        generator.encode(prompt, options), options, receive: receive, isCancelled: isCancelled)
    }
  }

  /// The pieces that `body` hands to its first argument, in a task that its second one says the end
  /// of.
  func pieces(
    _ body:
      @escaping @Sendable (_ receive: (String) -> Bool, _ isCancelled: () -> Bool) throws
      -> Void
  ) -> AsyncThrowingStream<String, any Error> {
    AsyncThrowingStream { continuation in
      let task = Task.detached {
        do {
          try body(
            { piece in
              continuation.yield(piece)
              return true
            }, { Task.isCancelled })
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }
}
