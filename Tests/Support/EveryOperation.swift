import BurinIR

/// A program in which every operation, epilogue, mask and optional operand of the language occurs
/// at least once, with awkward names, numbers and extents: two entries that share a state.
public func everyOperation() throws -> Program {
  Program("every \"operation\"\n", entries: [try forward(), try step()])
}

private let batch = Dim(Symbol("batch", maximum: 4))
private let seq = Dim(Symbol("seq", maximum: 16))
private let context = Dim(Symbol("context", maximum: 32))

private func forward() throws -> Entry {
  var graph = Graph()
  var scope = "inputs"
  func add(_ op: Op<NodeID>) throws -> NodeID { try graph.append(op, scope: scope) }

  let ids = try add(.input(name: "input_ids", type: TensorType(.i32, [batch, seq]), fallback: nil))
  let one = try add(.constant(Literal(TensorType(.i32, []), [1])))
  let ones = try add(.broadcast(one, [batch, seq]))
  let mask = try add(
    .input(name: "attention_mask", type: TensorType(.i32, [batch, seq]), fallback: ones))
  let lengths = try add(.input(name: "lengths", type: TensorType(.i32, [batch]), fallback: nil))
  let blocks = try add(
    .input(name: "blocks", type: TensorType(.f32, [seq.rounded(upTo: 4) / 2, 1]), fallback: nil))

  scope = "embeddings"
  let table = try add(.weight(name: "words.\u{e9}", type: TensorType(.f32, [10, 8])))
  let words = try add(.embedding(table: table, indices: ids, rows: 10))
  let places = try add(.iota(TensorType(.i32, [batch, seq]), axis: 1))
  let packedTable = try add(.pack(add(.transpose(table, permutation: [1, 0])), width: 4))
  let more = try add(.embedding(table: packedTable, indices: ids, rows: 10))
  let scale = try add(.weight(name: "norm.scale", type: TensorType(.f32, [8])))
  let bias = try add(.weight(name: "norm.bias", type: TensorType(.f32, [8])))
  let embedded = try add(
    .norm(
      add(.binary(.add, words, more)), Norm(.layer, scale: scale, bias: bias, epsilon: 1e-12)))

  scope = "  layer 0: attention // \\ \"\u{7}\" "
  let weight = try add(.weight(name: "query", type: TensorType(.f32, [8, 8])))
  let packed = try add(.pack(weight, width: 32))
  let query = try add(
    .linear(
      embedded, weight: packed, columns: 8, epilogues: [.bias(bias)],
      tile: LinearTile(rowBlock: 128)))
  let heads = try add(.reshape(query, [batch, seq, 2, 4]))
  let frequencies = try add(
    .constant(Literal(TensorType(.f32, [2]), [1, Double(Float(0.1))])))
  let turned = try add(
    .rotary(heads, positions: places, frequencies: frequencies, interleaved: true))
  let turnedAgain = try add(
    .rotary(heads, positions: places, frequencies: frequencies, interleaved: false))
  let slopes = try add(.constant(Literal(TensorType(.f32, [2]), [0.5, 0.25])))
  let scoreBias = try add(.constant(Literal(TensorType(.f32, [1, 2, 1, 1]), [0.1, -0.0])))
  let zeros = try add(.binary(.subtract, lengths, lengths))
  let attended = try add(
    .attention(
      query: turned, key: turnedAgain, value: heads,
      scores: Scores(
        scale: 0.35355339059327373, softCap: 30, bias: scoreBias, slopes: slopes,
        masks: [
          .padding(mask), .lengths(lengths), .causal(start: nil), .causal(start: zeros),
          .window(3, start: nil), .window(5, start: zeros),
        ]), tile: AttentionTile(queries: 64)))
  let plain = try add(
    .attention(query: heads, key: heads, value: heads, scores: Scores(scale: 1), tile: nil))
  let joined = try add(.reshape(add(.binary(.add, attended, plain)), [batch, seq, 8]))
  let both = try add(
    .addNorm(joined, residual: embedded, Norm(.rms, scale: scale, bias: nil, epsilon: 1e-5)))

  scope = ""
  let sum = try add(.part(both, 0))
  let normal = try add(.part(both, 1))
  let norm = Norm(.layer, scale: scale, bias: nil, epsilon: 1e-5, cast: .bf16)
  let rounded = try add(.normAndCast(joined, norm))
  let narrow = try add(
    .binary(
      .add, add(.cast(add(.norm(joined, norm)), to: .f32)),
      add(.cast(add(.part(rounded, 1)), to: .f32))))
  let kept = try add(.binary(.subtract, add(.part(rounded, 0)), narrow))
  let fused = try add(
    .linear(
      normal, weight: weight, columns: 8,
      epilogues: [.bias(bias), .activation(.gelu), .residual(sum), .gate(normal), .scale(0.1)],
      tile: nil))
  // A router of two experts.
  let best = try add(
    .topK(add(.softmax(add(.slice(fused, axis: 2, start: 0, count: 2)))), count: 1))
  let selected = try add(.part(best, 1))
  let experts = try add(.weight(name: "experts", type: TensorType(.f32, [8, 10])))
  let inner = try add(
    .experts(
      normal, chosen: selected, weight: experts, count: 2, columns: 5,
      epilogues: [.activation(.silu)], tile: nil))
  let widened = try add(.weight(name: "experts.down", type: TensorType(.f32, [5, 16])))
  let outer = try add(
    .experts(
      inner, chosen: selected,
      weight: add(.pack(widened, width: 8)), count: 2, columns: 8, epilogues: [],
      tile: LinearTile(rowBlock: 128)))
  let mixed = try add(
    .binary(.multiply, outer, add(.reshape(add(.part(best, 0)), [batch, seq, 1, 1]))))
  let product = try add(
    .matmul(
      add(.binary(.add, add(.binary(.add, fused, kept)), add(.reshape(mixed, [batch, seq, 8])))),
      weight))
  let stack = try add(.matmul(product, add(.transpose(fused, permutation: [0, 2, 1]))))
  let maskTensor = try add(
    .mask([.padding(mask), .causal(start: nil)], shape: [batch, 1, seq, seq]))
  let scores = try add(
    .softmax(add(.binary(.add, add(.reshape(stack, [batch, 1, seq, seq])), maskTensor))))
  let total = try add(.reduce(.sum, add(.cumulativeSum(scores, axis: 3)), axes: [1, 3]))
  let mean = try add(.reduce(.mean, fused, axes: [2]))
  let largest = try add(.reduce(.maximum, fused, axes: [2]))

  scope = "functions of elements"
  var value = try add(.binary(.maximum, mean, largest))
  for function in Unary.allCases where function != .not { value = try add(.unary(function, value)) }
  for function in Binary.allCases where !function.isPredicate {
    value = try add(.binary(function, value, mean))
  }
  let numbers = try add(
    .constant(
      Literal(
        TensorType(.f32, [8]),
        [.infinity, -.infinity, 1e-45, 3.4028234663852886e38, -0.0, 1e16, .nan, -1.5])))
  var truth = try add(.binary(.less, value, mean))
  for function in [Binary.equal, .lessOrEqual] {
    truth = try add(.binary(.and, truth, add(.binary(function, value, mean))))
  }
  truth = try add(.unary(.not, add(.binary(.or, truth, truth))))
  let chosen = try add(.select(truth, then: value, otherwise: add(.scale(value, by: -1e-7))))
  let flags = try add(.constant(Literal(TensorType(.bool, [2]), [1, 0])))

  scope = "moving"
  let halves = try add(.cast(add(.cast(chosen, to: .bf16)), to: .f32))
  let last = try add(
    .binary(.subtract, lengths, add(.broadcast(one, [batch]))))
  let row = try add(.gather(fused, indices: add(.reshape(last, [batch, 1]))))
  let pair = try add(.concat([row, fused], axis: 1))
  let part = try add(.slice(pair, axis: 1, start: seq, count: 1))
  let length = try add(.extent(seq.rounded(upTo: 16) + batch * seq * 2))
  return Entry(
    "forward", graph: graph,
    outputs: [
      .init("last_hidden_state", fused), .init("scores", total), .init("a \"name\"\\\n", halves),
      .init("part", part), .init("length", length), .init("numbers", numbers),
      .init("flags", flags), .init("chosen", chosen),
      .init("blocks", blocks),
    ])
}

private func step() throws -> Entry {
  var graph = Graph()
  func add(_ op: Op<NodeID>) throws -> NodeID { try graph.append(op, scope: "step") }
  let values = try add(
    .input(name: "values", type: TensorType(.f32, [batch, 1, 8]), fallback: nil))
  let start = try add(.input(name: "start", type: TensorType(.i32, [batch]), fallback: nil))
  let one = try add(.constant(Literal(TensorType(.i32, [1]), [1])))
  let counts = try add(.broadcast(one, [batch]))
  let cache = try add(.state(name: "cache", type: TensorType(.f32, [batch, context, 8])))
  let next = try add(.append(cache: cache, values: values, start: start, counts: counts))
  let sum = try add(.reduce(.sum, next, axes: [1]))
  return Entry(
    "step", graph: graph, outputs: [.init("sum", sum)],
    successors: [.init("cache", next)])
}
