import BurinHub
import Glibc

/// One transcription: a sound, what is asked of it, and where it has come to.
struct TranscriptionRun {
  private let transcriber: Transcriber
  private let spectrogram: LogMelSpectrogram
  private let options: TranscriptionOptions
  private let isTimed: Bool
  private let isCancelled: () -> Bool
  private let rules: LogitsRules
  private let search: GenerationOptions
  private let silence: Silence?
  private let conditionsOnPrevious: Bool
  /// The window that the model holds, and for how many sequences.
  private var encoded: (start: Int, sequences: Int)?
  private var result = Transcription()

  private var model: TextModel { transcriber.model }
  private var speech: SpeechTokens { transcriber.speech }

  init(
    _ transcriber: Transcriber, _ spectrogram: LogMelSpectrogram,
    _ options: TranscriptionOptions, isTimed: Bool, isCancelled: @escaping () -> Bool
  ) throws {
    self.transcriber = transcriber
    self.spectrogram = spectrogram
    self.options = options
    self.isTimed = isTimed
    self.isCancelled = isCancelled
    var search = GenerationOptions()
    search.beams = options.beams
    if options.beams > 1 { try transcriber.generator.check(search) }
    self.search = search
    silence = try Silence(
      options, transcriber.speech, model: transcriber.model.name)
    conditionsOnPrevious = options.conditionsOnPrevious ?? transcriber.speech.conditionsOnPrevious
    var rules = try transcriber.generator.rules(search, source: [])
    if isTimed {
      guard let token = transcriber.speech.noTimestamps else {
        throw TaskError(
          "\(transcriber.model.name): no no_timestamps_token_id says which tokens are timestamps, "
            + "so segments cannot be timed, nor sound longer than a window transcribed")
      }
      guard let end = transcriber.model.description.endTokens.first else {
        throw TaskError("\(transcriber.model.name): no eos_token_id says how a text ends")
      }
      rules.timestamps = TimestampRules(
        first: token + 1, end: end, latestStart: transcriber.speech.latestStart)
    }
    self.rules = rules
  }

  /// Transcribes window after window.
  mutating func transcribe(
    _ receive: (Transcription.Event) throws -> Void
  ) throws -> Transcription {
    let prompt = try speech.prompt(
      task: options.task, language: options.language, timestamps: isTimed
    ) { languages in try hear(languages) }
    result.language = prompt.compactMap { speech.language(of: $0) }.first
    try checkAllowance(after: prompt)
    var place = 0
    while place < spectrogram.frames, !isCancelled() {
      let frames = min(transcriber.window, spectrogram.frames - place)
      guard let tokens = try write(at: place, prompt, receive) else {
        place += frames
        continue
      }
      let (segments, advance) = TimedTokens.cut(
        tokens, first: speech.firstTimestamp, offset: place, frames: frames)
      for segment in segments {
        let segment = try named(segment)
        if !isStreamed, let text = segment.text, !text.isEmpty {
          try receive(.text(text))
        }
        result.segments.append(segment)
        try receive(.segment(segment))
      }
      // A pair of timestamps at the window's very beginning would begin it again for ever.
      place += advance > 0 ? advance : frames
    }
    // A character may begin in one segment and end in the next, where no timestamp parts them.
    result.text = try text(of: result.tokens)
    return result
  }

  /// Whether text is given token by token: a segment or a better beam may not take it back.
  private var isStreamed: Bool { !isTimed && options.beams == 1 && silence == nil }

  /// The tokens of a window, without the one that ends them; nil if nobody speaks in it.
  private mutating func write(
    at place: Int, _ prompt: [Int32], _ receive: (Transcription.Event) throws -> Void
  ) throws -> [Int32]? {
    let generator = transcriber.generator
    try encode(at: place, sequences: options.beams)
    let earlier = previous
    let start = earlier + prompt
    let count = try allowance(after: start)
    let noSpeech = try silence.flatMap {
      try noSpeechProbability($0.token, after: earlier, prompt, isLast: count == 1)
    }
    // What the model heard the language by is the beginning of every prompt.
    let fresh = Array(start[try model.runner.reset(to: start)...])
    var (tokens, logProbability) = ([Int32](), Float(0))
    if options.beams > 1 {
      let best = try generator.searched(
        after: start, fresh: fresh, source: nil, count: count, rules, search,
        judges: silence != nil, isCancelled)
      (tokens, logProbability) = (best?.tokens ?? [], best?.logProbability ?? 0)
    } else {
      var text = try GeneratedText(model, stops: [])
      func give(_ piece: String) throws {
        if isStreamed, !piece.isEmpty { try receive(.text(piece)) }
      }
      var fresh = fresh
      while tokens.count < count, tokens.last.map(isEnd) != true {
        let sequence = start + tokens
        guard
          var logits = try generator.step(
            fresh, source: nil, span: sequence.count, isCancelled)
        else { break }
        rules.apply(
          &logits, after: sequence, new: tokens.count, isLast: tokens.count == count - 1)
        let token = Int32(firstMaximum(logits) ?? 0)
        if silence != nil {
          logProbability += logits[Int(token)] - Float(logarithmOfSum(logits[...]))
        }
        tokens.append(token)
        fresh = [token]
        if token < speech.firstTimestamp { try give(try text.append(token)) }
      }
      try give(try text.finish())
    }
    if let silence, let noSpeech, !tokens.isEmpty,
      silence.holds(noSpeech: noSpeech, logProbability: logProbability / Float(tokens.count))
    {
      return nil
    }
    if let last = tokens.last, isEnd(last) { tokens.removeLast() }
    return tokens
  }

