import BurinIR

/// Scaled dot-product attention (Vaswani et al., 2017, section 3.2.1), as the paper writes it.
///
/// - Parameters:
///   - query: `[batch, heads, queries, width]`.
///   - key: `[batch, heads, keys, width]`.
///   - value: `[batch, heads, keys, width]`.
///   - scale: what the scores are multiplied by; the paper's `1 / sqrt(width)`.
///   - softCap: what keeps the scores between `-softCap` and `softCap`, by a tanh.
///   - bias: added to the scores, before the mask.
///   - mask: added to the scores.
/// - Returns: `[batch, heads, queries, width]`.
public func attention(
  _ query: Tensor, _ key: Tensor, _ value: Tensor, scale: Double, softCap: Double? = nil,
  bias: Tensor? = nil, mask: Tensor?
) -> Tensor {
  var scores = query.matmul(key.transposed) * scale
  if let softCap { scores = scores.softCapped(softCap) }
  if let bias { scores = scores + bias }
  return (mask.map { scores + $0 } ?? scores).softmax().matmul(value)
}

/// Attention with positions before heads, each head of keys and values serving a group of the
/// queries' (Ainslie et al., 2023).
///
/// - Parameters:
///   - query: `[batch, queries, heads, width]`.
///   - key: `[batch, keys, groups, width]`, `groups` a divisor of `heads`.
///   - value: as `key`.
///   - scale: what the scores are multiplied by.
///   - softCap: what keeps the scores between `-softCap` and `softCap`, by a tanh.
///   - bias: added to the scores, before the mask.
///   - mask: added to the scores.
/// - Returns: the heads side by side, `[batch, queries, heads * width]`.
public func attention(
  query: Tensor, key: Tensor, value: Tensor, scale: Double, softCap: Double? = nil,
  bias: Tensor? = nil, mask: Tensor?
) -> Tensor {
  let heads = query.shape[2]
  func repeated(_ x: Tensor) -> Tensor {
    let (turned, groups) = (x.transposed([0, 2, 1, 3]), x.shape[2])
    guard groups != heads, let many = heads.constant, let few = groups.constant else {
      return turned
    }
    let shape = turned.shape
    return turned.reshaped([shape[0], groups, 1, shape[2], shape[3]])
      .broadcast([shape[0], groups, Dim(many / few), shape[2], shape[3]])
      .reshaped([shape[0], heads, shape[2], shape[3]])
  }
  return attention(
    query.transposed([0, 2, 1, 3]), repeated(key), repeated(value), scale: scale,
    softCap: softCap, bias: bias, mask: mask
  ).mergedHeads
}

/// Multi-head attention of a sequence to another one, the memory.
public struct CrossAttention: Layer {
  /// Keys and values, `[batch, keys, heads, width]` each.
  public typealias Memory = (keys: Tensor, values: Tensor)

  let heads: Int
  let width: Int
  let query, key, value, output: Linear
  let scale: Double

  /// - Parameter scale: what scores are multiplied by; the paper's `1 / sqrt(width)` if `nil`.
  /// - Requires: `heads` divides the width of the queries.
  public init(
    heads: Int, query: Linear, key: Linear, value: Linear, output: Linear, scale: Double? = nil
  ) {
    self.heads = heads
    self.width = query.outputs / heads
    self.query = query
    self.key = key
    self.value = value
    self.output = output
    self.scale = scale ?? 1 / Double(query.outputs / heads).squareRoot()
  }

  /// What the memory `[batch, keys, hidden]` is to this attention.
  public func memory(_ x: Tensor) -> Memory { (key(x).heads(heads), value(x).heads(heads)) }

  /// - Parameter input: the sequence `[batch, seq, hidden]`, the memory `[batch, keys, hidden]`,
  ///   and the mask of the scores.
  public func callAsFunction(_ input: (x: Tensor, memory: Tensor, mask: Tensor?)) -> Tensor {
    let queries = query(input.x).heads(heads)
    return attended(queries, memory(input.memory), bias: nil, mask: input.mask)
  }

  /// Attention of the sequence `x[batch, seq, hidden]` to a memory whose keys and values are known.
  ///
  /// - Parameter bias: added to the scores, before the mask.
  public func callAsFunction(
    _ x: Tensor, to memory: Memory, bias: Tensor? = nil, mask: Tensor?
  ) -> Tensor {
    attended(query(x).heads(heads), memory, bias: bias, mask: mask)
  }

  private func attended(
    _ queries: Tensor, _ memory: Memory, bias: Tensor?, mask: Tensor?
  ) -> Tensor {
    output(
      attention(
        query: queries, key: memory.keys, value: memory.values, scale: scale,
        bias: bias, mask: mask))
  }
}

/// Attention of a sequence to itself, of any kind.
protocol SelfAttentionLayer: Layer where Input == (x: Tensor, mask: Tensor?), Output == Tensor {}
extension SelfAttention: SelfAttentionLayer {}

/// Multi-head attention of a sequence to itself.
public struct SelfAttention: Layer {
  let attention: CrossAttention

  /// - Requires: `heads` divides the width of the queries.
  public init(heads: Int, query: Linear, key: Linear, value: Linear, output: Linear) {
    attention = CrossAttention(
      heads: heads, query: query, key: key, value: value, output: output)
  }

  /// - Parameter input: the sequence `[batch, seq, hidden]`, and the mask of its scores.
  public func callAsFunction(_ input: (x: Tensor, mask: Tensor?)) -> Tensor {
    attention((input.x, input.x, input.mask))
  }
}
