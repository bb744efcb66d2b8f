// How large what a program speaks of may be. Within these limits no arithmetic on extents
// overflows, and no comparison of extents takes long, whoever wrote the program.

/// A tensor has at most this many elements.
private let maximumElements = 1 << 56
/// A tensor has at most this many axes.
private let maximumRank = 16
/// An extent is the sum of at most this many products.
private let maximumTerms = 16
/// Columns, rows and widths that are plain numbers.
private let maximumCount = 1 << 40
/// Weights of which each row chooses some.
private let maximumExperts = 1 << 16

extension Dim {
  /// A bound on the magnitude of the value and of everything that leads to it; `nil` if that is
  /// beyond any tensor.
  var magnitude: Int? {
    var sum = 0
    for term in terms {
      guard var product = limited(Int(clamping: term.coefficient.magnitude)) else { return nil }
      for factor in term.factors {
        var bound: Int
        switch factor {
        case .symbol(let symbol): bound = symbol.maximum
        case .quotient(let dividend, let divisor):
          guard let inner = dividend.magnitude else { return nil }
          bound = inner / divisor + 1
        }
        bound = Swift.max(bound, 1)
        guard let next = limited(product.multipliedReportingOverflow(by: bound)) else { return nil }
        product = next
      }
      guard let next = limited(sum.addingReportingOverflow(product)) else { return nil }
      sum = next
    }
    return sum
  }

  /// Whether the extent is one that a type may have.
  var isWithinLimits: Bool { terms.count <= maximumTerms && magnitude != nil }

  /// The product, or `nil` if it is beyond any tensor.
  func multiplied(by other: Dim) -> Dim? {
    guard let left = magnitude, let right = other.magnitude,
      limited(left.multipliedReportingOverflow(by: right)) != nil,
      terms.count * other.terms.count <= 16 * maximumTerms
    else { return nil }
    return self * other
  }
}

private func limited(_ result: (partialValue: Int, overflow: Bool)) -> Int? {
  result.overflow ? nil : limited(result.partialValue)
}

private func limited(_ value: Int) -> Int? { value <= maximumElements ? value : nil }

/// Checks the numbers and extents that an operation itself brings along.
func checkAttributes<Operand>(_ op: Op<Operand>) throws(IRError) {
  switch op {
  case .input(_, let type, _), .weight(_, let type), .state(_, let type), .iota(let type, _):
    try checkLimits(type.shape)
  case .constant(let literal): try checkLimits(literal.type.shape)
  case .reshape(_, let shape), .broadcast(_, let shape), .mask(_, let shape):
    try checkLimits(shape)
  case .extent(let dim):
    guard dim.terms.count <= maximumTerms, dim.magnitude ?? .max <= Int(Int32.max) else {
      throw IRError("extent: \(dim) does not fit i32")
    }
  case .slice(_, _, let start, let count):
    for dim in [start, count] where !dim.isWithinLimits {
      throw IRError("slice: \(dim) is too large or too intricate")
    }
  case .experts(_, _, _, let count, let columns, _, _):
    for (number, limit) in [(count, maximumExperts), (columns, maximumCount)]
    where !(1...limit).contains(number) {
      throw IRError("\(op.mnemonic): \(number) is not in 1...\(limit)")
    }
    guard Dim(count).multiplied(by: Dim(columns)) != nil else {
      throw IRError("\(op.mnemonic): \(count) weights of \(columns) columns are too large")
    }
  case .linear(_, _, let count, _, _), .embedding(_, _, let count), .pack(_, let count):
    guard (1...maximumCount).contains(count) else {
      throw IRError("\(op.mnemonic): \(count) is not in 1...\(maximumCount)")
    }
  default: break
  }
}

/// Checks the shape of anything that a program computes: no axis is empty, none is immense.
func checkLimits(_ shape: [Dim]) throws(IRError) {
  guard shape.count <= maximumRank else {
    throw IRError("\(shape.count) axes, expected at most \(maximumRank)")
  }
  var elements = 1
  var terms = 1
  for dim in shape {
    guard dim.isWithinLimits, let magnitude = dim.magnitude,
      let product = limited(elements.multipliedReportingOverflow(by: Swift.max(magnitude, 1)))
    else { throw IRError("\(shapeText(shape)) is too large or too intricate") }
    guard dim.minimum >= 1 else { throw IRError("an axis of \(shapeText(shape)) may be empty") }
    elements = product
    terms *= Swift.max(dim.terms.count, 1)
    guard terms <= 16 * maximumTerms else {
      throw IRError("\(shapeText(shape)) is too intricate")
    }
  }
}

func shapeText(_ shape: [Dim]) -> String {
  "[" + shape.map(\.description).joined(separator: ", ") + "]"
}
