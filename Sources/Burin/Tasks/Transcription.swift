import BurinHub

/// What a transcription may choose.
public struct TranscriptionOptions: Sendable {
  /// What is said, or a translation of it; nil for what the model's own generation configuration
  /// says.
  public var task: SpeechTask?
  /// A code such as `en`, or a language's English name; nil for what the model's own generation
  /// configuration says, else for the language that the model hears.
  public var language: String?
  /// Whether segments are timed; nil for what the model's own generation configuration says. Sound
  /// that is longer than the model's window is always timed.
  public var timestamps: Bool?
  /// New tokens of a window, at most; nil for what the model's own generation configuration says,
  /// else for what the context has room for.
  public var maximumNewTokens: Int?
  /// How many sequences a search keeps; 1 for no search.
  public var beams = 1
  /// Whether the model reads what it wrote so far before each further window; nil for what its own
  /// generation configuration says.
  public var conditionsOnPrevious: Bool?
  /// A window is silent, and nothing is written of it, where the model finds "no speech" more
  /// probable than `noSpeechThreshold`, and what it would write less probable than
  /// `logProbabilityThreshold` (the mean of the tokens' natural logarithms). nil for what the model's
  /// own generation configuration says; without a `noSpeechThreshold` no window is.
  public var noSpeechThreshold, logProbabilityThreshold: Double?

  /// Greedy transcription.
  public init() {}
}

/// What was said, and when.
public struct Transcription: Sendable {
  /// A part of the text.
  public struct Segment: Hashable, Sendable {
    /// Seconds from the beginning.
    public var start, end: Double
    /// nil without a tokenizer.
    public var text: String?
    /// Its ids; where segments are timed, its timestamps among them.
    public var tokens: [Int32]
  }

  /// What was said, in order; one segment for each window where they are not timed.
  public var segments: [Segment] = []
  /// The whole text; nil without a tokenizer.
  public var text: String?
  /// The code of the language that was asked for or heard; nil if the model knows one only.
  public var language: String?

  /// The tokens of all segments, timestamps among them.
  public var tokens: [Int32] { segments.flatMap(\.tokens) }

  /// What a transcription says as it goes on.
  public enum Event: Sendable {
    /// Text that has become certain.
    case text(String)
    /// A segment, whose text has been given.
    case segment(Segment)
  }
}

/// Writes what is said in sound with Whisper, as transformers' `generate` does: window after window,
/// each beginning where the last segment of the one before it ended; always the most probable
/// tokens, without another try at a higher temperature.
public struct Transcriber {
  /// The model that reads the sound.
  public let model: TextModel
  /// How sound becomes the model's input.
  public let settings: SpectrogramSettings
  let generator: Generator
  let speech: SpeechTokens
  /// Frames of a window.
  let window: Int

  /// A transcriber over a model that reads sound and writes text.
  ///
  /// - Throws: `TaskError` if the library's model does not; `HubError` for a wrong configuration.
  public init(_ model: TextModel) throws {
    try model.require(.sequenceToSequence, for: "transcribe")
    guard let input = model.soundInput, case .fixed(let mels) = input.shape[1],
      case .fixed(let window) = input.shape[2]
    else { throw TaskError("\(model.name): transcribe needs a model that reads sound") }
    self.model = model
    self.window = window
    let file = JSONField(model.description.preprocessor, file: "preprocessor_config.json")
    var settings = try SpectrogramSettings(file)
    if !file["feature_size"].exists { settings.mels = mels }
    guard settings.mels == mels else {
      throw file["feature_size"].error(expected: "\(mels), the model's num_mel_bins")
    }
    self.settings = settings
    generator = Generator(transcribing: model)
    speech = try SpeechTokens(
      JSONField(model.description.generation, file: "generation_config.json"),
      start: generator.startToken())
  }

  /// Transcribes a sound at any rate.
  ///
  /// - Parameters:
  ///   - receive: hears the text as it becomes certain: token by token where segments are not timed,
  ///     beams not searched and windows not silent, else window by window.
  ///   - isCancelled: asked before each token; what there is until then is given.
  public func callAsFunction(
    _ sound: SoundFile, _ options: TranscriptionOptions = TranscriptionOptions(),
    receive: (Transcription.Event) throws -> Void = { _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) throws -> Transcription {
    let samples = Resampler(from: sound.rate, to: settings.rate)(sound.samples)
    return try self(
      LogMelSpectrogram(of: samples, settings), options, receive: receive,
      isCancelled: isCancelled)
  }

  /// Transcribes a sound that has been analysed.
  public func callAsFunction(
    _ spectrogram: LogMelSpectrogram, _ options: TranscriptionOptions = TranscriptionOptions(),
    receive: (Transcription.Event) throws -> Void = { _ in },
    isCancelled: @escaping () -> Bool = { false }
  ) throws -> Transcription {
    let isTimed =
      spectrogram.frames > window || options.timestamps ?? speech.wantsTimestamps
    var run = try TranscriptionRun(
      self, spectrogram, options, isTimed: isTimed, isCancelled: isCancelled)
    return try run.transcribe(receive)
  }
}

extension TextModel {
  /// The text of tokens, without special ones.
  func text(of tokens: [Int32]) throws -> String {
    let text = try tokenizer().decode(tokens)
    let cleansUp = description.tokenizerConfig["clean_up_tokenization_spaces"]?.bool ?? false
    return cleansUp ? Tokenizer.cleanUpSpaces(text) : text
  }

  /// The input of a model that reads sound.
  var soundInput: CompiledModel.Port? {
    (runner.inputs(of: "encode") ?? runner.inputs(of: "forward"))?
      .first { $0.name == "input_features" }
  }

  /// Whether the model reads sound and not text.
  var readsSound: Bool { soundInput != nil }
}
