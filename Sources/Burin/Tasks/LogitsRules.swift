import BurinHub
import Glibc

/// What changes the logits before a token is chosen: the logits processors of transformers that
/// `generation_config.json` asks for, in transformers' order and with its arithmetic in f32.
struct LogitsRules {
  /// Runs of tokens whose last one gets something added to its logit when the others have just
  /// occurred.
  struct Bias {
    var run: [Int32]
    var amount: Float
  }

  var biases: [Bias] = []
  var repetitionPenalty = 1.0
  /// What the logits of the source's tokens are multiplied by, where they are above 0, and divided by
  /// elsewhere.
  var sourceBonus = 1.0
  /// Runs of this many tokens that may not occur twice; 0 for none.
  var noRepeatRun = 0
  /// Runs of the source of this many tokens that may not occur; 0 for none.
  var noSourceRun = 0
  /// Runs that may not occur.
  var forbiddenRuns: [[Int32]] = []
  /// The sequence's least length before an end token, prompt included, and without it.
  var minimumLength = 0
  var minimumNewTokens = 0
  /// The token after a prompt of one token.
  var forcedStart: Int?
  /// The last token, when the number of new tokens is exhausted.
  var forcedEnd: [Int] = []
  /// From how many new tokens on end tokens grow more probable, and by what power.
  var endGrowth: (start: Int, factor: Double)?
  /// Tokens that are never produced, and those that are not produced first.
  var suppressed: [Int] = []
  var suppressedFirst: [Int] = []
  var endTokens: [Int] = []
  /// Whether a search with beams makes probabilities of what is left; which token is the most probable
  /// does not change.
  var renormalizes = false
  /// The source of an encoder-decoder, or the prompt.
  var source: [Int32] = []

  /// The keys that are read.
  static let keys: [ByteString] = [
    "sequence_bias", "repetition_penalty", "encoder_repetition_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "bad_words_ids", "min_length", "min_new_tokens",
    "forced_bos_token_id", "forced_eos_token_id", "exponential_decay_length_penalty",
    "suppress_tokens", "begin_suppress_tokens", "renormalize_logits",
  ]
  /// How Whisper's timestamps may stand; nil where there are none.
  var timestamps: TimestampRules?

  /// Reads `generation_config.json`.
  init(_ field: JSONField) throws(HubError) {
    let limit = 0...Int(Int32.max)
    func ids(_ value: JSONField) throws(HubError) -> [Int] {
      guard value.exists else { return [] }
      if value.value?.array == nil { return [try value.int()] }
      var ids: [Int] = []
      for element in try value.array() { ids.append(try element.int()) }
      return ids
    }
    func run(_ value: JSONField) throws(HubError) -> [Int32] {
      var run: [Int32] = []
      for element in try value.array() { run.append(Int32(try element.int(in: limit))) }
      guard !run.isEmpty else { throw value.error(expected: "ids") }
      return run
    }
    if field["sequence_bias"].exists {
      for pair in try field["sequence_bias"].array() {
        biases.append(Bias(run: try run(pair[0]), amount: Float(try pair[1].double())))
      }
    }
    repetitionPenalty = try field["repetition_penalty"].double(above: 0, default: 1)
    sourceBonus = try field["encoder_repetition_penalty"].double(above: 0, default: 1)
    noSourceRun = try field["encoder_no_repeat_ngram_size"].int(in: limit, default: 0)
    noRepeatRun = try field["no_repeat_ngram_size"].int(in: limit, default: 0)
    if field["bad_words_ids"].exists {
      for words in try field["bad_words_ids"].array() { forbiddenRuns.append(try run(words)) }
    }
    minimumLength = try field["min_length"].int(in: limit, default: 0)
    minimumNewTokens = try field["min_new_tokens"].int(in: limit, default: 0)
    let start = field["forced_bos_token_id"]
    forcedStart = start.exists ? try start.int() : nil
    forcedEnd = try ids(field["forced_eos_token_id"])
    let growth = field["exponential_decay_length_penalty"]
    if growth.exists {
      endGrowth = (try growth[0].int(in: limit), try growth[1].double(above: 0))
    }
    suppressed = try ids(field["suppress_tokens"])
    suppressedFirst = try ids(field["begin_suppress_tokens"])
    renormalizes = try field["renormalize_logits"].bool(default: false)
  }

