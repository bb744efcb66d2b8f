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
      let least = Self.greatest(topK, of: scores)
      for id in scores.indices where scores[id] < least { scores[id] = -.infinity }
    }
    if let topP, topP < 1 {
      Self.leaveOutLeast(upTo: Float(1 - topP), of: &scores)
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

  /// Which floats are near each other: the upper 16 bits of what orders floats as integers. A vocabulary is
  /// sorted for each token, and nothing but the neighbours of a border has to be.
  private static func neighbourhood(_ value: Float) -> Int {
    let bits = value.bitPattern
    return Int((bits >> 31 == 0 ? bits | 1 << 31 : ~bits) >> 16)
  }

  /// The `count`-th greatest score.
  private static func greatest(_ count: Int, of scores: [Float]) -> Float {
    var populations = [Int](repeating: 0, count: 1 << 16)
    for score in scores { populations[neighbourhood(score)] += 1 }
    var border = populations.count - 1
    var rest = count
    while rest > populations[border] {
      rest -= populations[border]
      border -= 1
    }
    return scores.filter { neighbourhood($0) == border }.sorted(by: >)[rest - 1]
  }

  /// Leaves out, from the least probable token up, those that together are no more probable than `bound`;
  /// the most probable one stays.
  private static func leaveOutLeast(upTo bound: Float, of scores: inout [Float]) {
    let probabilities = probabilities(scores)
    var sums = [Double](repeating: 0, count: 1 << 16)
    for probability in probabilities where probability > 0 {
      sums[neighbourhood(probability)] += Double(probability)
    }
    let last = neighbourhood(probabilities.max() ?? 0)
    var border = neighbourhood(0)
    var sum = 0.0
    while border < last, Float(sum + sums[border]) <= bound {
      sum += sums[border]
      border += 1
    }
    var neighbours: [Int] = []
    for id in scores.indices {
      let place = neighbourhood(probabilities[id])
      if place < border { scores[id] = -.infinity }
      if place == border { neighbours.append(id) }
    }
    neighbours.sort { (scores[$0], $0) < (scores[$1], $1) }
    for id in border == last ? neighbours.dropLast() : neighbours[...] {
      sum += Double(probabilities[id])
      guard Float(sum) <= bound else { break }
      scores[id] = -.infinity
    }
  }

  /// The exponentials divided by their sum, each rounded to f32.
  private static func probabilities(_ scores: [Float]) -> [Float] {
    let greatest = scores.max() ?? 0
    let powers = scores.map { $0 == -.infinity ? 0 : expf($0 - greatest) }
    let sum = Float(powers.reduce(0.0) { $0 + Double($1) })
    return powers.map { $0 / sum }
  }

  /// The probabilities that are drawn from: 0 for tokens left out, and not yet divided by the sum.
  func weights(_ logits: [Float]) -> [Double] {
    let scores = filtered(logits)
    let greatest = Double(scores.max() ?? 0)
    return scores.map { $0 == -.infinity ? 0 : exp(Double($0) - greatest) }
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
