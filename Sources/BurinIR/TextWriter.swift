extension Program {
  /// The program as the text of a `.burin` file, which `init(text:)` reads back exactly.
  public var text: String {
    var text = "program \(quoted(name))\n"
    if !symbols.isEmpty { text += "\n" }
    for symbol in symbols { text += "symbol \(symbol.name) <= \(symbol.maximum)\n" }
    for entry in entries { text += "\n" + entry.text }
    return text
  }
}

extension Entry {
  /// The entry as the IR's text: one node a line, under headings that say where in the model it
  /// belongs; what belongs to no part of it stands at the start, or under the entry's own name.
  public var text: String {
    var text = "entry \(quoted(name)) {\n"
    var scope = ""
    for id in graph.ids {
      if graph[id].scope != scope {
        scope = graph[id].scope
        if id.index > 0 { text += "\n" }
        text += "  // \(heading(of: scope, in: name))\n"
      }
      text += "  \(graph.text(of: id))\n"
    }
    if !graph.nodes.isEmpty && !roots.isEmpty { text += "\n" }
    for output in outputs { text += "  output \(quoted(output.name)) = \(output.value)\n" }
    for successor in successors {
      text += "  successor \(quoted(successor.state)) = \(successor.value)\n"
    }
    return text + "}\n"
  }
}

extension Graph {
  /// One node as the IR's text: `%2 = add(%0, %1) : f32[batch, 32]`.
  public func text(of id: NodeID) -> String { "\(id) = \(self[id].op.text) : \(self[id].type)" }
}

extension Op where Operand: CustomStringConvertible {
  /// The operation as the IR's text, without its result: `add(%0, %1)`.
  public var text: String {
    var writer = FieldWriter<Operand>()
    return writer.call(self)
  }
}

/// Spells the fields of an operation.
private struct FieldWriter<Operand: CustomStringConvertible>: FieldCoder {
  typealias Failure = Never

  private var fields: [String] = []
  private var suffix = ""

  mutating func call<Call: Spelled>(_ call: Call) -> String where Call.Operand == Operand {
    var inner = FieldWriter<Operand>()
    _ = call.coded(by: &inner)
    let fields = inner.fields.joined(separator: ", ")
    return call.mnemonic + (fields.isEmpty ? "" : "(\(fields))") + inner.suffix
  }

  private mutating func add(_ label: String?, _ text: String) {
    fields.append(label.map { "\($0): \(text)" } ?? text)
  }

  private func list(_ texts: [String]) -> String { "[" + texts.joined(separator: ", ") + "]" }

  mutating func operand(_ label: String?, _ value: Operand) -> Operand {
    add(label, value.description)
    return value
  }

  mutating func operand(_ label: String, ifAny value: Operand?) -> Operand? {
    if let value { add(label, value.description) }
    return value
  }

  mutating func operands(_ values: [Operand]) -> [Operand] {
    add(nil, list(values.map(\.description)))
    return values
  }

  mutating func name(_ value: String) -> String {
    add(nil, quoted(value))
    return value
  }

  mutating func word<Word: TextWord>(_ label: String?, _ value: Word) -> Word {
    add(label, value.rawValue)
    return value
  }

  mutating func word<Word: TextWord>(_ label: String, ifAny value: Word?) -> Word? {
    if let value { add(label, value.rawValue) }
    return value
  }

  mutating func flag(_ word: String, _ value: Bool) -> Bool {
    if value { add(nil, word) }
    return value
  }

  mutating func integer(_ label: String?, _ value: Int) -> Int {
    add(label, String(value))
    return value
  }

  mutating func integers(_ label: String, _ values: [Int]) -> [Int] {
    add(label, list(values.map(String.init)))
    return values
  }

  mutating func number(_ label: String, _ value: Double) -> Double {
    add(label, spelled(value))
    return value
  }

  mutating func number(_ label: String, ifAny value: Double?) -> Double? {
    if let value { add(label, spelled(value)) }
    return value
  }

  mutating func numbers(_ values: [Double]) -> [Double] {
    add(nil, values.map(spelled).joined(separator: ", "))
    return values
  }

  mutating func extent(_ label: String?, _ value: Dim) -> Dim {
    add(label, value.description)
    return value
  }

  mutating func epilogues(_ values: [Epilogue<Operand>]) -> [Epilogue<Operand>] {
    for value in values {
      switch value {
      case .bias(let x): add("bias", x.description)
      case .activation(let function): add(nil, function.rawValue)
      case .residual(let x): add("residual", x.description)
      case .gate(let x): add("gate", x.description)
      case .scale(let factor): add("scale", spelled(factor))
      case .cast(let element): add("cast", element.rawValue)
      }
    }
    return values
  }

  mutating func masks(_ values: [Mask<Operand>]) -> [Mask<Operand>] {
    add(nil, list(values.map { call($0) }))
    return values
  }

  mutating func masks(_ label: String, ifAny values: [Mask<Operand>]) -> [Mask<Operand>] {
    if !values.isEmpty { add(label, list(values.map { call($0) })) }
    return values
  }

  mutating func resultType(_ value: TensorType) -> TensorType { value }

  mutating func resultShape(_ value: [Dim]) -> [Dim] { value }

  mutating func tile(_ word: String, _ value: Tile?) -> Tile? {
    if let value { suffix = " tile: " + value.text(word) }
    return value
  }
}

/// The shortest text that reads back as the same number, bit for bit.
func spelled(_ value: Double) -> String {
  if value.isNaN {
    return value.bitPattern == Double.nan.bitPattern ? "nan" : "nan(\(value.bitPattern))"
  }
  let text = value.description
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

/// A name in quotation marks, on one line whatever it holds.
func quoted(_ name: String) -> String { "\"\(escaped(name, also: "\""))\"" }

/// The heading of a part of an entry's model, on one line: the entry's own name is that of no part.
/// Spaces at the ends are spelled out, as the reader drops those it sees.
func heading(of scope: String, in entry: String) -> String {
  var scalars = (scope.isEmpty ? entry : scope).unicodeScalars[...]
  var ends = ("", "")
  // A part that is called as the entry is told from no part by its first letter, with a zero that
  // nothing else is spelled with.
  if scope == entry, let first = scalars.popFirst() {
    ends.0 = "\\u{0\(String(first.value, radix: 16))}"
  }
  while scalars.first == " " {
    ends.0 += "\\u{20}"
    scalars.removeFirst()
  }
  while scalars.last == " " {
    ends.1 += "\\u{20}"
    scalars.removeLast()
  }
  return ends.0 + escaped(String(scalars)) + ends.1
}

private func escaped(_ text: String, also other: Unicode.Scalar? = nil) -> String {
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\t": result += "\\t"
    case other: result += "\\\(scalar)"
    default:
      // What is invisible, or moves what is around it, is spelled out.
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
  }
  return result
}
