import BurinIR

/// A decoder layer of two sublayers with rotary self-attention, normalised before each sublayer,
/// after it, or both: `h = x + after(attention(before(x)))`, and the same with the feed-forward
/// network.
struct RotaryLayer: DecoderLayer {
  /// The norms around a sublayer, and what its output is multiplied by.
  struct Frame {
    var before, after: (any NormLayer)?
    var scale: Double

    /// `x + scale * after(sublayer(before(x)))`.
    func callAsFunction(_ x: Tensor, _ sublayer: (Tensor) -> Tensor) -> Tensor {
      let output = sublayer(before?(x) ?? x)
      let normed = after?(output) ?? output
      return x + (scale == 1 ? normed : normed * scale)
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

/// A normalisation of either kind.
protocol NormLayer: Layer where Input == Tensor, Output == Tensor {}
extension LayerNorm: NormLayer {}
extension RMSNorm: NormLayer {}

/// Causal self-attention with rotary positions, in groups of heads.
struct RotaryAttention {
  /// The matrices of queries, keys and values.
  enum Projections {
    case separate(query: Linear, key: Linear, value: Linear)
    /// Side by side in one.
    case joined(Linear)
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
  let softCap: Double?
  /// How many positions attention reaches back; all of them if `nil`.
  let window: Int?

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
        scale: scale, softCap: softCap, mask: context.mask(window)))
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
    }
  }
}
