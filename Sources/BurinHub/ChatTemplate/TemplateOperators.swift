import Glibc

/// Arithmetic and comparisons, as in Python.
extension TemplateRun {
  func signed(
    _ value: TemplateValue, isNegative: Bool, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    if case .undefined(let what) = value { throw missing(what, line) }
    if let integer = value.integer {
      return .int(isNegative ? try exact(0.subtractingReportingOverflow(integer), line) : integer)
    }
    guard case .real(let real) = value else {
      throw TemplateError(line, expected: "a number after a sign", found: value.kind)
    }
    return .real(isNegative ? -real : real)
  }

  private func exact(
    _ result: (partialValue: Int, overflow: Bool), _ line: Int
  ) throws(TemplateError) -> Int {
    guard !result.overflow else {
      throw TemplateError(line, expected: "an integer of 64 bits", found: "a larger one")
    }
    return result.partialValue
  }

  mutating func result(
    of operation: TemplateOperator, _ left: TemplateValue, _ right: TemplateValue, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    if operation == .remainder, case .text(let format) = left {
      return .text(try formatted(format, right, line))
    }
    for case .undefined(let what) in [left, right] { throw missing(what, line) }
    if let one = left.integer, let two = right.integer {
      return try integers(operation, one, two, line)
    }
    if let one = left.number, let two = right.number {
      return try reals(operation, one, two, line)
    }
    switch (operation, left, right) {
    case (.add, .text(let one), .text(let two)):
      try spend(one.count + two.count, line)
      return .text(one + two)
    case (.add, .list(let one), .list(let two)):
      try spend(one.count + two.count, line)
      return .list(one + two)
    case (.add, .tuple(let one), .tuple(let two)):
      try spend(one.count + two.count, line)
      return .tuple(one + two)
    case (.multiply, _, _):
      guard let count = left.integer ?? right.integer else { break }
      let owner = left.integer == nil ? left : right
      let size = (owner.count ?? 0).multipliedReportingOverflow(by: max(0, count))
      try spend(size.overflow ? .max - 1 : size.partialValue, line)
      switch owner {
      case .text(let text): return .text(Array(repeatElement(text, count: max(0, count)).joined()))
      case .list(let all): return .list(Array(repeatElement(all, count: max(0, count)).joined()))
      case .tuple(let all): return .tuple(Array(repeatElement(all, count: max(0, count)).joined()))
      default: break
      }
    default: break
    }
    throw TemplateError(
      line, expected: "values that \(operation.rawValue) takes",
      found: "\(left.kind) and \(right.kind)")
  }

  private func integers(
    _ operation: TemplateOperator, _ one: Int, _ two: Int, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    switch operation {
    case .add: return .int(try exact(one.addingReportingOverflow(two), line))
    case .subtract: return .int(try exact(one.subtractingReportingOverflow(two), line))
    case .multiply: return .int(try exact(one.multipliedReportingOverflow(by: two), line))
    case .divide: return try reals(.divide, Double(one), Double(two), line)
    case .floorDivide, .remainder:
      guard two != 0 else { throw divisionByZero(line) }
      let quotient = try exact(one.dividedReportingOverflow(by: two), line)
      let rest = one - quotient * two
      let isBelow = rest != 0 && (rest < 0) != (two < 0)
      return .int(
        operation == .remainder
          ? (isBelow ? rest + two : rest) : (isBelow ? quotient - 1 : quotient))
    case .power:
      guard two >= 0 else { return try reals(.power, Double(one), Double(two), line) }
      // Beyond 64 steps only 0, 1 and -1 fit.
      var result = 1
      for _ in 0..<(abs(Double(one)) > 1 ? min(two, 64) : two % 2 + (two > 0 ? 2 : 0)) {
        result = try exact(result.multipliedReportingOverflow(by: one), line)
      }
      return .int(result)
    }
  }

  private func divisionByZero(_ line: Int) -> TemplateError {
    TemplateError(line, expected: "a divisor", found: "0")
  }

  private func reals(
    _ operation: TemplateOperator, _ one: Double, _ two: Double, _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    if [.divide, .floorDivide, .remainder].contains(operation), two == 0 {
      throw divisionByZero(line)
    }
    switch operation {
    case .add: return .real(one + two)
    case .subtract: return .real(one - two)
    case .multiply: return .real(one * two)
    case .divide: return .real(one / two)
    case .floorDivide: return .real((one / two).rounded(.down))
    case .remainder:
      let rest = one.truncatingRemainder(dividingBy: two)
      return .real(rest != 0 && (rest < 0) != (two < 0) ? rest + two : rest)
    case .power:
      let result = pow(one, two)
      guard result.isFinite || !one.isFinite || !two.isFinite else {
        throw TemplateError(line, expected: "a power that is a number", found: "another")
      }
      return .real(result)
    }
  }

  mutating func compare(
    _ first: TemplateExpression, _ rest: [(TemplateComparison, TemplateExpression)], _ line: Int
  ) throws(TemplateError) -> TemplateValue {
    var left = try value(first)
    for (comparison, expression) in rest {
      let right = try value(expression)
      try spend(min(left.count ?? 1, right.count ?? 1), line)
      guard try holds(comparison, left, right, line) else { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  /// Whether a comparison holds.
  func holds(
    _ comparison: TemplateComparison, _ left: TemplateValue, _ right: TemplateValue, _ line: Int
  ) throws(TemplateError) -> Bool {
    func ordered(_ one: TemplateValue, _ two: TemplateValue) throws(TemplateError) -> Bool {
      if case .undefined(let what) = one { throw missing(what, line) }
      if case .undefined(let what) = two { throw missing(what, line) }
      guard let isLess = one.isLess(than: two) else {
        throw TemplateError(
          line, expected: "values that have an order", found: "\(left.kind) and \(right.kind)")
      }
      return isLess
    }
    switch comparison {
    case .equal: return left.isEqual(to: right)
    case .unequal: return !left.isEqual(to: right)
    case .less: return try ordered(left, right)
    case .greater: return try ordered(right, left)
    case .lessOrEqual: return try ordered(left, right) || left.isEqual(to: right)
    case .greaterOrEqual: return try ordered(right, left) || left.isEqual(to: right)
    case .isIn, .isNotIn:
      guard let isIn = left.isIn(right) else {
        throw TemplateError(
          line, expected: "something to search", found: "\(left.kind) in \(right.kind)")
      }
      return isIn == (comparison == .isIn)
    }
  }
}

extension Int {
  /// The integer part of a double, as far as 64 bits go.
  init(clamping value: Double) {
    self = value.isNaN ? 0 : Int(exactly: value.rounded(.towardZero)) ?? (value < 0 ? .min : .max)
  }
}
