/// One logical line of C on its way to lines of at most 100 columns.
///
/// Text and places where it may break; a place breaks only if what follows, up to the next place at
/// the same or an outer depth, does not fit. Outer places therefore break before inner ones.
struct CLayout {
  /// The last column that text may reach.
  static let columns = 100

  private enum Token {
    case text(String)
    /// A space that may become a line break; a weak one breaks only if that makes all of it fit.
    case space(depth: Int, isWeak: Bool)
    /// From here to the matching close, lines begin at this column.
    case open
    case close
  }

  private var tokens: [Token] = []

  mutating func text(_ text: String) { tokens.append(.text(text)) }
  mutating func space(depth: Int, isWeak: Bool = false) {
    tokens.append(.space(depth: depth, isWeak: isWeak))
  }
  mutating func open() { tokens.append(.open) }
  mutating func close() { tokens.append(.close) }

  /// The line in one piece, however long.
  var flat: String {
    tokens.reduce(into: "") { line, token in
      switch token {
      case .text(let text): line += text
      case .space: line += " "
      case .open, .close: break
      }
    }
  }

  /// The lines, the first indented by `indent` columns and the others by more.
  func lines(indent: Int) -> [String] {
    var lines: [String] = []
    var line = String(repeating: " ", count: indent)
    var column = indent
    var margins = [indent + 4]
    for (position, token) in tokens.enumerated() {
      switch token {
      case .text(let text):
        line += text
        column += text.utf8.count
      case .open:
        // Far to the right there is no room under the parenthesis.
        margins.append(column <= indent + 50 ? column : margins[margins.count - 1])
      case .close: margins.removeLast()
      case .space(let depth, let isWeak):
        let margin = margins[margins.count - 1]
        let width = width(after: position, depth: depth)
        let fits = column + 1 + width <= CLayout.columns
        if fits || column <= margin || (isWeak && margin + width > CLayout.columns) {
          line += " "
          column += 1
        } else {
          lines.append(line)
          line = String(repeating: " ", count: margin)
          column = margin
        }
      }
    }
    return lines + [line]
  }

  /// The columns from a place to the next place at its depth or further out.
  private func width(after position: Int, depth: Int) -> Int {
    var width = 0
    for token in tokens[(position + 1)...] where width <= CLayout.columns {
      switch token {
      case .text(let text): width += text.utf8.count
      case .space(let other, _):
        if other <= depth { return width }
        width += 1
      case .open, .close: break
      }
    }
    return width
  }
}

extension CExpression {
  /// The expression on one line.
  var flat: String {
    var layout = CLayout()
    append(to: &layout, depth: 0)
    return layout.flat
  }

  /// Appends the expression, its breakable spaces at `depth` and deeper.
  func append(to layout: inout CLayout, depth: Int) {
    switch self {
    case .integer(let value): layout.text(CLiteral.integer(value))
    case .float(let value): layout.text(CLiteral.float(value))
    case .double(let value): layout.text(CLiteral.double(value))
    case .string(let value): layout.text(CText.literal(value))
    case .name(let name): layout.text(name.text)
    case .prefix(let operation, let value):
      layout.text(operation.rawValue)
      let meetsSign = operation == .minus && value.beginsWithMinus
      value.append(to: &layout, depth: depth + 1, inParentheses: value.strength < 14 || meetsSign)
    case .binary(let operation, let left, let right):
      let isChain = left.strength == operation.strength
      left.append(
        to: &layout, depth: isChain ? depth : depth + 1,
        inParentheses: operation.wantsParentheses(around: left, onRight: false))
      layout.text(" \(operation.rawValue)")
      layout.space(depth: depth, isWeak: operation.isAssignment)
      right.append(
        to: &layout, depth: depth + 1,
        inParentheses: operation.wantsParentheses(around: right, onRight: true))
    case .conditional(let test, let yes, let no):
      var isMixed = false
      if case .binary(let operation, _, _) = test { isMixed = !operation.givesTruth }
      test.append(to: &layout, depth: depth + 1, inParentheses: test.strength <= 3 || isMixed)
      layout.text(" ?")
      layout.space(depth: depth)
      yes.append(to: &layout, depth: depth + 1, inParentheses: yes.strength < 3)
      layout.text(" :")
      layout.space(depth: depth)
      no.append(to: &layout, depth: depth + 1, inParentheses: no.strength < 3)
    case .call(let function, let arguments):
      function.append(to: &layout, depth: depth + 1, inParentheses: function.strength < 15)
      CExpression.append(arguments, between: "(", and: ")", to: &layout, depth: depth + 1)
    case .index(let base, let index):
      base.append(to: &layout, depth: depth + 1, inParentheses: base.strength < 15)
      CExpression.append([index], between: "[", and: "]", to: &layout, depth: depth + 1)
    case .member(let base, let field, let isArrow):
      base.append(to: &layout, depth: depth + 1, inParentheses: base.strength < 15)
      layout.text((isArrow ? "->" : ".") + field.text)
    case .cast(let type, let value):
      layout.text("(\(type.declaration(of: "")))")
      value.append(to: &layout, depth: depth + 1, inParentheses: value.strength < 14)
    case .size(let type): layout.text("sizeof(\(type.declaration(of: "")))")
    case .field(let name, let value):
      layout.text(".\(name) = ")
      value.append(to: &layout, depth: depth + 1)
    case .list(let values), .rows(let values, _):
      CExpression.append(values, between: "{", and: "}", to: &layout, depth: depth + 1)
    }
  }

