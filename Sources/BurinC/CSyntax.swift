// The C tree: types, expressions, statements and file items. It knows nothing of tensors.

/// A C type, declared around a name by the printer.
indirect enum CType: Hashable, Sendable {
  /// A type with a name: `float`, `int64_t`, `burin_session`.
  case named(CIdentifier)
  /// A structure with a tag: `struct burin_call`.
  case tagged(CIdentifier)
  /// A fundamental type, spelled with keywords.
  case fundamental(CFundamental)
  case const(CType)
  case pointer(CType, isRestrict: Bool)
  /// An array of so many elements; `nil` leaves the count to the initialiser.
  case array(CType, CExpression?)

  static let void = CType.fundamental(.void)
  static let bool = CType.fundamental(.bool)
  static let char = CType.fundamental(.char)
  static let int = CType.fundamental(.int)
  static let float = CType.fundamental(.float)
  static let double = CType.fundamental(.double)
  static let int64 = CType.named("int64_t")
  static let int32 = CType.named("int32_t")
  static let int8 = CType.named("int8_t")
  static let uint8 = CType.named("uint8_t")
  static let uint16 = CType.named("uint16_t")
  static let size = CType.named("size_t")

  /// `const T`.
  var const: CType { .const(self) }
  /// `T *`.
  var pointer: CType { .pointer(self, isRestrict: false) }
  /// `T *restrict`.
  var restrict: CType { .pointer(self, isRestrict: true) }
}

/// The types whose names are keywords.
enum CFundamental: String, Sendable {
  case void
  case bool = "_Bool"
  case char, int, float, double
}

/// A C expression.
indirect enum CExpression: Hashable, Sendable {
  case integer(Int)
  case float(Float)
  case double(Double)
  case string(String)
  case name(CIdentifier)
  case prefix(CPrefix, CExpression)
  case binary(CBinary, CExpression, CExpression)
  /// `test ? yes : no`.
  case conditional(CExpression, CExpression, CExpression)
  case call(CExpression, [CExpression])
  case index(CExpression, CExpression)
  /// `value.field`, or `value->field` through a pointer.
  case member(CExpression, CIdentifier, isArrow: Bool)
  case cast(CType, CExpression)
  case size(CType)
  /// `{a, b, c}`: only as an initialiser.
  case list([CExpression])
  /// The same with each element on a line of its own, under a remark that says what they hold.
  case rows([CExpression], note: String)
  /// `.name = value`: only in a list.
  case field(CIdentifier, CExpression)
}

/// The prefix operators.
enum CPrefix: String, Sendable {
  case minus = "-"
  case not = "!"
  case address = "&"
  case dereference = "*"
}

/// The binary operators, assignments included.
enum CBinary: String, Sendable, CaseIterable {
  case multiply = "*"
  case divide = "/"
  case remainder = "%"
  case add = "+"
  case subtract = "-"
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case equal = "=="
  case notEqual = "!="
  case bitAnd = "&"
  case bitOr = "|"
  case and = "&&"
  case or = "||"
  case assign = "="
  case addAssign = "+="
  case subtractAssign = "-="
  case multiplyAssign = "*="
  case divideAssign = "/="
}

/// A C statement.
indirect enum CStatement: Hashable, Sendable {
  case expression(CExpression)
  case declaration(CDeclaration)
  case loop(CLoop)
  /// `while (test) { ... }`.
  case repetition(CExpression, [CStatement])
  case branch(CExpression, then: [CStatement], otherwise: [CStatement])
  case block([CStatement])
  case give(CExpression?)
  case pragma(String)
  case comment(String)
  case blank
  /// A line that stands in Burin's sources as it is emitted.
  case raw(CRawLine)
  /// A statement and a remark at the end of its line.
  case noted(CStatement, String)
}

/// A line of C that is a literal in Burin's own sources.
struct CRawLine: Hashable, Sendable {
  let text: String
  init(_ text: StaticString) { self.text = text.description }
}

/// A variable, a field or a global.
struct CDeclaration: Hashable, Sendable {
  var storage: CStorage = .none
  var type: CType
  var name: CIdentifier
  var value: CExpression?
  /// What follows the declarator: `__attribute__((aligned(64)))`.
  var attributes: [CAttribute] = []
}

/// Storage and linkage, in the words that precede a declaration.
enum CStorage: String, Sendable {
  case none = ""
  case `static` = "static"
  case extern = "extern"
}

/// An attribute in GNU spelling, without its `__attribute__` and parentheses: `aligned(64)`.
struct CAttribute: Hashable, Sendable, ExpressibleByStringLiteral {
  let text: String
  init(stringLiteral value: StaticString) { text = value.description }
  /// `aligned(bytes)`.
  static func aligned(_ bytes: Int) -> CAttribute { CAttribute(text: "aligned(\(bytes))") }
  private init(text: String) { self.text = text }
}

/// The canonical loop, `for (type name = start; name < end; name += step)`.
struct CLoop: Hashable, Sendable {
  var type: CType
  var name: CIdentifier
  var start: CExpression
  var end: CExpression
  var step: CExpression
  var body: [CStatement]
}

/// A parameter, with a remark (its shape) that puts it on its own line.
struct CParameter: Hashable, Sendable {
  var type: CType
  var name: CIdentifier
  var note: String?

  init(_ type: CType, _ name: CIdentifier, note: String? = nil) {
    self.type = type
    self.name = name
    self.note = note
  }
}

/// A function.
struct CFunction: Hashable, Sendable {
  /// Lines of comment above it.
  var comments: [String]
  var storage: CStorage
  var attributes: [CAttribute]
  var result: CType
  var name: CIdentifier
  var parameters: [CParameter]
  var body: [CStatement]

  init(
    comments: [String] = [], storage: CStorage = .static, attributes: [CAttribute] = [],
    result: CType = .void, _ name: CIdentifier, _ parameters: [CParameter],
    @CBlockBuilder body: () -> [CStatement]
  ) {
    self.comments = comments
    self.storage = storage
    self.attributes = attributes
    self.result = result
    self.name = name
    self.parameters = parameters
    self.body = body()
  }
}

/// `#define name value`, with a remark at the end of its line.
struct CDefinition: Hashable, Sendable {
  var name: CIdentifier
  var value: CExpression
  var note: String?

  init(_ name: CIdentifier, _ value: CExpression, note: String? = nil) {
    self.name = name
    self.value = value
    self.note = note
  }
}

/// One item of a file.
enum CItem: Hashable, Sendable {
  /// `#include "name"`, or `<name>` of the system; the name is a literal of Burin's own.
  case include(CRawLine, isSystem: Bool)
  /// `#define`s below each other.
  case definitions([CDefinition])
  /// Items that count only once, however often the file is included.
  case guarded(CIdentifier, [CItem])
  case pragma(String)
  case comment([String])
  /// A comment that stays one line, however long: a command to copy.
  case command(String)
  case declaration(CDeclaration, note: String? = nil)
  /// `typedef struct { fields } name;`.
  case structure(CIdentifier, [CParameter])
  case function(CFunction)
  case raw(CRawLine)
  case blank
}

/// A whole C file.
struct CFile: Hashable, Sendable {
  var items: [CItem] = []
}
