/// An expression of a template, and the line that it stands in.
struct TemplateExpression {
  indirect enum Node {
    case constant(TemplateValue)
    case name(String)
    case tuple([TemplateExpression])
    case list([TemplateExpression])
    case dict([(key: TemplateExpression, value: TemplateExpression)])
    case attribute(TemplateExpression, String)
    case item(TemplateExpression, TemplateExpression)
    case slice(
      TemplateExpression, from: TemplateExpression?, to: TemplateExpression?,
      step: TemplateExpression?)
    case call(TemplateExpression, TemplateArguments)
    case filter(TemplateExpression, TemplateFilter)
    case test(TemplateExpression, TemplateFilter)
    case not(TemplateExpression)
    case negative(TemplateExpression)
    case positive(TemplateExpression)
    case and(TemplateExpression, TemplateExpression)
    case or(TemplateExpression, TemplateExpression)
    case binary(TemplateOperator, TemplateExpression, TemplateExpression)
    case concatenation([TemplateExpression])
    case comparison(TemplateExpression, [(TemplateComparison, TemplateExpression)])
    case conditional(
      TemplateExpression, if: TemplateExpression, else: TemplateExpression?)
  }

  var line: Int
  var node: Node
}

/// An operator of arithmetic, by its spelling.
enum TemplateOperator: String {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case remainder = "%"
  case power = "**"
}

/// A comparison, by its spelling.
enum TemplateComparison: String {
  case equal = "=="
  case unequal = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case isIn = "in"
  case isNotIn = "not in"
}

/// The arguments of a call as they are written.
struct TemplateArguments {
  var positional: [TemplateExpression] = []
  var named: [(name: String, value: TemplateExpression)] = []
  /// What stands after `*` and `**`.
  var list, dict: TemplateExpression?
}

/// A filter or a test: its name and its arguments.
struct TemplateFilter {
  var line: Int
  var name: String
  var arguments = TemplateArguments()
}

/// What a value is given to.
indirect enum TemplateTarget {
  case name(String)
  case member(of: String, String)
  case tuple([TemplateTarget])
}

/// A statement of a template, and the line that it stands in.
struct TemplateStatement {
  indirect enum Node {
    case text([Unicode.Scalar])
    case output(TemplateExpression)
    case choice([(test: TemplateExpression, body: [TemplateStatement])], else: [TemplateStatement])
    case loop(Loop)
    case set(TemplateTarget, TemplateExpression)
    case setBlock(TemplateTarget, [TemplateFilter], [TemplateStatement])
    case macro(TemplateMacro)
    case callBlock(TemplateExpression, TemplateMacro)
    case filterBlock([TemplateFilter], [TemplateStatement])
    /// Names with values of their own in a body.
    case with([(TemplateTarget, TemplateExpression)], [TemplateStatement])
    case leaveLoop
    case nextRound
  }

  /// `for target in values if test recursive`.
  struct Loop {
    var target: TemplateTarget
    var values: TemplateExpression
    var test: TemplateExpression?
    /// Whether `loop(values)` runs it again.
    var isRecursive: Bool
    var body: [TemplateStatement]
    var otherwise: [TemplateStatement]
  }

  var line: Int
  var node: Node
}

/// A macro as it is written.
struct TemplateMacro {
  var name: String
  var parameters: [(name: String, fallback: TemplateExpression?)]
  var body: [TemplateStatement]
}
