import BurinIR

/// The parametric distributions of forecasts.
public enum SeriesDistribution: String, Hashable, Sendable, CaseIterable {
  /// Student's t with degrees of freedom, location and scale.
  case studentT = "student_t"
  /// The normal distribution with location and scale.
  case normal
  /// The negative binomial distribution with total count and logits, for counts.
  case negativeBinomial = "negative_binomial"

  /// How many parameters it has: degrees of freedom, location and scale; location and scale; or
  /// total count and logits.
  public var parameters: Int { self == .studentT ? 3 : 2 }
}

/// The parameters of a distribution for each of some values, from the vector that stands for them:
/// projections, and what takes them to where they may lie.
struct DistributionHead {
  let distribution: SeriesDistribution
  let inputs: Int
  /// How many values the distribution is over.
  let values: Int
  let weights: Weights

  /// - Parameter x: `[..., inputs]`.
  /// - Returns: the parameters in order, `[..., values]` each.
  func callAsFunction(_ x: Tensor) -> [Tensor] {
    let raw = (0..<distribution.parameters).map { index in
      Linear(inputs, values, weights["proj"][index])(x)
    }
    // A scale of 0 would be no distribution: not below the epsilon of f32.
    func scale(_ x: Tensor) -> Tensor {
      positive(x).binary(.maximum, x.trace.constant(0x1p-23))
    }
    return switch distribution {
    case .studentT: [positive(raw[0]) + 2, raw[1], scale(raw[2])]
    case .normal: [raw[0], scale(raw[1])]
    case .negativeBinomial: [positive(raw[0]), raw[1]]
    }
  }

  /// Squareplus (Barron, 2021): `(x + sqrt(x² + 4)) / 2`.
  private func positive(_ x: Tensor) -> Tensor { (x + (x * x + 4).squareRoot()) * 0.5 }
}
