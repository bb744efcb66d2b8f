import ArgumentParser
import Burin
import BurinHub

/// `burin generate`
struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continue a text.",
    discussion: """
      Writes the text as it comes; with --json, at the end, {"text", "tokens", "prompt_tokens", \
      "seconds", ...}. Greedy unless one of the sampling options is given, or \
      --num-beams: then the text comes whole. An encoder-decoder takes the prompt as its source. \
      With --chat the prompt is what a user says, written by the model's own chat template; without \
      a prompt each line of standard input is: Ctrl-C ends an answer, Ctrl-D the conversation.
      """)

  @OptionGroup var options: LibraryOptions
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The text to continue, or to translate.", valueName: "TEXT"))
  var prompt: String?
  @Flag(help: "Answer the prompt by the model's chat template; converse without one.")
  var chat = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With --chat: what the model is told before all else.", valueName: "TEXT"))
  var system: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The ids to continue, taken as they are.", valueName: "1,2,3"))
  var inputIds: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "New tokens, at most (64, or what the context has room for).", valueName: "N"))
  var maxNewTokens: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sample; divide the logits by this.", valueName: "NUMBER"))
  var temperature: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sample from this many of the most probable tokens.", valueName: "N"))
  var topK: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Sample from the most probable tokens that sum up to this.", valueName: "PART"))
  var topP: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Sample from tokens at least this part as probable as the most probable one.",
      valueName: "PART"))
  var minP: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Make tokens that have occurred less probable.", valueName: "NUMBER"))
  var repetitionPenalty: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sample; what the draws follow from.", valueName: "N"))
  var seed: UInt64?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Greedy: guess up to this many tokens at once from where the last ones stood before, and "
        + "check them together; the tokens stay the same, and 0 is for none.", valueName: "N"))
  var promptLookupNumTokens = 8
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Search with this many sequences at a time.", valueName: "N"))
  var numBeams = 1
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "With beams: divide scores by the length to this power.", valueName: "NUMBER"))
  var lengthPenalty: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("With beams: when to end.", valueName: "true|false|never"))
  var earlyStopping: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The source's language, by the tokenizer's code (en_XX, eng_Latn, en).", valueName: "CODE"))
  var sourceLanguage: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The language to translate into.", valueName: "CODE"))
  var targetLanguage: String?
  @Flag(help: "Give end tokens no probability.")
  var ignoreEos = false
  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp("A text at which to end, without writing it; repeatable.", valueName: "TEXT")
  )
  var stop: [String] = []

  func run() throws {
    let choices = try generationOptions()
    if chat { return try converse(choices) }
    guard system == nil else { throw Failure.usage("--system needs --chat") }
    guard (prompt == nil) != (inputIds == nil) else {
      throw Failure.usage("expected either --prompt or --input-ids")
    }
    let given = try inputIds.map { try parseIDs($0, of: "--input-ids") }
    let generator = try Generator(options.model())
    let ids = try given ?? generator.encode(prompt ?? "", choices)
    try write(choices) { receive in try generator(ids, choices, receive: receive) }
  }

  /// One turn, or a conversation.
  private func converse(_ choices: GenerationOptions) throws {
    guard inputIds == nil else { throw Failure.usage("--chat and --input-ids exclude each other") }
    guard prompt != nil || !options.json else {
      throw Failure.usage("--json with --chat needs --prompt")
    }
    var chat = try Chat(options.model(), messages: system.map { [.system($0)] } ?? [])
    if let prompt {
      return try write(choices) { receive in
        try chat.answer(to: prompt, choices, receive: receive)
      }
    }
    var conversation = Conversation(chat: chat, choices: choices)
    try conversation.run()
  }

  /// Writes a text while it is generated, or at the end its JSON.
  private func write(
    _ choices: GenerationOptions,
    _ generate: ((String) throws -> Bool) throws -> Generation
  ) throws {
    let clock = ContinuousClock()
    let start = clock.now
    let writesText = !options.json
    let result = try generate { piece in
      if writesText { try Standard.output(piece) }
      return true
    }
    let seconds = (clock.now - start).seconds
    if options.json {
      return try Standard.output([
        "text": JSON(result.text.map { JSON($0) }),
        "tokens": .array(result.tokens.map { JSON(Int($0)) }),
        "prompt_tokens": JSON(result.promptTokens), "seconds": .score(seconds),
        "tokens_per_second": .score(Double(result.tokens.count) / max(seconds, 1e-9)),
        "end": JSON(result.end.rawValue), "drafted": JSON(result.drafted),
        "accepted": JSON(result.accepted),
        "score": JSON(result.score.map { .score($0) }),
        "seed": JSON(choices.sampling.map { JSON(Int(clamping: $0.seed)) }),
      ])
    }
    // Without a tokenizer the ids are all that there is.
    let ids32 = result.tokens.map { "\($0)" }.joined(separator: ",")
    try Standard.output((result.text == nil ? ids32 : "") + "\n")
  }

  /// The options, each checked.
  private func generationOptions() throws -> GenerationOptions {
    guard numBeams >= 1 else {
      throw Failure.usage("--num-beams: expected an integer of at least 1, found \(numBeams)")
    }
    var choices = GenerationOptions()
    choices.beams = numBeams
    if numBeams == 1, lengthPenalty != nil || earlyStopping != nil {
      throw Failure.usage("--length-penalty and --early-stopping need --num-beams of at least 2")
    }
    choices.lengthPenalty = lengthPenalty
    choices.earlyStopping = try earlyStopping.map { text in
      switch text {
      case "true": return .whenFull
      case "false": return .heuristic
      case "never": return .never
      default:
        throw Failure.usage(
          "--early-stopping: expected true, false or never, found \(quoted(text))")
      }
    }
    if let maxNewTokens, maxNewTokens < 1 {
      throw Failure.usage(
        "--max-new-tokens: expected an integer of at least 1, found \(maxNewTokens)")
    }
    if let penalty = repetitionPenalty, !(penalty > 0 && penalty.isFinite) {
      throw Failure.usage("--repetition-penalty: expected a number above 0, found \(penalty)")
    }
    guard (0...GenerationOptions.longestPromptLookup).contains(promptLookupNumTokens) else {
      throw Failure.usage(
        "--prompt-lookup-num-tokens: expected an integer from 0 to "
          + "\(GenerationOptions.longestPromptLookup), found \(promptLookupNumTokens)")
    }
    try checkSeed(seed)
    choices.promptLookupTokens = promptLookupNumTokens
    choices.maximumNewTokens = maxNewTokens
    choices.repetitionPenalty = repetitionPenalty
    choices.ignoresEndTokens = ignoreEos
    choices.stops = stop
    choices.sourceLanguage = sourceLanguage
    choices.targetLanguage = targetLanguage
    if temperature != nil || topK != nil || topP != nil || minP != nil || seed != nil {
      let sampling = try Sampling(
        temperature: temperature ?? 1, topK: topK, topP: topP, minP: minP)
      choices.sampling = sampling
      if let seed { choices.sampling?.seed = seed }
    }
    return choices
  }
}

/// Reads ids separated by commas.
func parseIDs(_ text: String, of option: String) throws -> [Int32] {
  if text.isEmpty { return [] }
  return try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
    var digits = part
    while digits.first == " " { digits.removeFirst() }
    while digits.last == " " { digits.removeLast() }
    guard let id = Int32(digits) else {
      throw Failure.usage("\(option): expected ids such as 1,2,3, found \(quoted(String(part)))")
    }
    return id
  }
}

extension Duration {
  /// The duration in seconds.
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
