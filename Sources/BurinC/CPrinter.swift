/// Writes the C tree as text: two spaces of indentation, 100 columns, the same bytes every time.
struct CPrinter {
  private var lines: [String] = []
  private var depth = 0

  /// The text of a file, ending in a newline.
  static func print(_ file: CFile) -> String {
    var printer = CPrinter()
    for item in file.items { printer.print(item) }
    if printer.lines.last == "" { printer.lines.removeLast() }
    return printer.text
  }

  /// The text of statements, as in the body of a function but not indented.
  static func print(_ statements: [CStatement]) -> String {
    var printer = CPrinter()
    printer.print(statements)
    return printer.text
  }

  private var text: String { lines.joined(separator: "\n") + (lines.isEmpty ? "" : "\n") }

  // MARK: Items

  private mutating func print(_ item: CItem) {
    switch item {
    case .include(let name, let isSystem):
      line("#include " + (isSystem ? "<\(name.text)>" : "\"\(name.text)\""))
    case .definitions(let definitions):
      noted(definitions.map { ("#define \($0.name) \($0.value.flat)", $0.note) }, margin: 0)
    case .guarded(let name, let items):
      line("#ifndef \(name)")
      line("#define \(name)")
      for item in items { print(item) }
      line("#endif")
    case .pragma(let text): line("#pragma \(CText.comment(text))")
    case .comment(let texts): for text in texts { comment(text) }
    case .command(let text): line("// " + CText.comment(text, longest: .max))
    case .declaration(let declaration, let note):
      let statement = CStatement.declaration(declaration)
      print([note.map { .noted(statement, $0) } ?? statement])
    case .structure(let name, let fields):
      line("typedef struct {")
      nested { printer in
        printer.print(
          fields.map { field in
            let field = (declaration: CDeclaration(type: field.type, name: field.name), field.note)
            let statement = CStatement.declaration(field.declaration)
            return field.1.map { .noted(statement, $0) } ?? statement
          })
      }
      line("} \(name);")
    case .function(let function): print(function)
    case .raw(let raw): line(raw.text)
    case .blank: blank()
    }
  }

  private mutating func print(_ function: CFunction) {
    blank()
    for text in function.comments { comment(text) }
    for attribute in function.attributes { line("__attribute__((\(attribute.text)))") }
    let storage = function.storage == .none ? "" : function.storage.rawValue + " "
    let head = storage + function.result.declaration(of: function.name.text) + "("
    let parameters = function.parameters.map { $0.type.declaration(of: $0.name.text) }
    let single = head + (parameters.isEmpty ? "void" : parameters.joined(separator: ", ")) + ")"
    if (single + " {").utf8.count <= CLayout.columns,
      !function.parameters.contains(where: \.isNoted)
    {
      line(single + " {")
    } else {
      line(head)
      let last = parameters.count - 1
      let texts = parameters.enumerated().map { $1 + ($0 == last ? ") {" : ",") }
      noted(texts.enumerated().map { ($1, function.parameters[$0].note) }, margin: 4)
    }
    nested { $0.print(function.body) }
    line("}")
    blank()
  }

  // MARK: Statements

  private mutating func print(_ statements: [CStatement]) {
    var rest = statements[...]
    while let first = rest.first {
      guard case .noted = first else {
        print(first)
        rest.removeFirst()
        continue
      }
      // A run of remarks stands in one column.
      var run: [(String, String?)] = []
      while case .noted(let statement, let note) = rest.first {
        rest.removeFirst()
        var printer = CPrinter()
        printer.depth = depth
        printer.print(statement)
        if printer.lines.count == 1 {
          run.append((String(printer.lines[0].drop { $0 == " " }), note))
        } else {
          noted(run, margin: 0)
          run = []
          comment(note)
          lines += printer.lines
        }
      }
      noted(run, margin: 0)
    }
  }

  private mutating func print(_ statement: CStatement) {
    switch statement {
    case .expression(let expression): wrapped("", expression, ";")
    case .declaration(let declaration): print(declaration)
    case .loop(let loop):
      let start = "\(loop.type.declaration(of: loop.name.text)) = \(loop.start.flat)"
      let advance = loop.step == 1 ? "\(loop.name)++" : "\(loop.name) += \(loop.step.flat)"
      var layout = CLayout()
      layout.text("for (")
      layout.open()
      layout.text(start + ";")
      layout.space(depth: 0)
      CExpression.binary(.less, .name(loop.name), loop.end).append(to: &layout, depth: 1)
      layout.text(";")
      layout.space(depth: 0)
      layout.text(advance + ") {")
      layout.close()
      lines += layout.lines(indent: depth * 2)
      nested { $0.print(loop.body) }
      line("}")
    case .repetition(let test, let body):
      wrapped("while (", test, ") {")
      nested { $0.print(body) }
      line("}")
    case .branch(let test, let then, let otherwise): print(test, then, otherwise, opening: "if (")
    case .block(let body):
      line("{")
      nested { $0.print(body) }
      line("}")
    case .give(nil): line("return;")
    case .give(let value?): wrapped("return ", value, ";")
    case .pragma(let text): line("#pragma \(CText.comment(text))")
    case .comment(let text): comment(text)
    case .blank: blank()
    case .raw(let raw):
      raw.text.utf8.first == UInt8(ascii: "#") ? lines.append(raw.text) : line(raw.text)
    case .noted: print([statement])
    }
  }

