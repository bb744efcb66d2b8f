import BurinHub

/// A run of words that belong to one entity.
public struct EntitySpan: Hashable, Sendable {
  /// The entity's label without `B-` or `I-`.
  public var entity: String
  /// The mean over its tokens of the probability of each one's label.
  public var score: Double
  /// Where it begins and where it ends in the text, in Unicode scalars.
  public var start, end: Int
  /// The part of the text that it is.
  public var text: String
}

/// Finds entities in texts, as transformers' `TokenClassificationPipeline` does with the strategy
/// `simple`.
public struct EntityTagger {
  /// The model that reads the texts.
  public let model: TextModel

  /// A tagger over a model with a token classification head.
  ///
  /// - Throws: `TaskError` if the library's model has another task.
  public init(_ model: TextModel) throws {
    try model.require(.tokenClassification, for: "tag")
    self.model = model
  }

  /// The entities of each text, in the order of the text; what is labelled `O` is none.
  ///
  /// A text is cut to the model's maximum length where its files name one.
  public func callAsFunction(_ texts: [String]) throws -> [[EntitySpan]] {
    let encodings = try model.encode(texts, cutTo: model.description.maximumTokens)
    var results = [[EntitySpan]](repeating: [], count: texts.count)
    try model.run(encodings, outputs: ["logits"], byPosition: true) { place, outputs in
      let encoding = encodings[place]
      let scores = outputs[0]
      let labels = scores.shape[1]
      var tokens: [TaggedToken] = []
      for position in 0..<encoding.count where encoding.specialTokensMask[position] == 0 {
        let first = scores.values.startIndex + position * labels
        let probabilities = softmax(scores.values[first..<first + labels].map(Double.init))
        guard let best = firstMaximum(probabilities)
        else { continue }
        tokens.append(
          TaggedToken(
            label: model.description.label(best), score: probabilities[best],
            span: encoding.offsets[position]))
      }
      results[place] = entities(tokens, in: texts[place])
    }
    return results
  }
}

/// The place of the greatest value, the first of several; nil of none.
func firstMaximum<Value: Comparable>(_ values: [Value]) -> Int? {
  values.indices.max { (values[$0], $1) < (values[$1], $0) }
}

/// A token and its most probable label.
struct TaggedToken {
  var label: String
  var score: Double
  var span: Encoding.Span

  /// The label without `B-` or `I-`, and whether it was `B-`.
  var tag: (name: Substring, begins: Bool) {
    if label.hasPrefix("B-") { return (label.dropFirst(2), true) }
    if label.hasPrefix("I-") { return (label.dropFirst(2), false) }
    return (label[...], false)
  }
}

/// Neighbours of one label become one entity, unless the later one is marked as a beginning.
func entities(_ tokens: [TaggedToken], in text: String) -> [EntitySpan] {
  var groups: [[TaggedToken]] = []
  for token in tokens {
    if let last = groups.last?.last, last.tag.name == token.tag.name, !token.tag.begins {
      groups[groups.count - 1].append(token)
    } else {
      groups.append([token])
    }
  }
  let scalars = Array(text.unicodeScalars)
  return groups.compactMap { group in
    // What follows the first hyphen, as the original has it, and not only after B and I.
    let parts = group[0].label.split(
      separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let entity = String(parts[parts.count - 1])
    guard entity != "O" else { return nil }
    let start = group[0].span.start
    let end = group[group.count - 1].span.end
    return EntitySpan(
      entity: entity, score: group.reduce(0) { $0 + $1.score } / Double(group.count),
      start: start, end: end, text: slice(scalars, start, end))
  }
}

/// A part of a text between two numbers of scalars.
func slice(_ scalars: [Unicode.Scalar], _ start: Int, _ end: Int) -> String {
  var part = String.UnicodeScalarView()
  let first = min(max(start, 0), scalars.count)
  part.append(contentsOf: scalars[first..<max(first, min(end, scalars.count))])
  return String(part)
}
