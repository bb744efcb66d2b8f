import BurinIR
import BurinPasses
import Testing

private let batch = Dim(Symbol("batch", maximum: 4))
private let seq = Dim(Symbol("seq", maximum: 16))

/// Four heads of width 3 on rows of width 12, as a model writes them; `change` makes probabilities
/// of the scores.
private func naive(
  groups: Int = 4, repeatFirst: Bool = false, queryScale: Double? = nil,
  _ change: (Builder, T) -> T
) -> Program {
  let b = Builder()
  let x = b.input("x", [batch, seq, 12])
  func split(_ columns: Int, _ groups: Int) -> T {
    let split = b.linear(x, Dim(columns)).reshaped([batch, seq, Dim(groups), 3])
    let times = 4 / groups
    if times == 1 { return split.transposed([0, 2, 1, 3]) }
    if repeatFirst {
      return split.reshaped([batch, seq, Dim(groups), 1, 3])
        .broadcast([batch, seq, Dim(groups), Dim(times), 3]).reshaped([batch, seq, 4, 3])
        .transposed([0, 2, 1, 3])
    }
    return split.transposed([0, 2, 1, 3]).reshaped([batch, Dim(groups), 1, seq, 3])
      .broadcast([batch, Dim(groups), Dim(times), seq, 3]).reshaped([batch, 4, seq, 3])
  }
  var q = b.linear(x, 12)
  if let queryScale { q = q * queryScale }
  let scores = q.heads(4).matmul(split(3 * groups, groups).swapped)
  return b.program(change(b, scores).softmax().matmul(split(3 * groups, groups)).merged)
}

private let whole: [Dim] = [batch, 1, seq, seq]
private let never = -Double.infinity

@Suite struct FuseAttentionTests {
  @Test func bare() throws {
    let after = try checked(.fuseAttention, naive { _, s in s })
    #expect(after.attention == Scores(scale: 1))
  }

  @Test(arguments: [0.5, -2]) func scaleAfterTheProduct(_ scale: Double) throws {
    let after = try checked(.fuseAttention, naive { _, s in s * scale })
    #expect(after.attention == Scores(scale: scale))
  }

  @Test func scaleOfTheQuery() throws {
    let after = try checked(.fuseAttention, naive(queryScale: 0.25) { _, s in s * 2 })
    #expect(after.attention == Scores(scale: 0.5))
  }

  @Test func divisionByAConstant() throws {
    let program = naive { b, s in s / b.constant(4) }
    #expect(try checked(through: "fuse-attention", program).attention == Scores(scale: 0.25))
  }

  @Test func softCap() throws {
    let after = try checked(.fuseAttention, naive { _, s in (s * (0.5 / 30)).unary(.tanh) * 30 })
    #expect(after.attention?.softCap == 30)
    #expect(abs((after.attention?.scale ?? 0) - 0.5) < 1e-12)
  }

  @Test func groupedQueries() throws {
    for repeatFirst in [false, true] {
      for groups in [1, 2] {
        let program = naive(groups: groups, repeatFirst: repeatFirst) { _, s in s * 0.5 }
        let after = try checked(through: "fold-transposes", program)
        #expect(after.attention == Scores(scale: 0.5))
        #expect(!after.operations.contains("broadcast"))
        // Those of the three weights.
        #expect(after.operations.filter { $0 == "transpose" }.count == 3)
      }
    }
  }

  @Test func fewerAxes() throws {
    for shape in [[seq, 6], [batch, seq, 6]] {
      let b = Builder()
      let (q, k, v) = (b.input("q", shape), b.input("k", shape), b.input("v", shape))
      let bias = b.weight([1, 1])
      let y = (q.matmul(k.swapped) * 0.5 + bias).softmax().matmul(v)
      let after = try checked(.fuseAttention, b.program(y))
      #expect(after.attention?.scale == 0.5)
      #expect(after.attention?.bias != nil)
    }
  }

  @Test func probabilitiesThatAreUsedStayNaive() throws {
    let b = Builder()
    let x = b.input("x", [batch, seq, 12])
    let p = x.heads(4).matmul(x.heads(4).swapped).softmax()
    let program = b.program(p.matmul(x.heads(4)), p)
    var notes: [Note] = []
    let after = try Pass.fuseAttention(program, notes: &notes)
    #expect(after.attention == nil)
    #expect(notes.count == 1 && notes[0].description.contains("used elsewhere too"))
  }

