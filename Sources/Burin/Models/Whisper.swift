import BurinHub
import BurinIR

/// Whisper (Radford et al., 2022), as transformers' `modeling_whisper`: an encoder over the log-mel
/// spectrogram of a window of sound, and a decoder of text.
struct Whisper: SourceToTargetFamily {
  static let modelTypes = ["whisper"]
  static let bodyPrefix = "model"
  static let architectures: KeyValuePairs<String, Head> = [
    "WhisperModel": .bare, "WhisperForConditionalGeneration": .sequenceToSequence,
    "WhisperForAudioClassification": .audioClassification,
  ]

  /// A copy of the embeddings where they are the output projection too.
  static func isUnused(_ name: String) -> Bool { name == "proj_out.weight" }

  let head: Head
  let encoder: WhisperEncoder
  let decoder: [CrossDecoderLayer]
  let words: Embedding
  let positions: LearnedPositions
  let norm: LayerNorm
  let isTied: Bool
  let maximumLength: Int
  /// The classifier of sound, where that is the head.
  let classifier: WhisperClassifier?

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    self.head = head
    encoder = try WhisperEncoder(config, body["encoder"])
    maximumLength = try config["max_target_positions"].int(in: 1...1 << 20, default: 448)
    isTied = try config["tie_word_embeddings"].flag(default: true)
    let hidden = encoder.hidden
    let weights = body["decoder"]
    decoder = try config.whisperLayers(hidden)
      .decoder(config, weights, absent: WhisperEncoder.sizes)
    words = Embedding(
      try config["vocab_size"].int(in: 1...1 << 24, default: 51_865), hidden,
      weights["embed_tokens"])
    positions = LearnedPositions(
      table: Embedding(maximumLength, hidden, weights["embed_positions"]), offset: 0)
    norm = LayerNorm(hidden, weights["layer_norm"])
    classifier =
      head == .audioClassification
      ? try WhisperClassifier(config, hidden: hidden, layers: encoder.layers.count) : nil
  }

  var vocabulary: Int { words.count }
  var defaultLength: Int { maximumLength }
  var sourceLength: Int? { encoder.length }
  var takesTargetPositions: Bool { true }

  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    guard let classifier else { return sourceToTargetEntries(limits) }
    let batch = Dim(Symbol("batch", maximum: limits.batch))
    return [
      Entry.trace("forward") { trace in
        let states = encoder(encoder.features(trace, batch: batch))
        return trace.scoped("head") { [("logits", classifier(states))] }
      }
    ]
  }

  func encodedSource(_ trace: Trace, batch: Dim, seq: Dim) -> EncodedSource {
    let states = encoder(encoder.features(trace, batch: batch))
    return EncodedSource(output: states[states.count - 1], padding: nil)
  }

  func embedTarget(_ ids: Tensor, positions places: Tensor) -> Tensor {
    words(ids) + positions(places)
  }

  func normalizeTarget(_ x: Tensor) -> Tensor { norm(x) }

  func scores(_ x: Tensor) -> Tensor {
    isTied
      ? words.scores(x)
      : Linear(encoder.hidden, vocabulary, Weights("proj_out"), bias: false)(x)
  }
}

/// Whisper's encoder: two convolutions, the second of which halves the frames, learnt positions (that
/// files hold as sines), and layers with norms before their sublayers.
struct WhisperEncoder {
  let mels: Int
  let hidden: Int
  /// Positions of the output; of frames there are twice as many.
  let length: Int
  let convolutions: [Convolution]
  let positions: Embedding
  let layers: [EncoderLayer]
  let norm: LayerNorm

  /// Those of a configuration that says nothing else, and the decoder's too.
  static let sizes = FairseqLayers.Sizes(layers: 4, heads: 6, intermediate: 1536)

  init(_ config: JSONField, _ weights: Weights) throws(HubError) {
    mels = try config["num_mel_bins"].width(default: 80)
    hidden = try config.first(of: "hidden_size", "d_model").width(default: 384)
    length = try config["max_source_positions"].int(in: 1...1 << 20, default: 1500)
    convolutions = [
      Convolution(mels, hidden, kernel: 3, padding: 1, weights["conv1"]),
      Convolution(hidden, hidden, kernel: 3, stride: 2, padding: 1, weights["conv2"]),
    ]
    positions = Embedding(length, hidden, weights["embed_positions"])
    layers = try config.whisperLayers(hidden).encoder(config, weights, absent: Self.sizes)
    norm = LayerNorm(hidden, weights["layer_norm"])
  }

  /// The input of a call.
  func features(_ trace: Trace, batch: Dim) -> Tensor {
    trace.input("input_features", .f32, [batch, Dim(mels), Dim(2 * length)])
  }

  /// What enters each layer, and the normalised output of the last, `[batch, length, hidden]` each.
  func callAsFunction(_ features: Tensor) -> [Tensor] {
    let trace = features.trace
    let embedded = trace.scoped("convolutions") {
      convolutions.reduce(features.transposed) { $1($0).gelu() } + positions.table(in: trace)
    }
    let states = layers.enumerated().reduce(into: [embedded]) { states, layer in
      let x = states[states.count - 1]
      states.append(
        trace.scoped("encoder layer \(layer.offset)") { layer.element(x, mask: nil) })
    }
    return states.dropLast()
      + [trace.scoped("encoder norm") { norm(states[states.count - 1]) }]
  }
}

/// Whisper's classifier of sound: over the mean of the encoder's output, or of a learnt mixture of
/// what all its layers see.
struct WhisperClassifier {
  /// How many states are mixed; `nil` for the last one alone.
  let mixed: Int?
  let projector, output: Linear

  init(_ config: JSONField, hidden: Int, layers: Int) throws(HubError) {
    let width = try config["classifier_proj_size"].width(default: 256)
    mixed = try config["use_weighted_layer_sum"].bool(default: false) ? layers + 1 : nil
    projector = Linear(hidden, width, Weights("projector"))
    output = Linear(width, try config.labelCount(), Weights("classifier"))
  }

  /// The logits `[batch, labels]`.
  func callAsFunction(_ states: [Tensor]) -> Tensor {
    let projected = projector(mixed.map { mixture(states, $0) } ?? states[states.count - 1])
    let mean = projected.mean(1)
    return output(mean.reshaped([mean.shape[0], mean.shape[2]]))
  }

  private func mixture(_ states: [Tensor], _ count: Int) -> Tensor {
    let parts = states[0].trace.weight("layer_weights", [count]).softmax()
    let scaled = states.enumerated().map { index, state in
      state * parts.slice(axis: 0, from: Dim(index), count: 1)
    }
    return scaled.dropFirst().reduce(scaled[0], +)
  }
}

extension JSONField {
  /// What Whisper's encoder and decoder are made of.
  fileprivate func whisperLayers(_ hidden: Int) throws(HubError) -> FairseqLayers {
    FairseqLayers(
      hidden: hidden,
      activation: try self["activation_function"].activation(default: "gelu"), isPreNorm: true,
      hasKeyBias: false)
  }
}
