import Glibc

/// What rounding to four bits is measured by.
public enum FourBits {
  /// Numbers of the standard normal distribution (Box and Muller, 1958).
  public static func normal(_ count: Int, seed: UInt64) -> [Float] {
    var random = TestRandom(seed: seed)
    /// Above 0, and at most 1.
    func uniform() -> Double { 1 - Double(random.next() >> 11) * 0x1p-53 }
    return (0..<count).map { _ in
      let radius = (-2 * log(uniform())).squareRoot()
      return Float(radius * cos(2 * Double.pi * uniform()))
    }
  }

  /// Numbers as q4_0 of llama.cpp holds them: of each block of 32 the one of largest magnitude is
  /// -8 times the scale, an f16, and the others are multiples from -8 to 7.
  public static func roundedByLlama(_ values: [Float]) -> [Double] {
    stride(from: 0, to: values.count, by: 32).flatMap { start -> [Double] in
      let block = values[start..<start + 32]
      let largest = block.reduce(Float(0)) { abs($1) > abs($0) ? $1 : $0 }
      let scale = largest / -8
      let factor = scale == 0 ? 0 : 1 / scale
      let stored = Double(Float16(scale))
      return block.map { value in
        let multiple = min(15, (value * factor + 8.5).rounded(.towardZero)) - 8
        return Double(multiple) * stored
      }
    }
  }

  /// The root of the mean of the squares of what rounding took off.
  public static func error(of rounded: [Double], from exact: [Float]) -> Double {
    let squares = zip(rounded, exact).map { ($0 - Double($1)) * ($0 - Double($1)) }
    return (squares.reduce(0, +) / Double(squares.count)).squareRoot()
  }
}
