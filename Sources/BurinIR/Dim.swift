/// A run-time extent with a name and a bound: `batch`, `seq`; its values are `1...maximum`.
public struct Symbol: Hashable, Sendable, Comparable {
  /// Its name in the IR's text and in the emitted C.
  public let name: String
  /// The largest value that a compiled program accepts.
  public let maximum: Int

  /// A symbol of this name, at least 1 and at most `maximum`.
  public init(_ name: String, maximum: Int) {
    self.name = name
    self.maximum = maximum
  }

  /// By name.
  public static func < (left: Symbol, right: Symbol) -> Bool {
    (left.name, left.maximum) < (right.name, right.maximum)
  }
}

/// The extent of one axis: a polynomial over bounded symbols, with floor division by constants.
///
/// Held in normal form (terms sorted, none with coefficient zero), so `==` decides whether two
/// extents agree for every value of their symbols (exactly so where no division is involved).
public struct Dim: Hashable, Sendable {
  /// One factor of a term.
  public indirect enum Factor: Hashable, Sendable, Comparable {
    /// The value of a symbol.
    case symbol(Symbol)
    /// `floor(dividend / divisor)`, kept as an atom.
    case quotient(Dim, Int)

    /// Symbols before quotients, each in an order of their own.
    public static func < (left: Factor, right: Factor) -> Bool {
      switch (left, right) {
      case (.symbol(let a), .symbol(let b)): a < b
      case (.symbol, .quotient): true
      case (.quotient, .symbol): false
      case (.quotient(let a, let m), .quotient(let b, let n)): m == n ? a < b : m < n
      }
    }
  }

  /// A coefficient and the sorted factors that it multiplies; a power repeats its factor.
  public struct Term: Hashable, Sendable {
    /// What the factors are multiplied by; not zero.
    public var coefficient: Int
    /// The factors in order; none for a constant.
    public var factors: [Factor]
  }

  /// The terms by descending degree; the constant term, if any, is last.
  public private(set) var terms: [Term]

  private init(summing terms: [Term]) {
    var sums: [[Factor]: Int] = [:]
    for term in terms {
      sums[term.factors, default: 0] = limitedSum(sums[term.factors, default: 0], term.coefficient)
    }
    self.terms = sums.filter { $0.value != 0 }
      .map { Term(coefficient: $0.value, factors: $0.key) }
      .sorted { Dim.precedes($0.factors, $1.factors) }
  }

  /// The constant `value`.
  public init(_ value: Int) {
    terms = value == 0 ? [] : [Term(coefficient: value, factors: [])]
  }

  /// The extent that is `symbol` itself.
  public init(_ symbol: Symbol) {
    terms = [Term(coefficient: 1, factors: [.symbol(symbol)])]
  }

  private static func precedes(_ left: [Factor], _ right: [Factor]) -> Bool {
    left.count != right.count ? left.count > right.count : left.lexicographicallyPrecedes(right)
  }

  /// The value, if no symbol is involved.
  public var constant: Int? {
    if terms.isEmpty { return 0 }
    return terms.count == 1 && terms[0].factors.isEmpty ? terms[0].coefficient : nil
  }

  /// The symbol, if the extent is exactly one symbol.
  public var symbol: Symbol? {
    guard terms.count == 1, terms[0].coefficient == 1, terms[0].factors.count == 1,
      case .symbol(let symbol) = terms[0].factors[0]
    else { return nil }
    return symbol
  }

  /// Every symbol that occurs, sorted.
  public var symbols: [Symbol] {
    var found: Set<Symbol> = []
    for term in terms {
      for factor in term.factors {
        switch factor {
        case .symbol(let symbol): found.insert(symbol)
        case .quotient(let dividend, _): found.formUnion(dividend.symbols)
        }
      }
    }
    return found.sorted()
  }

  /// The extent for given values of its symbols, by name; `nil` if one is missing.
  public func evaluate(_ values: [String: Int]) -> Int? {
    var sum = 0
    for term in terms {
      var product = term.coefficient
      for factor in term.factors {
        switch factor {
        case .symbol(let symbol):
          guard let value = values[symbol.name] else { return nil }
          product = limitedProduct(product, value)
        case .quotient(let dividend, let divisor):
          guard let value = dividend.evaluate(values) else { return nil }
          product = limitedProduct(product, floorDivide(value, divisor))
        }
      }
      sum = limitedSum(sum, product)
    }
    return sum
  }

  /// An upper bound over all values of the symbols (attained when no coefficient is negative).
  public var maximum: Int { bounds.upper }

  /// A lower bound over all values of the symbols.
  public var minimum: Int { bounds.lower }

  private var bounds: (lower: Int, upper: Int) {
    var lower = 0
    var upper = 0
    for term in terms {
      var low = term.coefficient
      var high = term.coefficient
      for factor in term.factors {
        let least: Int
        let most: Int
        switch factor {
        case .symbol(let symbol): (least, most) = (1, symbol.maximum)
        case .quotient(let dividend, let divisor):
          let inner = dividend.bounds
          (least, most) = (floorDivide(inner.lower, divisor), floorDivide(inner.upper, divisor))
        }
        let corners = (
          limitedProduct(low, least), limitedProduct(low, most), limitedProduct(high, least),
          limitedProduct(high, most)
        )
        low = min(corners.0, corners.1, corners.2, corners.3)
        high = max(corners.0, corners.1, corners.2, corners.3)
      }
      lower = limitedSum(lower, low)
      upper = limitedSum(upper, high)
    }
    return (lower, upper)
  }

