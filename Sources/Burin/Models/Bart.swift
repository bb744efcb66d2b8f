import BurinHub
import BurinIR

/// BART (Lewis et al., 2019) and those that transformers copied from its `modeling_bart`: the
/// encoder-decoder of the paper, with learnt or sinusoidal positions, and norms after each sublayer or
/// before. `BartVariant` lists them.
struct Bart: EncoderDecoderFamily {
  static let modelTypes = BartVariant.all.map { $0.key }
  static let bodyPrefix = "model"
  static let architectures: KeyValuePairs<String, Head> = [
    "BartModel": .bare, "BartForConditionalGeneration": .sequenceToSequence,
    "BartForSequenceClassification": .sequenceClassification,
    "BartForQuestionAnswering": .questionAnswering,
    "MBartModel": .bare, "MBartForConditionalGeneration": .sequenceToSequence,
    "MBartForSequenceClassification": .sequenceClassification,
    "MBartForQuestionAnswering": .questionAnswering,
    "MarianModel": .bare, "MarianMTModel": .sequenceToSequence,
    "PegasusModel": .bare, "PegasusForConditionalGeneration": .sequenceToSequence,
    "M2M100Model": .bare, "M2M100ForConditionalGeneration": .sequenceToSequence,
    "BlenderbotModel": .bare, "BlenderbotForConditionalGeneration": .sequenceToSequence,
    "BlenderbotSmallModel": .bare,
    "BlenderbotSmallForConditionalGeneration": .sequenceToSequence,
  ]

