/// A value while a template runs. All but namespaces and loops are immutable, as in Jinja's sandbox.
enum TemplateValue {
  /// What is not there, with what it would have been called.
  case undefined(String)
  case none
  case bool(Bool)
  case int(Int)
  case real(Double)
  case text([Unicode.Scalar])
  case list([TemplateValue])
  case tuple([TemplateValue])
  case dict(TemplateDict)
  /// What filters such as `map` give: it can be run through, and has no length.
  case sequence([TemplateValue])
  case namespace(TemplateNamespace)
  case loop(TemplateLoop)
  case macro(TemplateClosure)
  /// One of the functions that every template knows.
  case function(String)
  /// A method of a value.
  case method(TemplateReceiver, String)

  /// A text.
  init(_ text: String) { self = .text(Array(text.unicodeScalars)) }

  /// What a JSON value is in Python.
  init(_ json: JSON) {
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .number(.integer(let value)): self = .int(Int(value))
    case .number(.real(let value)): self = .real(value)
    case .string(let value): self.init(value.utf8String)
    case .array(let elements): self = .list(elements.map { TemplateValue($0) })
    case .object(let object):
      var dict = TemplateDict()
      for member in object { dict[.init(member.key.utf8String)] = TemplateValue(member.value) }
      self = .dict(dict)
    }
  }
}

/// The value that a method belongs to; a class, since an enum's case cannot hold the enum itself.
final class TemplateReceiver {
  let value: TemplateValue

  init(_ value: TemplateValue) { self.value = value }
}

/// What `namespace()` makes: the one value that can be changed.
final class TemplateNamespace {
  var members = TemplateDict()
}

/// The variable `loop` of a loop.
final class TemplateLoop {
  let values: [TemplateValue]
  var index = 0
  /// What `changed` was called with.
  var last: [TemplateValue]?
  /// How often a recursive loop was called inside of itself.
  let level: Int
  /// What runs when a recursive loop is called, and the names that it sees.
  var again: (loop: TemplateStatement.Loop, scope: TemplateScope)?

  init(_ values: [TemplateValue], level: Int) { (self.values, self.level) = (values, level) }

  func member(_ name: String) -> TemplateValue? {
    switch name {
    case "index": .int(index + 1)
    case "index0": .int(index)
    case "revindex": .int(values.count - index)
    case "revindex0": .int(values.count - index - 1)
    case "first": .bool(index == 0)
    case "last": .bool(index == values.count - 1)
    case "length": .int(values.count)
    case "depth": .int(level + 1)
    case "depth0": .int(level)
    case "previtem": index > 0 ? values[index - 1] : .undefined("there is no previous item")
    case "nextitem":
      index + 1 < values.count ? values[index + 1] : .undefined("there is no next item")
    case "cycle", "changed": .method(TemplateReceiver(.loop(self)), name)
    default: nil
    }
  }
}

/// A macro and the names that it sees.
final class TemplateClosure {
  let macro: TemplateMacro
  let scope: TemplateScope

  init(_ macro: TemplateMacro, _ scope: TemplateScope) {
    self.macro = macro
    self.scope = scope
  }
}

/// Names and their values, inside an outer scope.
final class TemplateScope {
  private var values: [String: TemplateValue] = [:]
  let outer: TemplateScope?

  init(_ outer: TemplateScope? = nil) { self.outer = outer }

  subscript(name: String) -> TemplateValue? {
    get {
      var scope: TemplateScope? = self
      while let current = scope {
        if let value = current.values[name] { return value }
        scope = current.outer
      }
      return nil
    }
    set { values[name] = newValue }
  }

  /// Lets go of all values: macros hold on to the scope that holds them.
  func clear() { values = [:] }
}

/// A dictionary in the order in which its keys came.
struct TemplateDict {
  /// What a key may be: equal as in Python, where `1`, `1.0` and `True` are one key.
  enum Key: Hashable {
    case none
    case number(Double)
    case text([Unicode.Scalar])

    init(_ text: String) { self = .text(Array(text.unicodeScalars)) }

    /// The key that a value is; nil for one that is none.
    init?(_ value: TemplateValue) {
      switch value {
      case .none: self = .none
      case .bool(let value): self = .number(value ? 1 : 0)
      case .int(let value): self = .number(Double(value))
      case .real(let value): self = .number(value)
      case .text(let value): self = .text(value)
      default: return nil
      }
    }
  }

  private(set) var members: [(key: TemplateValue, value: TemplateValue)] = []
  private var places: [Key: Int] = [:]

  init() {}

  subscript(key: Key) -> TemplateValue? {
    get { places[key].map { members[$0].value } }
    set {
      guard let newValue else { return }
      let name: TemplateValue =
        switch key {
        case .none: .none
        case .number(let value): Int(exactly: value).map { .int($0) } ?? .real(value)
        case .text(let value): .text(value)
        }
      _ = set(name, to: newValue)
    }
  }

  /// Gives a key a value; of equal keys the first stays. False for what is no key.
  mutating func set(_ name: TemplateValue, to value: TemplateValue) -> Bool {
    guard let key = Key(name) else { return false }
    if let place = places[key] {
      members[place].value = value
    } else {
      places[key] = members.count
      members.append((name, value))
    }
    return true
  }
}

// MARK: - What values are

extension TemplateValue {
  /// Python's name of the type, for messages.
  var kind: String {
    switch self {
    case .undefined: "nothing"
    case .none: "None"
    case .bool: "a truth value"
    case .int: "an integer"
    case .real: "a float"
    case .text: "a string"
    case .list: "a list"
    case .tuple: "a tuple"
    case .dict: "a dictionary"
    case .sequence: "a generator"
    case .namespace: "a namespace"
    case .loop: "a loop"
    case .macro, .function, .method: "a function"
    }
  }

  /// Whether it counts as true.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .real(let value): value != 0
    case .text(let value): !value.isEmpty
    case .list(let values), .tuple(let values): !values.isEmpty
    case .dict(let dict): !dict.members.isEmpty
    default: true
    }
  }

  /// The number, a truth value counted as one.
  var number: Double? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .int(let value): Double(value)
    case .real(let value): value
    default: nil
    }
  }

  /// The integer, a truth value counted as one.
  var integer: Int? {
    switch self {
    case .bool(let value): value ? 1 : 0
    case .int(let value): value
    default: nil
    }
  }

  /// The characters of a text.
  var scalars: [Unicode.Scalar]? {
    guard case .text(let text) = self else { return nil }
    return text
  }

  /// What running through it gives; nil if nothing can.
  var elements: [TemplateValue]? {
    switch self {
    case .undefined: []
    case .text(let text): text.map { .text([$0]) }
    case .list(let values), .tuple(let values), .sequence(let values): values
    case .dict(let dict): dict.members.map(\.key)
    case .loop(let loop): loop.values
    default: nil
    }
  }

  /// How many elements it has; nil if it has none to count.
  var count: Int? {
    switch self {
    case .undefined: 0
    case .text(let text): text.count
    case .list(let values), .tuple(let values): values.count
    case .dict(let dict): dict.members.count
    default: nil
    }
  }
}
