import BurinIR

/// How a grid of vectors becomes one of other extents: each axis by a matrix of known numbers, so
/// that vectors from the model's files are resized when the model is compiled.
public struct Interpolation: Sendable {
  /// The share of each old place in each new one, row by row `[new, old]`.
  private let shares: @Sendable (_ new: Int, _ old: Int) -> [Double]

  /// PyTorch's `interpolate(mode="bicubic")` (Keys, 1981, with a = -0.75): four neighbours, those
  /// beyond the border like the border.
  public static let bicubic = Interpolation { new, old in
    var shares = [Double](repeating: 0, count: new * old)
    for place in 0..<new {
      let source = (Double(place) + 0.5) * Double(old) / Double(new) - 0.5
      let first = source.rounded(.down)
      for tap in -1...2 {
        let neighbour = min(max(Int(first) + tap, 0), old - 1)
        shares[place * old + neighbour] += keys(source - first - Double(tap), -0.75)
      }
    }
    return shares
  }

  /// The same with `antialias=True` (and a = -0.5): a smaller grid averages all that it leaves out.
  public static let smoothBicubic = Interpolation { new, old in
    var shares = [Double](repeating: 0, count: new * old)
    let step = Double(old) / Double(new)
    let scale = max(step, 1)
    for place in 0..<new {
      let center = (Double(place) + 0.5) * step
      let first = max(Int(center - 2 * scale + 0.5), 0)
      let end = min(Int(center + 2 * scale + 0.5), old)
      let weights = (first..<end).map { keys((Double($0) - center + 0.5) / scale, -0.5) }
      let sum = weights.reduce(0, +)
      for (offset, weight) in weights.enumerated() {
        shares[place * old + first + offset] = weight / sum
      }
    }
    return shares
  }

  /// `grid[rows, columns, width]`, all known, with other rows and columns.
  public func callAsFunction(_ grid: Tensor, rows: Int, columns: Int) -> Tensor {
    func resized(_ x: Tensor, _ new: Int) -> Tensor {
      let (old, middle, width) = (x.shape[0], x.shape[1], x.shape[2])
      guard let count = old.constant, count != new else { return x }
      return x.trace.constant(shares(new, count), shape: [new, count])
        .matmul(x.reshaped([old, middle * width])).reshaped([Dim(new), middle, width])
    }
    return resized(resized(grid, rows).transposed([1, 0, 2]), columns).transposed([1, 0, 2])
  }
}

/// The cubic of convolution at a distance from a place.
private func keys(_ distance: Double, _ a: Double) -> Double {
  let x = abs(distance)
  if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
}