  @Test func whatIsNoAttentionSaysWhy() throws {
    let program = naive { _, s in s.unary(.relu) }
    var notes: [Note] = []
    #expect(try Pass.fuseAttention(program, notes: &notes).attention == nil)
    #expect(notes.last?.description.hasSuffix("stands between the product and the softmax") == true)
  }
}

@Suite struct AttentionMaskTests {
  private func expect(
    _ expected: [String], bias: Bool = false, slopes: Bool = false,
    sourceLocation: SourceLocation = #_sourceLocation, _ change: (Builder, T) -> T
  ) throws {
    let after = try checked(
      through: "fuse-attention", naive(change), sourceLocation: sourceLocation)
    let scores = try #require(after.attention, sourceLocation: sourceLocation)
    let found = scores.masks.map { mask in
      switch mask {
      case .padding: "padding"
      case .lengths: "lengths"
      case .causal(let start): start == nil ? "causal" : "causal from start"
      case .window(let width, let start):
        "window \(width)" + (start == nil ? "" : " from start")
      }
    }
    #expect(found.sorted() == expected.sorted(), sourceLocation: sourceLocation)
    #expect((scores.bias != nil) == bias, sourceLocation: sourceLocation)
    #expect((scores.slopes != nil) == slopes, sourceLocation: sourceLocation)
  }

  private func padding(_ b: Builder) -> T { b.input("mask", [batch, seq], .i32) }
  private func lengths(_ b: Builder) -> T { b.input("lengths", [batch], .i32) }
  private func keys(_ b: Builder) -> T { b.iota([1, 1, 1, seq], axis: 3) }
  private func queries(_ b: Builder) -> T { b.iota([1, 1, seq, 1], axis: 2) }

  @Test func maskOperations() throws {
    try expect(["padding"]) { b, s in
      s * 0.5 + b.mask([.padding(padding(b))], [batch, 1, 1, seq])
    }
    try expect(["lengths", "causal"]) { b, s in
      b.mask([.causal(start: nil), .lengths(lengths(b))], whole) + s
    }
    try expect(["padding", "causal", "window 3"]) { b, s in
      (s + b.mask([.padding(padding(b))], [batch, 1, 1, seq])
        + b.mask([.causal(start: nil)], [1, 1, seq, seq]) + b.mask([.window(3, start: nil)], whole))
        * 0.5
    }
    try expect(["causal from start", "lengths"]) { b, s in
      let start = lengths(b)
      return s + (b.mask([.causal(start: start)], whole) + b.mask([.lengths(start)], whole))
    }
  }

  /// A causal mask of one row says that only the first key counts.
  @Test func aMaskOfOneQueryIsABias() throws {
    try expect([], bias: true) { b, s in s + b.mask([.causal(start: nil)], [1, 1, 1, seq]) }
  }

  @Test func biases() throws {
    try expect([], bias: true) { b, s in
      s * 0.5 + b.weight([1, 4, 1, 1])
    }
    try expect([], bias: true) { b, s in s + b.input("bias", [batch, 4, seq, seq]) }
    try expect([], bias: true) { b, s in (b.input("bias", [seq, seq]) + s) * 2 }
    try expect(["causal"], bias: true) { b, s in
      s + b.input("bias", [4, 1, seq]) + b.mask([.causal(start: nil)], whole)
        + b.input("more", [batch, 1, seq, 1])
    }
    try expect([], bias: true) { b, s in s - b.input("bias", [seq]) }
  }

