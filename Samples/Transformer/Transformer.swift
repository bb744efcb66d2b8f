// The Transformer of "Attention Is All You Need" (Vaswani et al., 2017), to be held beside the paper:
// sections, equations and names are the paper's.

import Burin
import Glibc

/// The sizes of table 3.
struct Size {
  /// `N`, `d_model`, `d_ff`, `h`, and the tokens that source and target share (section 5.1).
  var layers, width, inner, heads, vocabulary: Int

  static let base = Size(layers: 6, width: 512, inner: 2048, heads: 8, vocabulary: 37_000)
  static let big = Size(layers: 6, width: 1024, inner: 4096, heads: 16, vocabulary: 37_000)
}

/// Section 3.2.1, equation 1: `softmax(Q Kᵀ / √d_k) V`. The mask is `-∞` where a connection is illegal.
func attention(_ q: Tensor, _ k: Tensor, _ v: Tensor, width: Int, mask: Tensor) -> Tensor {
  (q.matmul(k.transposed) / Double(width).squareRoot() + mask).softmax().matmul(v)
}

/// Section 3.2.2: `Concat(head_1, ..., head_h) W_O` of `head_i = attention(Q W_Q, K W_K, V W_V)`.
struct MultiHeadAttention {
  let heads, width: Int
  let queries, keys, values, output: Linear

  init(_ size: Size, _ weights: Weights) {
    func matrix(_ name: String) -> Linear {
      Linear(size.width, size.width, weights[name], bias: false)
    }
    (heads, width) = (size.heads, size.width / size.heads)
    (queries, keys, values, output) = (matrix("W_Q"), matrix("W_K"), matrix("W_V"), matrix("W_O"))
  }

  func callAsFunction(_ x: Tensor, over memory: Tensor, mask: Tensor) -> Tensor {
    let joined = attention(
      queries(x).splitHeads(heads), keys(memory).splitHeads(heads),
      values(memory).splitHeads(heads), width: width, mask: mask)
    return output(joined.mergedHeads)
  }
}

/// Section 3.3, equation 2: `max(0, x W_1 + b_1) W_2 + b_2`.
struct FeedForward {
  let first, second: Linear

  init(_ size: Size, _ weights: Weights) {
    first = Linear(size.width, size.inner, weights["1"])
    second = Linear(size.inner, size.width, weights["2"])
  }

  func callAsFunction(_ x: Tensor) -> Tensor { second(first(x).relu()) }
}

/// Section 3.1: `LayerNorm(x + Sublayer(x))` around every sublayer.
func addAndNorm(_ x: Tensor, _ name: String, _ norm: LayerNorm, _ f: (Tensor) -> Tensor) -> Tensor {
  x.trace.scoped(name) { norm(x + f(x)) }
}

/// Section 3.1, encoder: self-attention, then the feed-forward network.
struct EncoderLayer {
  let attention: MultiHeadAttention
  let feedForward: FeedForward
  let norms: [LayerNorm]

  init(_ size: Size, _ weights: Weights) {
    attention = MultiHeadAttention(size, weights["attention"])
    feedForward = FeedForward(size, weights["feed_forward"])
    norms = (1...2).map { LayerNorm(size.width, weights["norm_\($0)"]) }
  }

  func callAsFunction(_ x: Tensor, mask: Tensor) -> Tensor {
    let h = addAndNorm(x, "self-attention", norms[0]) { attention($0, over: $0, mask: mask) }
    return addAndNorm(h, "feed forward", norms[1]) { feedForward($0) }
  }
}

/// Section 3.1, decoder: masked self-attention, attention over the encoder's output, feed forward.
struct DecoderLayer {
  let attention, cross: MultiHeadAttention
  let feedForward: FeedForward
  let norms: [LayerNorm]

  init(_ size: Size, _ weights: Weights) {
    attention = MultiHeadAttention(size, weights["attention"])
    cross = MultiHeadAttention(size, weights["cross"])
    feedForward = FeedForward(size, weights["feed_forward"])
    norms = (1...3).map { LayerNorm(size.width, weights["norm_\($0)"]) }
  }

  func callAsFunction(_ y: Tensor, _ memory: Tensor, causal: Tensor, padding: Tensor) -> Tensor {
    let h = addAndNorm(y, "self-attention", norms[0]) { attention($0, over: $0, mask: causal) }
    let c = addAndNorm(h, "cross-attention", norms[1]) { cross($0, over: memory, mask: padding) }
    return addAndNorm(c, "feed forward", norms[2]) { feedForward($0) }
  }
}

/// Figure 1.
struct Transformer {
  let size: Size
  /// Section 3.4: one matrix embeds source and target and projects before the softmax.
  let embeddings: Embedding
  let encoder: [EncoderLayer]
  let decoder: [DecoderLayer]

  init(_ size: Size) {
    self.size = size
    embeddings = Embedding(size.vocabulary, size.width, Weights("embeddings"))
    encoder = (0..<size.layers).map { EncoderLayer(size, Weights("encoder")[$0]) }
    decoder = (0..<size.layers).map { DecoderLayer(size, Weights("decoder")[$0]) }
  }

  /// Section 3.4, where weights are multiplied by `√d_model`, and section 3.5.
  func embed(_ ids: Tensor) -> Tensor {
    embeddings(ids) * Double(size.width).squareRoot() + positionalEncoding(ids)
  }

  /// Section 3.5: `PE(pos, 2i) = sin(pos / 10000^(2i / d_model))`, and a cosine at `2i + 1`.
  func positionalEncoding(_ ids: Tensor) -> Tensor {
    let (seq, half) = (ids.shape[1], size.width / 2)
    let rates = (0..<half).map { pow(10_000, -2 * Double($0) / Double(size.width)) }
    let places = ids.trace.iota([1, seq, 1, 1], axis: 1).cast(.f32)
    let angles = places * ids.trace.constant(rates).reshaped([Dim(half), 1])
    return ids.trace.concat([angles.unary(.sin), angles.unary(.cos)], axis: 3)
      .reshaped([1, seq, Dim(size.width)])
  }

  /// The probabilities of the token after each one of the target, `[batch, target, vocabulary]`.
  func callAsFunction(_ source: Tensor, _ padding: Tensor, _ target: Tensor) -> Tensor {
    let trace = source.trace
    let (batch, seq, length) = (source.shape[0], source.shape[1], target.shape[1])
    func mask(_ kind: Mask<Tensor>, _ queries: Dim, _ keys: Dim) -> Tensor {
      trace.mask([kind], batch: batch, queries: queries, keys: keys)
    }
    let own = mask(.padding(padding), seq, seq)
    var x = trace.scoped("source") { embed(source) }
    for (index, layer) in encoder.enumerated() {
      x = trace.scoped("encoder \(index)") { layer(x, mask: own) }
    }
    let (causal, cross) = (
      mask(.causal(start: nil), length, length), mask(.padding(padding), length, seq)
    )
    var y = trace.scoped("target") { embed(target) }
    for (index, layer) in decoder.enumerated() {
      y = trace.scoped("decoder \(index)") { layer(y, x, causal: causal, padding: cross) }
    }
    return trace.scoped("probabilities") { embeddings.scores(y).softmax() }
  }
}
