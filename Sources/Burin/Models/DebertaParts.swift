import BurinHub
import BurinIR

/// What `config.json` says of the attention of DeBERTa's versions, and where its weights are.
struct DebertaAttentionConfiguration {
  /// Whether this is the first version: queries, keys and values in one matrix.
  let isFirst: Bool
  let hidden, heads: Int
  /// `nil` without relative attention.
  let distances: DistanceRows?
  /// Whether tokens look at distances, and distances at tokens.
  let looksAtDistances, isLookedAt: Bool
  /// Whether the projections of tokens serve for distances too.
  let sharesProjections: Bool
  let scale: Double

  init(_ config: JSONField, _ sizes: EncoderSizes, isFirst: Bool) throws(HubError) {
    hidden = sizes.hidden
    heads = sizes.heads
    self.isFirst = isFirst
    let width = try config["attention_head_size"].width(default: hidden / heads)
    guard isFirst || width == hidden / heads else {
      throw config["attention_head_size"].error(expected: "\(hidden / heads), hidden_size / heads")
    }
    let mixesHeads = try config["talking_head"].bool(default: false)
    guard !isFirst || !mixesHeads else {
      throw config["talking_head"].error(expected: "false: heads that mix are not known")
    }
    let kinds = try Self.kinds(config["pos_att_type"])
    looksAtDistances = kinds.contains("c2p")
    isLookedAt = kinds.contains("p2c")
    let count =
      isFirst ? kinds.count : (looksAtDistances ? 1 : 0) + (isLookedAt ? 1 : 0)
    scale = 1 / Double(hidden / heads * (1 + count)).squareRoot()
    let shares = try config["share_att_key"].bool(default: false)
    sharesProjections = !isFirst && shares
    guard try config["relative_attention"].bool(default: false) else {
      distances = nil
      return
    }
    let limit = -1...1 << 16
    let asked = try config["max_relative_positions"].int(in: limit, default: -1)
    let farthest = asked < 1 ? sizes.positions : asked
    guard farthest <= 1 << 16 else {
      throw config["max_relative_positions"].error(expected: "at most \(1 << 16)")
    }
    let buckets = isFirst ? 0 : try config["position_buckets"].int(in: limit, default: -1)
    guard buckets != 1 else {
      throw config["position_buckets"].error(expected: "at least 2, or none")
    }
    distances = DistanceRows(buckets: max(buckets, 0), farthest: farthest)
  }

  /// The kinds of scores, as a list or as a text with `|` between them.
  private static func kinds(_ field: JSONField) throws(HubError) -> [String] {
    guard field.exists else { return [] }
    if field.value?.array == nil {
      let text = try field.string().utf8String.lowercased()
      return text.split(separator: "|", omittingEmptySubsequences: false).map { part in
        String(part.filter { $0 != " " })
      }
    }
    var kinds: [String] = []
    for kind in try field.array() { kinds.append(try kind.string().utf8String) }
    return kinds
  }

  /// - Parameter weights: where the attention and the projection after it are.
  func layer(_ weights: Weights) -> DisentangledAttention {
    let own = weights["self"]
    let output = Linear(hidden, hidden, weights["output"]["dense"])
    guard !isFirst else {
      let key = Linear(hidden, hidden, own["pos_proj"], bias: false)
      let query = Linear(hidden, hidden, own["pos_q_proj"])
      return DisentangledAttention(
        heads: heads, projected: { joined($0, own) },
        distanceKey: looksAtDistances ? { key($0) } : nil,
        distanceQuery: isLookedAt ? { query($0) } : nil, output: output, scale: scale)
    }
    func projection(_ name: String) -> Linear { Linear(hidden, hidden, own[name]) }
    let (query, key) = (projection("query_proj"), projection("key_proj"))
    let value = projection("value_proj")
    let distanceKey = sharesProjections ? key : projection("pos_key_proj")
    let distanceQuery = sharesProjections ? query : projection("pos_query_proj")
    let heads = heads
    return DisentangledAttention(
      heads: heads,
      projected: { (query($0).heads(heads), key($0).heads(heads), value($0).heads(heads)) },
      distanceKey: looksAtDistances ? { distanceKey($0) } : nil,
      distanceQuery: isLookedAt ? { distanceQuery($0) } : nil, output: output, scale: scale)
  }

  /// Queries, keys and values of the first version: side by side head by head, with biases of their
  /// own for queries and values.
  private func joined(
    _ x: Tensor, _ weights: Weights
  ) -> (query: Tensor, key: Tensor, value: Tensor) {
    let width = hidden / heads
    let all = Linear(hidden, 3 * hidden, weights["in_proj"], bias: false)(x).heads(heads)
    func part(_ index: Int) -> Tensor {
      all.slice(axis: 3, from: Dim(index * width), count: Dim(width))
    }
    func bias(_ name: String) -> Tensor {
      weights.tensor(name, [hidden], in: x.trace).reshaped([Dim(heads), Dim(width)])
    }
    return (part(0) + bias("q_bias"), part(1), part(2) + bias("v_bias"))
  }
}

/// The convolution over the embeddings that joins the first layer's output.
struct DebertaConvolution {
  let hidden, taps, groups: Int
  let activation: Activation
  let weights: Weights
  let norm: LayerNorm

  /// - Returns: `nil` where the configuration has none.
  init?(
    _ config: JSONField, hidden: Int, _ weights: Weights, epsilon: Double
  ) throws(HubError) {
    taps = try config["conv_kernel_size"].int(in: 0...255, default: 0)
    guard taps > 0 else { return nil }
    guard taps % 2 == 1 else { throw config["conv_kernel_size"].error(expected: "an odd number") }
    groups = try config["conv_groups"].heads(dividing: hidden, default: 1)
    activation = try config["conv_act"].activation(default: "tanh")
    self.hidden = hidden
    self.weights = weights
    norm = LayerNorm(hidden, weights["LayerNorm"], epsilon: epsilon)
  }

  func callAsFunction(_ x: Tensor, residual: Tensor) -> Tensor {
    let trace = x.trace
    let (batch, seq) = (x.shape[0], x.shape[1])
    let width = hidden / groups
    var wide = x
    if taps > 1 {
      let edge = trace.full(0, .f32, [batch, Dim(taps / 2), Dim(hidden)])
      wide = trace.concat([edge, x, edge], axis: 1)
    }
    let kernel = weights["conv"].tensor("weight", [hidden, width, taps], in: trace)
      .transposed([2, 1, 0])
    let products = (0..<groups).map { group in
      let start = Dim(group * width)
      let input = wide.slice(axis: 2, from: start, count: Dim(width))
      let windows = (0..<taps).map { input.slice(axis: 1, from: Dim($0), count: seq) }
      let matrix = kernel.slice(axis: 2, from: start, count: Dim(width))
        .reshaped([Dim(taps * width), Dim(width)])
      return (taps == 1 ? input : trace.concat(windows, axis: 2)).matmul(matrix)
    }
    let convolved = groups == 1 ? products[0] : trace.concat(products, axis: 2)
    let bias = weights["conv"].tensor("bias", [hidden], in: trace)
    return norm(residual + activation(convolved + bias))
  }
}
