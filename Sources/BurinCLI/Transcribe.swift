import ArgumentParser
import Burin
import BurinHub

/// `burin transcribe`
struct Transcribe: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write what is said in a WAV file.",
    discussion: """
      Takes WAV files (PCM or floating point) of any rate, whose channels it averages. Writes the \
      text as it comes, or with --timestamps a line for each segment, its start and end in \
      seconds; with --json {"text", "segments": [{"start", "end", "text", "tokens"}, ...], \
      "language", "tokens", "seconds", "sound_seconds"}. Sound longer than the model's window is \
      transcribed window by window, always timed.
      """)

  @OptionGroup var options: LibraryOptions
  @Argument(help: ArgumentHelp("A WAV file.", valueName: "FILE.wav"))
  var file: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The language that is spoken, such as en or english (heard if left out).",
      valueName: "LANGUAGE"))
  var language: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Write what is said, or translate it into English.", valueName: "transcribe|translate"))
  var task: String?
  @Flag(help: "Say when each segment begins and ends.")
  var timestamps = false
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "New tokens of a window, at most (what the context has room for).", valueName: "N"))
  var maxNewTokens: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Search with this many sequences at a time.", valueName: "N"))
  var numBeams = 1

  @Flag(
    inversion: .prefixedNo,
    help: "Let each window after the first one begin with what was written so far.")
  var conditionOnPrevTokens: Bool?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Leave out windows in which "no speech" is more probable than P, if what would be written is also \
      below --logprob-threshold.
      """, valueName: "P"))
  var noSpeechThreshold: Double?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The mean log-probability of a window's tokens that --no-speech-threshold goes with.",
      valueName: "LOGPROB"))
  var logprobThreshold: Double?

  func run() throws {
    let choices = try transcriptionOptions()
    let sound = try SoundFile(file)
    let transcriber = try Transcriber(options.model())
    let clock = ContinuousClock()
    let start = clock.now
    var isFirst = true
    let result = try transcriber(sound, choices) { event in
      guard !options.json else { return }
      switch event {
      case .text(let text) where !timestamps:
        // A text begins with the space before its first word.
        try Standard.output(isFirst ? String(text.drop { $0 == " " }) : text)
        isFirst = false
      case .segment(let segment) where timestamps: try Standard.output(line(of: segment))
      default: break
      }
    }
    if options.json { return try Standard.output(json(result, sound, clock.now - start)) }
    if !timestamps {
      // Without a tokenizer the ids are all that there is.
      let ids = result.tokens.map { "\($0)" }.joined(separator: ",")
      try Standard.output((result.text == nil ? ids : "") + "\n")
    }
  }

  private func line(of segment: Transcription.Segment) -> String {
    let text = segment.text ?? segment.tokens.map { "\($0)" }.joined(separator: ",")
    let trimmed = String(text.drop { $0 == " " })
    return "\(decimal(segment.start, 2))\t\(decimal(segment.end, 2))\t\(BurinCLI.line(trimmed))\n"
  }

  private func json(
    _ result: Transcription, _ sound: SoundFile, _ duration: Duration
  ) -> JSON {
    func ids(_ tokens: [Int32]) -> JSON { .array(tokens.map { JSON(Int($0)) }) }
    let segments = result.segments.map { segment -> JSON in
      [
        "start": JSON(segment.start), "end": JSON(segment.end),
        "text": JSON(segment.text.map { JSON($0) }), "tokens": ids(segment.tokens),
      ]
    }
    return [
      "text": JSON(result.text.map { JSON($0) }), "segments": .array(segments),
      "language": JSON(result.language.map { JSON($0) }), "tokens": ids(result.tokens),
      "seconds": .score(duration.seconds), "sound_seconds": .score(sound.seconds),
    ]
  }

  /// The options, each checked.
  private func transcriptionOptions() throws -> TranscriptionOptions {
    var choices = TranscriptionOptions()
    choices.language = language
    choices.task = try task.map { name in
      guard let task = SpeechTask(rawValue: name) else {
        throw Failure.usage(
          "--task: expected transcribe or translate, found \(quoted(name))")
      }
      return task
    }
    if timestamps { choices.timestamps = true }
    if let maxNewTokens, maxNewTokens < 1 {
      throw Failure.usage(
        "--max-new-tokens: expected an integer of at least 1, found \(maxNewTokens)")
    }
    choices.maximumNewTokens = maxNewTokens
    guard numBeams >= 1 else {
      throw Failure.usage("--num-beams: expected an integer of at least 1, found \(numBeams)")
    }
    choices.beams = numBeams
    choices.conditionsOnPrevious = conditionOnPrevTokens
    for (name, value) in [
      ("no-speech-threshold", noSpeechThreshold), ("logprob-threshold", logprobThreshold),
    ] {
      if let value, !value.isFinite {
        throw Failure.usage("--\(name): expected a finite number, found \(value)")
      }
    }
    choices.noSpeechThreshold = noSpeechThreshold
    choices.logProbabilityThreshold = logprobThreshold
    return choices
  }
}
