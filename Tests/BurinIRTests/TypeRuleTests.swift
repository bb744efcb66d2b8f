import Testing

@testable import BurinIR

private let batch = Dim(Symbol("batch", maximum: 4))
private let seq = Dim(Symbol("seq", maximum: 16))

private func f32(_ shape: Dim...) -> ValueType { .tensor(TensorType(.f32, shape)) }
private func i32(_ shape: Dim...) -> ValueType { .tensor(TensorType(.i32, shape)) }
private func bool(_ shape: Dim...) -> ValueType { .tensor(TensorType(.bool, shape)) }

@Suite("Type rules")
struct TypeRuleTests {
  @Test func results() throws {
    #expect(try typeRule(.binary(.add, f32(batch, 1, 4), f32(seq, 1))) == f32(batch, seq, 4))
    #expect(try typeRule(.binary(.less, f32(batch), f32())) == bool(batch))
    #expect(try typeRule(.matmul(f32(batch, seq, 4), f32(4, 6))) == f32(batch, seq, 6))
    #expect(
      try typeRule(
        .linear(f32(seq, 4), weight: f32(2, 4, 32), columns: 40, epilogues: [], tile: nil))
        == f32(seq, 40))
    #expect(try typeRule(.pack(f32(4, 40), width: 32)) == f32(2, 4, 32))
    #expect(
      try typeRule(.cast(f32(4, 64), to: .q8)) == .tensor(TensorType(.q8, [4, 64])))
    #expect(TensorType(.q8, [4, 64]).bytes.constant == 288)
    #expect(TensorType(.w4, [4, 64]).bytes.constant == 144)
    #expect(TensorType(.r8, [4, 64]).bytes.constant == 320)
    #expect(
      try typeRule(.pack(.tensor(TensorType(.bf16, [5, 40])), width: 32))
        == .tensor(TensorType(.bf16, [2, 3, 32, 2])))
    #expect(
      try typeRule(.reshape(f32(batch, seq, 8), [batch * seq, 2, 4])) == f32(batch * seq, 2, 4))
    #expect(try typeRule(.concat([f32(seq, 2), f32(1, 2)], axis: 0)) == f32(seq + 1, 2))
    #expect(try typeRule(.reduce(.mean, f32(batch, seq), axes: [0])) == f32(1, seq))
    #expect(
      try typeRule(.part(.tuple([TensorType(.f32, [seq]), TensorType(.i32, [])]), 1)) == i32())
    #expect(
      try typeRule(.embedding(table: f32(4, 8, 32), indices: i32(batch, seq), rows: 100))
        == f32(batch, seq, 8))
    #expect(
      try typeRule(.gather(f32(batch, seq, 8), indices: i32(batch, 1))) == f32(batch, 1, 8))
    #expect(try typeRule(.slice(f32(seq + 2, 4), axis: 0, start: seq, count: 2)) == f32(2, 4))
  }

  @Test(arguments: [
    (
      Op<ValueType>.binary(.add, f32(seq), i32(seq)),
      "add: f32[seq] and i32[seq] have different elements"
    ),
    (.binary(.add, f32(seq), f32(4)), "add: the shapes of f32[seq] and f32[4] do not broadcast"),
    (.binary(.add, bool(4), bool(4)), "add: bool[4] is bool"),
    (.binary(.less, bool(4), bool(4)), "less: bool[4] is bool"),
    (.binary(.and, f32(4), f32(4)), "and: f32[4] is not bool"),
    (.unary(.gelu, i32(4)), "gelu: i32[4] is not floating point"),
    (.unary(.not, f32(4)), "not: f32[4] is not bool"),
    (.unary(.relu, bool(4)), "relu: bool[4] is bool"),
    (.select(f32(4), then: f32(4), otherwise: f32(4)), "select: f32[4] is not bool"),
    (.scale(i32(4), by: 2), "scale: i32[4] is not floating point"),
    (
      .matmul(f32(batch, seq, 4), f32(batch, 5, 6)),
      "matmul: f32[batch, seq, 4] by f32[batch, 5, 6]"
    ),
    (.matmul(bool(2, 2), bool(2, 2)), "matmul: bool[2, 2] by bool[2, 2]"),
    (.softmax(f32()), "softmax: f32[] has no floating-point rows"),
    (.reduce(.sum, f32(4), axes: [0, 0]), "reduce sum: axes [0, 0] of f32[4]"),
    (
      .reshape(f32(batch, 4), [batch, 5]),
      "reshape: f32[batch, 4] has not the elements of [batch, 5]"
    ),
    (.reshape(f32(2), [-1, -2]), "an axis of [-1, -2] may be empty"),
    (.broadcast(f32(1), [0]), "an axis of [0] may be empty"),
    (.transpose(f32(2, 3), permutation: [0, 0]), "transpose: [0, 0] of f32[2, 3]"),
    (
      .slice(f32(seq, 4), axis: 0, start: 1, count: 1),
      "slice: 1 and 1 after it on axis 0 of f32[seq, 4]"
    ),
    (.part(f32(4), 0), "part: f32[4] has no part 0"),
    (.unary(.exp, .tuple([TensorType(.f32, [])])), "(f32[]) is a tuple; only part takes it apart"),
    (.constant(Literal(TensorType(.f32, [-3]), [0])), "an axis of [-3] may be empty"),
    (.iota(TensorType(.bool, [3]), axis: 0), "iota: axis 0 of bool[3]"),
    (.extent(Dim(1 << 40)), "extent: 1099511627776 does not fit i32"),
    (.cast(f32(4, seq), to: .q8), "cast: f32[4, seq] has no rows of blocks of q8"),
    (.cast(f32(4, 40), to: .w8), "cast: f32[4, 40] has no rows of whole blocks of w8"),
    (
      .weight(name: "w", type: TensorType(.q8, [32])),
      "weight: only cast, state and append give q8"
    ),
    (
      .input(name: "x", type: TensorType(.r8, [32]), fallback: nil),
      "input: only cast, linear and norm give r8"
    ),
    (.pack(f32(4, 4), width: .max), "pack: 9223372036854775807 is not in 1...1099511627776"),
    (
      .input(name: "x", type: TensorType(.f32, [Dim(1 << 56), 2]), fallback: nil),
      "[72057594037927936, 2] is too large or too intricate"
    ),
    (
      .addNorm(f32(4), residual: f32(5), Norm(.rms, scale: nil, bias: nil, epsilon: 0)),
      "add_norm: f32[4] and f32[5] differ"
    ),
    (
      .norm(f32(4), Norm(.rms, scale: f32(5), bias: nil, epsilon: 0)),
      "norm: a scale or bias f32[5] for f32[4]"
    ),
    (
      .norm(f32(4), Norm(.rms, scale: nil, bias: nil, epsilon: 0, cast: .i8)),
      "norm: a cast of f32[4] to i8"
    ),
    (
      .norm(f32(131_072), Norm(.rms, scale: nil, bias: nil, epsilon: 0, cast: .r8)),
      "norm: a cast of f32[131072] to r8"
    ),
    (
      .norm(f32(48), Norm(.rms, scale: nil, bias: nil, epsilon: 0, cast: .r8)),
      "cast: f32[48] has no rows of whole blocks of r8"
    ),
    (
      .normAndCast(f32(4), Norm(.rms, scale: nil, bias: nil, epsilon: 0)),
      "norm_and_cast: it casts to no type"
    ),
    (
      .attention(
        query: f32(1, 2, 4, 8), key: f32(1, 3, 3, 8), value: f32(1, 3, 3, 8),
        scores: Scores(scale: 1), tile: nil),
      "attention: query f32[1, 2, 4, 8], key f32[1, 3, 3, 8], value f32[1, 3, 3, 8]"
    ),
    (.mask([.padding(i32(1, 5))], shape: [1, 1, 4, 4]), "mask: the padding i32[1, 5]"),
    (
      .rotary(i32(1, 2, 1, 4), positions: i32(1, 2), frequencies: f32(2), interleaved: false),
      "rotary: i32[1, 2, 1, 4] by positions i32[1, 2] and frequencies f32[2]"
    ),
  ])
  func refusals(op: Op<ValueType>, message: String) {
    #expect(throws: IRError(message)) { try typeRule(op) }
  }

  @Test func limits() throws {
    // A long-context model with naive attention is far from the limits.
    let rows = Dim(Symbol("rows", maximum: 1 << 20))
    let batch = Dim(Symbol("batch", maximum: 32))
    #expect(try typeRule(.unary(.exp, f32(batch, 128, rows, rows))) == f32(batch, 128, rows, rows))
    // Doubling ends as an error, not as an overflow.
    var type = f32(rows)
    #expect(throws: IRError.self) {
      for _ in 0..<100 {
        type = try typeRule(
          .concat([type, type].compactMap(\.tensor).map { .tensor($0) }, axis: 0))
      }
    }
    let many = (0..<17).map { Dim(Symbol("s\($0)", maximum: 2)) }
    #expect(throws: IRError.self) {
      try typeRule(.unary(.exp, .tensor(TensorType(.f32, [many.reduce(0, +)]))))
    }
  }
}
