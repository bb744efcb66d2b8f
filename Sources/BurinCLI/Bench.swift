import ArgumentParser
import Burin
import BurinHub
import BurinIR
import BurinPasses

/// `burin bench`
struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure how fast a library is, and how near to this machine's ceiling.",
    discussion: """
      With --batch and --seq it measures the forward pass, with --prompt and --generate a decoder, or \
      an encoder-decoder from a source of that many tokens to a whole target, greedy or with beams. \
      The ceiling (multiply-adds in registers, bytes read from memory) is measured in the same run; \
      a share is the least time that the ceiling allows, as a part of the time measured.
      """)

  @Argument(help: ArgumentHelp("A compiled library.", valueName: "X.so"))
  var library: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sequences in a call (1).", valueName: "N"))
  var batch: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Positions of a sequence (128, or the maximum).", valueName: "N"))
  var seq: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tokens of a decoder's prompt (128), or of a source (64).", valueName: "N"))
  var prompt: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("New tokens (64).", valueName: "N"))
  var generate: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Beams of an encoder-decoder's search (1).", valueName: "N"))
  var numBeams: Int?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How often to measure (as often as fits three seconds).", valueName: "N"))
  var repeats: Int?
  @OptionGroup var threads: ThreadOptions
  @Flag(help: "Time every kernel.")
  var profile = false
  @Flag(help: "Write one JSON value.")
  var json = false

  func validate() throws {
    for (name, value) in [
      ("batch", batch), ("seq", seq), ("prompt", prompt), ("generate", generate),
      ("num-beams", numBeams), ("repeats", repeats),
    ] {
      if let value, !(1...1 << 24).contains(value) {
        throw Failure.usage("--\(name): expected an integer of at least 1, found \(value)")
      }
    }
    guard (batch == nil && seq == nil) || (prompt == nil && generate == nil) else {
      throw Failure.usage("--batch and --seq exclude --prompt and --generate")
    }
    guard numBeams == nil || prompt != nil || generate != nil else {
      throw Failure.usage("--num-beams needs --prompt or --generate")
    }
  }

  func run() throws {
    let original = try CompiledModel(library)
    let profiled = profile ? try ProfiledModel(of: original) : nil
    let model = profiled?.model ?? original
    let session = try Session(model, threads: threads.count)
    let description = try ModelDescription(library: model.file)
    let program = try description.program.map { text in
      do { return try Program(text: text) } catch {
        throw Failure.input("\(line(library)): its program cannot be read: \(error)")
      }
    }
    let meter = Meter(
      model: model, session: session, program: program, precision: description.precision,
      threads: threads.chosen ?? Machine.threads, repeats: repeats, profiled: profiled)
    var result: Meter.Result
    if prompt == nil, generate == nil {
      result = try meter.forward(batch: batch ?? 1, positions: seq)
    } else if model.entry("encode") != nil {
      result = try meter.translation(
        TextModel(model, threads: threads.count), source: prompt ?? 64, count: generate ?? 64,
        beams: numBeams ?? 1)
    } else {
      guard numBeams == nil else {
        throw Failure.usage("--num-beams: \(line(library)) is no encoder-decoder")
      }
      result = try meter.decoding(prompt: prompt ?? 128, count: generate ?? 64)
    }
    result.members.append(("weight_error", JSON(description.weightError.map { JSON($0) })))
    if let error = description.weightError {
      result.text +=
        "\(description.precision.rawValue) took \(decimal(error * 100, 3)) % off the weights\n"
    }
    if json { return try Standard.output(result.json) }
    try Standard.output(result.text)
  }
}

/// Measures a library.
struct Meter {
  let model: CompiledModel
  let session: Session
  let program: Program?
  let precision: Precision
  let threads: Int
  let repeats: Int?
  let profiled: ProfiledModel?
  private let clock = ContinuousClock()

  init(
    model: CompiledModel, session: Session, program: Program?, precision: Precision, threads: Int,
    repeats: Int?, profiled: ProfiledModel?
  ) {
    self.model = model
    self.session = session
    self.program = program
    self.precision = precision
    self.threads = threads
    self.repeats = repeats
    self.profiled = profiled
  }

  struct Result {
    var members: [(key: ByteString, value: JSON)] = []
    var text = ""

    var json: JSON {
      .object(JSONObject(members.map { JSONObject.Member($0.key, $0.value) }))
    }
  }

  // MARK: Measuring