  @Test func selections() throws {
    try expect(["causal"]) { b, s in
      b.select(keys(b).binary(.lessOrEqual, queries(b)), s, b.constant(never))
    }
    try expect(["causal"]) { b, s in
      b.select(queries(b).binary(.less, keys(b)), b.constant(never), s)
    }
    try expect(["causal"]) { b, s in
      let place = b.iota([seq], axis: 0)
      return b.select(
        place.binary(.lessOrEqual, place.reshaped([seq, 1])), s,
        b.constant(never).broadcast(s.shape))
    }
    try expect(["lengths"]) { b, s in
      b.select(keys(b).binary(.less, lengths(b).reshaped([batch, 1, 1, 1])), s, b.constant(never))
    }
    try expect(["causal from start"]) { b, s in
      let position = queries(b) + lengths(b).reshaped([batch, 1, 1, 1])
      return b.select(keys(b).binary(.lessOrEqual, position), s, b.constant(never))
    }
    try expect(["padding"]) { b, s in
      b.select(padding(b).reshaped([batch, 1, 1, seq]).cast(.bool), s, b.constant(never))
    }
    try expect(["padding"]) { b, s in
      let off = padding(b).binary(.equal, b.constant(0, .i32)).reshaped([batch, 1, 1, seq])
      return b.select(off, b.constant(never), s)
    }
    try expect(["window 3"]) { b, s in
      let distance = (queries(b) - keys(b)).unary(.absolute)
      return b.select(distance.binary(.less, b.constant(3, .i32)), s, b.constant(never))
    }
    try expect(["causal", "window 3"]) { b, s in
      let near = (queries(b) - keys(b)).binary(.less, b.constant(3, .i32))
      let past = keys(b).binary(.lessOrEqual, queries(b))
      return b.select(past.binary(.and, near), s, b.constant(never))
    }
    try expect(["causal", "padding"]) { b, s in
      let late = queries(b).binary(.less, keys(b))
      let off = padding(b).reshaped([batch, 1, 1, seq]).cast(.bool).unary(.not)
      return b.select(late.binary(.or, off), b.constant(never), s)
    }
  }

  @Test func addedSelections() throws {
    try expect(["causal"]) { b, s in
      let past = keys(b).binary(.lessOrEqual, queries(b))
      return b.select(past, b.constant(0), b.constant(never)) + s * 0.3
    }
    try expect(["padding"]) { b, s in
      let off = padding(b).reshaped([batch, 1, 1, seq]).binary(.equal, b.constant(0, .i32))
      return s + b.select(off, b.constant(never), b.constant(0)).broadcast(s.shape)
    }
  }

  /// Conditions that no mask says become a bias of 0 and -infinity.
  @Test func otherConditions() throws {
    try expect(["causal"], bias: true) { b, s in
      let free = b.input("allowed", [batch, 1, seq, seq], .i32).cast(.bool)
      let past = keys(b).binary(.lessOrEqual, queries(b))
      return b.select(free.binary(.and, past), s, b.constant(never))
    }
    try expect([], bias: true) { b, s in
      let near = (queries(b) - keys(b)).binary(.less, b.constant(3, .i32))
      return b.select(near, s, b.constant(never))
    }
    try expect([], bias: true) { b, s in
      b.select(keys(b).binary(.less, queries(b) + b.constant(-1, .i32)), s, b.constant(never))
    }
  }

  @Test func slopes() throws {
    try expect(["causal"], slopes: true) { b, s in
      let distance = (keys(b) - queries(b)).cast(.f32)
      return s + b.weight([4]).reshaped([1, 4, 1, 1]) * distance
        + b.mask([.causal(start: nil)], whole)
    }
    try expect([], slopes: true) { b, s in
      s * 0.5 + b.iota([1, 1, 1, seq], axis: 3, .f32) * b.weight([4]).reshaped([4, 1, 1])
    }
    try expect([], bias: true) { b, s in
      let distance = (keys(b) - queries(b)).cast(.f32).unary(.absolute)
      return s + b.weight([4]).reshaped([1, 4, 1, 1]) * distance
    }
  }

  /// Chains as long as a hostile file's cost neither the stack nor the day.
  @Test func absurdlyManyMasksStayNaive() throws {
    let program = naive { b, s in
      var bias = b.mask([.causal(start: nil)], whole)
      for _ in 0..<2_000 { bias = bias + b.weight([1]) }
      var condition = keys(b).binary(.lessOrEqual, queries(b))
      for _ in 0..<2_000 { condition = condition.unary(.not) }
      for _ in 0..<2_000 {
        condition = condition.reshaped([1, 1] + condition.shape).reshaped([1, 1, seq, seq])
      }
      return b.select(condition, s, b.constant(never)) + bias
    }
    #expect(try Pass.fuseAttention(program).attention == nil)
  }

  @Test func finiteConstantsAreNotMasks() throws {
    let program = naive { b, s in
      b.select(b.input("m", [1, 1, seq, seq], .i32).cast(.bool), s, b.constant(-1e9))
    }
    var notes: [Note] = []
    #expect(try Pass.fuseAttention(program, notes: &notes).attention == nil)
    #expect(notes.contains { $0.description.contains("constant of -infinity") })
  }
}
