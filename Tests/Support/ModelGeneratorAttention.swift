import BurinIR

/// The forms in which models write that a key does not count.
private enum MaskForm: CaseIterable {
  /// The operation `mask`, added to the scores.
  case operation
  /// `select(condition, scores, -inf)`.
  case select
  /// `scores + select(condition, 0, -inf)`.
  case added
  /// `scores + (1 - mask) * -10000`, as BERT did.
  case tenThousand
}

extension ModelGenerator {
  /// Multi-head attention, spelled out in one of the ways in which models do it.
  ///
  /// - Parameter memory: what is attended to, if not `x` itself.
  /// - Returns: `[batch, seq, hidden]`, and the successors of the states that it read.
  mutating func attention(
    _ x: NodeID, _ memory: NodeID?, _ name: String, _ cache: CacheInputs?
  ) throws -> (result: NodeID, successors: [(String, NodeID)]) {
    let source = memory ?? x
    var (query, key, value) = try projections(x, source, name)
    if memory == nil && decide(name + ".rotary", 3) == 0 {
      // Without more than one position, positions by rotation would change nothing.
      let interleaved = decide(name + ".interleaved", 2) == 0
      query = try rotated(query, cache, interleaved)
      key = try rotated(key, cache, interleaved)
    }
    var successors: [(String, NodeID)] = []
    if let cache {
      key = try appended(key, name + ".keys", cache, &successors)
      value = try appended(value, name + ".values", cache, &successors)
    }
    let keys = shape(key)[1]
    let (scores, factor) = try product(query, key)
    let masked = try modified(scores, factor, keys: keys, isSelf: memory == nil, name, cache)
    let probabilities = try add(.softmax(masked))
    if random.int(in: 0...9) == 0 { extraOutputs.append(.init(name, probabilities)) }
    let values = try add(.transpose(repeated(value), permutation: [0, 2, 1, 3]))
    let attended = try add(
      .transpose(add(.matmul(probabilities, values)), permutation: [0, 2, 1, 3]))
    let joined = try add(.reshape(attended, [batch, seq, Dim(hidden)]))
    return (try linear(joined, name + ".output", hidden, hidden), successors)
  }

  /// Query, key and value, `[batch, positions, heads or groups, width]`.
  private mutating func projections(
    _ x: NodeID, _ source: NodeID, _ name: String
  ) throws -> (NodeID, NodeID, NodeID) {
    let inner = groups * width
    func split(_ x: NodeID, _ count: Int) throws -> NodeID {
      let positions = Array(shape(x).prefix(2))
      return try add(.reshape(x, positions + [Dim(count), Dim(width)]))
    }
    if x == source && groups == heads && decide(name + ".merged", 2) == 0 {
      // One matrix for all three, cut apart afterwards.
      let all = try linear(x, name + ".qkv", hidden, 3 * hidden)
      func part(_ index: Int) throws -> NodeID {
        try split(
          add(.slice(all, axis: 2, start: Dim(index * hidden), count: Dim(hidden))), heads)
      }
      return (try part(0), try part(1), try part(2))
    }
    return (
      try split(linear(x, name + ".query", hidden, hidden), heads),
      try split(linear(source, name + ".key", hidden, inner), groups),
      try split(linear(source, name + ".value", hidden, inner), groups)
    )
  }

  private mutating func rotated(
    _ x: NodeID, _ cache: CacheInputs?, _ interleaved: Bool
  ) throws -> NodeID {
    let half = width / 2
    let frequencies = try add(
      .constant(
        Literal(
          TensorType(.f32, [Dim(half)]),
          (0..<half).map { ElementType.f32.rounded(1 / Double(1 + 3 * $0)) })))
    let positions = try self.positions(cache)
    return try add(
      .rotary(x, positions: positions, frequencies: frequencies, interleaved: interleaved))
  }

