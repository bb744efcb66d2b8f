import BurinHub
import BurinIR

/// The Time Series Transformer, as transformers' `modeling_time_series_transformer`: the
/// encoder-decoder of the paper over lagged values and known features of each step of time, with the
/// parameters of a distribution as its output.
///
/// `forward` sees the future as in training. `encode` reads the past alone, and `decode` gives the
/// parameters of a future that begins with given steps: what sampling needs.
struct TimeSeriesTransformer: Family {
  static let modelTypes = ["time_series_transformer"]
  static let bodyPrefix = "model"
  static let architectures: KeyValuePairs<String, Head> = [
    "TimeSeriesTransformerModel": .bare,
    "TimeSeriesTransformerForPrediction": .seriesPrediction,
  ]

  static func isUnused(_ name: String) -> Bool { false }

  let head: Head
  let features: SeriesFeatures
  let hidden: Int
  let scaler: SeriesScaler
  let categories: [Embedding]
  let encoder: [EncoderLayer]
  let decoder: [CrossDecoderLayer]
  let encoderEmbeddings, decoderEmbeddings: SeriesEmbeddings
  let output: DistributionHead
  let series: SeriesDescription?

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let hidden = try config.first(of: "hidden_size", "d_model").width(default: 64)
    let activation = try config["activation_function"].activation(default: "gelu")
    let features = try SeriesFeatures(config)
    let layers = FairseqLayers(
      hidden: hidden, activation: activation, countAlias: "num_hidden_layers")
    let absent = FairseqLayers.Sizes(layers: 2, heads: 2, intermediate: 32)
    func embeddings(_ name: String) -> SeriesEmbeddings {
      SeriesEmbeddings(
        features: features.width, positions: features.context + features.horizon, hidden: hidden,
        weights: body[name])
    }
    self.head = head
    self.features = features
    self.hidden = hidden
    scaler = try config.seriesScaler(default: .mean)
    categories = features.categories.enumerated().map { index, category in
      Embedding(category.count, category.width, body["embedder"]["embedders"][index])
    }
    encoder = try layers.encoder(config, body["encoder"], absent: absent)
    decoder = try layers.decoder(config, body["decoder"], absent: absent)
    encoderEmbeddings = embeddings("encoder")
    decoderEmbeddings = embeddings("decoder")
    let loss = config["loss"]
    guard try loss.string(default: "nll") == "nll" else { throw loss.error(expected: "nll") }
    output = DistributionHead(
      distribution: try config.seriesDistribution(), inputs: hidden, values: features.channels,
      weights: Weights("parameter_projection"))
    series =
      head == .seriesPrediction
      ? features.description(output.distribution, samples: try config.sampleCount()) : nil
  }

  /// The past is of one length: every limit holds.
  var maximumLength: Int { .max }

  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    let batch = Dim(Symbol("batch", maximum: limits.batch))
    let forward = Entry.trace("forward") { trace in
      let past = SeriesPast(trace, features, batch, scaler, categories)
      let encoded = self.encode(past)
      let steps = past.future(trace)
      let padding = trace.input(
        "decoder_attention_mask", .i32, [batch, Dim(features.horizon)],
        fallback: trace.full(1, .i32, [batch, Dim(features.horizon)]))
      let hidden = self.decode(steps, padding: padding, encoded)
      let own =
        head == .bare
        ? [("last_hidden_state", hidden)]
        : trace.scoped("head") { parameters(hidden, logitsOn: past.scales.scale) }
      return own + [("encoder_last_hidden_state", encoded)] + past.statistics
    }
    guard head == .seriesPrediction else { return [forward] }
    let encode = Entry.trace("encode") { trace in
      let past = SeriesPast(trace, features, batch, scaler, categories)
      return [("encoder_last_hidden_state", self.encode(past))] + past.statistics
    }
    let decode = Entry.trace("decode") { trace in
      let target = Dim(Symbol("target", maximum: features.horizon))
      let steps = trace.input("inputs_embeds", .f32, [batch, target, Dim(features.width)])
      let encoded = trace.input(
        "encoder_hidden_states", .f32, [batch, Dim(features.context), Dim(hidden)])
      let padding = trace.full(1, .i32, [batch, target])
      let hidden = self.decode(steps, padding: padding, encoded)
      return trace.scoped("head") { parameters(hidden) }
    }
    return [forward, encode, decode]
  }

  /// The encoder's output `[batch, context, hidden]`.
  private func encode(_ past: SeriesPast) -> Tensor {
    let trace = past.values.trace
    let embedded = trace.scoped("encoder embeddings") { encoderEmbeddings(past.steps, from: 0) }
    return encoder(embedded, mask: nil)
  }

  /// The decoder's output `[batch, target, hidden]`, each step seeing those before it.
  private func decode(_ steps: Tensor, padding: Tensor, _ encoded: Tensor) -> Tensor {
    let trace = steps.trace
    let embedded = trace.scoped("embeddings") {
      decoderEmbeddings(steps, from: features.context)
    }
    let context = DecoderContext(
      positions: trace.iota([steps.shape[0], steps.shape[1]], axis: 1), padding: padding)
    return decoder.enumerated().reduce(embedded) { x, layer in
      trace.scoped("layer \(layer.offset)") {
        layer.element(x, context, (layer.element.cross.memory(encoded), nil))
      }
    }
  }

  /// The distribution of each step; the axis of a single channel is left out.
  ///
  /// - Parameter scale: what the logits of counts are brought back to. transformers' loss does so in
  ///   place, so that its forward call gives them scaled.
  private func parameters(_ hidden: Tensor, logitsOn scale: Tensor? = nil) -> [(String, Tensor)] {
    var parameters = output(hidden)
    if let scale, output.distribution == .negativeBinomial {
      parameters[1] = parameters[1] + scale.unary(.log)
    }
    return parameters.enumerated().map { index, parameter in
      (
        "params.\(index)",
        features.channels == 1 ? parameter.reshaped([hidden.shape[0], hidden.shape[1]]) : parameter
      )
    }
  }
}

/// The vectors of some steps of time: their features projected, their places added, normalised.
struct SeriesEmbeddings {
  let features, positions, hidden: Int
  let weights: Weights

  /// - Parameters:
  ///   - steps: `[batch, steps, features]`.
  ///   - first: the place of the first step.
  func callAsFunction(_ steps: Tensor, from first: Int) -> Tensor {
    let projection = Linear(
      features, hidden, weights["value_embedding"]["value_projection"], bias: false)
    let table = weights["embed_positions"].tensor("weight", [positions, hidden], in: steps.trace)
    let places = table.slice(axis: 0, from: Dim(first), count: steps.shape[1])
    return LayerNorm(hidden, weights["layernorm_embedding"])(projection(steps) + places)
  }
}