  /// Copies of the shared embeddings, sinusoidal positions that old files hold, and the bias of the
  /// scores where there are none.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("embed_tokens.weight") || name == "lm_head.weight"
      || name.hasSuffix("embed_positions.weight") || name.hasSuffix("final_logits_bias")
      || name == "model.shared.weight" || name == "shared.weight"
  }

  let head: Head
  let variant: BartVariant
  let hidden: Int
  let sourceWords, targetWords: Embedding
  let vocabulary: Int
  let embeddingScale: Double
  var targetScale: Double { variant.scalesTargets ? embeddingScale : 1 }
  let isTied: Bool
  let encoder: [EncoderLayer]
  let decoder: [CrossDecoderLayer]
  let encoderEnds, decoderEnds: BartEnds
  let heads: SequenceHeads
  let paddingID, startID: Int
  let maximumLength, defaultLength: Int

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let type = try config["model_type"].string().utf8String
    let variant = BartVariant.all.first { $0.key == type }?.value ?? BartVariant()
    let hidden = try config.first(of: "hidden_size", "d_model").width(default: variant.width)
    let activation = try config["activation_function"].activation(default: variant.activation)
    let positions = try config["max_position_embeddings"].int(
      in: 1...1 << 24, default: variant.positions)
    let paddingID = try config["pad_token_id"].int(in: 0...1 << 24, default: variant.paddingID)
    if variant.places == .sinesAfterPadding, hidden < 4 {
      throw config["d_model"].error(expected: "at least 4, for positions of several frequencies")
    }
    let layers = FairseqLayers(
      hidden: hidden, activation: activation, isPreNorm: variant.isPreNorm)
    func ends(_ weights: Weights, normalizesPositions: Bool) -> BartEnds {
      BartEnds(
        positions: variant.places.embedding(
          positions, hidden, weights["embed_positions"], paddingID: paddingID),
        embeddingNorm: variant.normalizesEmbeddings
          ? LayerNorm(hidden, weights["layernorm_embedding"]) : nil,
        normalizesPositions: normalizesPositions,
        norm: variant.isPreNorm ? LayerNorm(hidden, weights["layer_norm"]) : nil)
    }
    self.head = head
    self.variant = variant
    self.hidden = hidden
    self.paddingID = paddingID
    startID = try config["decoder_start_token_id"].int(
      in: 0...1 << 24, default: variant.startID ?? 0)
    heads = try SequenceHeads(config, head, hidden: hidden, endID: variant.endID)
    let words = try config["vocab_size"].int(in: 1...1 << 24, default: variant.vocabulary)
    isTied = try config["tie_word_embeddings"].flag(default: true)
    if try config["share_encoder_decoder_embeddings"].flag(default: true) {
      sourceWords = Embedding(words, hidden, body["shared"])
      targetWords = sourceWords
      vocabulary = words
    } else {
      sourceWords = Embedding(words, hidden, body["encoder"]["embed_tokens"])
      vocabulary = try config["decoder_vocab_size"].int(in: 1...1 << 24, default: words)
      // transformers makes the decoder's table as large as the encoder's.
      targetWords = Embedding(
        isTied ? vocabulary : words, hidden, body["decoder"]["embed_tokens"])
    }
    let isScaled = try config["scale_embedding"].flag(default: variant.scalesEmbeddings)
    embeddingScale = isScaled ? Double(hidden).squareRoot() : 1
    encoder = try layers.encoder(
      config, body["encoder"],
      absent: .init(
        layers: variant.encoderLayers, heads: variant.heads, intermediate: variant.intermediate))
    decoder = try layers.decoder(
      config, body["decoder"],
      absent: .init(
        layers: variant.decoderLayers, heads: variant.heads, intermediate: variant.intermediate))
    encoderEnds = ends(body["encoder"], normalizesPositions: true)
    decoderEnds = ends(
      body["decoder"], normalizesPositions: !variant.addsTargetPositionsLast)
    // A table of sines is made longer where a text is.
    maximumLength = variant.places == .sinesAfterPadding ? 1 << 24 : positions
    defaultLength = positions
  }

  func encode(_ ids: Tensor, padding: Tensor) -> Tensor {
    let trace = ids.trace
    let (batch, seq) = (ids.shape[0], ids.shape[1])
    let mask = trace.mask([.padding(padding)], batch: batch, queries: seq, keys: seq)
    let embedded = trace.scoped("encoder embeddings") {
      encoderEnds.embed(
        sourceWords(ids) * embeddingScale, ids, positions: targetPositions(ids))
    }
    let last = encoder(embedded, mask: mask)
    return trace.scoped("encoder norm") { encoderEnds.norm?(last) ?? last }
  }

  func targetPositions(_ ids: Tensor) -> Tensor {
    variant.places == .sinesAfterPadding
      ? ids.positions(afterPadding: paddingID) + ids.trace.constant(-Double(paddingID) - 1, .i32)
      : ids.trace.iota(ids.shape, axis: 1)
  }

  func target(of ids: Tensor) -> Tensor? {
    let trace = ids.trace
    guard variant.beginsWithLast else {
      return variant.shiftsSource
        ? ids.shiftedRight(after: trace.full(Double(startID), .i32, [ids.shape[0], 1])) : nil
    }
    let padding = trace.constant(Double(paddingID), .i32)
    let count = ids.binary(.equal, padding).unary(.not).cast(.i32).sum(1)
    let last = (count + trace.constant(-1, .i32)).binary(.maximum, trace.constant(0, .i32))
    return ids.shiftedRight(after: ids.gather(last))
  }

  func embedTarget(_ ids: Tensor, positions: Tensor) -> Tensor {
    decoderEnds.embed(targetWords(ids) * targetScale, ids, positions: positions)
  }

  func normalizeTarget(_ x: Tensor) -> Tensor { decoderEnds.norm?(x) ?? x }

  func scores(_ x: Tensor) -> Tensor {
    let output = Linear(hidden, vocabulary, Weights("lm_head"), bias: false)
    let scores = isTied ? targetWords.scores(x) : output(x)
    guard variant.hasScoreBias else { return scores }
    let bias = x.trace.weight("final_logits_bias", [1, vocabulary])
    return scores + bias.reshaped([Dim(vocabulary)])
  }

  func outputs(_ hidden: Tensor, source: Tensor?) -> [(String, Tensor)] {
    heads(hidden, source: source)
  }
}
