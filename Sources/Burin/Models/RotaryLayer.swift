import BurinIR

/// A decoder layer of two sublayers, normalised before each sublayer, after it, after the sum, or at
/// several of these: `h = afterSum(x + after(attention(before(x))))`, and the same with the
/// feed-forward network.
struct RotaryLayer: DecoderLayer {
  /// The norms around a sublayer, and what its output is multiplied by.
  struct Frame {
    var before, after, afterSum: (any NormLayer)?
    var scale = 1.0

    /// `afterSum(x + scale * after(sublayer(before(x))))`.
    func callAsFunction(_ x: Tensor, _ sublayer: (Tensor) -> Tensor) -> Tensor {
      let output = sublayer(before?(x) ?? x)
      let normed = after?(output) ?? output
      let sum = x + (scale == 1 ? normed : normed * scale)
      return afterSum?(sum) ?? sum
    }
  }

  let attentionFrame: Frame
  let attention: RotaryAttention
  let feedForwardFrame: Frame
  let feedForward: any FeedForwardLayer

  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    let h = x.trace.scoped("attention") { attentionFrame(x) { attention($0, context) } }
    return x.trace.scoped("feed forward") { feedForwardFrame(h) { feedForward($0) } }
  }
}

/// A decoder layer whose two sublayers read the same input: `x + attention(norm(x)) +
/// feedForward(norm(x))`, with one norm or two.
struct ParallelLayer: DecoderLayer {
  let attentionNorm: any NormLayer
  let attention: RotaryAttention
  let feedForwardNorm: any NormLayer
  let feedForward: any FeedForwardLayer

  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    let attended = x.trace.scoped("attention") { attention(attentionNorm(x), context) }
    return x.trace.scoped("feed forward") {
      feedForward(feedForwardNorm(x)) + attended + x
    }
  }
}

/// A normalisation of either kind.
protocol NormLayer: Layer where Input == Tensor, Output == Tensor {}
extension LayerNorm: NormLayer {}
extension RMSNorm: NormLayer {}

/// Causal self-attention in groups of heads, with rotary positions if any.
struct RotaryAttention {
  /// The matrices of queries, keys and values.
  enum Projections {
    case separate(query: Linear, key: Linear, value: Linear)
    /// Side by side in one.
    case joined(Linear)
    /// Side by side in one, head by head.
    case joinedByHead(Linear)
  }

  /// What is normalised of queries and keys before they are turned.
  enum HeadNorms {
    case none
    case perHead(query: any NormLayer, key: any NormLayer)
    /// All heads as one vector.
    case together(query: any NormLayer, key: any NormLayer)
  }

  let heads, groups, width: Int
  let projections: Projections
  let output: Linear
  let norms: HeadNorms
  /// `nil` in layers without positions.
  let rotary: Rotary?
  let scale: Double
  var softCap: Double?
  /// How many positions attention reaches back; all of them if `nil`.
  var window: Int?
  /// What nearness is worth to each head (ALiBi; Press et al., 2021).
  var slopes: [Double]?

  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    var (query, key, value) = projected(x)
    if case .together(let queryNorm, let keyNorm) = norms {
      (query, key) = (queryNorm(query), keyNorm(key))
    }
    (query, key, value) = (query.heads(heads), key.heads(groups), value.heads(groups))
    if case .perHead(let queryNorm, let keyNorm) = norms {
      (query, key) = (queryNorm(query), keyNorm(key))
    }
    if let rotary { (query, key) = (rotary(query, context), rotary(key, context)) }
    return output(
      Burin.attention(
        query: query, key: context.cached("keys", key), value: context.cached("values", value),
        scale: scale, softCap: softCap, bias: slopes.map { nearness($0, context) },
        mask: context.mask(window)))
  }

  /// `slopes[head] * key`, which is the distance of key and query but for a number per query, and
  /// so the same to a softmax; `f32[1, heads, 1, keys]`.
  private func nearness(_ slopes: [Double], _ context: DecoderContext) -> Tensor {
    let trace = context.positions.trace
    let places = trace.iota([1, 1, 1, context.keys], axis: 3).cast(.f32)
    return trace.constant(slopes).reshaped([1, Dim(heads), 1, 1]) * places
  }

  private func projected(_ x: Tensor) -> (query: Tensor, key: Tensor, value: Tensor) {
    switch projections {
    case .separate(let query, let key, let value): return (query(x), key(x), value(x))
    case .joined(let linear):
      let all = linear(x)
      func part(_ start: Int, _ count: Int) -> Tensor {
        all.slice(axis: 2, from: Dim(start * width), count: Dim(count * width))
      }
      return (part(0, heads), part(heads, groups), part(heads + groups, groups))
    case .joinedByHead(let linear):
      let all = linear(x).heads(heads)
      func part(_ index: Int) -> Tensor {
        all.slice(axis: 3, from: Dim(index * width), count: Dim(width))
          .reshaped([x.shape[0], x.shape[1], Dim(heads * width)])
      }
      return (part(0), part(1), part(2))
    }
  }
}
