/// Guesses how a text goes on from where its last tokens have stood before (Saxena, 2023): what
/// repeats itself, such as code or an answer that quotes its question, costs fewer steps.
struct PromptLookup {
  /// How many tokens are guessed at once, at most.
  static let longest = GenerationOptions.longestPromptLookup

  /// Three tokens in a row, or two.
  private struct Run: Hashable {
    let first: Int32?
    let second, third: Int32
  }

  private let limit: Int
  /// The place behind the last run of these tokens that something follows.
  private var places: [Run: Int] = [:]
  private var sequence: [Int32] = []
  /// How many tokens are guessed next, and how many steps pass before.
  private var width = 4
  private var pause = 0
  /// How many steps pass after another guess that does not pay.
  private var penalty = 1
  /// How long a step of one token takes, of late.
  private var stepSeconds: Double?

  /// - Parameter limit: how many tokens are guessed at once, at most; 0 for none.
  init(limit: Int) { self.limit = min(limit, Self.longest) }

  /// The tokens that followed where the end of `text` stood before; empty without such a place, and
  /// for a while after guesses that did not pay.
  ///
  /// - Parameter room: how many may be guessed.
  mutating func drafts(after text: [Int32], room: Int) -> [Int32] {
    guard limit > 0 else { return [] }
    while sequence.count < text.count {
      let place = sequence.count
      for run in runs(endingAt: place) { places[run] = place }
      sequence.append(text[place])
    }
    if pause > 0 {
      pause -= 1
      return []
    }
    guard let run = runs(endingAt: sequence.count).first(where: { places[$0] != nil }),
      let place = places[run]
    else { return [] }
    return Array(sequence[place...].prefix(min(width, limit, room)))
  }

  /// Learns how long a step without drafts took.
  mutating func note(step seconds: Double) {
    stepSeconds = stepSeconds.map { 0.75 * $0 + 0.25 * seconds } ?? seconds
  }

  /// Learns how many of the drafts were right, and how long checking them took: experts that other
  /// tokens choose, or products that multiply as fast as memory gives, can cost more than they save.
  mutating func note(accepted: Int, of drafts: Int, seconds: Double) {
    let pays = stepSeconds.map { seconds <= $0 * Double(accepted + 1) } ?? true
    if accepted == 0 || !pays {
      pause = penalty
      penalty = min(2 * penalty, 32)
      width = 2
    } else {
      penalty = 1
      width = accepted == drafts ? min(2 * width, Self.longest) : accepted + 1
    }
  }

  /// The tokens before a place, the longer run first.
  private func runs(endingAt place: Int) -> [Run] {
    guard place >= 2 else { return [] }
    let short = Run(first: nil, second: sequence[place - 2], third: sequence[place - 1])
    guard place >= 3 else { return [short] }
    return [
      Run(first: sequence[place - 3], second: short.second, third: short.third), short,
    ]
  }
}

extension Generator {
  /// Appends tokens to the sequence, of which all but the first are guesses, and gives the logits
  /// after each.
  ///
  /// - Parameter span: how many tokens the sequence has without the guesses.
  func verify(_ tokens: [Int32], span: Int) throws -> [[Float]] {
    var inputs = ["input_ids": HostTensor(tokens, shape: [1, tokens.count])]
    if model.description.longContext != nil {
      inputs["rope_lengths"] = HostTensor([Int32(span)], shape: [1])
    }
    let outputs = try model.runner.run("verify", inputs, outputs: ["logits"])
    let logits = outputs["logits"]?.floats ?? []
    guard !logits.isEmpty, logits.count.isMultiple(of: tokens.count) else {
      throw TaskError("\(model.name): expected the output logits of verify, found none")
    }
    let width = logits.count / tokens.count
    return tokens.indices.map { Array(logits[$0 * width..<($0 + 1) * width]) }
  }
}