  /// The sum, as large as an `Int` can be if it is larger.
  public static func + (left: Dim, right: Dim) -> Dim {
    if let a = left.constant, let b = right.constant { return Dim(limitedSum(a, b)) }
    return Dim(summing: left.terms + right.terms)
  }

  /// The difference.
  public static func - (left: Dim, right: Dim) -> Dim { left + right * -1 }

  /// The product, as large as an `Int` can be if it is larger.
  public static func * (left: Dim, right: Dim) -> Dim {
    if let a = left.constant, let b = right.constant { return Dim(limitedProduct(a, b)) }
    return Dim(
      summing: left.terms.flatMap { a in
        right.terms.map { b in
          Term(
            coefficient: limitedProduct(a.coefficient, b.coefficient),
            factors: (a.factors + b.factors).sorted())
        }
      })
  }

  /// Floor division: terms that `divisor` divides are divided, the rest stays one quotient.
  ///
  /// - Requires: `divisor > 0`.
  public static func / (left: Dim, divisor: Int) -> Dim {
    precondition(divisor > 0, "an extent is divided by a positive constant")
    if divisor == 1 { return left }
    if let value = left.constant { return Dim(floorDivide(value, divisor)) }
    let whole = left.terms.filter { $0.coefficient % divisor == 0 }
      .map { Term(coefficient: $0.coefficient / divisor, factors: $0.factors) }
    let rest = Dim(summing: left.terms.filter { $0.coefficient % divisor != 0 })
    if rest.terms.isEmpty { return Dim(summing: whole) }
    if let value = rest.constant { return Dim(summing: whole) + Dim(floorDivide(value, divisor)) }
    return Dim(
      summing: whole + [Term(coefficient: 1, factors: [.quotient(rest, divisor)])])
  }

  /// The extent `q` with `q * divisor == self`, if there is one that is a single-term division.
  public func dividedExactly(by divisor: Dim) -> Dim? {
    if self == divisor { return 1 }
    guard divisor.terms.count == 1 else { return nil }
    let term = divisor.terms[0]
    var quotients: [Term] = []
    for dividend in terms {
      guard dividend.coefficient % term.coefficient == 0 else { return nil }
      var factors = dividend.factors
      for factor in term.factors {
        guard let index = factors.firstIndex(of: factor) else { return nil }
        factors.remove(at: index)
      }
      quotients.append(
        Term(coefficient: dividend.coefficient / term.coefficient, factors: factors))
    }
    return Dim(summing: quotients)
  }

  /// Rounds up to a multiple of `unit`.
  public func rounded(upTo unit: Int) -> Dim { (self + Dim(unit - 1)) / unit * Dim(unit) }
}

// Sums and products stop at the largest numbers, from which no limit on extents lets them come back.

private func limitedSum(_ left: Int, _ right: Int) -> Int {
  let (sum, overflows) = left.addingReportingOverflow(right)
  return overflows ? (left < 0 ? -Int.max : Int.max) : max(sum, -Int.max)
}

private func limitedProduct(_ left: Int, _ right: Int) -> Int {
  let (product, overflows) = left.multipliedReportingOverflow(by: right)
  return overflows ? ((left < 0) == (right < 0) ? Int.max : -Int.max) : max(product, -Int.max)
}

/// `floor(dividend / divisor)` for a positive divisor.
private func floorDivide(_ dividend: Int, _ divisor: Int) -> Int {
  dividend >= 0 ? dividend / divisor : -((-(dividend + 1)) / divisor) - 1
}

extension Dim: ExpressibleByIntegerLiteral, Comparable, CustomStringConvertible {
  /// An extent that is always this.
  public init(integerLiteral value: Int) { self.init(value) }

  /// An arbitrary but fixed order, for normal forms; it says nothing about the values.
  public static func < (left: Dim, right: Dim) -> Bool {
    left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
  }

  /// The extent as the IR's text spells it: `2*batch*seq + 1`, `(seq + 15)/16`.
  public var description: String {
    if terms.isEmpty { return "0" }
    var text = ""
    for (index, term) in terms.enumerated() {
      let magnitude = abs(term.coefficient)
      if index == 0 {
        text += term.coefficient < 0 ? "-" : ""
      } else {
        text += term.coefficient < 0 ? " - " : " + "
      }
      var parts = term.factors.map { factor in
        switch factor {
        case .symbol(let symbol): symbol.name
        case .quotient(let dividend, let divisor): "((\(dividend))/\(divisor))"
        }
      }
      if magnitude != 1 || parts.isEmpty { parts.insert(String(magnitude), at: 0) }
      text += parts.joined(separator: "*")
    }
    return text
  }
}

extension [Dim] {
  /// The number of elements of a tensor of these extents.
  public var product: Dim { reduce(1, *) }
}
