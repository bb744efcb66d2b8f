import BurinIR
import BurinPasses
import Testing

private let batch = Dim(Symbol("batch", maximum: 4))
private let seq = Dim(Symbol("seq", maximum: 16))

@Suite struct FoldConstantsTests {
  /// The operations that are left of a function of `x[batch, seq, 6]`.
  private func left(
    _ make: (Builder, T) -> T, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String] {
    let b = Builder()
    let program = b.program(make(b, b.input("x", [batch, seq, 6])))
    let result = try checked(.foldConstants, program, sourceLocation: sourceLocation)
    let again = try Pass.foldConstants(result)
    #expect(again.operations == result.operations, sourceLocation: sourceLocation)
    return result.operations
  }

  @Test func neutralElements() throws {
    #expect(try left { b, x in x + 0 }.isEmpty)
    #expect(try left { b, x in b.constant(0).broadcast(x.shape) + x }.isEmpty)
    #expect(try left { b, x in x * b.constant(1) / b.constant(1) - b.constant(0) }.isEmpty)
    #expect(try left { b, x in x.binary(.power, b.constant(1)) }.isEmpty)
    #expect(try left { b, x in b.constant(0, .f32, [2, 1, 1, 6]) + x } == ["add"])
  }

  @Test func factors() throws {
    #expect(try left { b, x in x * b.constant(2) } == ["scale"])
    #expect(try left { b, x in b.constant(3) * (x * 2) / b.constant(6) }.isEmpty)
    #expect(try left { b, x in (x * 2 * x) * 3 } == ["multiply", "scale"])
    #expect(try left { b, x in x / b.constant(0) } == ["divide"])
    #expect(try left { b, x in x.reduced(.sum, [2]) * (1 / 6.0) } == ["reduce"])
  }

  @Test func literals() throws {
    #expect(try left { b, x in x + (b.constant(2) * b.constant(3) + 1.0).unary(.sqrt) } == ["add"])
    #expect(
      try left { b, x in
        x + (b.iota([6], axis: 0, .f32) + 1.0)
      } == ["add", "add"])
    #expect(
      try left { b, x in
        let row = b.append(.constant(Literal(TensorType(.f32, [2, 3]), [1, 2, 3, 4, 5, 6])))
        return x + row.transposed([1, 0]).reshaped([6]).unary(.negate)
      } == ["add"])
    #expect(
      try left { b, x in
        b.select(b.constant(2).binary(.less, b.constant(3)), x, x * 2)
      }.isEmpty)
    #expect(try left { b, x in x + b.append(.extent(6)).cast(.f32) } == ["add"])
    #expect(try left { b, x in x + b.append(.extent(seq)).cast(.f32) } == ["cast", "add"])
  }

  @Test func roots() throws {
    #expect(try left { b, x in x.binary(.power, b.constant(3)) } == ["multiply", "multiply"])
    #expect(try left { b, x in b.constant(1) / x.unary(.exp).unary(.sqrt) } == ["exp", "rsqrt"])
  }

  @Test func castsAndSigns() throws {
    #expect(try left { _, x in x.cast(.f32) }.isEmpty)
    #expect(try left { _, x in x.cast(.bf16).cast(.f32) } == ["cast", "cast"])
    #expect(try left { _, x in x.cast(.bf16).cast(.f32).cast(.bf16) } == ["cast"])
    #expect(try left { _, x in x.unary(.negate).unary(.negate) }.isEmpty)
  }

  @Test func views() throws {
    #expect(try left { _, x in x.reshaped([batch * seq, 6]).reshaped(x.shape) }.isEmpty)
    #expect(try left { _, x in x.transposed([2, 0, 1]).transposed([1, 2, 0]) }.isEmpty)
    #expect(
      try left { _, x in
        x.reshaped([batch, 1, seq, 6]).transposed([0, 2, 1, 3])
      } == ["reshape"])
    #expect(try left { _, x in x.broadcast(x.shape) }.isEmpty)
    #expect(
      try left { b, x in x + b.weight([6]).broadcast([seq, 6]).broadcast(x.shape) } == ["add"])
    #expect(try left { b, x in x + b.weight([6]).reshaped([1, 1, 6]) } == ["add"])
    #expect(try left { _, x in x.slice(2, 0, 6) }.isEmpty)
    #expect(try left { _, x in x.slice(2, 1, 4).slice(2, 2, 1) } == ["slice"])
    #expect(try left { b, x in b.concat([x, x * 2], axis: 2).slice(2, 6, 6) } == ["scale"])
    #expect(try left { b, x in b.concat([x.slice(2, 0, 2), x.slice(2, 2, 4)], axis: 2) }.isEmpty)
    #expect(
      try left { b, x in
        b.concat([b.concat([x, x * 2], axis: 1), x], axis: 1)
      } == ["scale", "concat"])
    #expect(try left { _, x in x.slice(2, 3, 1).reduced(.mean, [2]) } == ["slice"])
  }

  @Test func veryLongChainsEnd() throws {
    let operations = try left { b, x in (0..<2000).reduce(x) { y, _ in y * 1.001 } }
    #expect(operations == ["scale"])
  }
}

@Suite struct FuseActivationsTests {
  private func found(_ make: (Builder, T) -> T) throws -> [String] {
    let b = Builder()
    let program = b.program(make(b, b.input("x", [batch, 6])))
    return try checked(through: "fuse-activations", program).operations
  }

  @Test func exactGelu() throws {
    let half = 0.5.squareRoot()
    #expect(try found { b, x in x * 0.5 * ((x * half).unary(.erf) + 1) } == ["gelu"])
    #expect(
      try found { b, x in
        b.constant(1) * x * ((x / b.constant(2.0.squareRoot())).unary(.erf) + 1) * 0.5
      } == ["gelu"])
    #expect(try found { b, x in (b.constant(1) + (x * half).unary(.erf)) * 0.5 * x } == ["gelu"])
    #expect(try found { b, x in x * ((x * half).unary(.erf) + 1) }.contains("erf"))
  }

  @Test func tanhGelu() throws {
    let c = (2 / Double.pi).squareRoot()
    #expect(
      try found { b, x in
        let cube = x.binary(.power, b.constant(3)) * 0.044715
        return x * 0.5 * (((x + cube) * c).unary(.tanh) + 1)
      } == ["gelu_tanh"])
    #expect(
      try found { b, x in
        let inner = x * c * (x * 0.044715 * x + 1)
        return x * 0.5 * (inner.unary(.tanh) + 1)
      } == ["gelu_tanh"])
  }

  @Test func others() throws {
    #expect(try found { b, x in x.binary(.maximum, b.constant(0)) } == ["relu"])
    #expect(try found { b, x in x * x.unary(.sigmoid) } == ["silu"])
    #expect(try found { b, x in x / (x.unary(.negate).unary(.exp) + 1) } == ["silu"])
    #expect(
      try found { b, x in b.constant(1) / ((x * -1).unary(.exp) + 1) * x } == ["silu"])
    #expect(try found { b, x in b.constant(1) / ((x * -1).unary(.exp) + 1) } == ["sigmoid"])
  }

  @Test func aWrongConstantIsNamed() throws {
    let b = Builder()
    let x = b.input("x", [batch, 6])
    var notes: [Note] = []
    _ = try Pass.fuseActivations(
      b.program(x * 0.5 * ((x * 0.7).unary(.erf) + 1)), notes: &notes)
    #expect(notes.contains { $0.description.contains("not the one of gelu") })
  }
}
