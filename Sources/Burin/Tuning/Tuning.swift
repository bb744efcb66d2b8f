import BurinHub
import BurinIR
import BurinPasses

/// What measuring the schedules of a program's kernels came to.
public struct Tuning: Sendable {
  /// A kernel and what became of it.
  public struct Kernel: Sendable {
    /// The IR's line with types in place of operands.
    public let line: String
    /// How often the program's entries run it, all together.
    public let calls: Int
    /// The schedule of the cost model.
    public let before: Schedule
    /// The one that was chosen, often the same.
    public internal(set) var after: Schedule
    /// What was measured, a number of tokens after the other.
    public internal(set) var samples: [Sample] = []
    /// Whether all that was known from an earlier time.
    public internal(set) var isRemembered = false

    init(line: String, calls: Int, before: Schedule) {
      self.line = line
      self.calls = calls
      self.before = before
      after = before
    }
  }

  /// Medians of the seconds that a kernel takes for a number of tokens.
  public struct Sample: Hashable, Sendable {
    /// Rows of the product, or queries.
    public let tokens: Int
    /// With the cost model's schedule.
    public let before: Double
    /// With the one that was chosen.
    public let after: Double
  }

  /// The kernels that were measured, in the order of the program.
  public internal(set) var kernels: [Kernel] = []
  /// How many kernels cannot run alone, and were left as they are.
  public internal(set) var skipped = 0
  /// How long it took.
  public internal(set) var seconds = 0.0

  /// The choices that differ from the cost model's.
  public var schedules: Schedules {
    Schedules(
      Dictionary(
        kernels.filter { $0.after != $0.before }.map { ($0.line, $0.after) },
        uniquingKeysWith: { one, _ in one }))
  }

  /// The numbers of tokens that were measured, each once, ascending.
  public var tokenCounts: [Int] {
    Set(kernels.flatMap { $0.samples.map(\.tokens) }).sorted()
  }

  /// How much less time all kernels take for so many tokens, weighted by their calls: 0.02 for two
  /// per cent.
  public func gain(tokens: Int) -> Double {
    var (before, after) = (0.0, 0.0)
    for kernel in kernels {
      for sample in kernel.samples where sample.tokens == tokens {
        before += Double(kernel.calls) * sample.before
        after += Double(kernel.calls) * sample.after
      }
    }
    return before > 0 ? 1 - after / before : 0
  }
}

extension Tuning.Kernel {
  /// How much less time it takes, on average over the numbers of tokens.
  public var gain: Double {
    samples.isEmpty
      ? 0 : samples.reduce(0) { $0 + 1 - $1.after / $1.before } / Double(samples.count)
  }

  // MARK: Memory

  /// What the cache keeps.
  var memory: JSON {
    [
      "tile": JSON(after.description),
      "samples": .array(
        samples.map {
          ["tokens": JSON($0.tokens), "before": JSON($0.before), "after": JSON($0.after)]
        }),
    ]
  }

  /// Takes over what an entry of the cache says; `false`, and nothing, if that makes no sense.
  mutating func recall(_ entry: [UInt8], among candidates: [Schedule]) -> Bool {
    guard let json = try? JSON.parse(entry) else { return false }
    let field = JSONField(json, file: "cache")
    guard let text = try? field["tile"].string().utf8String,
      let chosen = candidates.first(where: { $0.description == text }),
      let list = try? field["samples"].array(), !list.isEmpty
    else { return false }
    let known = list.compactMap { sample in
      try? Tuning.Sample(
        tokens: sample["tokens"].int(in: 1...1 << 24), before: sample["before"].double(above: 0),
        after: sample["after"].double(above: 0))
    }
    guard known.count == list.count else { return false }
    (after, samples, isRemembered) = (chosen, known, true)
    return true
  }
}
