import BurinIR
import BurinPasses
import BurinTestSupport
import Testing

@Suite struct KeepNarrowWeightsTests {
  private static let (batch, seq) = (
    Dim(Symbol("batch", maximum: 4)), Dim(Symbol("seq", maximum: 8))
  )

  /// The types of the weights that products multiply, in order.
  private func weights(_ program: Program) -> [ElementType] {
    let graph = program.entries[0].graph
    return graph.nodes.compactMap { node in
      switch node.op {
      case .linear(_, let weight, _, _, _), .experts(_, _, let weight, _, _, _, _):
        graph.tensorType(weight).element
      default: nil
      }
    }
  }

  @Test func productsReadWhatTheFilesStore() throws {
    let b = Builder()
    let x = b.input("x", [Self.batch, Self.seq, 6])
    let bias = b.weight([4], stored: .bf16)
    let program = try checked(
      b.program(x.matmul(b.weight([4, 6], stored: .bf16).transposed([1, 0])) + bias))
    #expect(
      program.text == """
        program "test"

        symbol batch <= 4
        symbol seq <= 8

        entry "forward" {
          %0 = input("x") : f32[batch, seq, 6]
          %1 = weight("w1") : bf16[4]
          %2 = cast(%1, to: f32) : f32[4]
          %3 = weight("w2") : bf16[4, 6]
          %4 = transpose(%3, permutation: [1, 0]) : bf16[6, 4]
          %5 = pack(%4, width: 32) : bf16[1, 3, 32, 2]
          %6 = linear(%0, weight: %5, bias: %2, columns: 4) tile: rows 4096 : f32[batch, seq, 4]

          output "y0" = %6
        }

        """)
  }

  /// Parts of one product, cut and joined; not where one part is wider, where a number was changed, or
  /// where terms do not come in pairs.
  @Test func onlyMovesLieBetween() throws {
    let b = Builder()
    let x = b.input("x", [Self.batch, Self.seq, 6])
    func narrow(_ shape: [Dim]) -> T { b.weight(shape, stored: .bf16) }
    let joined = b.concat([narrow([4, 6]), narrow([9, 6]).slice(0, 2, 5)], axis: 0)
    let mixed = b.concat([narrow([4, 6]), b.weight([5, 6])], axis: 0)
    let scaled = narrow([4, 6]) * 3
    let program = try checked(
      b.program(
        x.matmul(joined.transposed([1, 0])), x.matmul(mixed.transposed([1, 0])),
        x.matmul(scaled.transposed([1, 0])),
        x.slice(2, 0, 5).matmul(narrow([4, 5]).transposed([1, 0]))))
    #expect(weights(program).map(\.rawValue).sorted() == ["bf16", "f32", "f32", "f32"])
    var notes: [Note] = []
    _ = try Pipeline.standard(Pipeline.Options())(
      b.program(x.slice(2, 0, 5).matmul(narrow([4, 5]).transposed([1, 0])))
    ) { _, _, new in notes += new }
    let misses = notes.filter { $0.rule == "keep-product" }.map(\.description)
    #expect(misses.count == 1 && misses[0].hasSuffix("has 5 terms, no multiple of 2"))
  }

  /// A table that a product shares is one weight; of odd width it stays as it was, in f32.
  @Test(arguments: [(6, ElementType.bf16), (7, .f32)])
  func tiedTablesAreStoredOnce(width: Int, element: ElementType) throws {
    let b = Builder()
    let ids = b.input("ids", [Self.batch, Self.seq], .i32)
    let table = b.weight([10, Dim(width)], stored: .bf16)
    let words = b.append(.embedding(table: table.id, indices: ids.id, rows: 10))
    let program = try checked(b.program(words.matmul(table.transposed([1, 0]))))
    let graph = program.entries[0].graph
    let packs = graph.ids.filter { if case .pack = graph[$0].op { true } else { false } }
    #expect(packs.map { graph.tensorType($0).element } == [element])
    let lookups = graph.nodes.compactMap { node in
      if case .embedding(let table, _, _) = node.op { table } else { nil }
    }
    #expect(lookups == packs)
  }

  /// A table that no product shares may have any width.
  @Test(arguments: [6, 7]) func tablesStayNarrow(width: Int) throws {
    let b = Builder()
    let ids = b.input("ids", [Self.batch, Self.seq], .i32)
    let table = b.weight([10, Dim(width)], stored: .bf16)
    let program = try checked(
      b.program(b.append(.embedding(table: table.id, indices: ids.id, rows: 10))))
    #expect(program.operations == ["embedding"])
    #expect(program.entries[0].graph.nodes.last?.type.tensor?.element == .f32)
  }

  /// What another precision rounds is rounded once: bf16 to itself is nothing, and first products,
  /// which stay f32, keep their weights too.
  @Test(arguments: [
    (Precision.bf16, ["bf16", "bf16"]), (.int8, ["w8", "w8"]), (.f32, ["bf16", "bf16"]),
  ])
  func besideOtherPrecisions(precision: Precision, expected: [String]) throws {
    let b = Builder()
    let x = b.input("x", [Self.batch, Self.seq, 32])
    func product(_ x: T) -> T { x.matmul(b.weight([32, 32], stored: .bf16).transposed([1, 0])) }
    let options = Pipeline.Options(precision: precision)
    let program = try Pipeline.standard(options)(b.program(product(product(x))))
    #expect(weights(program).map(\.rawValue) == expected)
    let graph = program.entries[0].graph
    let casts = graph.nodes.compactMap { node in
      if case .cast(_, let element) = node.op, element == .bf16 { element } else { nil }
    }
    #expect(casts.isEmpty)
  }
}
