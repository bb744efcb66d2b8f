import BurinIR

/// Builds the program of a `GeneratedModel`: embeddings, one to three layers, a head.
struct ModelGenerator {
  var random: TestRandom
  var graph = Graph()
  var weights: [String: NumericArray] = [:]
  private var scope = ""
  private var decisions: [String: Int] = [:]
  private var successors: [Entry.Successor] = []
  /// Outputs besides the head's: intermediate values that someone wants to see too.
  var extraOutputs: [Entry.Output] = []

  let batch = Dim(Symbol("batch", maximum: 8))
  let seq = Dim(Symbol("seq", maximum: 32))
  let keys = Dim(Symbol("keys", maximum: 32))
  let context = Dim(Symbol("context", maximum: 64))

  let vocabulary: Int
  let heads: Int
  /// Key and value heads; a divisor of `heads`.
  let groups: Int
  /// The width of a head.
  let width: Int
  private let layers: Int
  let isDecoder: Bool
  private let normIsFirst: Bool
  private let normKind: NormKind
  private let spellsNormsOut: Bool
  private let feedForwardWidth: Int
  let hasBiases: Bool
  var hidden: Int { heads * width }

  init(seed: UInt64) {
    random = TestRandom(seed: seed)
    vocabulary = random.int(in: 5...40)
    let chosenHeads = random.pick([1, 2, 3, 4])
    heads = chosenHeads
    groups = random.pick((1...chosenHeads).filter { chosenHeads % $0 == 0 } + [chosenHeads])
    width = random.pick([2, 4, 6, 10])
    layers = random.int(in: 1...3)
    isDecoder = random.int(in: 0...2) == 0
    normIsFirst = random.int(in: 0...1) == 0
    normKind = random.pick([.layer, .rms])
    spellsNormsOut = random.int(in: 0...2) == 0
    feedForwardWidth = random.pick([3, 16, 33, 48])
    hasBiases = random.int(in: 0...2) != 0
  }

  mutating func program(_ name: String) throws -> Program {
    var entries = [try entry("forward", cached: false)]
    if isDecoder { entries.append(try entry("step", cached: true)) }
    return Program(name, entries: entries)
  }

  private mutating func entry(_ name: String, cached: Bool) throws -> Entry {
    graph = Graph()
    successors = []
    extraOutputs = []
    scope = "inputs"
    let ids = try add(
      .input(name: "input_ids", type: TensorType(.i32, [batch, seq]), fallback: nil))
    let cache = cached ? try cacheInputs() : nil
    scope = "embeddings"
    var x = try embeddings(ids, cache)
    for layer in 0..<layers {
      scope = "layer \(layer)"
      x = try self.layer(x, "layer.\(layer)", cache)
    }
    scope = "head"
    let outputs = try head(x, cache)
    return Entry(
      name, graph: graph, outputs: outputs + extraOutputs, successors: successors)
  }

  // The nodes of which models are made.

  mutating func add(_ op: Op<NodeID>) throws -> NodeID { try graph.append(op, scope: scope) }

  func shape(_ x: NodeID) -> [Dim] { graph.tensorType(x).shape }

  /// A choice between forms that mean the same.
  mutating func flip() -> Bool { random.int(in: 0...1) == 0 }

  /// A choice that has a meaning, in `0..<count`: the same in every entry.
  mutating func decide(_ what: String, _ count: Int) -> Int {
    if let decision = decisions[what] { return decision }
    let decision = random.int(in: 0...count - 1)
    decisions[what] = decision
    return decision
  }

  /// A weight with values around `center`, of a size that keeps products near 1.
  mutating func weight(_ name: String, _ shape: Int..., center: Double = 0) throws -> NodeID {
    if weights[name] == nil {
      var scale = 1.0
      while scale * scale * Double(shape.count > 1 ? shape.max() ?? 1 : 4) > 2 { scale /= 2 }
      let count = shape.reduce(1, *)
      weights[name] = NumericArray(
        .f32, shape, (0..<count).map { _ in center + random.unit() * scale })
    }
    return try add(.weight(name: name, type: TensorType(.f32, shape.map { Dim($0) })))
  }

  mutating func number(_ value: Double, _ element: ElementType = .f32) throws -> NodeID {
    try add(.constant(Literal(TensorType(element, []), [element.rounded(value)])))
  }

  /// A sum in either order.
  mutating func sum(_ x: NodeID, _ y: NodeID) throws -> NodeID {
    flip() ? try add(.binary(.add, x, y)) : try add(.binary(.add, y, x))
  }

