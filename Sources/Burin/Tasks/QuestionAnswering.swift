import BurinHub

/// A part of a context that answers a question.
public struct Answer: Hashable, Sendable {
  /// The part of the context.
  public var answer: String
  /// The probability of its first token times that of its last, summed over spans of one wording.
  public var score: Double
  /// Where it begins and where it ends in the context, in Unicode scalars.
  public var start, end: Int
}

/// Finds answers in a context, as transformers' `QuestionAnsweringPipeline` does.
public struct QuestionAnswerer {
  /// The model that reads question and context.
  public let model: TextModel
  /// Tokens of an answer, at most.
  public var maximumAnswerLength = 15
  /// Tokens of question and context together; longer contexts are read in windows.
  public var maximumWindow = 384
  /// Tokens that neighbouring windows share.
  public var stride = 128

  /// An answerer over a model with a question answering head.
  ///
  /// - Throws: `TaskError` if the library's model has another task.
  public init(_ model: TextModel) throws {
    try model.require(.questionAnswering, for: "answer")
    self.model = model
  }

  /// The best answers, the best first; at most `count`, none if the context has no token.
  public func callAsFunction(
    question: String, context: String, count: Int = 1
  ) throws -> [Answer] {
    guard !question.isEmpty, !context.isEmpty else {
      throw TaskError("answer needs a question and a context, found an empty one")
    }
    let window = min(
      maximumWindow, min(model.description.maximumTokens ?? .max, model.maximumLength))
    let whole = try model.tokenizer().encode(
      question, pair: context,
      truncation: Truncation(
        maxLength: window, strategy: .onlySecond, stride: min(stride, window / 2)))
    let windows = [whole] + whole.overflowing
    var scores = [(start: [Float], end: [Float])](repeating: ([], []), count: windows.count)
    try model.run(windows, outputs: ["start_logits", "end_logits"], byPosition: true) {
      scores[$0] = (Array($1[0].values), Array($1[1].values))
    }
    // The token that a sequence begins with: its score counts as that of no answer.
    let classifier = try model.specialID("cls_token")
    let scalars = Array(context.unicodeScalars)
    var answers: [Answer] = []
    for (encoding, logits) in zip(windows, scores) {
      // More spans than are asked for: some turn out to be the same words.
      let spans = bestSpans(encoding, logits, classifier: classifier, count: 2 * count + 10)
      for span in spans {
        let (start, end) = words(encoding, span.first, span.last)
        let text = slice(scalars, start, end)
        if let same = answers.firstIndex(where: { equalIgnoringCase($0.answer, text) }) {
          answers[same].score += span.score
        } else {
          answers.append(Answer(answer: text, score: span.score, start: start, end: end))
        }
      }
    }
    let order = answers.indices.sorted {
      (answers[$1].score, $0) < (answers[$0].score, $1)
    }
    return order.prefix(count).map { answers[$0] }
  }

  private struct Span {
    var first, last: Int
    var score: Double
  }

  /// The spans of context tokens whose first and last token are the most probable.
  private func bestSpans(
    _ encoding: Encoding, _ logits: (start: [Float], end: [Float]), classifier: Int32?,
    count: Int
  ) -> [Span] {
    let inContext = encoding.sequenceIDs.map { $0 == 1 }
    func probabilities(_ logits: [Float]) -> [Double] {
      var scores = logits.map(Double.init)
      for place in scores.indices where !inContext[place] && encoding.ids[place] != classifier {
        scores[place] = -10_000
      }
      return softmax(scores)
    }
    let starts = probabilities(logits.start)
    let ends = probabilities(logits.end)
    var spans: [Span] = []
    for first in starts.indices where inContext[first] {
      for last in first..<min(first + maximumAnswerLength, ends.count) where inContext[last] {
        spans.append(Span(first: first, last: last, score: starts[first] * ends[last]))
      }
    }
    spans.sort { ($1.score, $0.first, $0.last) < ($0.score, $1.first, $1.last) }
    return Array(spans.prefix(count))
  }

  /// From the beginning of the word that a token is part of to the end of another's.
  private func words(_ encoding: Encoding, _ first: Int, _ last: Int) -> (start: Int, end: Int) {
    func word(_ token: Int) -> Encoding.Span? {
      guard let word = encoding.wordIDs[token] else { return nil }
      let places = encoding.ids.indices.filter {
        encoding.sequenceIDs[$0] == 1 && encoding.wordIDs[$0] == word
      }
      guard let first = places.first, let last = places.last else { return nil }
      return Encoding.Span(
        start: encoding.offsets[first].start, end: encoding.offsets[last].end)
    }
    guard let start = word(first)?.start, let end = word(last)?.end else {
      return (encoding.offsets[first].start, encoding.offsets[last].end)
    }
    return (start, end)
  }

  private func equalIgnoringCase(_ a: String, _ b: String) -> Bool {
    Array(a.lowercased().utf8) == Array(b.lowercased().utf8)
  }
}
