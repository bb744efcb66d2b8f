import BurinHub
import CBurin
import Glibc

/// When a beam search has enough finished sequences.
public enum EarlyStopping: Hashable, Sendable {
  /// When as many have finished as there are beams.
  case whenFull
  /// When the best running beam, if it ended at its length, would be no better than the worst.
  case heuristic
  /// When no running beam can become better than the worst, whatever its length.
  case never

  /// Reads transformers' `early_stopping`: true, false or "never"; false if it is absent.
  init(_ field: JSONField) throws(HubError) {
    if !field.exists {
      self = .heuristic
    } else if let value = field.value?.bool {
      self = value ? .whenFull : .heuristic
    } else if field.value?.string == "never" {
      self = .never
    } else {
      throw field.error(expected: "true, false or \"never\"")
    }
  }
}

/// A beam search over one prompt: which sequences are alive, which have finished, and when no
/// better one can come. It decides as transformers does, with its arithmetic in f32.
struct BeamSearch {
  /// A sequence of new tokens and the sum of their log-probabilities; of a finished one, that sum
  /// divided by a power of its length.
  struct Beam: Equatable {
    var tokens: [Int32]
    var score: Float
    /// The sum of the tokens' log-probabilities among those that were allowed; 0 unless asked for.
    var logProbability: Float = 0
    /// The running beam that it continues.
    var source = 0
    var isFinished = false
  }

  /// The most new tokens.
  let maximumLength: Int
  let lengthPenalty: Double
  let earlyStopping: EarlyStopping
  let endTokens: Set<Int32>

  /// The beams to go on with, best first; each continues the beam `source` of those before.
  private(set) var running: [Beam]
  /// The best sequences that have finished, best first; before there are enough, others among them.
  private(set) var finished: [Beam]
  /// Whether no further step is wanted.
  private(set) var isDone = false
  private var canImprove = true

  /// What sequences that must not be chosen are pushed down by.
  private static let worst: Float = -1e9

  init(
    beams: Int, maximumLength: Int, lengthPenalty: Double, earlyStopping: EarlyStopping,
    endTokens: [Int]
  ) {
    self.maximumLength = maximumLength
    self.lengthPenalty = lengthPenalty
    self.earlyStopping = earlyStopping
    self.endTokens = Set(endTokens.compactMap { Int32(exactly: $0) })
    // All beams begin alike: only the first one may be continued at first.
    running = (0..<beams).map { Beam(tokens: [], score: $0 == 0 ? 0 : Self.worst) }
    finished = Array(repeating: Beam(tokens: [], score: Self.worst), count: beams)
  }

  /// Takes the log-probabilities of the token that follows each running beam.
  ///
  /// - Parameter allowed: the logarithm of what those of a beam sum up to, where each beam is to know
  ///   its own.
  mutating func advance(_ logProbabilities: [[Float]], allowed: [Float]? = nil) {
    let beams = running.count
    // So many that, whatever ends, enough beams stay.
    let candidates = best(
      max(2, 1 + endTokens.count) * beams, of: logProbabilities, allowed: allowed)
    let length = candidates[0].tokens.count
    let ends = candidates.map { beam in
      length == maximumLength || beam.tokens.last.map(endTokens.contains) == true
    }
    running = Self.best(
      beams,
      of: zip(candidates, ends).map { beam, ends in
        var beam = beam
        if ends { beam.score += Self.worst }
        return beam
      })
    let isFull = earlyStopping == .whenFull && finished.allSatisfy(\.isFinished)
    let divisor = Float(pow(Double(length), lengthPenalty))
    let ended = candidates.indices.map { place in
      var beam = candidates[place]
      // Candidates beyond the number of beams are only there to go on with.
      beam.isFinished = ends[place] && place < beams
      beam.score /= divisor
      if isFull { beam.score += Self.worst }
      if !canImprove { beam.score += Self.worst }
      if !beam.isFinished { beam.score += Self.worst }
      return beam
    }
    finished = Self.best(beams, of: finished + ended)
    canImprove = canImprove && mayImprove(length)
    isDone =
      !canImprove || ends.allSatisfy { $0 }
      || (earlyStopping == .whenFull && finished.allSatisfy(\.isFinished))
  }

  /// Whether the best running beam may yet be better than a finished one.
  private func mayImprove(_ length: Int) -> Bool {
    let reach = earlyStopping == .never && lengthPenalty > 0 ? maximumLength : length
    let possible = running[0].score / Float(pow(Double(reach), lengthPenalty))
    let least = finished.map(\.score).min() ?? Self.worst
    return finished.contains { possible > ($0.isFinished ? least : Self.worst) }
  }

  /// The most probable continuations, best first.
  private func best(
    _ count: Int, of logProbabilities: [[Float]], allowed: [Float]?
  ) -> [Beam] {
    var kept: [(score: Float, beam: Int, token: Int)] = []
    for (beam, row) in logProbabilities.enumerated() {
      for (token, value) in row.enumerated() {
        let score = value + running[beam].score
        if kept.count == count {
          guard score > kept[count - 1].score else { continue }
          kept.removeLast()
        }
        let place = kept.lastIndex { $0.score >= score }.map { $0 + 1 } ?? 0
        kept.insert((score, beam, token), at: place)
      }
    }
    return kept.map { score, source, token in
      let beam = running[source]
      let own = allowed.map { logProbabilities[source][token] - $0[source] } ?? 0
      return Beam(
        tokens: beam.tokens + [Int32(token)], score: score,
        logProbability: beam.logProbability + own, source: source)
    }
  }

