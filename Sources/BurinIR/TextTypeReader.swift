// How types, extents and numbers are read.

/// An extent is spelled in at most this many tokens, which bounds its depth too.
private let maximumExtentTokens = 64

extension TextReader {
  /// `f32[batch, 4]`, or several such in parentheses.
  mutating func valueType() throws(TextError) -> ValueType {
    guard isPunctuation("(") else { return .tensor(try tensorType()) }
    index += 1
    var types = [try tensorType()]
    while isPunctuation(",") {
      index += 1
      types.append(try tensorType())
    }
    try punctuation(")")
    return .tuple(types)
  }

  private mutating func tensorType() throws(TextError) -> TensorType {
    guard token.kind == .word, let element = ElementType(rawValue: text(token)) else {
      throw expected(
        "a type of " + ElementType.allCases.map(\.rawValue).joined(separator: ", "))
    }
    index += 1
    try punctuation("[")
    var shape: [Dim] = []
    while !isPunctuation("]") {
      if !shape.isEmpty { try punctuation(",") }
      shape.append(try extent())
    }
    index += 1
    return TensorType(element, shape)
  }

  /// A sum of products of numbers, symbols and quotients: `2*batch*seq + (seq + 15)/16`.
  mutating func extent() throws(TextError) -> Dim {
    let start = token
    let limit = index + maximumExtentTokens
    let dim = try sum(limit)
    guard dim.isWithinLimits else {
      throw failure("the extent \(dim) is too large or too intricate", start)
    }
    return dim
  }

  private mutating func sum(_ limit: Int) throws(TextError) -> Dim {
    let start = token
    var negative = isPunctuation("-")
    if negative { index += 1 }
    var total: Dim = 0
    while true {
      let next = try product(limit)
      total = negative ? total - next : total + next
      guard total.isWithinLimits else {
        throw failure("an extent that is too large or too intricate", start)
      }
      negative = isPunctuation("-")
      guard negative || isPunctuation("+") else { return total }
      index += 1
    }
  }

  private mutating func product(_ limit: Int) throws(TextError) -> Dim {
    let start = token
    var product = try factor(limit)
    while true {
      if isPunctuation("*") {
        index += 1
        guard let next = product.multiplied(by: try factor(limit)), next.isWithinLimits else {
          throw failure("an extent that is too large or too intricate", start)
        }
        product = next
      } else if isPunctuation("/") {
        index += 1
        let token = self.token
        let divisor = try integer()
        guard divisor > 0 else {
          throw failure("expected a positive divisor, found \(divisor)", token)
        }
        product = product / divisor
      } else {
        return product
      }
    }
  }

  private mutating func factor(_ limit: Int) throws(TextError) -> Dim {
    guard index < limit else { throw failure("an extent that is too long", token) }
    switch token.kind {
    case .number: return Dim(try integer())
    case .word:
      guard let symbol = symbols[text(token)] else {
        throw failure("there is no symbol \(text(token))", token)
      }
      index += 1
      return Dim(symbol)
    case .punctuation(UInt8(ascii: "(")):
      index += 1
      let inner = try sum(limit)
      try punctuation(")")
      return inner
    default: throw expected("an extent")
    }
  }

  /// A number, `inf` or `nan` with its bits, perhaps with a sign.
  mutating func number() throws(TextError) -> Double {
    let start = token
    let sign: FloatingPointSign = isPunctuation("-") ? .minus : .plus
    if sign == .minus { index += 1 }
    let magnitude: Double
    if isWord("inf") {
      magnitude = .infinity
    } else if isWord("nan") {
      return try nan()
    } else {
      guard token.kind == .number, let value = Double(text(token)) else {
        throw expected("a number")
      }
      guard value.isFinite else { throw failure("a number that is too large", start) }
      magnitude = value
    }
    index += 1
    return sign == .minus ? -magnitude : magnitude
  }

  private mutating func nan() throws(TextError) -> Double {
    index += 1
    guard isPunctuation("(") else { return .nan }
    index += 1
    guard token.kind == .number, let bits = UInt64(text(token)), Double(bitPattern: bits).isNaN
    else { throw expected("the bits of a NaN") }
    index += 1
    try punctuation(")")
    return Double(bitPattern: bits)
  }
}
