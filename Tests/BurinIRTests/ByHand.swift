import Testing

@testable import BurinIR

let inf = Double.infinity

/// A tensor, of f32 unless said otherwise.
func array(
  _ shape: [Int], _ values: [Double], _ element: ElementType = .f32
) -> NumericArray { NumericArray(element, shape, values) }

/// Expects one tensor of the given shape, with values up to rounding in double precision.
func expect(
  _ op: Op<NumericArray>, _ extents: [String: Int] = [:], gives shape: [Int], _ values: [Double],
  _ element: ElementType = .f32, tolerance: Double = 1e-12,
  at location: SourceLocation = #_sourceLocation
) throws {
  let results = try interpret(op, extents: extents)
  let result = try #require(results.count == 1 ? results[0] : nil, sourceLocation: location)
  #expect(result.element == element, sourceLocation: location)
  #expect(result.shape == shape, sourceLocation: location)
  #expect(close(result.values, values, tolerance), "\(result.values)", sourceLocation: location)
}

/// Whether the numbers are the same up to a rounding error; NaN is NaN.
func close(_ left: [Double], _ right: [Double], _ tolerance: Double = 1e-12) -> Bool {
  left.count == right.count
    && zip(left, right).allSatisfy {
      $0 == $1 || ($0.isNaN && $1.isNaN) || abs($0 - $1) <= tolerance
    }
}