  /// What a window's prompt follows: the end of what was said so far, behind the token that says so, as
  /// far as half of the context has room for it.
  private var previous: [Int32] {
    guard conditionsOnPrevious, !result.segments.isEmpty else { return [] }
    let said = result.segments.flatMap { segment in
      // Of two timestamps at the end the second one begins the next segment.
      let endsInPair =
        segment.tokens.count > 2
        && segment.tokens[segment.tokens.count - 2] >= speech.firstTimestamp
      return endsInPair ? segment.tokens.dropLast() : segment.tokens[...]
    }
    let room = max(0, context / 2 - 1)
    return (speech.startOfPrevious.map { [$0] } ?? []) + said.suffix(room)
  }

  /// How probable "no speech" is where the text of a window could begin, behind the first token of its
  /// prompt; nil if cancelled.
  ///
  /// Where the prompt has no other token, as that of a model of one language has, transformers takes
  /// what its rules leave of that, but for those of timestamps: nothing where "no speech" is suppressed.
  private func noSpeechProbability(
    _ token: Int, after earlier: [Int32], _ prompt: [Int32], isLast: Bool
  ) throws -> Float? {
    let start = earlier + prompt.prefix(1)
    let fresh = Array(start[try model.runner.reset(to: start)...])
    guard
      var logits = try transcriber.generator.step(
        fresh, source: nil, span: start.count, isCancelled)
    else { return nil }
    guard logits.indices.contains(token) else {
      throw TaskError(
        "\(model.name): no_timestamps_token_id: expected a token of the vocabulary of "
          + "\(logits.count), found \(token + 1)")
    }
    if prompt.count > 1 { return exp(logSoftmax(logits)[token]) }
    var general = rules
    general.timestamps = nil
    if options.beams > 1 { logits = logSoftmax(logits) }
    general.apply(&logits, after: start, new: 0, isLast: isLast)
    return options.beams > 1 ? exp(logits[token]) : exp(logSoftmax(logits)[token])
  }

  private func isEnd(_ token: Int32) -> Bool {
    model.description.endTokens.contains(Int(token))
  }

  /// A segment with its text.
  private func named(_ segment: TimedTokens) throws -> Transcription.Segment {
    Transcription.Segment(
      start: segment.start, end: segment.end, text: try text(of: segment.tokens),
      tokens: segment.tokens)
  }

  /// What tokens say besides timestamps; nil without a tokenizer.
  private func text(of tokens: [Int32]) throws -> String? {
    guard model.hasTokenizer else { return nil }
    let tokenizer = try model.tokenizer()
    // A timestamp that the tokenizer knows parts even the bytes of a character.
    let runs = tokens.split { $0 >= speech.firstTimestamp && tokenizer.token(of: $0) != nil }
    return try runs.map { try model.text(of: Array($0)) }.joined()
  }

  /// Checks that there is room behind a prompt for as many tokens as were asked for.
  private func checkAllowance(after prompt: [Int32]) throws {
    let room = try room(after: prompt)
    if let asked = options.maximumNewTokens, !(1...room).contains(asked) {
      throw TaskError(
        asked < 1 ? .badOption : .badInput,
        "max-new-tokens: expected 1 to \(room), the room behind \(prompt.count) tokens in a "
          + "context of \(context), found \(asked)")
    }
  }

  /// How many tokens a window may have: what was asked for, or what the configuration says, at most
  /// what there is room for.
  private func allowance(after prompt: [Int32]) throws -> Int {
    let room = try room(after: prompt)
    if let asked = options.maximumNewTokens { return min(room, asked) }
    let file = JSONField(model.description.generation, file: "generation_config.json")
    let limit = 1...Int(Int32.max)
    if file["max_new_tokens"].exists { return min(room, try file["max_new_tokens"].int(in: limit)) }
    guard file["max_length"].exists else { return room }
    return max(1, min(room, try file["max_length"].int(in: limit) - prompt.count))
  }

  private var context: Int { model.runner.maximum(of: "context") ?? 1 }

  private func room(after prompt: [Int32]) throws -> Int {
    guard prompt.count < context else {
      throw TaskError(
        "a context of \(context) tokens has no room behind the \(prompt.count) that say what to do")
    }
    return context - prompt.count
  }

  /// The most probable language of the sound's first window.
  private mutating func hear(_ languages: [Int32]) throws -> Int32 {
    try encode(at: 0, sequences: 1)
    let start = try transcriber.generator.startToken()
    let logits = try transcriber.generator.step([start], sequences: 1, source: nil, span: 1)
    let known = languages.filter { logits.indices.contains(Int($0)) }.sorted()
    guard let best = firstMaximum(known.map { logits[Int($0)] }) else {
      throw TaskError("\(model.name): lang_to_id names no token of the vocabulary")
    }
    return known[best]
  }

  /// Lets the model read a window, unless it holds it, and forget what it wrote to another one.
  private mutating func encode(at place: Int, sequences: Int) throws {
    guard encoded?.start != place || encoded?.sequences != sequences else { return }
    let features = spectrogram.part(from: place, count: transcriber.window)
    let shape = [sequences, spectrogram.mels, transcriber.window]
    let all = Array(repeatElement(features, count: sequences).joined())
    _ = try model.runner.run(
      "encode", ["input_features": HostTensor(all, shape: shape)], outputs: [])
    _ = try model.runner.reset(to: [])
    encoded = (place, sequences)
  }
}