  private mutating func appended(
    _ values: NodeID, _ name: String, _ cache: CacheInputs, _ successors: inout [(String, NodeID)]
  ) throws -> NodeID {
    let state = try add(
      .state(
        name: name, type: TensorType(.f32, [batch, context, Dim(groups), Dim(width)])))
    let next = try add(
      .append(cache: state, values: values, start: cache.lengths, counts: cache.counts))
    successors.append((name, next))
    return next
  }

  /// Every group as often as there are heads to it.
  private mutating func repeated(_ x: NodeID) throws -> NodeID {
    guard groups < heads else { return x }
    let shape = self.shape(x)
    let times = Dim(heads / groups)
    let apart = try add(
      .reshape(x, [shape[0], shape[1], Dim(groups), 1, Dim(width)]))
    let many = try add(
      .broadcast(apart, [shape[0], shape[1], Dim(groups), times, Dim(width)]))
    return try add(.reshape(many, [shape[0], shape[1], Dim(heads), Dim(width)]))
  }

  /// `query x keyᵀ`, `[batch, heads, seq, keys]`, and what it must still be multiplied by.
  private mutating func product(
    _ query: NodeID, _ key: NodeID
  ) throws -> (scores: NodeID, factor: Double) {
    let scale = 1 / Double(width).squareRoot()
    var query = query
    var key = try repeated(key)
    var factor = 1.0
    switch random.int(in: 0...3) {
    case 0: query = try add(.scale(query, by: scale))
    case 1:
      query = try add(.scale(query, by: scale.squareRoot()))
      key = try add(.scale(key, by: scale.squareRoot()))
    default: factor = scale
    }
    let rows = try add(.transpose(query, permutation: [0, 2, 1, 3]))
    let columns =
      flip()
      ? try add(.transpose(key, permutation: [0, 2, 3, 1]))
      : try add(
        .transpose(
          add(.transpose(key, permutation: [0, 2, 1, 3])), permutation: [0, 1, 3, 2]))
    return (try add(.matmul(rows, columns)), factor)
  }

  /// Scale, soft cap, biases and masks.
  private mutating func modified(
    _ product: NodeID, _ factor: Double, keys: Dim, isSelf: Bool, _ name: String,
    _ cache: CacheInputs?
  ) throws -> NodeID {
    var scores = product
    if factor != 1 {
      scores =
        flip()
        ? try add(.scale(scores, by: factor))
        : try add(.binary(.divide, scores, number(1 / factor)))
    }
    if decide(name + ".cap", 5) == 0 {
      let cap = 2.5
      scores = try add(.scale(add(.unary(.tanh, add(.scale(scores, by: 1 / cap)))), by: cap))
    }
    if decide(name + ".bias", 5) == 0 {
      // One number for each head.
      let bias = try weight(name + ".bias", heads)
      scores = try sum(scores, add(.reshape(bias, [1, Dim(heads), 1, 1])))
    }
    if isSelf && decide(name + ".slopes", 5) == 0 {
      scores = try sum(scores, slopes(keys, name, cache))
    }
    if isDecoder || random.int(in: 0...5) != 0 {
      scores = try masked(scores, keys: keys, isSelf: isSelf, name, cache)
    }
    return scores
  }

  /// ALiBi: `slopes[heads] * (key - query)`.
  private mutating func slopes(
    _ keys: Dim, _ name: String, _ cache: CacheInputs?
  ) throws -> NodeID {
    let places = try distances(keys, cache)
    let difference = try add(.binary(.subtract, places.key, places.query))
    let slopes = try add(.reshape(weight(name + ".slopes", heads), [1, Dim(heads), 1, 1]))
    return try add(.binary(.multiply, slopes, add(.cast(difference, to: .f32))))
  }

  /// `i32[1, 1, 1, keys]` and `i32[1 or batch, 1, seq, 1]`: the positions of keys and queries.
  private mutating func distances(
    _ keys: Dim, _ cache: CacheInputs?
  ) throws -> (key: NodeID, query: NodeID) {
    let key = try add(.iota(TensorType(.i32, [1, 1, 1, keys]), axis: 3))
    var query = try add(.iota(TensorType(.i32, [1, 1, seq, 1]), axis: 2))
    if let cache { query = try sum(query, add(.reshape(cache.lengths, [batch, 1, 1, 1]))) }
    return (key, query)
  }

