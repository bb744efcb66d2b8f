import Glibc

/// Draws from the distributions of forecasts; what is drawn follows from the generator alone, on every
/// machine with the same C library.
extension SeededRandom {
  /// From above 0 to 1, in steps of 2⁻⁵³.
  mutating func uniform() -> Double { Double((next() >> 11) + 1) * 0x1p-53 }

  /// The standard normal distribution (Box and Muller, 1958; the cosine of each pair).
  mutating func normal() -> Double {
    let radius = (-2 * log(uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }

  /// The gamma distribution of scale 1 (Marsaglia and Tsang, 2000).
  mutating func gamma(shape: Double) -> Double {
    guard shape >= 1 else {
      return gamma(shape: shape + 1) * pow(uniform(), 1 / shape)
    }
    let d = shape - 1.0 / 3
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
      if v > 0, log(uniform()) < x * x / 2 + d - d * v + d * log(v) { return d * v }
    }
  }

  /// The Poisson distribution: by products of uniform numbers for small means, by transformed
  /// rejection (Hörmann, 1993, PTRS) for others.
  mutating func poisson(mean: Double) -> Double {
    guard mean >= 10 else {
      var (count, product) = (0.0, uniform())
      let bound = exp(-mean)
      while product > bound {
        count += 1
        product *= uniform()
      }
      return count
    }
    let b = 0.931 + 2.53 * mean.squareRoot()
    let a = -0.059 + 0.02483 * b
    let inverseAlpha = 1.1239 + 1.1328 / (b - 3.4)
    let vr = 0.9277 - 3.6224 / (b - 2)
    while true {
      let (u, v) = (uniform() - 0.5, uniform())
      let us = 0.5 - abs(u)
      let k = ((2 * a / us + b) * u + mean + 0.43).rounded(.down)
      if us >= 0.07, v <= vr { return k }
      guard k >= 0, us >= 0.013 || v <= us else { continue }
      let accepted = log(v) + log(inverseAlpha) - log(a / (us * us) + b)
      if accepted <= k * log(mean) - mean - lgamma(k + 1) { return k }
    }
  }

  /// A value of a forecast's distribution, shifted and scaled as the series was.
  ///
  /// - Parameters:
  ///   - parameters: in the order of the distribution.
  ///   - shift: what the series was shifted by; a count is not.
  ///   - scale: what it was divided by.
  mutating func draw(
    _ distribution: SeriesDistribution, _ parameters: [Float], shift: Float, scale: Float
  ) -> Float {
    let p = parameters.map { Double($0) }
    switch distribution {
    case .studentT:
      let z = normal()
      let t = z * (p[0] / (2 * gamma(shape: p[0] / 2))).squareRoot()
      return Float((p[1] + p[2] * t) * Double(scale) + Double(shift))
    case .normal:
      return Float((p[0] + p[1] * normal()) * Double(scale) + Double(shift))
    case .negativeBinomial:
      // Scaled by its logits, for what it counts is whole.
      return Float(poisson(mean: gamma(shape: p[0]) * exp(p[1]) * Double(scale)))
    }
  }
}
