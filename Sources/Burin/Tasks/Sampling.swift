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

  /// The probabilities that are drawn from: 0 for tokens left out, and not yet divided by the sum.
  func weights(_ logits: [Float]) -> [Double] {
    var scores = logits.map { $0 / Float(temperature) }
    if let topK, topK < scores.count {
      let least = scores.sorted(by: >)[topK - 1]
      for id in scores.indices where scores[id] < least { scores[id] = -.infinity }
    }
    if let topP, topP < 1 {
      // From the least probable up: what lies within 1 - p of the bottom goes, the last one stays.
      let probabilities = softmax(scores.map(Double.init))
      let order = scores.indices.sorted {
        (probabilities[$0], $1) < (probabilities[$1], $0)
      }
      var sum = 0.0
      for id in order.dropLast() {
        sum += probabilities[id]
        if sum <= 1 - topP { scores[id] = -.infinity }
      }
    }
    let greatest = Double(scores.max() ?? 0)
    var weights = scores.map { exp(Double($0) - greatest) }
    if let minP {
      // The most probable token has the weight 1.
      for id in weights.indices where weights[id] < minP { weights[id] = 0 }
    }
    return weights
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

/// What changes the logits before a token is chosen, in the order in which transformers applies it.
struct LogitsRules {
  var repetitionPenalty = 1.0
  /// Runs of this many tokens that may not occur twice; 0 for none.
  var noRepeatRun = 0
  /// The sequence's least length before an end token, prompt included, and without it.
  var minimumLength = 0
  var minimumNewTokens = 0
  /// The last token, when the number of new tokens is exhausted.
  var forcedEnd: [Int] = []
  /// Tokens that are never produced, and those that are not produced first.
  var suppressed: [Int] = []
  var suppressedFirst: [Int] = []
  var endTokens: [Int] = []

  /// Reads `generation_config.json`.
  init(_ field: JSONField) throws(HubError) {
    func ids(_ key: ByteString) throws(HubError) -> [Int] {
      let value = field[key]
      guard value.exists else { return [] }
      if value.value?.array == nil { return [try value.int()] }
      var ids: [Int] = []
      for element in try value.array() { ids.append(try element.int()) }
      return ids
    }
    repetitionPenalty = try field["repetition_penalty"].double(above: 0, default: 1)
    noRepeatRun = try field["no_repeat_ngram_size"].int(in: 0...Int(Int32.max), default: 0)
    minimumLength = try field["min_length"].int(in: 0...Int(Int32.max), default: 0)
    minimumNewTokens = try field["min_new_tokens"].int(in: 0...Int(Int32.max), default: 0)
    forcedEnd = try ids("forced_eos_token_id")
    suppressed = try ids("suppress_tokens")
    suppressedFirst = try ids("begin_suppress_tokens")
  }

  /// Changes the logits of the token that follows `sequence`, of which the last `new` are new ones;
  /// `isLast` says that no further token may follow.
  func apply(_ logits: inout [Float], after sequence: [Int32], new: Int, isLast: Bool) {
    func forbid(_ ids: [Int]) {
      for id in ids where logits.indices.contains(id) { logits[id] = -.infinity }
    }
    if repetitionPenalty != 1 {
      let penalty = Float(repetitionPenalty)
      for id in Set(sequence) where logits.indices.contains(Int(id)) {
        let logit = logits[Int(id)]
        logits[Int(id)] = logit < 0 ? logit * penalty : logit / penalty
      }
    }
    if noRepeatRun > 0 { forbid(repeated(in: sequence)) }
    if sequence.count < minimumLength || new < minimumNewTokens { forbid(endTokens) }
    if isLast, !forcedEnd.isEmpty {
      let kept = Set(forcedEnd)
      for id in logits.indices { logits[id] = kept.contains(id) ? 0 : -.infinity }
    }
    forbid(suppressed)
    if new == 0 { forbid(suppressedFirst) }
  }

  /// The tokens that would end a run of `noRepeatRun` tokens that has occurred.
  private func repeated(in sequence: [Int32]) -> [Int] {
    let context = sequence.suffix(noRepeatRun - 1)
    guard sequence.count >= noRepeatRun else { return [] }
    return (0...sequence.count - noRepeatRun).compactMap { start in
      let end = start + noRepeatRun - 1
      return sequence[start..<end].elementsEqual(context) ? Int(sequence[end]) : nil
    }
  }
}