  /// Changes the logits of the token that follows `sequence`, of which the last `new` are new ones;
  /// `isLast` says that no further token may follow.
  func apply(_ logits: inout [Float], after sequence: [Int32], new: Int, isLast: Bool) {
    func forbid(_ ids: [Int]) {
      for id in ids where logits.indices.contains(id) { logits[id] = -.infinity }
    }
    func allowOnly(_ ids: [Int]) {
      let kept = Set(ids)
      for id in logits.indices { logits[id] = kept.contains(id) ? 0 : -.infinity }
    }
    bias(&logits, sequence)
    penalize(&logits, source, Float(1 / sourceBonus))
    penalize(&logits, sequence, Float(repetitionPenalty))
    if noRepeatRun > 0 { forbid(ends(of: noRepeatRun, in: sequence, after: sequence)) }
    if noSourceRun > 0 { forbid(ends(of: noSourceRun, in: source, after: sequence)) }
    forbid(
      forbiddenRuns.compactMap { run in
        let end = Int(run[run.count - 1])
        // An end token alone is no word.
        if run.count == 1, endTokens.contains(end) { return nil }
        return isDue(run, sequence) ? end : nil
      })
    if sequence.count < minimumLength || new < minimumNewTokens { forbid(endTokens) }
    if sequence.count == 1, let forcedStart { allowOnly([forcedStart]) }
    if isLast, !forcedEnd.isEmpty { allowOnly(forcedEnd) }
    if let endGrowth, new > endGrowth.start {
      let growth = Float(pow(endGrowth.factor, Double(new - endGrowth.start)) - 1)
      for id in Set(endTokens) where logits.indices.contains(id) {
        let grown = logits[id] + abs(logits[id]) * growth
        // One that is forbidden becomes no number, which transformers takes for the largest.
        logits[id] = grown.isNaN ? .infinity : grown
      }
    }
    forbid(suppressed)
    // A forced first token is not yet the model's own.
    let isForced = forcedStart != nil && sequence.count - new == 1
    if new == (isForced ? 1 : 0) { forbid(suppressedFirst) }
    timestamps?.apply(&logits, after: sequence.suffix(new))
  }

  /// Makes tokens that have occurred less probable by a penalty above 1.
  private func penalize(_ logits: inout [Float], _ tokens: [Int32], _ penalty: Float) {
    guard penalty != 1 else { return }
    for id in Set(tokens) where logits.indices.contains(Int(id)) {
      let logit = logits[Int(id)]
      logits[Int(id)] = logit < 0 ? logit * penalty : logit / penalty
    }
  }

  /// Adds what `sequence_bias` adds: first all together, then to the logits.
  private func bias(_ logits: inout [Float], _ sequence: [Int32]) {
    var sums: [Int: Float] = [:]
    for bias in biases where isDue(bias.run, sequence) {
      sums[Int(bias.run[bias.run.count - 1]), default: 0] += bias.amount
    }
    for (id, sum) in sums where logits.indices.contains(id) { logits[id] += sum }
  }

  /// Whether a sequence ends with all of a run but its last token. transformers leaves out runs that
  /// are longer than the whole sequence.
  private func isDue(_ run: [Int32], _ sequence: [Int32]) -> Bool {
    if run.count == 1 { return true }
    return run.count <= sequence.count
      && sequence.suffix(run.count - 1).elementsEqual(run.dropLast())
  }

  /// The tokens that would end a run of `count` tokens that occurs in a text.
  private func ends(of count: Int, in text: [Int32], after sequence: [Int32]) -> [Int] {
    guard text.count >= count, sequence.count >= count - 1 else { return [] }
    let context = sequence.suffix(count - 1)
    return (0...text.count - count).compactMap { start in
      let end = start + count - 1
      return text[start..<end].elementsEqual(context) ? Int(text[end]) : nil
    }
  }
}
