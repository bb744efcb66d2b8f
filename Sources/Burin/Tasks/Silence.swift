/// When a window of sound counts as silent: transformers' `no_speech_threshold` and
/// `logprob_threshold` at temperature 0 (Radford et al., 2022, section 4.5).
struct Silence {
  /// The token that says that nobody speaks.
  let token: Int
  private let noSpeech, logProbability: Double

  /// What is asked for, else what the model's own generation configuration says; `nil` without a
  /// threshold of "no speech".
  ///
  /// - Throws: `TaskError` where one threshold lacks the other, or nothing says which token is meant.
  init?(_ options: TranscriptionOptions, _ speech: SpeechTokens, model: String) throws {
    guard let noSpeech = options.noSpeechThreshold ?? speech.noSpeechThreshold else { return nil }
    guard let least = options.logProbabilityThreshold ?? speech.logProbabilityThreshold else {
      throw TaskError(
        options.noSpeechThreshold == nil ? .badInput : .badOption,
        "no-speech-threshold: needs a logprob-threshold beside it: a window is silent where both say "
          + "so")
    }
    guard let token = speech.noSpeech else {
      throw TaskError(
        "\(model): no no_timestamps_token_id says which token before it means \"no speech\"")
    }
    self.token = token
    self.noSpeech = noSpeech
    logProbability = least
  }

  /// Whether a window is silent, given the probability of "no speech" and the mean log-probability of
  /// its tokens.
  func holds(noSpeech probability: Float, logProbability mean: Float) -> Bool {
    Double(mean) < logProbability && Double(probability) > noSpeech
  }
}
