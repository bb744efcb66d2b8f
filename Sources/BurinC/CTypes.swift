import BurinIR

extension ElementType {
  /// The type of one element in C; halves are their bits, and a `bool` is one byte.
  var cType: CType {
    switch self {
    case .f32: .float
    case .f16, .bf16: .uint16
    case .i64: .int64
    case .i32: .int32
    case .i8, .q8, .r8: .int8
    case .u8, .bool, .w8, .w4: .uint8
    }
  }

  /// The name of the type in `burin.h`.
  var portType: CExpression {
    switch self {
    case .f32: "BURIN_F32"
    case .f16: "BURIN_F16"
    case .bf16: "BURIN_BF16"
    case .i64: "BURIN_I64"
    case .i32: "BURIN_I32"
    // Blocks are never a port.
    case .i8, .q8, .r8: "BURIN_I8"
    case .u8, .w8, .w4: "BURIN_U8"
    case .bool: "BURIN_BOOL"
    }
  }

  /// The least and the largest integer that an input of this type takes.
  var portLimits: (lower: Int, upper: Int) {
    switch self {
    case .bool: (0, 1)
    case .u8: (0, 255)
    case .i8: (-128, 127)
    default: (Int(Int32.min), Int(Int32.max))
    }
  }

  /// The nearest value of this type in C.
  func literal(_ value: Double) -> CExpression {
    let value = rounded(value)
    return switch self {
    case .bf16: .integer(Int(Float(value).bitPattern >> 16))
    case .f16: .integer(Int(Float16(value).bitPattern))
    default: isFloat ? .float(Float(value)) : .integer(Int(value))
    }
  }
}

extension Dim {
  /// The extent in C, given what its symbols are called there.
  func cExpression(_ names: [Symbol: CExpression]) -> CExpression {
    if terms.isEmpty { return 0 }
    return terms.dropFirst().reduce(Dim.product(terms[0], names)) { sum, term in
      if term.coefficient < 0 {
        var positive = term
        positive.coefficient = -term.coefficient
        return sum - Dim.product(positive, names)
      }
      return sum + Dim.product(term, names)
    }
  }

  private static func product(_ term: Term, _ names: [Symbol: CExpression]) -> CExpression {
    let factors = term.factors.map { factor in
      switch factor {
      case .symbol(let symbol): names[symbol] ?? 0
      case .quotient(let dividend, let divisor):
        dividend.cExpression(names) / .integer(divisor)
      }
    }
    guard let first = factors.first else { return .integer(term.coefficient) }
    return factors.dropFirst().reduce(first, *) * .integer(term.coefficient)
  }
}

/// The runtime's headers that emitted code may include.
enum RuntimeHeader {
  private static let lines: [String: CRawLine] = [
    "vectors.h": CRawLine("vectors.h"), "vector_math.h": CRawLine("vector_math.h"),
    "bf16.h": CRawLine("bf16.h"), "experts.h": CRawLine("experts.h"),
    "tile.h": CRawLine("tile.h"), "share.h": CRawLine("share.h"),
    "f16.h": CRawLine("f16.h"), "tile_f16.h": CRawLine("tile_f16.h"),
    "tile_bf16.h": CRawLine("tile_bf16.h"), "tile_w8.h": CRawLine("tile_w8.h"),
    "tile_w4.h": CRawLine("tile_w4.h"), "blocks.h": CRawLine("blocks.h"),
    "attention.h": CRawLine("attention.h"), "pages.h": CRawLine("pages.h"),
    "attention_bf16.h": CRawLine("attention_bf16.h"),
    "laps.h": CRawLine("laps.h"),
  ]

  /// The header of that name.
  static func line(named name: String) -> CRawLine? { lines[name] }
}