  /// Times in seconds, in ascending order, after a warm-up; what happens `before` is not timed.
  func times(
    atMost: Int = 1000, before: () throws -> Void = {}, _ body: () throws -> Void
  ) throws -> [Double] {
    func once() throws -> Double {
      try before()
      let start = clock.now
      try body()
      return (clock.now - start).seconds
    }
    // Warm: pages touched, clocks raised, threads started.
    var warm = 0.0
    var rounds = 0
    while rounds < 2 || (warm < 0.3 && rounds < 50) {
      warm += try once()
      rounds += 1
    }
    _ = profiled?.takeLaps()
    var times: [Double] = []
    let start = clock.now
    while times.count < repeats ?? 5
      || (repeats == nil && times.count < atMost && (clock.now - start).seconds < 3)
    {
      times.append(try once())
    }
    return times.sorted()
  }

  func quantile(_ times: [Double], _ part: Double) -> Double {
    let place = part * Double(times.count - 1)
    let below = times[Int(place)]
    let above = times[min(Int(place) + 1, times.count - 1)]
    return below + (above - below) * (place - place.rounded(.down))
  }

  /// Inputs of random values: of ids any that the model has; those that may be left out are.
  private func inputs(
    _ entry: CompiledModel.Entry, _ extents: [String: Int]
  ) throws -> [String: HostTensor] {
    var random = SystemRandomNumberGenerator()
    var tensors: [String: HostTensor] = [:]
    for port in entry.inputs where !port.isOptional {
      let shape = port.shape.map { extent in
        switch extent {
        case .fixed(let size): size
        case .symbol(let name): extents[name] ?? 1
        case .computed(let maximum): maximum
        }
      }
      let count = shape.reduce(1, *)
      if port.element.isFloat {
        let values = (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
        tensors[port.name] = HostTensor(values, shape: shape)
      } else {
        let range =
          Int32(clamping: port.range.lowerBound)...Int32(clamping: port.range.upperBound)
        let values = (0..<count).map { _ in Int32.random(in: range, using: &random) }
        tensors[port.name] = HostTensor(values, shape: shape)
      }
    }
    return tensors
  }

  func work(_ entry: String, _ extents: [String: Int]) -> Work? {
    program?.entries.first { $0.name == entry }.map { Work($0, extents) }
  }

  private func maximum(_ symbol: String) -> Int? {
    model.symbols.first { $0.name == symbol }?.maximum
  }

  func check(_ option: String, _ value: Int, _ symbol: String) throws {
    if let maximum = maximum(symbol), value > maximum {
      throw Failure.input("\(option) \(value): the library takes at most \(maximum)")
    }
  }

  // MARK: The two measurements

  /// The forward pass.
  func forward(batch: Int, positions: Int?) throws -> Result {
    let entry = try model.requiredEntry("forward")
    let seq = positions ?? min(128, maximum("seq") ?? 128)
    try check("--batch", batch, "batch")
    try check("--seq", seq, "seq")
    // A target has one position, as in what `inputs` gives.
    let least = model.symbols.map { ($0.name, 1) }
    let extents = Dictionary(least, uniquingKeysWith: { one, _ in one })
      .merging(["batch": batch, "images": batch, "seq": seq]) { $1 }
    let tensors = try inputs(entry, extents)
    var ceiling = Ceiling(threads: threads, precision: precision)
    ceiling.measure()
    let times = try times { _ = try session.run("forward", tensors) }
    let profile = Profile(profiled?.takeLaps())
    ceiling.measure()
    let median = quantile(times, 0.5)
    let work = work("forward", extents)
    let share = work.map { ceiling.seconds(for: $0) / median }
    var result = Result()
    result.members = [
      ("median_ms", .score(median * 1e3)), ("min_ms", .score(times[0] * 1e3)),
      ("p25_ms", .score(quantile(times, 0.25) * 1e3)),
      ("p75_ms", .score(quantile(times, 0.75) * 1e3)),
      ("max_ms", .score(times[times.count - 1] * 1e3)), ("runs", JSON(times.count)),
      ("batch", JSON(batch)), ("seq", JSON(seq)), ("threads", JSON(threads)),
      ("dtype", JSON(precision.rawValue)),
      ("gflops", JSON(work.map { .score(2 * Double($0.multiplyAdds) / median * 1e-9) })),
      ("peak_share", JSON(share.map { .score($0) })), ("ceiling", ceiling.json),
    ]
    if let profile { result.members.append(("profile", profile.json)) }
    result.text = """
      forward \(batch) x \(seq), \(threads) thread\(threads == 1 ? "" : "s"): median \(decimal(median * 1e3, 3)) ms of \
      \(times.count) runs (quarter to three quarters \(decimal(quantile(times, 0.25) * 1e3, 3)) to \
      \(decimal(quantile(times, 0.75) * 1e3, 3)), least \(decimal(times[0] * 1e3, 3)))

      """
    if let work, let share {
      result.text += """
        \(decimal(2 * Double(work.multiplyAdds) / median * 1e-9, 1)) GFLOP/s: \
        \(decimal(share * 100, 1)) % of this machine's ceiling (\(ceiling.text))

        """
    }
    result.text += profile?.text(calls: times.count) ?? ""
    return result
  }

  /// A decoder's prompt and its new tokens.
  func decoding(prompt: Int, count: Int) throws -> Result {
    guard model.entry("step") != nil else {
      throw Failure.input(
        "\(line(model.file.path)): expected a decoder with the entry step, found none")
    }
    try check("--prompt", prompt, "seq")
    try check("--prompt and --generate", prompt + count, "context")
    guard let port = model.entry("step")?.inputs.first(where: { $0.name == "input_ids" })
    else { throw Failure.input("step: expected the input input_ids, found none") }
    let range = Int32(clamping: port.range.lowerBound)...Int32(clamping: port.range.upperBound)
    func ids(_ count: Int) -> HostTensor {
      HostTensor((0..<count).map { _ in Int32.random(in: range) }, shape: [1, count])
    }
    let start = ["input_ids": ids(prompt)]
    let next = ["input_ids": ids(1)]
    var ceiling = Ceiling(threads: threads, precision: precision)
    ceiling.measure()
    let prefill = try times(atMost: 100) {
      try session.truncate(0, to: 0)
      _ = try session.run("step", start)
    }
    let prefillProfile = Profile(profiled?.takeLaps())
    let isKept = (maximum("batch") ?? 1) > 1
    if isKept { try session.fork(0, to: 1) }
    func rewind() throws { try isKept ? session.reorder([1]) : session.truncate(0, to: prompt) }
    let decode = try times(atMost: 50, before: rewind) {
      for _ in 0..<count { _ = try session.run("step", next) }
    }
    let decodeProfile = Profile(profiled?.takeLaps())
    ceiling.measure()
    let prefillSeconds = quantile(prefill, 0.5)
    let decodeSeconds = quantile(decode, 0.5) / Double(count)
    func share(_ seq: Int, _ filled: Int, _ seconds: Double) -> Double? {
      work("step", ["batch": 1, "seq": seq, "context": filled]).map {
        ceiling.seconds(for: $0) / seconds
      }
    }
    let prefillShare = share(prompt, prompt, prefillSeconds)
    let decodeShare = share(1, prompt + count / 2, decodeSeconds)
    var result = Result()
    result.members = [
      ("prefill_tokens_per_second", .score(Double(prompt) / prefillSeconds)),
      ("decode_tokens_per_second", .score(1 / decodeSeconds)),
      ("prefill_ms", .score(prefillSeconds * 1e3)),
      ("decode_ms_per_token", .score(decodeSeconds * 1e3)), ("prompt", JSON(prompt)),
      ("generate", JSON(count)), ("threads", JSON(threads)),
      ("dtype", JSON(precision.rawValue)),
      ("prefill_peak_share", JSON(prefillShare.map { .score($0) })),
      ("peak_share", JSON(decodeShare.map { .score($0) })), ("ceiling", ceiling.json),
    ]
    if let prefillProfile, let decodeProfile {
      result.members += [
        ("prefill_profile", prefillProfile.json), ("decode_profile", decodeProfile.json),
      ]
    }
    func percent(_ share: Double?) -> String {
      share.map { ", \(decimal($0 * 100, 1)) % of the ceiling" } ?? ""
    }
    result.text = """
      prefill of \(prompt): \(decimal(Double(prompt) / prefillSeconds, 1)) tokens a \
      second\(percent(prefillShare))
      decode of \(count): \(decimal(1 / decodeSeconds, 1)) tokens a second\(percent(decodeShare))
      \(threads) thread\(threads == 1 ? "" : "s"); ceiling: \(ceiling.text)

      """
    if let prefillProfile, let decodeProfile {
      result.text += "\nprefill\n" + prefillProfile.text(calls: prefill.count)
      result.text += "\none token\n" + decodeProfile.text(calls: decode.count * count)
    }
    return result
  }
}

extension Ceiling {
  /// For people.
  var text: String {
    "\(decimal(operations * 1e-9, 0)) GFLOP/s in \(precision.rawValue), \(decimal(bytes * 1e-9, 1)) GB/s"
  }

  /// For `--json`.
  var json: JSON {
    [
      "gflops": .score(operations * 1e-9), "gigabytes_per_second": .score(bytes * 1e-9),
      "threads": JSON(threads),
    ]
  }
}
