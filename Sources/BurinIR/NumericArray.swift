/// A tensor of numbers on the host, row by row, as the interpreter computes with them: every
/// value is a `Double`, whatever the element type; integers are exact up to 2^53, `bool` is 0 or 1.
public struct NumericArray: Hashable, Sendable {
  /// What the values are rounded to.
  public let element: ElementType
  /// The extent of each axis, outermost first.
  public let shape: [Int]
  /// The elements, the last axis fastest.
  public internal(set) var values: [Double]

  /// - Requires: as many values as the shape has elements.
  public init(_ element: ElementType, _ shape: [Int], _ values: [Double]) {
    precondition(
      shape.allSatisfy { $0 >= 0 } && values.count == shape.reduce(1, *),
      "\(values.count) values for the shape \(shape)")
    self.element = element
    self.shape = shape
    self.values = values
  }

  /// An array of one value throughout.
  public init(_ element: ElementType, _ shape: [Int], repeating value: Double) {
    self.init(element, shape, Array(repeating: value, count: shape.reduce(1, *)))
  }

  /// An `f32` array.
  public init(_ shape: [Int], floats: [Float]) {
    self.init(.f32, shape, floats.map(Double.init))
  }

  /// The values rounded to single precision.
  public var floats: [Float] { values.map(Float.init) }

  /// The number of axes.
  public var rank: Int { shape.count }

  /// The number of elements.
  public var count: Int { values.count }
}

extension NumericArray {
  /// The distance in `values` between neighbours along each axis.
  var strides: [Int] {
    var strides = Array(repeating: 1, count: rank)
    for axis in strides.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * shape[axis + 1]
    }
    return strides
  }

  /// The elements of a strided window, copied row by row.
  func window(_ shape: [Int], strides: [Int], offset: Int = 0) -> NumericArray {
    let total = shape.reduce(1, *)
    guard total > 0, let width = shape.last, let step = strides.last else {
      return NumericArray(element, shape, total == 0 ? [] : [values[offset]])
    }
    let copied = [Double](unsafeUninitializedCapacity: total) { target, count in
      values.withUnsafeBufferPointer { source in
        guard let from = source.baseAddress, var to = target.baseAddress else { return }
        func copy(axis: Int, offset: Int) {
          guard axis < shape.count - 1 else {
            var index = 0
            while index < width {
              to[index] = from[offset + index * step]
              index += 1
            }
            to += width
            return
          }
          for index in 0..<shape[axis] {
            copy(axis: axis + 1, offset: offset + index * strides[axis])
          }
        }
        copy(axis: 0, offset: offset)
      }
      count = total
    }
    return NumericArray(element, shape, copied)
  }

  /// The array repeated along axes of extent 1 and along new outer axes.
  func broadcast(to target: [Int]) -> NumericArray {
    if target == shape { return self }
    let new = target.count - rank
    let own = strides
    let strides = target.indices.map { axis in
      axis < new || (shape[axis - new] == 1 && target[axis] != 1) ? 0 : own[axis - new]
    }
    return window(target, strides: strides)
  }

  /// The same values under another shape of as many elements.
  func reshaped(_ shape: [Int]) -> NumericArray { NumericArray(element, shape, values) }

  /// The array with every value replaced.
  func map(_ element: ElementType? = nil, _ change: (Double) -> Double) -> NumericArray {
    NumericArray(element ?? self.element, shape, values.map(change))
  }
}

extension ElementType {
  /// The nearest value of this type: floats to nearest, ties to even; a float that becomes an
  /// integer is truncated and saturates, NaN becomes 0; anything but 0 is `true`.
  public func rounded(_ value: Double) -> Double {
    switch self {
    case .f32, .q8, .w8, .w4, .r8: return Double(Float(value))
    case .f16: return roundedToFloat(value, significandBits: 10, minimumExponent: -14)
    case .bf16: return roundedToFloat(value, significandBits: 7, minimumExponent: -126)
    case .bool: return value == 0 ? 0 : 1
    case .i64, .i32, .i8, .u8:
      if value.isNaN { return 0 }
      let limits = integerLimits
      return min(max(value.rounded(.towardZero), limits.lower), limits.upper)
    }
  }

  /// An integer that left the type's range, wrapped around into it (two's complement); other types'
  /// values as they are.
  func wrapped(_ value: Double) -> Double {
    guard isInteger else { return value }
    let limits = integerLimits
    if value >= limits.lower && value <= limits.upper { return value }
    let modulus = Double(sign: .plus, exponent: 8 * bytes, significand: 1)
    var rest = (value - limits.lower).truncatingRemainder(dividingBy: modulus)
    if rest < 0 { rest += modulus }
    return rest.isFinite ? rest + limits.lower : 0
  }

  private var integerLimits: (lower: Double, upper: Double) {
    switch self {
    case .u8: (0, 255)
    case .i8: (-128, 127)
    case .i32: (-2_147_483_648, 2_147_483_647)
    case .i64, .f32, .f16, .bf16, .q8, .w8, .w4, .r8, .bool:
      (-9_223_372_036_854_775_808, 9_223_372_036_854_774_784)
    }
  }
}

/// Rounds to a binary float of the given precision and smallest normal exponent, whose largest
/// exponent is `1 - minimumExponent`.
private func roundedToFloat(
  _ value: Double, significandBits: Int, minimumExponent: Int
) -> Double {
  if value == 0 || !value.isFinite { return value }
  let exponent = max(Int(value.exponent), minimumExponent)
  let unit = Double(sign: .plus, exponent: exponent - significandBits, significand: 1)
  let nearest = (value / unit).rounded(.toNearestOrEven) * unit
  let overflow = Double(sign: .plus, exponent: 2 - minimumExponent, significand: 1)
  return abs(nearest) >= overflow ? Double(signOf: value, magnitudeOf: .infinity) : nearest
}