  /// The scores with some keys taken out, in one of the forms.
  private mutating func masked(
    _ scores: NodeID, keys: Dim, isSelf: Bool, _ name: String, _ cache: CacheInputs?
  ) throws -> NodeID {
    // Decoders look back only; what lies beyond a sequence in its cache must not count.
    let kinds = isSelf ? 1 + decide(name + ".masks", 7) : 1
    let few = kinds & 1 != 0 || cache != nil
    let causal = kinds & 2 != 0 || isDecoder
    let window = kinds & 4 != 0
    let size = 1 + decide(name + ".window", 4)
    var form = random.pick(MaskForm.allCases)
    if form == .tenThousand && (cache != nil || causal || window) { form = .select }
    if form == .operation {
      var masks: [Mask<NodeID>] = []
      if few { masks.append(try fewKeys(keys, isSelf: isSelf, cache)) }
      if causal { masks.append(.causal(start: cache?.lengths)) }
      if window { masks.append(.window(size, start: cache?.lengths)) }
      return try sum(scores, add(.mask(masks, shape: [batch, 1, seq, keys])))
    }
    var conditions: [NodeID] = []
    if few { conditions.append(try condition(fewKeys(keys, isSelf: isSelf, cache), keys)) }
    if causal || window {
      let (key, query) = try distances(keys, cache)
      if causal { conditions.append(try add(.binary(.lessOrEqual, key, query))) }
      if window {
        let apart = try add(.unary(.absolute, add(.binary(.subtract, query, key))))
        conditions.append(try add(.binary(.less, apart, number(Double(size), .i32))))
      }
    }
    var counts = conditions[0]
    for condition in conditions.dropFirst() {
      counts = try add(.binary(.and, counts, condition))
    }
    switch form {
    case .tenThousand:
      let holds = try add(.cast(counts, to: .f32))
      let against = try add(.binary(.subtract, number(1), holds))
      return try sum(scores, add(.scale(against, by: -10000)))
    case .added:
      let penalty = try add(
        .select(counts, then: number(0), otherwise: number(-.infinity)))
      return try sum(scores, penalty)
    default:
      guard flip() else {
        return try add(.select(counts, then: scores, otherwise: number(-.infinity)))
      }
      return try add(
        .select(add(.unary(.not, counts)), then: number(-.infinity), otherwise: scores))
    }
  }

  /// Which keys of each sequence are there at all: a padding mask, or lengths.
  private mutating func fewKeys(
    _ keys: Dim, isSelf: Bool, _ cache: CacheInputs?
  ) throws -> Mask<NodeID> {
    if let cache { return .lengths(cache.total) }
    if flip() {
      let name = isSelf ? "attention_mask" : "memory_mask"
      let ones = try add(.broadcast(number(1, .i32), [batch, keys]))
      return .padding(
        try add(.input(name: name, type: TensorType(.i32, [batch, keys]), fallback: ones)))
    }
    return .lengths(
      try add(.input(name: "lengths", type: TensorType(.i32, [batch]), fallback: nil)))
  }

  /// A mask of keys as `bool[batch, 1, 1, keys]`.
  private mutating func condition(_ mask: Mask<NodeID>, _ keys: Dim) throws -> NodeID {
    switch mask {
    case .padding(let padding):
      if flip() {
        return try add(
          .reshape(add(.cast(padding, to: .bool)), [batch, 1, 1, keys]))
      }
      let apart = try add(.reshape(padding, [batch, 1, 1, keys]))
      return try add(.unary(.not, add(.binary(.equal, apart, number(0, .i32)))))
    case .lengths(let lengths):
      let key = try add(.iota(TensorType(.i32, [1, 1, 1, keys]), axis: 3))
      return try add(.binary(.less, key, add(.reshape(lengths, [batch, 1, 1, 1]))))
    case .causal, .window: return try add(.binary(.equal, number(0), number(0)))
    }
  }
}