  private mutating func print(_ declaration: CDeclaration) {
    let storage = declaration.storage == .none ? "" : declaration.storage.rawValue + " "
    var head = storage + declaration.type.declaration(of: declaration.name.text)
    for attribute in declaration.attributes { head += " __attribute__((\(attribute.text)))" }
    guard let value = declaration.value else { return line(head + ";") }
    if case .rows(let rows, let note) = value {
      if !note.isEmpty { comment(note) }
      line(head + " = {")
      nested { printer in for row in rows { printer.wrapped("", row, ",") } }
      return line("};")
    }
    var layout = CLayout()
    layout.text(head + " =")
    layout.space(depth: 0, isWeak: true)
    value.append(to: &layout, depth: 1)
    layout.text(";")
    lines += layout.lines(indent: depth * 2)
  }

  private mutating func print(
    _ test: CExpression, _ then: [CStatement], _ otherwise: [CStatement], opening: String
  ) {
    wrapped(opening, test, ") {")
    nested { $0.print(then) }
    if otherwise.isEmpty {
      line("}")
    } else if otherwise.count == 1, case .branch(let test, let then, let otherwise) = otherwise[0] {
      print(test, then, otherwise, opening: "} else if (")
    } else {
      line("} else {")
      nested { $0.print(otherwise) }
      line("}")
    }
  }

  // MARK: Lines

  private mutating func line(_ text: String) {
    lines.append(String(repeating: " ", count: depth * 2) + text)
  }

  private mutating func wrapped(_ head: String, _ expression: CExpression, _ tail: String) {
    var layout = CLayout()
    layout.text(head)
    expression.append(to: &layout, depth: 0)
    layout.text(tail)
    lines += layout.lines(indent: depth * 2)
  }

  private mutating func nested(_ body: (inout CPrinter) -> Void) {
    depth += 1
    body(&self)
    depth -= 1
    // A block does not end in an empty line.
    if lines.last == "" { lines.removeLast() }
  }

  private mutating func blank() {
    if let last = lines.last, last != "", !last.hasSuffix("{") { lines.append("") }
  }

  private mutating func comment(_ text: String) {
    let width = max(20, CLayout.columns - depth * 2 - 3)
    var current = ""
    for word in CText.comment(text).split(separator: " ") {
      var word = word
      if !current.isEmpty, current.utf8.count + 1 + word.utf8.count > width {
        line("// " + current)
        current = ""
      }
      while word.utf8.count > width {
        line("// " + word.prefix(width))
        word = word.dropFirst(width)
      }
      current += (current.isEmpty ? "" : " ") + word
    }
    line(current.isEmpty ? "//" : "// " + current)
  }

  /// Lines with their remarks in one column; above a line that leaves no room for it.
  private mutating func noted(_ run: [(text: String, note: String?)], margin: Int) {
    let indent = depth * 2 + margin
    let notes = run.map { $0.note.map { CText.comment($0, longest: 72) } }
    let sizes = zip(run, notes).compactMap { item, note in
      note.map { (line: item.text.utf8.count, note: $0.utf8.count) }
    }
    // The longest line whose remark, and those of all that are shorter, fit behind it.
    let room =
      sizes.map(\.line).filter { room in
        let longest = sizes.filter { $0.line <= room }.map(\.note).max() ?? 0
        return indent + room + 5 + longest <= CLayout.columns
      }.max() ?? 0
    let start = String(repeating: " ", count: indent)
    for (item, note) in zip(run, notes) {
      if let note, item.text.utf8.count <= room {
        let gap = String(repeating: " ", count: room - item.text.utf8.count + 2)
        lines.append(start + item.text + gap + "// " + note)
      } else {
        if let note { lines.append(start + "// " + note) }
        lines.append(start + item.text)
      }
    }
  }
}

extension CParameter {
  fileprivate var isNoted: Bool { note != nil }
}

extension CType {
  /// The type declared around a name, or alone if the name is empty.
  func declaration(of name: String) -> String {
    switch self {
    case .named(let type): name.isEmpty ? type.text : "\(type) \(name)"
    case .tagged(let tag): "struct \(tag)" + (name.isEmpty ? "" : " " + name)
    case .fundamental(let type): name.isEmpty ? type.rawValue : "\(type.rawValue) \(name)"
    case .const(.pointer(let target, let isRestrict)):
      CType.pointer(
        to: target, (isRestrict ? "const restrict" : "const") + (name.isEmpty ? "" : " " + name))
    case .const(.array(let element, let count)):
      CType.array(.const(element), count).declaration(of: name)
    case .const(let type): "const " + type.declaration(of: name)
    case .pointer(let target, let isRestrict):
      CType.pointer(to: target, isRestrict ? "restrict" + (name.isEmpty ? "" : " " + name) : name)
    case .array(let element, let count):
      element.declaration(of: "\(name)[\(count?.flat ?? "")]")
    }
  }

  private static func pointer(to target: CType, _ name: String) -> String {
    if case .array = target { return target.declaration(of: "(*\(name))") }
    return target.declaration(of: "*" + name)
  }
}
