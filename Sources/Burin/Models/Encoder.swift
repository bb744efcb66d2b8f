import BurinHub
import BurinIR

/// An encoder family: the part of `Family` that its members share, from the inputs of the forward
/// call to the names of its outputs.
protocol EncoderFamily: PooledFamily {
  var head: Head { get }

  /// Whether the forward call takes token types.
  var takesTokenTypes: Bool { get }
  /// Whether the forward call takes positions.
  var takesPositions: Bool { get }

  /// The positions of the tokens `ids[batch, seq]` where the caller gives none.
  func positions(_ ids: Tensor) -> Tensor

  /// The last hidden state `[batch, seq, hidden]`.
  func encode(_ inputs: EncoderInputs) -> Tensor

  /// The outputs of the head, by transformers' names.
  func outputs(_ hidden: Tensor) -> [(String, Tensor)]

  /// The same, for heads that need more than the hidden state.
  func outputs(_ hidden: Tensor, _ inputs: EncoderInputs) -> [(String, Tensor)]
}

/// The inputs of an encoder's forward call.
struct EncoderInputs {
  /// `i32[batch, seq]`.
  let ids, positions: Tensor
  /// `i32[batch, seq]`, 0 where a token is padding.
  let padding: Tensor
  /// `i32[batch, seq]`, for families that take them.
  let tokenTypes: Tensor?

  /// The mask of self-attention.
  var mask: Tensor { mask(window: nil) }

  /// The mask of self-attention to keys fewer than `window` positions away.
  func mask(window: Int?) -> Tensor {
    let windows: [Mask<Tensor>] = window.map { [.window($0, start: nil)] } ?? []
    return ids.trace.mask(
      [.padding(padding)] + windows, batch: ids.shape[0], queries: ids.shape[1],
      keys: ids.shape[1])
  }
}

extension EncoderFamily {
  func outputs(_ hidden: Tensor, _ inputs: EncoderInputs) -> [(String, Tensor)] {
    outputs(hidden)
  }

  func entries(_ limits: Limits) throws(HubError) -> [Entry] {
    [
      Entry.trace("forward") { trace in
        let inputs = self.inputs(trace, limits)
        let hidden = self.encode(inputs)
        return trace.scoped(head == .bare ? "pooler" : "head") { self.outputs(hidden, inputs) }
      }
    ]
  }

  func states(_ trace: Trace, _ limits: Limits) -> TokenStates {
    let inputs = self.inputs(trace, limits)
    return TokenStates(hidden: encode(inputs), padding: inputs.padding)
  }

  private func inputs(_ trace: Trace, _ limits: Limits) -> EncoderInputs {
    let shape = tokenShape(limits)
    let ids = trace.input("input_ids", .i32, shape)
    let padding = trace.input(
      "attention_mask", .i32, shape, fallback: trace.full(1, .i32, shape))
    let types =
      takesTokenTypes
      ? trace.input("token_type_ids", .i32, shape, fallback: trace.full(0, .i32, shape)) : nil
    let positions = trace.scoped("positions") { self.positions(ids) }
    return EncoderInputs(
      ids: ids,
      positions: takesPositions
        ? trace.input("position_ids", .i32, shape, fallback: positions) : positions,
      padding: padding, tokenTypes: types)
  }
}

/// The sizes of an encoder, with what transformers takes for keys that are absent.
struct EncoderSizes {
  var vocabulary = 30_522
  var hidden = 768
  var intermediate = 3072
  var layers = 12
  var heads = 12
  var positions = 512
}

extension EncoderSizes {
  /// Reads the keys that most encoders have.
  init(_ config: JSONField, absent: EncoderSizes = EncoderSizes()) throws(HubError) {
    let hidden = try config["hidden_size"].width(default: absent.hidden)
    self.init(
      vocabulary: try config["vocab_size"].int(in: 1...1 << 24, default: absent.vocabulary),
      hidden: hidden,
      intermediate: try config["intermediate_size"].width(default: absent.intermediate),
      layers: try config["num_hidden_layers"].layers(default: absent.layers),
      heads: try config["num_attention_heads"].heads(dividing: hidden, default: absent.heads),
      positions: try config["max_position_embeddings"].int(
        in: 1...1 << 24, default: absent.positions))
  }
}

