import BurinIR

/// Causal self-attention in groups of heads, with rotary positions if any.
struct CausalAttention {
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
  var norms = HeadNorms.none
  /// Between its negative and this queries, keys and values are kept.
  var bound: Double?
  /// `nil` in layers without rotary positions.
  var rotary: Rotary?
  /// What scores are multiplied by; the inverse root of the width if `nil`.
  var scale: Double?
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
    if let bound {
      func kept(_ x: Tensor) -> Tensor { x.kept(-bound, bound) }
      (query, key, value) = (kept(query), kept(key), kept(value))
    }
    (query, key, value) = (query.heads(heads), key.heads(groups), value.heads(groups))
    if case .perHead(let queryNorm, let keyNorm) = norms {
      (query, key) = (queryNorm(query), keyNorm(key))
    }
    if let rotary { (query, key) = (rotary(query, context), rotary(key, context)) }
    return output(
      Burin.attention(
        query: query, key: context.cached("keys", key), value: context.cached("values", value),
        scale: scale ?? 1 / Double(width).squareRoot(), softCap: softCap,
        bias: slopes.map { nearness($0, context) },
        mask: context.mask(window)))
  }

  /// `slopes[head] * key`, which is the distance of key and query but for a number per query, and
  /// so the same to a softmax; `f32[batch or 1, heads, 1, keys]`. Distances count only the tokens that are
  /// not padding.
  private func nearness(_ slopes: [Double], _ context: DecoderContext) -> Tensor {
    let trace = context.positions.trace
    return trace.constant(slopes).reshaped([1, Dim(heads), 1, 1]) * context.keyPlaces.cast(.f32)
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
