import BurinIR
import BurinTestSupport

/// Graphs at random that hold what the rules look for, and near misses of it.
struct Generator {
  private var random: TestRandom
  private let b = Builder()
  private let batch = Dim(Symbol("batch", maximum: 3))
  private let seq = Dim(Symbol("seq", maximum: 6))
  private var pool: [T] = []

  private init(seed: Int) { random = TestRandom(seed: UInt64(seed)) }

  /// A program of about `size` steps; its outputs are what nothing else uses.
  static func program(seed: Int, size: Int = 7) -> Program {
    var generator = Generator(seed: seed)
    return generator.generate(size)
  }

  private mutating func generate(_ size: Int) -> Program {
    pool = [
      b.input("x", [batch, seq, 6]), b.input("y", [batch, seq, 6]), b.input("z", [seq, 4]),
    ]
    for _ in 0..<size { pool.append(step()) }
    var used: Set<NodeID> = []
    for node in b.graph.nodes { used.formUnion(node.op.operands) }
    let ends = pool.map(\.id).filter { !used.contains($0) }
    let outputs = Array(Set(ends)).sorted().enumerated()
      .map { Entry.Output("y\($0.offset)", $0.element) }
    return Program("generated", entries: [Entry("forward", graph: b.graph, outputs: outputs)])
  }

  private mutating func below(_ bound: Int) -> Int { random.int(in: 0...bound - 1) }

  private mutating func flip() -> Bool { below(2) == 0 }

  private mutating func pick<Element>(_ list: [Element]) -> Element {
    list[below(list.count)]
  }

  /// A value of the pool, rather a late one.
  private mutating func value() -> T {
    pool[max(below(pool.count), below(pool.count))]
  }

  /// A value of rows `[batch, seq, width]`.
  private mutating func rows() -> T {
    let candidates = pool.filter {
      $0.shape.count == 3 && $0.shape[..<2] == [batch, seq] && ($0.shape[2].constant ?? 0) > 1
    }
    return pick(candidates)
  }

  private mutating func step() -> T {
    switch below(15) {
    case 0:
      let functions: [Unary] = [.tanh, .relu, .gelu, .geluTanh, .silu, .sigmoid, .negate, .erf]
      return value().unary(pick(functions))
    case 1: return value() * pick([0.5, -1.5, 1, 2])
    case 2: return withConstant(value())
    case 3, 4: return withOther(value())
    case 5, 6: return linear()
    case 7: return permuted(value())
    case 8: return reshaped(value())
    case 9: return sliced(value())
    case 10:
      let x = value()
      return b.concat([x, pick([x, x * 2])], axis: below(x.shape.count))
    case 11: return flip() ? reduced(value()) : activation(value())
    case 12: return normed(rows())
    default: return attention()
    }
  }

  private mutating func withConstant(_ x: T) -> T {
    let constant = b.constant(pick([0, 1, 0.25, 3]))
    let other = flip() ? constant : constant.broadcast(x.shape)
    switch below(4) {
    case 0: return x + other
    case 1: return other * x
    case 2: return x - other
    default: return x / (b.constant(pick([1, 2, 0.5])))
    }
  }

  private mutating func withOther(_ x: T) -> T {
    let alike = pool.filter { $0.shape == x.shape }
    let last = x.shape[x.shape.count - 1]
    var y = pick(alike)
    if below(3) == 0, last.constant != nil {
      y = b.weight([last])
      if flip() { y = y.broadcast(x.shape) }
    }
    let function = pick([Binary.add, .add, .subtract, .multiply, .maximum])
    return flip() ? x.binary(function, y) : y.binary(function, x)
  }

  private mutating func linear() -> T {
    let x = rows()
    var y = b.linear(x, pick([6, 4, x.shape[2]]), bias: flip())
    if flip() { y = activation(y) }
    if flip(), y.shape == x.shape { y = flip() ? y + x : x * y }
    return y
  }

  private mutating func permuted(_ x: T) -> T {
    var p = Array(x.shape.indices)
    p.shuffle(using: &random)
    let y = x.transposed(p)
    guard flip() else { return y }
    let changed = flip() ? y * 0.5 : y.unary(.tanh)
    return changed.transposed(p.indices.map { p.firstIndex(of: $0)! })
  }

