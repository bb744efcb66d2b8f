import BurinTestSupport
import Testing

@testable import BurinIR

private let symbols = [
  Symbol("a", maximum: 5), Symbol("b", maximum: 7), Symbol("seq", maximum: 9),
]

/// An expression over extents, kept as it was written.
private indirect enum Expression {
  case number(Int)
  case symbol(Symbol)
  case sum(Expression, Expression)
  case difference(Expression, Expression)
  case product(Expression, Expression)
  case quotient(Expression, Int)

  static func random(_ random: inout TestRandom, depth: Int) -> Expression {
    func next() -> Expression { .random(&random, depth: depth - 1) }
    switch depth == 0 ? random.int(in: 0...1) : random.int(in: 0...6) {
    case 0: return .number(random.int(in: -4...9))
    case 1: return .symbol(random.pick(symbols))
    case 2, 3: return .sum(next(), next())
    case 4: return .difference(next(), next())
    case 5: return .product(next(), next())
    default: return .quotient(next(), random.int(in: 1...6))
    }
  }

  var dim: Dim {
    switch self {
    case .number(let value): Dim(value)
    case .symbol(let symbol): Dim(symbol)
    case .sum(let x, let y): x.dim + y.dim
    case .difference(let x, let y): x.dim - y.dim
    case .product(let x, let y): x.dim * y.dim
    case .quotient(let x, let divisor): x.dim / divisor
    }
  }

  func evaluate(_ values: [String: Int]) -> Int {
    switch self {
    case .number(let value): value
    case .symbol(let symbol): values[symbol.name] ?? 0
    case .sum(let x, let y): x.evaluate(values) + y.evaluate(values)
    case .difference(let x, let y): x.evaluate(values) - y.evaluate(values)
    case .product(let x, let y): x.evaluate(values) * y.evaluate(values)
    case .quotient(let x, let divisor):
      Int((Double(x.evaluate(values)) / Double(divisor)).rounded(.down))
    }
  }
}

private func randomValues(_ random: inout TestRandom) -> [String: Int] {
  Dictionary(
    uniqueKeysWithValues: symbols.map { ($0.name, random.int(in: 1...$0.maximum)) })
}

@Suite("Extents")
struct DimTests {
  private let a = Dim(symbols[0])
  private let b = Dim(symbols[1])
  private let seq = Dim(symbols[2])

  @Test func normalFormsMeanWhatTheyWereMadeOf() {
    var random = TestRandom(seed: 1)
    for _ in 0..<2000 {
      let expression = Expression.random(&random, depth: 4)
      let dim = expression.dim
      for _ in 0..<4 {
        let values = randomValues(&random)
        let value = expression.evaluate(values)
        #expect(dim.evaluate(values) == value, "\(dim) for \(values)")
        #expect(dim.magnitude.map { abs(value) <= $0 } ?? true, "\(dim)")
        #expect(dim.minimum <= value && value <= dim.maximum, "\(dim)")
      }
    }
  }

  @Test func algebraKeepsNormalForms() {
    var random = TestRandom(seed: 2)
    for _ in 0..<500 {
      let x = Expression.random(&random, depth: 3).dim
      let y = Expression.random(&random, depth: 3).dim
      let z = Expression.random(&random, depth: 2).dim
      #expect(x + y == y + x)
      #expect(x * y == y * x)
      #expect((x + y) * z == x * z + y * z)
      #expect(x - x == 0)
      #expect((x * 6) / 6 == x)
      #expect(x * y == 0 || (x * y).hashValue == (y * x).hashValue)
    }
  }

  @Test func boundsHold() {
    var random = TestRandom(seed: 3)
    for _ in 0..<500 {
      // Products of sums without subtraction, where both bounds are attained.
      let factors = (0..<3).map { _ in
        Dim(random.pick(symbols)) * Dim(random.int(in: 0...3)) + Dim(random.int(in: 0...4))
      }
      let dim = factors.product
      let lowest = dim.evaluate(["a": 1, "b": 1, "seq": 1])
      let highest = dim.evaluate(["a": 5, "b": 7, "seq": 9])
      #expect(dim.minimum == lowest && dim.maximum == highest, "\(dim)")
    }
    #expect(((Dim(0) - b) / 6).minimum == -2)
    let difference = seq - a
    #expect(difference.minimum <= 1 - 5 && difference.maximum >= 9 - 1)
  }

  @Test func spelling() {
    #expect((a * seq * 2 + 1 - b).description == "2*a*seq - b + 1")
    #expect(((seq + 15) / 16 * 3).description == "3*((seq + 15)/16)")
    #expect((-1 * seq).description == "-seq")
    #expect((seq - seq).description == "0")
    #expect(((seq * 4 + 3) / 2).description == "2*seq + 1")
  }

  /// What is spelled is read as the same extent.
  @Test func spellingIsExact() throws {
    var random = TestRandom(seed: 4)
    var compared = 0
    for _ in 0..<1000 {
      let dim = Expression.random(&random, depth: 3).dim + 1
      guard dim.isWithinLimits, dim.minimum >= 1 else { continue }
      var graph = Graph()
      for symbol in symbols {
        _ = try graph.append(
          .input(name: symbol.name, type: TensorType(.f32, [Dim(symbol)]), fallback: nil))
      }
      let x = try graph.append(.input(name: "x", type: TensorType(.f32, [dim]), fallback: nil))
      let program = Program(
        "p", entries: [Entry("e", graph: graph, outputs: [.init("x", x)])])
      let again = try Program(text: program.text)
      #expect(again.entries[0].graph.nodes.last?.type == program.entries[0].graph.nodes.last?.type)
      compared += 1
    }
    #expect(compared > 300)
  }

  @Test func exactDivision() {
    #expect((a * seq * 6).dividedExactly(by: seq * 2) == a * 3)
    #expect((a * seq + seq).dividedExactly(by: seq) == a + 1)
    #expect((a * seq + 1).dividedExactly(by: seq) == nil)
    #expect((a * 3).dividedExactly(by: 2) == nil)
    #expect((a + b).dividedExactly(by: a + b) == 1)
    #expect(seq.rounded(upTo: 4).evaluate(["seq": 5]) == 8)
  }

  @Test func missingSymbolsHaveNoValue() {
    #expect((seq * a).evaluate(["seq": 3]) == nil)
    #expect(((seq + 1) / 2).evaluate([:]) == nil)
    #expect(Dim(7).evaluate([:]) == 7)
  }
}
