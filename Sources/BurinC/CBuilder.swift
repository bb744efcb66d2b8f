// What makes a kernel written in Swift look like the C that it becomes.

/// Anything that stands as one or more statements in a block.
protocol CStatementSource {
  var statements: [CStatement] { get }
}

/// Collects the statements of a block.
@resultBuilder
enum CBlockBuilder {
  static func buildExpression(_ source: some CStatementSource) -> [CStatement] { source.statements }
  static func buildBlock(_ parts: [CStatement]...) -> [CStatement] { parts.flatMap { $0 } }
  static func buildOptional(_ part: [CStatement]?) -> [CStatement] { part ?? [] }
  static func buildEither(first part: [CStatement]) -> [CStatement] { part }
  static func buildEither(second part: [CStatement]) -> [CStatement] { part }
  static func buildArray(_ parts: [[CStatement]]) -> [CStatement] { parts.flatMap { $0 } }
}

extension CExpression: CStatementSource {
  var statements: [CStatement] { [.expression(self)] }
}

extension CStatement: CStatementSource {
  var statements: [CStatement] { [self] }
}

extension [CStatement]: CStatementSource {
  var statements: [CStatement] { self }
}

/// `for (int64_t name = start; name < end; name += step) { ... }`.
struct For: CStatementSource {
  let statements: [CStatement]

  init(
    _ name: CIdentifier, from start: CExpression = 0, to end: CExpression, by step: CExpression = 1,
    type: CType = .int64, @CBlockBuilder body: (CExpression) -> [CStatement]
  ) {
    statements = [
      .loop(
        CLoop(
          type: type, name: name, start: start, end: end, step: step, body: body(.name(name))))
    ]
  }
}

/// `while (test) { ... }`.
struct While: CStatementSource {
  let statements: [CStatement]

  init(_ test: CExpression, @CBlockBuilder body: () -> [CStatement]) {
    statements = [.repetition(test, body())]
  }
}

/// `if (test) { ... } else { ... }`.
struct If: CStatementSource {
  let statements: [CStatement]

  init(
    _ test: CExpression, @CBlockBuilder then: () -> [CStatement],
    @CBlockBuilder else otherwise: () -> [CStatement] = { [] }
  ) {
    statements = [.branch(test, then: then(), otherwise: otherwise())]
  }
}

/// `{ ... }`.
struct Block: CStatementSource {
  let statements: [CStatement]

  init(@CBlockBuilder body: () -> [CStatement]) { statements = [.block(body())] }
}

/// `type name = value;`.
struct Declare: CStatementSource {
  let statements: [CStatement]

  init(
    _ type: CType, _ name: CExpression, _ value: CExpression? = nil,
    attributes: [CAttribute] = []
  ) {
    guard case .name(let identifier) = name else {
      preconditionFailure("only a name can be declared, not \(name)")
    }
    statements = [
      .declaration(CDeclaration(type: type, name: identifier, value: value, attributes: attributes))
    ]
  }
}

/// `return value;`.
struct Return: CStatementSource {
  let statements: [CStatement]

  init(_ value: CExpression? = nil) { statements = [.give(value)] }
}

/// `#pragma text`.
struct Pragma: CStatementSource {
  let statements: [CStatement]

  init(_ text: String) { statements = [.pragma(text)] }
}

/// `// text`.
struct Comment: CStatementSource {
  let statements: [CStatement]

  init(_ text: String) { statements = [.comment(text)] }
}

/// An empty line.
struct Blank: CStatementSource {
  var statements: [CStatement] { [.blank] }
}

extension CStatementSource {
  /// The same, with a remark at the end of the line of its first statement.
  func note(_ text: String) -> [CStatement] {
    var noted = statements
    if let first = noted.first { noted[0] = .noted(first, text) }
    return noted
  }
}

extension CExpression: ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral
{
  init(integerLiteral value: Int) { self = .integer(value) }
  /// A single-precision literal.
  init(floatLiteral value: Double) { self = .float(Float(value)) }
  /// A name, not a string literal; it cannot be interpolated, so no input reaches it.
  init(stringLiteral value: StaticString) { self = .name(CIdentifier(stringLiteral: value)) }
}

// Integer literals belong to integer arithmetic here: `x + 0` and `x * 0` fold, `x + 0.0f` never
// does, since it would change a negative zero or a NaN.
//
// There are no shifts: Swift's own are generic, so that these would win wherever no type is written,
// and a `1 << 20` in a message would be C.
extension CExpression {
  static func + (left: CExpression, right: CExpression) -> CExpression {
    switch (left, right) {
    case (_, 0): return left
    case (0, _): return right
    case (.integer(let a), .integer(let b)):
      return fold(a.addingReportingOverflow(b), .add, left, right)
    case (_, .integer(let b)) where b < 0 && b > Int.min: return left - .integer(-b)
    case (.binary(.add, let inner, .integer(let a)), .integer(let b)):
      let (sum, overflows) = a.addingReportingOverflow(b)
      return overflows ? .binary(.add, left, right) : inner + .integer(sum)
    case (.binary(.subtract, let inner, .integer(let a)), .integer(let b)):
      let (sum, overflows) = b.subtractingReportingOverflow(a)
      return overflows ? .binary(.add, left, right) : inner + .integer(sum)
    default: return .binary(.add, left, right)
    }
  }

  static func - (left: CExpression, right: CExpression) -> CExpression {
    switch (left, right) {
    case (_, 0): return left
    case (0, _): return -right
    case (.integer(let a), .integer(let b)):
      return fold(a.subtractingReportingOverflow(b), .subtract, left, right)
    case (_, .integer(let b)) where b < 0 && b > Int.min: return left + .integer(-b)
    default: return .binary(.subtract, left, right)
    }
  }

