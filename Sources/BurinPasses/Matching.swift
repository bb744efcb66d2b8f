import BurinIR

extension Value {
  /// Both readings of a commutative operation's operands, or none if the node is another operation.
  func commuted(_ function: Binary) -> [(Value, Value)] {
    guard case .binary(function, let x, let y) = op else { return [] }
    return x == y ? [(x, y)] : [(x, y), (y, x)]
  }

  /// The value of every element, if the node is a constant that has only one.
  var splat: Double? {
    var value = self
    // Longer chains of moves are for other rules to shorten first.
    for _ in 0..<16 {
      switch value.op {
      case .constant(let literal):
        guard let first = literal.values.first,
          literal.values.allSatisfy({ $0.bitPattern == first.bitPattern })
        else { return nil }
        return first
      case .broadcast(let x, _), .reshape(let x, _), .transpose(let x, _): value = x
      default: return nil
      }
    }
    return nil
  }

  /// The values, if the node is a constant.
  var literal: Literal? {
    if case .constant(let literal) = op { literal } else { nil }
  }

  /// Whether the node is a weight expression that holds one number per column, `[columns]` or that
  /// behind axes of extent 1.
  func isVector(of columns: Dim) -> Bool {
    isWeightExpression && type.shape.last == columns && type.count == columns
  }
}

extension Expression {
  /// `x` under another shape; itself if it has that shape.
  static func reshaped(_ x: Value, _ shape: [Dim]) -> Expression {
    x.type.shape == shape ? .old(x) : .node(.reshape(x, shape))
  }

  /// A constant of rank 0.
  static func scalar(_ value: Double, _ element: ElementType) -> Expression {
    .new(.constant(Literal(TensorType(element, []), [value])))
  }
}

extension Double {
  /// Whether two constants mean the same real number, one of them perhaps rounded to f32 or written
  /// with few digits.
  func isNearly(_ other: Double) -> Bool {
    abs(self - other) <= 1e-6 * Swift.max(abs(self), abs(other))
  }
}