  /// The beams of the highest scores, best first; of equal ones the first.
  private static func best(_ count: Int, of beams: [Beam]) -> [Beam] {
    let order = beams.indices.sorted {
      (beams[$1].score, $0) < (beams[$0].score, $1)
    }
    return order.prefix(count).map { beams[$0] }
  }
}

/// The logarithm of the softmax, in f32.
func logSoftmax(_ logits: some Collection<Float>) -> [Float] {
  let row = logits.withContiguousStorageIfAvailable { logits in
    [Float](unsafeUninitializedCapacity: logits.count) { row, count in
      burin_log_softmax(logits.baseAddress, logits.count, row.baseAddress)
      count = logits.count
    }
  }
  return row ?? logSoftmax(Array(logits))
}

extension Generator {
  /// Searches for the most probable continuation with several beams; no text is certain before the
  /// end, so it comes whole.
  func search(
    _ prompt: [Int32], _ options: GenerationOptions, count: Int, _ rules: LogitsRules,
    receive: (String) throws -> Bool, isCancelled: () -> Bool
  ) throws -> Generation {
    try check(options)
    // Every beam reads the same source, which a reordering leaves where it is.
    let source = isEncoderDecoder ? try encode(source: prompt, sequences: options.beams) : nil
    let start = isEncoderDecoder ? [try startToken()] : prompt
    let fresh = isEncoderDecoder ? start : try unread(prompt)
    var result = Generation(promptTokens: prompt.count)
    result.end = .cancelled
    guard
      let best = try searched(
        after: start, fresh: fresh, source: source, count: count, rules, options, isCancelled)
    else { return result }
    result.tokens = best.tokens
    result.score = Double(best.score)
    let hasEnded =
      best.tokens.last.map { model.description.endTokens.contains(Int($0)) } == true
    result.end = hasEnded ? .endToken : .length
    var text = try GeneratedText(model, stops: [])
    var all = ""
    for token in best.tokens { all += try text.append(token) }
    all += try text.finish()
    if !all.isEmpty, try !receive(all) { result.end = .cancelled }
    result.text = text.all
    return result
  }

  /// The best of the sequences of up to `count` tokens that several beams find behind `start`, whose
  /// last tokens, `fresh`, are not computed yet; nil if cancelled.
  ///
  /// - Parameter judges: whether the sequence is to know its `logProbability`.
  func searched(
    after start: [Int32], fresh: [Int32], source: Int?, count: Int, _ rules: LogitsRules,
    _ options: GenerationOptions, judges: Bool = false, _ isCancelled: () -> Bool
  ) throws -> BeamSearch.Beam? {
    let beams = options.beams
    let file = JSONField(model.description.generation, file: "generation_config.json")
    var search = BeamSearch(
      beams: beams, maximumLength: count,
      lengthPenalty: try options.lengthPenalty ?? file["length_penalty"].double(default: 1),
      earlyStopping: try options.earlyStopping ?? EarlyStopping(file["early_stopping"]),
      endTokens: model.description.endTokens)
    guard let first = try step(fresh, source: source, span: start.count, isCancelled) else {
      return nil
    }
    // What the beams begin with is computed once; they share its pages.
    var logits = Array(repeatElement(first, count: beams).joined())
    try model.runner.reorder(Array(repeating: 0, count: beams))
    // transformers changes what the source makes more probable in its first row alone.
    var others = rules
    others.sourceBonus = 1
    while true {
      let width = logits.count / beams
      let rows = search.running.enumerated().map { place, beam in
        var row = logSoftmax(logits[place * width..<(place + 1) * width])
        (place == 0 ? rules : others).apply(
          &row, after: start + beam.tokens, new: beam.tokens.count,
          isLast: beam.tokens.count == count - 1)
        return rules.renormalizes ? logSoftmax(row) : row
      }
      search.advance(
        rows, allowed: judges ? rows.map { Float(logarithmOfSum($0[...])) } : nil)
      if search.isDone { return search.finished[0] }
      if isCancelled() { return nil }
      try model.runner.reorder(search.running.map(\.source))
      logits = try step(
        search.running.compactMap(\.tokens.last), sequences: beams, source: source,
        span: start.count + search.running[0].tokens.count)
    }
  }

  /// Checks what can be asked of a search.
  func check(_ options: GenerationOptions) throws {
    guard options.beams <= model.maximumBatch else {
      throw TaskError(
        "num-beams: \(options.beams) beams need a library compiled for as large a batch, and this "
          + "one takes at most \(model.maximumBatch)")
    }
    if options.sampling != nil {
      throw TaskError(.badOption, "num-beams: a search with beams does not sample")
    }
    if !options.stops.isEmpty {
      throw TaskError(.badOption, "stop: a search with beams ends only at end tokens")
    }
    if let penalty = options.lengthPenalty, !penalty.isFinite {
      throw TaskError(.badOption, "length-penalty: expected a finite number, found \(penalty)")
    }
  }
}
