/// How sound becomes the input of Whisper: what transformers' `WhisperFeatureExtractor` reads from
/// `preprocessor_config.json`.
public struct SpectrogramSettings: Hashable, Sendable {
  /// Bands of the spectrum.
  public var mels = 80
  /// Samples in a second.
  public var rate = 16_000
  /// Samples in the window of one spectrum.
  public var window = 400
  /// Samples from one frame to the next.
  public var hop = 160
  /// Seconds that shorter sound is filled up to.
  public var seconds = 30
  /// What it is filled up with.
  public var filling: Float = 0

  /// Values of the shortest sound, at most: 256 MiB of them.
  private static let limit = 1 << 26

  /// What the extractor does unless told otherwise.
  public init() {}

  /// Reads the settings.
  ///
  /// - Throws: `HubError` for what is no such extractor, and for settings that change the result and
  ///   are not known.
  public init(_ field: JSONField) throws(HubError) {
    let type = field["feature_extractor_type"]
    if type.exists { _ = try type.string(oneOf: ["WhisperFeatureExtractor"]) }
    mels = try field["feature_size"].int(in: 1...4096, default: mels)
    rate = try field["sampling_rate"].int(in: Resampler.rates, default: rate)
    window = try field["n_fft"].int(in: 2...1 << 14, default: window)
    hop = try field["hop_length"].int(in: 1...1 << 14, default: hop)
    seconds = try field["chunk_length"].int(in: 1...3600, default: seconds)
    filling = Float(try field["padding_value"].double(default: 0))
    guard seconds * rate / hop * mels <= SpectrogramSettings.limit else {
      throw field["hop_length"].error(
        expected: "a spectrogram of at most \(SpectrogramSettings.limit) values")
    }
    guard try field["dither"].double(default: 0) == 0 else {
      throw field["dither"].error(expected: "0: noise is not added")
    }
    let side = field["padding_side"]
    if side.exists { _ = try side.string(oneOf: ["right"]) }
  }

  /// The settings under the names of the file.
  public var json: JSON {
    [
      "feature_extractor_type": "WhisperFeatureExtractor", "feature_size": JSON(mels),
      "sampling_rate": JSON(rate), "n_fft": JSON(window), "hop_length": JSON(hop),
      "chunk_length": JSON(seconds), "padding_value": JSON(Double(filling)),
    ]
  }
}
