import BurinHub
import Glibc

/// How the next token is drawn; the arithmetic and the order are those of transformers' logits
/// processors.
public struct Sampling: Hashable, Sendable {
  /// What the logits are divided by; above 0.
  public var temperature: Double
  /// How many of the most probable tokens are kept; nil for all.
  public var topK: Int?
  /// The most probable tokens are kept until their sum reaches this, from above 0 to 1.
  public var topP: Double?
  /// Tokens less probable than this part of the most probable one are left out; from 0 to 1.
  public var minP: Double?
  /// What the draws follow from.
  public var seed: UInt64

  /// Sampling from all tokens unless something is left out.
  ///
  /// - Throws: `TaskError` for a value out of its range.
  public init(
    temperature: Double = 1, topK: Int? = nil, topP: Double? = nil, minP: Double? = nil,
    seed: UInt64 = .random(in: 0...UInt64(Int64.max))
  ) throws {
    func check(_ name: String, _ value: Double?, _ isRight: (Double) -> Bool, _ expected: String)
      throws
    {
      if let value, !isRight(value) {
        throw TaskError(.badOption, "\(name): expected \(expected), found \(value)")
      }
    }
    try check("temperature", temperature, { $0 > 0 && $0.isFinite }, "a number above 0")
    try check("top-p", topP, { $0 > 0 && $0 <= 1 }, "a number above 0 and at most 1")
    try check("min-p", minP, { $0 >= 0 && $0 <= 1 }, "a number from 0 to 1")
    if let topK, topK < 1 {
      throw TaskError(.badOption, "top-k: expected an integer of at least 1, found \(topK)")
    }
    self.temperature = temperature
    self.topK = topK
    self.topP = topP
    self.minP = minP
    self.seed = seed
  }

  /// The logits after temperature, top-k, top-p and min-p, in this order; -infinity for tokens left
  /// out. The arithmetic is in f32 where transformers' is, for what lies on a border must fall on
  /// the same side.
  func filtered(_ logits: [Float]) -> [Float] {
    var scores = logits.map { $0 / Float(temperature) }
    if let topK, topK < scores.count {
      let least = scores.sorted(by: >)[topK - 1]
      for id in scores.indices where scores[id] < least { scores[id] = -.infinity }
    }
    if let topP, topP < 1 {
      // From the least probable up: what lies within 1 - p of the bottom goes, the last one stays.
      let probabilities = Self.probabilities(scores)
      let order = scores.indices.sorted { (scores[$0], $0) < (scores[$1], $1) }
      let bound = Float(1 - topP)
      var sum = 0.0
      for id in order.dropLast() {
        sum += Double(probabilities[id])
        guard Float(sum) <= bound else { break }
        scores[id] = -.infinity
      }
    }
    if let minP, let best = scores.indices.max(by: { scores[$0] < scores[$1] }) {
      let probabilities = Self.probabilities(scores)
      let least = Float(minP) * probabilities[best]
      for id in scores.indices where id != best && probabilities[id] < least {
        scores[id] = -.infinity
      }
    }
    return scores
  }

  /// The exponentials divided by their sum, each rounded to f32.
  private static func probabilities(_ scores: [Float]) -> [Float] {
    let greatest = scores.max() ?? 0
    let powers = scores.map { expf($0 - greatest) }
    let sum = Float(powers.reduce(0.0) { $0 + Double($1) })
    return powers.map { $0 / sum }
  }

  /// The probabilities that are drawn from: 0 for tokens left out, and not yet divided by the sum.
  func weights(_ logits: [Float]) -> [Double] {
    let scores = filtered(logits)
    let greatest = Double(scores.max() ?? 0)
    return scores.map { exp(Double($0) - greatest) }
  }
}

/// A sequence of random numbers that follows from its seed on every machine (SplitMix64, Steele et
/// al. 2014).
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// An index, each as probable as its weight; none of weight 0.
  mutating func draw(_ weights: [Double]) -> Int {
    let total = weights.reduce(0, +)
    var rest = Double(next() >> 11) * 0x1p-53 * total
    var last = 0
    for (index, weight) in weights.enumerated() where weight > 0 {
      last = index
      rest -= weight
      if rest < 0 { break }
    }
    return last
  }
}
