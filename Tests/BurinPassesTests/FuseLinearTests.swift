import BurinIR
import BurinPasses
import Testing

private let batch = Dim(Symbol("batch", maximum: 4))
private let seq = Dim(Symbol("seq", maximum: 16))

/// What is left of a function of `x[batch, seq, 6]` after the passes up to one of them.
private func left(
  through pass: String, without: Set<String> = [],
  sourceLocation: SourceLocation = #_sourceLocation, _ make: (Builder, T) -> T
) throws -> Program {
  let b = Builder()
  let program = b.program(make(b, b.input("x", [batch, seq, 6])))
  return try checked(
    through: pass, without: without, program, sourceLocation: sourceLocation)
}

extension Program {
  /// The epilogues of each linear of the first entry.
  fileprivate var epilogues: [[String]] {
    entries[0].graph.nodes.compactMap { node in
      guard case .linear(_, _, _, let epilogues, _) = node.op else { return nil }
      return epilogues.map { epilogue in
        switch epilogue {
        case .bias: "bias"
        case .activation(let function): function.rawValue
        case .residual: "residual"
        case .gate: "gate"
        case .scale: "scale"
        case .cast: "cast"
        }
      }
    }
  }
}

@Suite struct FuseLinearTests {
  private func epilogues(
    sourceLocation: SourceLocation = #_sourceLocation, _ make: (Builder, T) -> T
  ) throws -> [[String]] {
    try left(through: "fuse-linear", sourceLocation: sourceLocation, make).epilogues
  }

  @Test func biases() throws {
    #expect(try epilogues { b, x in b.linear(x, 5) } == [["bias"]])
    #expect(
      try epilogues { b, x in b.weight([1, 1, 5]) + b.linear(x, 5, bias: false) } == [["bias"]])
    #expect(
      try epilogues { b, x in
        b.linear(x, 5, bias: false) + b.weight([5]).broadcast([batch, seq, 5])
      } == [["bias"]])
    #expect(try epilogues { b, x in b.linear(x, 5, bias: false) + b.input("v", [5]) } == [[]])
  }

  @Test func chains() throws {
    #expect(
      try epilogues { b, x in b.linear(x, 6).unary(.relu) + x } == [["bias", "relu", "residual"]])
    #expect(try epilogues { b, x in x + b.linear(x, 6) * 0.5 } == [["bias", "scale", "residual"]])
    #expect(
      try epilogues { b, x in
        let h = b.linear(x, 5)
        return h * 0.5 * ((h * 0.5.squareRoot()).unary(.erf) + 1)
      } == [["bias", "gelu"]])
  }

  @Test func gates() throws {
    #expect(
      try epilogues { b, x in
        b.linear(x, 8, bias: false).unary(.silu) * b.linear(x, 8, bias: false)
      } == [["silu"], ["gate"]])
  }

  @Test func aProductUsedTwiceKeepsItsValue() throws {
    let b = Builder()
    let h = b.linear(b.input("x", [batch, 6]), 5)
    let program = b.program(h.unary(.relu) + h, h)
    var notes: [Note] = []
    let after = try Pass.fuseLinear(program, notes: &notes)
    #expect(after.epilogues == [["bias"]])
    #expect(notes.contains { $0.description.contains("is used 3 times") })
    try checked(.fuseLinear, program)
  }

  @Test func productsOfWeightsStay() throws {
    let after = try left(through: "fuse-linear") { b, x in
      x + b.weight([2, 6]).matmul(b.weight([6, 6])).slice(0, 0, 1)
    }
    #expect(after.operations == ["matmul", "slice", "add"])
  }

  @Test func transposedWeightsAreFree() throws {
    let after = try left(through: "pack-weights") { b, x in b.linear(x.transposed([1, 0, 2]), 4) }
    #expect(after.operations == ["transpose", "transpose", "pack", "linear"])
  }
}

@Suite struct FuseProjectionsTests {
  private func projected(_ make: (Builder, T) -> (T, T, T)) throws -> Program {
    try left(through: "fuse-projections") { b, x in
      let (q, k, v) = make(b, x)
      return (q.heads(2).matmul(k.heads(2).swapped) * 0.5).softmax().matmul(v.heads(2)).merged
    }
  }

  @Test func threeBecomeOne() throws {
    let after = try projected { b, x in (b.linear(x, 6), b.linear(x, 6), b.linear(x, 4)) }
    #expect(after.epilogues == [["bias"]])
    #expect(after.operations.filter { $0 == "slice" }.count == 3)
  }

  @Test func aMissingBiasIsZero() throws {
    let after = try projected { b, x in
      (b.linear(x, 6), b.linear(x, 6, bias: false), b.linear(x, 4))
    }
    #expect(after.epilogues == [["bias"]])
  }