  private mutating func reshaped(_ x: T) -> T {
    let shape = x.shape
    let last = shape[shape.count - 1]
    switch below(4) {
    case 0: return x.reshaped([1] + shape)
    case 1 where shape.count > 1:
      return x.reshaped(shape.dropLast(2) + [shape[shape.count - 2] * last])
    case 2:
      guard let width = last.constant, width % 2 == 0, shape.count < 5 else { return x * 3 }
      return x.reshaped(shape.dropLast() + [2, Dim(width / 2)])
    default: return shape.count < 5 ? x.reshaped(shape + [1]).broadcast(shape + [2]) : x * 3
    }
  }

  private mutating func sliced(_ x: T) -> T {
    let axis = below(x.shape.count)
    guard let extent = x.shape[axis].constant, extent > 1 else { return x.slice(axis, 0, 1) }
    let start = below(extent)
    return x.slice(axis, Dim(start), Dim(1 + below(extent - start)))
  }

  private mutating func reduced(_ x: T) -> T {
    let axis = below(x.shape.count)
    let y = x.reduced(pick([.sum, .mean, .maximum]), [axis])
    return flip() ? y : x - y
  }

  private mutating func activation(_ x: T) -> T {
    let half = 0.5.squareRoot()
    switch below(5) {
    case 0: return x * 0.5 * ((x * half).unary(.erf) + 1)
    case 1:
      let inner = (x + x * x * x * 0.044715) * (2 / Double.pi).squareRoot()
      return x * (inner.unary(.tanh) + 1) * 0.5
    case 2: return x * x.unary(.sigmoid)
    case 3: return x * 0.5 * ((x * 0.7).unary(.erf) + 1)
    default: return x.unary(.gelu)
    }
  }

  private mutating func normed(_ x: T) -> T {
    let sum = flip() ? x + rows(like: x) : x
    if flip() { return flip() ? b.layerNorm(sum) : b.layerNorm(sum) + sum }
    let centred = flip() ? sum - sum.reduced(.mean, [2]) : sum
    let scale = ((centred * centred).reduced(.mean, [2]) + 0.01).unary(.rsqrt)
    let normed = centred * scale
    return flip() ? normed * b.weight([x.shape[2]]) : normed
  }

  private mutating func rows(like x: T) -> T { pick(pool.filter { $0.shape == x.shape }) }

  /// Attention of two heads, of which masks, biases, scales and repetitions vary.
  private mutating func attention() -> T {
    let x = rows()
    let memory = below(3) == 0 ? rows() : x
    let groups = flip() ? 2 : 1
    func split(_ x: T, _ groups: Int) -> T {
      let y = b.linear(x, Dim(3 * groups)).heads(groups)
      return groups == 2 ? y : y.broadcast([batch, 2, seq, 3])
    }
    var q = split(x, 2)
    if flip() { q = q * 0.5 }
    var scores = q.matmul(split(memory, groups).swapped)
    for _ in 0..<below(4) { scores = changed(scores) }
    return scores.softmax().matmul(split(memory, groups)).merged
  }

  private mutating func changed(_ scores: T) -> T {
    let whole: [Dim] = [batch, 1, seq, seq]
    let keys = b.iota([1, 1, 1, seq], axis: 3)
    let queries = b.iota([1, 1, seq, 1], axis: 2)
    let never = b.constant(-.infinity)
    switch below(9) {
    case 0: return scores * pick([0.5, 2])
    case 1: return b.mask([.causal(start: nil)], whole) + scores
    case 2:
      let padding = b.input("padding", [batch, seq], .i32)
      return scores + b.mask([.padding(padding)], [batch, 1, 1, seq])
    case 3: return scores + b.weight([1, 2, 1, 1])
    case 4: return (scores * 0.25).unary(.tanh) * 4
    case 5: return b.select(keys.binary(.lessOrEqual, queries), scores, never)
    case 6:
      let near = (queries - keys).unary(.absolute).binary(.less, b.constant(2, .i32))
      return b.select(near, scores, never)
    case 7:
      return scores + b.weight([2]).reshaped([1, 2, 1, 1]) * (keys - queries).cast(.f32)
    default: return scores + b.input("bias", [seq, seq])
    }
  }
}
