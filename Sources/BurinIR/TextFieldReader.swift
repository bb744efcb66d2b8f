/// Where in the fields of an operation, or of a mask inside of one, the reader is.
struct FieldPosition {
  enum State { case beforeFirst, betweenFields, closed, typed }

  var state = State.beforeFirst
  /// The type of the result, if the text says it.
  var type: (value: ValueType, start: Token)?
}

extension TextReader: FieldCoder {
  typealias Operand = NodeID
  typealias Failure = TextError

  /// Reads what follows the word of an operation: fields, and perhaps a tile and a type.
  mutating func call(
    _ prototype: Op<NodeID>
  ) throws(TextError) -> (op: Op<NodeID>, type: (value: ValueType, start: Token)?) {
    fields = FieldPosition()
    try punctuation("(")
    let op = try prototype.coded(by: &self)
    try close()
    if fields.state != .typed && isPunctuation(":") { try readType() }
    return (op, fields.type)
  }

  private mutating func close() throws(TextError) {
    guard fields.state == .beforeFirst || fields.state == .betweenFields else { return }
    guard isPunctuation(")") else {
      throw expected(fields.state == .beforeFirst ? "')'" : "',' or ')'")
    }
    index += 1
    fields.state = .closed
  }

  /// What separates a field from the one before.
  private mutating func separator() throws(TextError) {
    switch fields.state {
    case .beforeFirst: fields.state = .betweenFields
    case .betweenFields: try punctuation(",")
    case .closed, .typed: throw expected("'('")
    }
  }

  private mutating func field(_ label: String?) throws(TextError) {
    try separator()
    guard let label else { return }
    guard isWord(label), isPunctuation(":", at: index + 1) else {
      throw expected("'\(label):'")
    }
    index += 2
  }

  /// Whether a field that may be left out comes next.
  private func isNext(_ word: String, labels: Bool = true) -> Bool {
    var next = index
    switch fields.state {
    case .beforeFirst: break
    case .betweenFields:
      guard isPunctuation(",") else { return false }
      next += 1
    case .closed, .typed: return false
    }
    return isWord(word, at: next) && isPunctuation(":", at: next + 1) == labels
  }

  private mutating func list<Element>(
    _ element: (inout TextReader) throws(TextError) -> Element
  ) throws(TextError) -> [Element] {
    try punctuation("[")
    var elements: [Element] = []
    while !isPunctuation("]") {
      if !elements.isEmpty { try punctuation(",") }
      elements.append(try element(&self))
    }
    index += 1
    return elements
  }

  mutating func operand(_ label: String?, _: NodeID) throws(TextError) -> NodeID {
    try field(label)
    return try nodeID()
  }

  mutating func operand(_ label: String, ifAny _: NodeID?) throws(TextError) -> NodeID? {
    isNext(label) ? try operand(label, NodeID(0)) : nil
  }

  mutating func operands(_: [NodeID]) throws(TextError) -> [NodeID] {
    try field(nil)
    return try list { reader throws(TextError) in try reader.nodeID() }
  }

  mutating func name(_: String) throws(TextError) -> String {
    try field(nil)
    return try name()
  }

  mutating func word<Word: TextWord>(_ label: String?, _: Word) throws(TextError) -> Word {
    try word(label)
  }

  mutating func word<Word: TextWord>(_ label: String, ifAny _: Word?) throws(TextError) -> Word? {
    isNext(label) ? try word(label) : nil
  }

  private mutating func word<Word: TextWord>(_ label: String?) throws(TextError) -> Word {
    try field(label)
    guard token.kind == .word, let word = Word(rawValue: text(token)) else {
      throw expected("one of " + Word.allCases.map(\.rawValue).joined(separator: ", "))
    }
    index += 1
    return word
  }

  mutating func flag(_ word: String, _: Bool) throws(TextError) -> Bool {
    guard isNext(word, labels: false) else { return false }
    try separator()
    index += 1
    return true
  }

  mutating func integer(_ label: String?, _: Int) throws(TextError) -> Int {
    try field(label)
    return try integer()
  }

  mutating func integers(_ label: String, _: [Int]) throws(TextError) -> [Int] {
    try field(label)
    return try list { reader throws(TextError) in try reader.integer() }
  }

