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
  /// Runs of this many tokens that may not occur twice; 0 for none.
  var noRepeatRun = 0
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
    if repetitionPenalty != 1 {
      let penalty = Float(repetitionPenalty)
      for id in Set(sequence) where logits.indices.contains(Int(id)) {
        let logit = logits[Int(id)]
        logits[Int(id)] = logit < 0 ? logit * penalty : logit / penalty
      }
    }
    if noRepeatRun > 0 { forbid(repeated(in: sequence)) }
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
        logits[id] += abs(logits[id]) * growth
      }
    }
    forbid(suppressed)
    // A forced first token is not yet the model's own.
    let isForced = forcedStart != nil && sequence.count - new == 1
    if new == (isForced ? 1 : 0) { forbid(suppressedFirst) }
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
