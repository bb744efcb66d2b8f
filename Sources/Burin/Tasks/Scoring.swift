import BurinHub
import Glibc

/// How probable a model finds a text, token by token.
public struct TextScore: Hashable, Sendable {
  /// The text's ids.
  public var tokens: [Int32]
  /// The natural logarithm of each token's probability after those before it; nil for the first,
  /// which nothing precedes.
  public var logProbabilities: [Double?]

  /// The sum over all tokens that have a probability.
  public var sum: Double { logProbabilities.compactMap { $0 }.reduce(0, +) }

  /// The exponential of the negated mean over the tokens that have a probability; nil if none has.
  public var perplexity: Double? {
    let count = logProbabilities.count { $0 != nil }
    return count == 0 ? nil : exp(-sum / Double(count))
  }
}

/// Gives texts their probabilities under a decoder: what transformers' loss is the mean of.
public struct TextScorer {
  /// The decoder.
  public let model: TextModel

  /// A scorer over a model with a language model head.
  ///
  /// - Throws: `TaskError` if the library's model has another one.
  public init(_ model: TextModel) throws {
    try model.require(.languageModel, for: "score")
    self.model = model
  }

  /// Scores texts, with what the tokenizer adds to them.
  ///
  /// - Throws: `TaskError` for a text without tokens, or with more than the library takes.
  public func callAsFunction(_ texts: [String]) throws -> [TextScore] {
    try model.encode(texts).map { try self($0.ids) }
  }

  /// Scores a text, with what the tokenizer adds to it.
  ///
  /// - Throws: `TaskError` for a text without tokens, or with more than the library takes.
  public func callAsFunction(_ text: String) throws -> TextScore { try self([text])[0] }

  /// Scores ids, which are taken as they are.
  public func callAsFunction(_ ids: [Int32]) throws -> TextScore {
    try model.check(count: ids.count, ofText: 0, among: 1)
    let outputs = try model.runner.run(
      "forward", ["input_ids": HostTensor(ids, shape: [1, ids.count])], outputs: ["logits"])
    guard let logits = outputs["logits"]?.floats, !logits.isEmpty,
      logits.count.isMultiple(of: ids.count)
    else { throw TaskError("\(model.name): expected the output logits of forward, found none") }
    let width = logits.count / ids.count
    let following = ids.dropFirst().enumerated().map { place, id -> Double? in
      let row = logits[place * width..<(place + 1) * width]
      return Double(row[row.startIndex + Int(id)]) - logarithmOfSum(row)
    }
    return TextScore(tokens: ids, logProbabilities: [nil] + following)
  }
}

/// The logarithm of the sum of the exponentials of some logits, in double precision.
func logarithmOfSum(_ logits: ArraySlice<Float>) -> Double {
  let greatest = Double(logits.max() ?? 0)
  guard greatest.isFinite else { return greatest }
  return greatest + log(logits.reduce(0.0) { $0 + exp(Double($1) - greatest) })
}