  @Test func scaledQueriesMerge() throws {
    let after = try projected { b, x in (b.linear(x, 6) * 0.3, b.linear(x, 6), b.linear(x, 4)) }
    #expect(after.epilogues == [["bias"]])
    #expect(abs((after.attention?.scale ?? 0) - 0.15) < 1e-12)
  }

  @Test func otherRowsStayApart() throws {
    let after = try projected { b, x in
      let memory = b.input("memory", [batch, Dim(Symbol("keys", maximum: 8)), 6])
      return (b.linear(x, 6), b.linear(memory, 6), b.linear(memory, 4))
    }
    #expect(after.epilogues == [["bias"], ["bias"]])
  }

  @Test func differentEpiloguesStayApart() throws {
    let after = try projected { b, x in
      (b.linear(x, 6).unary(.relu), b.linear(x, 6), b.linear(x, 4))
    }
    #expect(after.epilogues == [["bias", "relu"], ["bias"]])
  }

  @Test func productsWithoutAnAttentionStayApart() throws {
    let after = try left(through: "fuse-projections") { b, x in
      b.concat([b.linear(x, 2), b.linear(x, 2)], axis: 2)
    }
    #expect(after.epilogues.count == 2)
  }
}

@Suite struct FuseNormalizationTests {
  private func operations(_ make: (Builder, T) -> T) throws -> [String] {
    try left(through: "fuse-normalization", make).operations
  }

  @Test func layerNormSpelledOut() throws {
    for divides in [false, true] {
      #expect(
        try operations { b, x in
          let centred = x - x.reduced(.mean, [2])
          let variance = (centred * centred).reduced(.mean, [2]) + 1e-5
          let normed =
            divides ? centred / variance.unary(.sqrt) : centred * variance.unary(.rsqrt)
          return b.weight([6]) * normed + b.weight([6])
        } == ["norm"])
    }
  }

  @Test func rmsNormSpelledOut() throws {
    #expect(
      try operations { b, x in
        let square = x.binary(.power, b.constant(2)).reduced(.sum, [2]) / b.constant(6)
        return (b.weight([6]) + 1) * (x * (square + 1e-6).unary(.rsqrt))
      } == ["add", "norm"])
  }

  @Test func sumsAndNorms() throws {
    #expect(
      try operations { b, x in b.layerNorm(x + b.input("r", x.shape)) } == ["addNorm", "part"])
    #expect(
      try operations { b, x in
        let sum = x + b.input("r", x.shape)
        return b.layerNorm(sum) + sum
      } == ["addNorm", "part", "part", "add"])
    #expect(
      try operations { b, x in
        let sum = x + b.input("r", x.shape)
        return b.layerNorm(sum) * b.layerNorm(sum)
      } == ["addNorm", "part", "part", "norm", "multiply"])
    #expect(try operations { b, x in b.layerNorm(x + b.weight([6])) } == ["add", "norm"])
    #expect(
      try operations { b, x in b.layerNorm(x + b.linear(x, 6)) } == ["transpose", "linear", "norm"])
  }
}

@Suite struct PackWeightsTests {
  @Test func aTiedTableIsLookedUpInItsPanels() throws {
    let b = Builder()
    let table = b.weight([40, 6], "words")
    let other = b.weight([3, 6], "types")
    let ids = b.input("ids", [batch, seq], .i32)
    func rows(_ table: T, _ count: Int) -> T {
      b.append(.embedding(table: table.id, indices: ids.id, rows: count))
    }
    let program = b.program((rows(table, 40) + rows(other, 3)).matmul(table.transposed([1, 0])))
    let after = try checked(program)
    let tables = after.entries[0].graph.nodes.compactMap { node in
      if case .embedding(let table, _, _) = node.op {
        after.entries[0].graph.tensorType(table)
      } else {
        nil
      }
    }
    #expect(tables == [TensorType(.f32, [2, 6, 32]), TensorType(.f32, [3, 6])])
    #expect(after.operations.filter { $0 == "pack" }.count == 1)
  }

  @Test func aTableTiedAcrossEntriesIsFound() throws {
    let (a, b) = (Builder(), Builder())
    let ids = a.input("ids", [batch, seq], .i32)
    let lookup = a.append(
      .embedding(table: a.weight([40, 6], "words").id, indices: ids.id, rows: 40))
    let scores = b.input("x", [batch, 6]).matmul(b.weight([40, 6], "words").transposed([1, 0]))
    let program = Program(
      "two",
      entries: [
        Entry("embed", graph: a.graph, outputs: [.init("y", lookup.id)]),
        Entry("score", graph: b.graph, outputs: [.init("y", scores.id)]),
      ])
    let after = try checked(program)
    #expect(after.operations == ["transpose", "pack", "embedding"])
  }
}