  static func * (left: CExpression, right: CExpression) -> CExpression {
    switch (left, right) {
    case (_, 1): return left
    case (1, _): return right
    case (_, 0) where left.isPure: return 0
    case (0, _) where right.isPure: return 0
    case (.integer(let a), .integer(let b)):
      return fold(a.multipliedReportingOverflow(by: b), .multiply, left, right)
    case (.binary(.multiply, let inner, .integer(let a)), .integer(let b)):
      let (product, overflows) = a.multipliedReportingOverflow(by: b)
      return overflows ? .binary(.multiply, left, right) : inner * .integer(product)
    default: return .binary(.multiply, left, right)
    }
  }

  static func / (left: CExpression, right: CExpression) -> CExpression {
    switch (left, right) {
    case (_, 1): return left
    case (.integer(let a), .integer(let b)) where b != 0:
      return fold(a.dividedReportingOverflow(by: b), .divide, left, right)
    default: return .binary(.divide, left, right)
    }
  }

  static func % (left: CExpression, right: CExpression) -> CExpression {
    switch (left, right) {
    case (_, 1) where left.isPure: return 0
    case (.integer(let a), .integer(let b)) where b != 0:
      return fold(a.remainderReportingOverflow(dividingBy: b), .remainder, left, right)
    default: return .binary(.remainder, left, right)
    }
  }

  static prefix func - (value: CExpression) -> CExpression {
    switch value {
    case .integer(let number) where number > Int.min: return .integer(-number)
    case .float(let number): return .float(-number)
    case .double(let number): return .double(-number)
    default: return .prefix(.minus, value)
    }
  }

  static prefix func ! (value: CExpression) -> CExpression { .prefix(.not, value) }
  static func & (left: CExpression, right: CExpression) -> CExpression {
    .binary(.bitAnd, left, right)
  }
  static func | (left: CExpression, right: CExpression) -> CExpression {
    .binary(.bitOr, left, right)
  }
  static func < (left: CExpression, right: CExpression) -> CExpression {
    .binary(.less, left, right)
  }
  static func <= (left: CExpression, right: CExpression) -> CExpression {
    .binary(.lessOrEqual, left, right)
  }
  static func > (left: CExpression, right: CExpression) -> CExpression {
    .binary(.greater, left, right)
  }
  static func >= (left: CExpression, right: CExpression) -> CExpression {
    .binary(.greaterOrEqual, left, right)
  }
  /// `left == right` in C; `==` compares two trees.
  static func .== (left: CExpression, right: CExpression) -> CExpression {
    .binary(.equal, left, right)
  }
  /// `left != right` in C; `!=` compares two trees.
  static func .!= (left: CExpression, right: CExpression) -> CExpression {
    .binary(.notEqual, left, right)
  }
  static func && (left: CExpression, right: CExpression) -> CExpression {
    .binary(.and, left, right)
  }
  static func || (left: CExpression, right: CExpression) -> CExpression {
    .binary(.or, left, right)
  }
  static func += (left: CExpression, right: CExpression) -> CExpression {
    .binary(.addAssign, left, right)
  }
  static func -= (left: CExpression, right: CExpression) -> CExpression {
    .binary(.subtractAssign, left, right)
  }
  static func *= (left: CExpression, right: CExpression) -> CExpression {
    .binary(.multiplyAssign, left, right)
  }
  static func /= (left: CExpression, right: CExpression) -> CExpression {
    .binary(.divideAssign, left, right)
  }

  /// `self = value`.
  func assign(_ value: CExpression) -> CExpression { .binary(.assign, self, value) }
  /// `self ? yes : no`, or the one that a literal chooses.
  func then(_ yes: CExpression, else no: CExpression) -> CExpression {
    if case .integer(let value) = self { return value != 0 ? yes : no }
    return .conditional(self, yes, no)
  }
  /// `self[index]`.
  subscript(index: CExpression) -> CExpression { .index(self, index) }
  /// `self(arguments)`.
  func callAsFunction(_ arguments: CExpression...) -> CExpression { .call(self, arguments) }
  /// `self.field`.
  func member(_ field: CIdentifier) -> CExpression { .member(self, field, isArrow: false) }
  /// `self->field`.
  func arrow(_ field: CIdentifier) -> CExpression { .member(self, field, isArrow: true) }
  /// `(type)self`.
  func cast(to type: CType) -> CExpression { .cast(type, self) }
  /// `&self`.
  var address: CExpression { .prefix(.address, self) }
  /// `*self`.
  var pointee: CExpression { .prefix(.dereference, self) }

  private static func fold(
    _ result: (partialValue: Int, overflow: Bool), _ operation: CBinary, _ left: CExpression,
    _ right: CExpression
  ) -> CExpression {
    result.overflow ? .binary(operation, left, right) : .integer(result.partialValue)
  }

  /// Whether evaluating it does nothing but give a value.
  private var isPure: Bool {
    switch self {
    case .integer, .float, .double, .string, .name, .size: true
    case .prefix(_, let value), .cast(_, let value), .member(let value, _, _): value.isPure
    case .index(let base, let index): base.isPure && index.isPure
    case .conditional(let test, let yes, let no): test.isPure && yes.isPure && no.isPure
    case .list(let values), .rows(let values, _): values.allSatisfy(\.isPure)
    case .field(_, let value): value.isPure
    case .call: false
    case .binary(.assign, _, _), .binary(.addAssign, _, _), .binary(.subtractAssign, _, _),
      .binary(.multiplyAssign, _, _), .binary(.divideAssign, _, _):
      false
    case .binary(_, let left, let right): left.isPure && right.isPure
    }
  }
}
