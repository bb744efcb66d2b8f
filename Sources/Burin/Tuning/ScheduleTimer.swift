/// Times the schedules of one kernel in turns, so that whatever else the machine does meets all of
/// them alike.
struct ScheduleTimer {
  private let program: TuningProgram
  private let model: CompiledModel
  private let session: Session
  /// Positions that sequences hold while a few tokens are added.
  private var filled = 0
  private let isKept: Bool
  /// For how long to measure at each number of tokens, in seconds.
  private let patience: Double
  private let clock = ContinuousClock()

  /// What schedules took: the median, and that of the ratios to the first schedule in each round.
  private struct Times {
    var seconds: Double
    var ratio: Double
  }

  init(
    _ program: TuningProgram, _ model: CompiledModel, threads: Int, patience: Double
  ) throws {
    self.program = program
    self.patience = patience
    self.model = model
    let batch = model.symbols.first { $0.name == "batch" }
    isKept = (batch?.maximum ?? 1) > 1
    session = try Session(
      model, limits: batch == nil ? [:] : ["batch": isKept ? 2 : 1], threads: threads)
    if model.hasStates { try fillCaches() }
  }

  /// The best schedule of those that take two per cent less time than the first for some number of
  /// tokens, one per cent less on average, and for none two per cent more, if a second measurement
  /// says so too; else the first.
  func choose(among count: Int) throws -> (choice: Int, samples: [Tuning.Sample]) {
    let tokenCounts = program.tokenCounts
    let all = try tokenCounts.map { try times(of: Array(0..<count), tokens: $0) }
    func gain(_ ratios: [Double]) -> Double {
      1 - ratios.reduce(0, +) / Double(ratios.count)
    }
    func pays(_ ratios: [Double]) -> Bool {
      gain(ratios) > 0.01 && ratios.contains { $0 < 0.98 } && ratios.allSatisfy { $0 < 1.02 }
    }
    let gains = (1..<count).map { schedule in (schedule, all.map { $0[schedule].ratio }) }
      .filter { pays($0.1) }
    if let (best, _) = gains.max(by: { gain($0.1) < gain($1.1) }) {
      let again = try tokenCounts.map { try times(of: [0, best], tokens: $0) }
      if pays(again.map { $0[1].ratio }) {
        return (
          best,
          zip(tokenCounts, again).map { tokens, times in
            Tuning.Sample(
              tokens: tokens, before: times[0].seconds, after: times[0].seconds * times[1].ratio)
          }
        )
      }
    }
    return (
      0,
      zip(tokenCounts, all).map { tokens, times in
        Tuning.Sample(tokens: tokens, before: times[0].seconds, after: times[0].seconds)
      }
    )
  }

  // MARK: Measuring

  /// The least and the most rounds.
  private static let rounds = 5...31

  private func times(of schedules: [Int], tokens: Int) throws -> [Times] {
    let inputs = inputs(tokens)
    // Warm: pages touched, threads started.
    for schedule in schedules { _ = try seconds(schedule, tokens, inputs) }
    let estimate = try seconds(schedules[0], tokens, inputs)
    let repeats = max(1, min(16, Int(50e-6 / max(estimate, 1e-6))))
    var found = [[Double]](repeating: [], count: schedules.count)
    var running = Array(schedules.indices)
    let start = clock.now
    var round = 0
    func ratio(_ place: Int) -> Double {
      median(zip(found[place], found[0]).map { $0 / max($1, 1e-9) })
    }
    while round < Self.rounds.lowerBound
      || (round < Self.rounds.upperBound && (clock.now - start).seconds < patience)
    {
      for turn in running.indices {
        let place = running[(turn + round) % running.count]
        var sum = 0.0
        for _ in 0..<repeats { sum += try seconds(schedules[place], tokens, inputs) }
        found[place].append(sum / Double(repeats))
      }
      round += 1
      // What is far behind need not be known exactly.
      if round == 3 { running = running.filter { ratio($0) < 1.1 } }
    }
    return schedules.indices.map { Times(seconds: median(found[$0]), ratio: ratio($0)) }
  }

  /// What the kernel alone takes in one call, by the laps that the library counts.
  private func seconds(
    _ schedule: Int, _ tokens: Int, _ inputs: [String: HostTensor]
  ) throws -> Double {
    if model.hasStates {
      if tokens > Self.few {
        try session.truncate(0, to: 0)
      } else {
        try isKept ? session.reorder([1]) : session.truncate(0, to: filled)
      }
    }
    _ = model.takeLaps()
    _ = try session.run(TuningProgram.name(schedule), inputs, outputs: [])
    return model.takeLaps().reduce(0) { sum, lap in
      lap.kernel.hasPrefix(program.stem) ? sum + lap.seconds : sum
    }
  }

  private func inputs(_ tokens: Int) -> [String: HostTensor] {
    guard let entry = model.entry(TuningProgram.name(0)) else { return [:] }
    return program.inputs(entry, program.extents(tokens))
  }

  // MARK: Caches

  /// Up to so many tokens are added to sequences that hold some already.
  private static let few = 16

  /// Lets the first sequence, and a copy of it, hold half a thousand positions, or what there is room
  /// for.
  private mutating func fillCaches() throws {
    let room = (model.symbols.first { $0.name == "context" }?.maximum ?? 0) - Self.few
    let piece = program.tokenCounts.last { $0 <= room } ?? 1
    let inputs = inputs(piece)
    while filled + piece <= min(512, room) {
      _ = try session.run(TuningProgram.name(0), inputs, outputs: [])
      filled += piece
    }
    if isKept { try session.fork(0, to: 1) }
  }
}

/// The middle of some numbers, or of the two that stand there.
private func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  guard let last = sorted.indices.last else { return 0 }
  return (sorted[last / 2] + sorted[(last + 1) / 2]) / 2
}