  /// `x[..., inputs]` times a weight, stored either way, perhaps with a bias.
  mutating func linear(
    _ x: NodeID, _ name: String, _ inputs: Int, _ outputs: Int
  ) throws -> NodeID {
    let matrix: NodeID
    if decide(name, 2) == 0 {
      let stored = try weight(name + ".weight", outputs, inputs)
      matrix = try add(.transpose(stored, permutation: [1, 0]))
    } else {
      matrix = try weight(name + ".weight", inputs, outputs)
    }
    let product = try add(.matmul(x, matrix))
    return hasBiases ? try sum(product, weight(name + ".bias", outputs)) : product
  }

  private mutating func embeddings(_ ids: NodeID, _ cache: CacheInputs?) throws -> NodeID {
    let table = try weight("words", vocabulary, hidden)
    var x = try add(.embedding(table: table, indices: ids, rows: vocabulary))
    let positions = try self.positions(cache)
    if decide("positions", 2) == 0 {
      let rows = 64
      let places = try weight("positions", rows, hidden)
      x = try sum(x, add(.embedding(table: places, indices: positions, rows: rows)))
    }
    if decide("types", 2) == 0 {
      let zeros = try add(.broadcast(number(0, .i32), [batch, seq]))
      let types = try add(
        .input(name: "token_type_ids", type: TensorType(.i32, [batch, seq]), fallback: zeros))
      x = try sum(x, add(.embedding(table: weight("types", 2, hidden), indices: types, rows: 2)))
    }
    return decide("embeddings.norm", 2) == 0 ? try norm(x, "embeddings.norm") : x
  }

  private mutating func layer(
    _ x: NodeID, _ name: String, _ cache: CacheInputs?
  ) throws -> NodeID {
    let memory = try !isDecoder && decide(name + ".memory", 4) == 0 ? self.memory() : nil
    let attended = try normIsFirst ? norm(x, name + ".norm1") : x
    let attention = try self.attention(attended, memory, name + ".attention", cache)
    if let (state, value) = attention.successors.first {
      successors.append(.init(state, value))
      successors += attention.successors.dropFirst().map { .init($0.0, $0.1) }
    }
    var h = try sum(x, attention.result)
    if !normIsFirst { h = try norm(h, name + ".norm1") }
    let fed = try feedForward(normIsFirst ? norm(h, name + ".norm2") : h, name)
    let result = try sum(h, fed)
    return normIsFirst ? result : try norm(result, name + ".norm2")
  }

  private mutating func memory() throws -> NodeID {
    try add(
      .input(name: "memory", type: TensorType(.f32, [batch, keys, Dim(hidden)]), fallback: nil))
  }

  private mutating func feedForward(_ x: NodeID, _ name: String) throws -> NodeID {
    let up = try linear(x, name + ".up", hidden, feedForwardWidth)
    var inner = try activation(up, name)
    if decide(name + ".gate", 3) == 0 {
      let gate = try linear(x, name + ".gate", hidden, feedForwardWidth)
      inner =
        flip() ? try add(.binary(.multiply, inner, gate)) : try add(.binary(.multiply, gate, inner))
    }
    if random.int(in: 0...7) == 0 { extraOutputs.append(.init(name + ".inner", inner)) }
    return try linear(inner, name + ".down", feedForwardWidth, hidden)
  }

  /// An activation, as one operation or as the operations of which it is made.
  private mutating func activation(_ x: NodeID, _ name: String) throws -> NodeID {
    func times(_ x: NodeID, _ y: NodeID) throws -> NodeID { try add(.binary(.multiply, x, y)) }
    switch decide(name + ".activation", 9) {
    case 0:
      let inner = try add(.unary(.erf, add(.scale(x, by: 0.5.squareRoot()))))
      return try times(add(.scale(x, by: 0.5)), sum(inner, number(1)))
    case 1: return try times(x, add(.unary(.sigmoid, x)))
    case 2:
      let cube = try times(times(x, x), x)
      let inner = try add(
        .scale(sum(x, add(.scale(cube, by: 0.044715))), by: (2 / Double.pi).squareRoot()))
      return try times(
        add(.scale(x, by: 0.5)), sum(add(.unary(.tanh, inner)), number(1)))
    case let other:
      let functions: [Unary] = [.relu, .gelu, .geluTanh, .silu, .tanh, .sigmoid]
      return try add(.unary(functions[other - 3], x))
    }
  }