/// How BERT and those that transformers copied from it know where a token stands.
enum EncoderPositions: String, CaseIterable {
  /// By a vector of each position, added to the token's.
  case absolute
  /// By a vector of each distance that queries look at, or keys too.
  case relativeKey = "relative_key"
  case relativeKeyQuery = "relative_key_query"

  /// Reads `position_embedding_type`.
  init(_ config: JSONField) throws(HubError) {
    let field = config["position_embedding_type"]
    let name = try field.string(default: "absolute").utf8String
    guard let known = EncoderPositions(rawValue: name) else {
      throw field.error(
        expected: "one of " + Self.allCases.map(\.rawValue).joined(separator: ", "))
    }
    self = known
  }

  /// - Parameters:
  ///   - distances: where the vectors of distances are, of sequences of up to `longest`.
  ///   - isScaled: whether what distances add is scaled as the other scores are.
  func attention(
    _ plain: SelfAttention, distances: Weights, longest: Int, isScaled: Bool = true
  ) -> any SelfAttentionLayer {
    guard self != .absolute else { return plain }
    return RelativeKeyAttention(
      attention: plain,
      distances: Embedding(2 * longest - 1, plain.attention.width, distances),
      keysLookToo: self == .relativeKeyQuery, isScaled: isScaled)
  }
}

/// The encoder layer of the paper, normalised after each sublayer:
/// `h = norm(x + attention(x)); norm(h + feedForward(h))`.
struct PostNormLayer: Layer {
  let attention: any SelfAttentionLayer
  let attentionNorm: LayerNorm
  let feedForward: FeedForward
  let feedForwardNorm: LayerNorm

  func callAsFunction(_ input: (x: Tensor, mask: Tensor)) -> Tensor {
    let (x, mask) = input
    let h = x.trace.scoped("attention") { attentionNorm(x + attention((x, mask))) }
    return x.trace.scoped("feed forward") { feedForwardNorm(h + feedForward(h)) }
  }
}

extension [PostNormLayer] {
  /// One layer after the other.
  func callAsFunction(_ x: Tensor, mask: Tensor) -> Tensor {
    enumerated().reduce(x) { x, layer in
      x.trace.scoped("layer \(layer.offset)") { layer.element((x, mask)) }
    }
  }
}

extension Tensor {
  /// The same `[batch, seq, width]`, though it reads `unused[batch, seq]`: what a forward call takes is
  /// an input even where nothing follows from it.
  func reading(_ unused: Tensor) -> Tensor {
    self + unused.cast(.f32).reshaped([shape[0], shape[1], 1]) * 0
  }

  /// Of ids `[batch, seq]`: positions that count from `padding + 1` the tokens that are not padding,
  /// whose own position is `padding`.
  func positions(afterPadding padding: Int) -> Tensor {
    let padding = trace.constant(Double(padding), .i32)
    let counts = binary(.equal, padding).unary(.not).cast(.i32)
    return counts.cumulativeSum(axis: 1) * counts + padding
  }

  /// The vector of the first position: `[batch, seq, hidden]` as `[batch, hidden]`.
  var first: Tensor { vector(at: 0) }

  /// The vector of one position: `[batch, seq, hidden]` as `[batch, hidden]`.
  func vector(at position: Int) -> Tensor {
    slice(axis: 1, from: Dim(position), count: 1).reshaped([shape[0], shape[2]])
  }

  /// `[batch, seq, 2]` as the start and end scores `[batch, seq]` of an answer.
  var spanScores: [(String, Tensor)] {
    func column(_ index: Dim) -> Tensor {
      slice(axis: 2, from: index, count: 1).reshaped([shape[0], shape[1]])
    }
    return [("start_logits", column(0)), ("end_logits", column(1))]
  }
}