  private func append(to layout: inout CLayout, depth: Int, inParentheses: Bool) {
    guard inParentheses else { return append(to: &layout, depth: depth) }
    CExpression.append([self], between: "(", and: ")", to: &layout, depth: depth)
  }

  private static func append(
    _ values: [CExpression], between opening: String, and closing: String,
    to layout: inout CLayout, depth: Int
  ) {
    layout.text(opening)
    layout.open()
    for (position, value) in values.enumerated() {
      if position > 0 {
        layout.text(",")
        layout.space(depth: depth)
      }
      value.append(to: &layout, depth: depth + 1)
    }
    layout.close()
    layout.text(closing)
  }

  /// How tightly the outermost operator binds, from assignment (2) to a name (16).
  fileprivate var strength: Int {
    switch self {
    case .string, .name, .list, .rows, .field, .size: 16
    case .integer, .float, .double: beginsWithMinus ? 14 : 16
    case .call, .index, .member: 15
    case .prefix, .cast: 14
    case .binary(let operation, _, _): operation.strength
    case .conditional: 3
    }
  }

  /// Whether its text begins with a minus sign, which must not meet another.
  private var beginsWithMinus: Bool {
    switch self {
    case .integer(let value): value < 0 && value != Int.min && value != Int(Int32.min)
    case .float(let value): value.sign == .minus && !value.isNaN
    case .double(let value): value.sign == .minus && !value.isNaN
    case .prefix(.minus, _): true
    default: false
    }
  }
}

extension CBinary {
  /// The precedence of the C standard's grammar, higher binds tighter.
  fileprivate var strength: Int {
    switch self {
    case .multiply, .divide, .remainder: 13
    case .add, .subtract: 12
    case .less, .lessOrEqual, .greater, .greaterOrEqual: 10
    case .equal, .notEqual: 9
    case .bitAnd: 8
    case .bitOr: 6
    case .and: 5
    case .or: 4
    case .assign, .addAssign, .subtractAssign, .multiplyAssign, .divideAssign: 2
    }
  }

  fileprivate var isAssignment: Bool { strength == 2 }
  /// Whether the value is 0 or 1 by definition.
  fileprivate var givesTruth: Bool { [10, 9, 5, 4].contains(strength) }

  /// Whether an operand needs parentheses: where the grammar asks for them, and where a reader (and
  /// `-Wall`) would ask which operator wins.
  fileprivate func wantsParentheses(around operand: CExpression, onRight: Bool) -> Bool {
    if operand.strength < strength { return true }
    if operand.strength == strength { return isAssignment != onRight || isComparison }
    if case .prefix(.not, _) = operand { return !onRight && (isComparison || isBitwise) }
    guard case .binary(let inner, _, _) = operand else { return false }
    return isBitwise || (isComparison && inner.isComparison) || (self == .or && inner == .and)
  }

  private var isComparison: Bool { strength == 10 || strength == 9 }
  private var isBitwise: Bool { self == .bitAnd || self == .bitOr }
}

/// Numbers as C reads them back, exactly.
enum CLiteral {
  /// An `int` literal, or a `long long` one if it needs the width.
  static func integer(_ value: Int) -> String {
    switch value {
    // The smallest values have no literal: their magnitude does not fit the type.
    case Int.min: "(-\(Int.max)LL - 1)"
    case Int(Int32.min): "(-\(Int32.max) - 1)"
    case Int(Int32.min)...Int(Int32.max): "\(value)"
    default: "\(value)LL"
    }
  }

  /// The shortest decimal that rounds to the value; infinities and NaN by compiler builtins.
  static func float(_ value: Float) -> String {
    if value.isNaN { return "__builtin_nanf(\"\")" }
    if value.isInfinite { return value < 0 ? "-__builtin_inff()" : "__builtin_inff()" }
    return "\(value)f"
  }

  /// As ``float(_:)``, in double precision.
  static func double(_ value: Double) -> String {
    if value.isNaN { return "__builtin_nan(\"\")" }
    if value.isInfinite { return value < 0 ? "-__builtin_inf()" : "__builtin_inf()" }
    return "\(value)"
  }
}