  /// A norm, as one operation or spelled out.
  mutating func norm(_ x: NodeID, _ name: String) throws -> NodeID {
    let scale = try weight(name + ".scale", hidden, center: 1)
    let bias = normKind == .layer ? try weight(name + ".bias", hidden) : nil
    let epsilon = [1e-12, 1e-6, 1e-5][decide(name, 3)]
    guard spellsNormsOut else {
      return try add(.norm(x, Norm(normKind, scale: scale, bias: bias, epsilon: epsilon)))
    }
    let last = shape(x).count - 1
    var centered = x
    if normKind == .layer {
      centered = try add(.binary(.subtract, x, add(.reduce(.mean, x, axes: [last]))))
    }
    let square =
      flip()
      ? try add(.binary(.multiply, centered, centered))
      : try add(.binary(.power, centered, number(2)))
    let variance = try sum(add(.reduce(.mean, square, axes: [last])), number(epsilon))
    let normal =
      flip()
      ? try add(.binary(.multiply, centered, add(.unary(.rsqrt, variance))))
      : try add(.binary(.divide, centered, add(.unary(.sqrt, variance))))
    let scaled = try add(.binary(.multiply, normal, scale))
    return try bias.map { try sum(scaled, $0) } ?? scaled
  }

  private mutating func head(_ x: NodeID, _ cache: CacheInputs?) throws -> [Entry.Output] {
    let x = normIsFirst ? try norm(x, "final.norm") : x
    switch isDecoder ? 0 : random.int(in: 0...3) {
    case 0:
      // A tied embedding as the output projection.
      let table = try weight("words", vocabulary, hidden)
      var rows = x
      if let cache {
        let last = try add(.binary(.subtract, cache.counts, number(1, .i32)))
        rows = try add(.gather(x, indices: add(.reshape(last, [batch, 1]))))
      }
      let logits = try add(.matmul(rows, add(.transpose(table, permutation: [1, 0]))))
      return [.init("logits", logits)]
    case 1:
      let first = try add(.slice(x, axis: 1, start: 0, count: 1))
      let row = try add(.reshape(first, [batch, Dim(hidden)]))
      let pooled = try add(.unary(.tanh, linear(row, "pooler", hidden, hidden)))
      return [.init("last_hidden_state", x), .init("pooler_output", pooled)]
    case 2:
      let mean = try add(.reduce(.mean, x, axes: [1]))
      let square = try add(
        .reduce(.sum, add(.binary(.multiply, mean, mean)), axes: [2]))
      let length = try add(.unary(.sqrt, add(.binary(.maximum, square, number(1e-9)))))
      return [.init("sentence_embedding", try add(.binary(.divide, mean, length)))]
    default:
      let scores = try linear(x, "span", hidden, 2)
      let start = try add(.slice(scores, axis: 2, start: 0, count: 1))
      let end = try add(.slice(scores, axis: 2, start: 1, count: 1))
      return [
        .init("start_logits", try add(.reshape(start, [batch, seq]))),
        .init("end_logits", try add(.reshape(end, [batch, seq]))),
      ]
    }
  }

  // Positions and caches.

  /// What a call of `step` knows about the sequences that it continues.
  struct CacheInputs {
    /// `i32[batch]`: how much is filled, how much comes now, and both.
    let lengths, counts, total: NodeID
  }

  private mutating func cacheInputs() throws -> CacheInputs {
    let extent = try add(.broadcast(add(.extent(seq)), [batch]))
    let counts = try add(
      .input(name: "counts", type: TensorType(.i32, [batch]), fallback: extent))
    let lengths = try add(.state(name: "lengths", type: TensorType(.i32, [batch])))
    let total = try add(.binary(.add, lengths, counts))
    successors.append(.init("lengths", total))
    return CacheInputs(lengths: lengths, counts: counts, total: total)
  }

  /// `i32[batch, seq]`: where the tokens stand.
  mutating func positions(_ cache: CacheInputs?) throws -> NodeID {
    let places = try add(.iota(TensorType(.i32, [batch, seq]), axis: 1))
    guard let cache else {
      return try add(
        .input(name: "position_ids", type: TensorType(.i32, [batch, seq]), fallback: places))
    }
    let start = try add(
      .broadcast(add(.reshape(cache.lengths, [batch, 1])), [batch, seq]))
    return try add(.binary(.add, start, places))
  }
}
