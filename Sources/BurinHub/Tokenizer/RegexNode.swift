/// A regular expression as read: the dialect of Oniguruma that tokenizers are written in.
indirect enum RegexNode {
  case set(ScalarSet)
  case sequence([RegexNode])
  case choice([RegexNode])
  case repetition(RegexNode, min: Int, max: Int?, RegexGreed)
  case look(RegexNode, isAhead: Bool, isNegative: Bool)
  case atomic(RegexNode)
  case assertion(RegexAssertion)

  /// Whether the node can match without taking a scalar.
  var isNullable: Bool {
    switch self {
    case .set: false
    case .sequence(let parts): parts.allSatisfy(\.isNullable)
    case .choice(let parts): parts.contains(where: \.isNullable)
    case .repetition(let body, let min, _, _): min == 0 || body.isNullable
    case .look, .assertion: true
    case .atomic(let body): body.isNullable
    }
  }
}

/// How a repetition chooses its length.
enum RegexGreed { case greedy, lazy, possessive }

/// Conditions on a place in the text.
enum RegexAssertion: Sendable {
  case lineStart, lineEnd, textStart, textEnd, textEndOrNewline, wordBoundary, noWordBoundary
}

/// Why a pattern cannot be used.
struct RegexError: Error {
  /// One line.
  var message: String
}
