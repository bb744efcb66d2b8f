import Glibc

/// The discrete Fourier transform of a fixed length, in double precision, by the prime factors of
/// that length (Cooley and Tukey, 1965): 400 = 4 x 4 x 5 x 5 takes 18 complex products a value.
struct FourierTransform {
  /// Complex numbers, real and imaginary parts apart.
  struct Values {
    var real, imaginary: [Double]

    init(count: Int) {
      real = Array(repeating: 0, count: count)
      imaginary = real
    }
  }

  let count: Int
  private let factors: [Int]
  /// cos and -sin of the circle's `count` parts.
  private let cosines, sines: [Double]

  /// - Requires: `count` of at least 1.
  init(_ count: Int) {
    self.count = count
    factors = FourierTransform.factors(of: count)
    cosines = (0..<count).map { cos(2 * .pi * Double($0) / Double(count)) }
    sines = (0..<count).map { -sin(2 * .pi * Double($0) / Double(count)) }
  }

  private static func factors(of count: Int) -> [Int] {
    var rest = count
    var factors: [Int] = []
    for factor in [4, 2, 3, 5] {
      while rest % factor == 0 {
        factors.append(factor)
        rest /= factor
      }
    }
    var factor = 7
    while rest > 1 {
      if factor * factor > rest { factor = rest }
      while rest % factor == 0 {
        factors.append(factor)
        rest /= factor
      }
      factor += 2
    }
    return factors
  }

  /// `X[k] = sum over n of x[n] exp(-2 pi i k n / count)`.
  func callAsFunction(_ values: Values) -> Values {
    var (from, to) = (values, Values(count: count))
    // Stockham's order: after the factors p1 to pj, `done` = p1 ... pj, each column of the matrix
    // [done, count / done] holds the transform of every (count / done)-th value.
    var done = 1
    for factor in factors {
      pass(factor, done, from, &to)
      swap(&from, &to)
      done *= factor
    }
    return from
  }

  /// Joins `factor` transforms of `done` values each into one, for every column.
  private func pass(_ factor: Int, _ done: Int, _ from: Values, _ to: inout Values) {
    let columns = count / (done * factor)
    let whole = done * factor
    for row in 0..<done {
      for part in 0..<factor {
        // The output row `row + part * done` of transforms of `whole` values.
        let target = row + part * done
        let turn = target * (count / whole)
        for column in 0..<columns {
          var (real, imaginary) = (0.0, 0.0)
          var angle = 0
          for source in 0..<factor {
            // Column `column + source * columns` of the matrix [done, count / done].
            let place = row * (columns * factor) + source * columns + column
            let (c, s) = (cosines[angle], sines[angle])
            let (x, y) = (from.real[place], from.imaginary[place])
            real += x * c - y * s
            imaginary += x * s + y * c
            angle += turn
            if angle >= count { angle -= count }
          }
          to.real[target * columns + column] = real
          to.imaginary[target * columns + column] = imaginary
        }
      }
    }
  }
}