  mutating func number(_ label: String, _: Double) throws(TextError) -> Double {
    try field(label)
    return try number()
  }

  mutating func number(_ label: String, ifAny _: Double?) throws(TextError) -> Double? {
    isNext(label) ? try number(label, 0) : nil
  }

  mutating func numbers(_: [Double]) throws(TextError) -> [Double] {
    var values: [Double] = []
    repeat {
      try separator()
      values.append(try number())
    } while isPunctuation(",")
    return values
  }

  mutating func extent(_ label: String?, _: Dim) throws(TextError) -> Dim {
    try field(label)
    return try extent()
  }

  mutating func epilogues(
    _: [Epilogue<NodeID>]
  ) throws(TextError) -> [Epilogue<NodeID>] {
    var epilogues: [Epilogue<NodeID>] = []
    while !isNext("columns") {
      if isNext("bias") {
        epilogues.append(.bias(try operand("bias", NodeID(0))))
      } else if isNext("residual") {
        epilogues.append(.residual(try operand("residual", NodeID(0))))
      } else if isNext("gate") {
        epilogues.append(.gate(try operand("gate", NodeID(0))))
      } else if isNext("scale") {
        epilogues.append(.scale(try number("scale", 0)))
      } else if isNext("cast") {
        epilogues.append(.cast(try word("cast", ElementType.f32)))
      } else if let function = Unary.allCases.first(where: { isNext($0.rawValue, labels: false) }) {
        epilogues.append(.activation(try word(nil, function)))
      } else {
        try separator()
        throw expected("an epilogue or 'columns:'")
      }
    }
    return epilogues
  }

  mutating func masks(_: [Mask<NodeID>]) throws(TextError) -> [Mask<NodeID>] {
    try field(nil)
    return try maskList()
  }

  mutating func masks(
    _ label: String, ifAny _: [Mask<NodeID>]
  ) throws(TextError) -> [Mask<NodeID>] {
    guard isNext(label) else { return [] }
    try field(label)
    return try maskList()
  }

  private mutating func maskList() throws(TextError) -> [Mask<NodeID>] {
    try list { reader throws(TextError) in
      let prototypes = Mask.prototypes(NodeID(0))
      guard let prototype = prototypes.first(where: { reader.isWord($0.mnemonic) }) else {
        throw reader.expected("one of " + prototypes.map(\.mnemonic).joined(separator: ", "))
      }
      reader.index += 1
      let outer = reader.fields
      defer { reader.fields = outer }
      reader.fields = FieldPosition()
      // A mask without fields needs no parentheses.
      if reader.isPunctuation("(") { reader.index += 1 } else { reader.fields.state = .closed }
      let mask = try prototype.coded(by: &reader)
      try reader.close()
      return mask
    }
  }

  mutating func resultType(_: TensorType) throws(TextError) -> TensorType {
    try close()
    if fields.state != .typed {
      guard isPunctuation(":") else { throw expected("':' and a type") }
      try readType()
    }
    guard case .tensor(let tensor)? = fields.type?.value else {
      throw expected("the type of one tensor")
    }
    return tensor
  }

  mutating func resultShape(_: [Dim]) throws(TextError) -> [Dim] {
    try resultType(TensorType(.f32, [])).shape
  }

  private mutating func readType() throws(TextError) {
    try punctuation(":")
    let start = token
    let value = try valueType()
    fields.type = (value, start)
    fields.state = .typed
  }

  mutating func tile(_ word: String, _: Tile?) throws(TextError) -> Tile? {
    try close()
    guard isWord("tile") else { return nil }
    index += 1
    try punctuation(":")
    guard isWord(word) else { throw expected("'\(word)'") }
    index += 1
    var tile = Tile(block: try tileNumber())
    guard word == "rows" else { return tile }
    if isWord("panels") {
      index += 1
      tile.panels = try tileNumber()
    }
    if isWord("even") {
      index += 1
      tile.isEven = true
    }
    return tile
  }

  private mutating func tileNumber() throws(TextError) -> Int {
    let token = token
    let number = try integer()
    guard (1...1 << 16).contains(number) else {
      throw failure("expected a number in 1...\(1 << 16), found \(number)", token)
    }
    return number
  }
}
