import BurinC
import BurinHub
import BurinIR
import BurinPasses

/// Measures the schedules that a program's kernels might have, on this machine.
///
/// Each distinct kernel becomes a small library with an entry for each schedule, so all of them read
/// the same weights. What was chosen is remembered in the cache under all that it depends on.
struct Tuner {
  let toolchain: Toolchain
  let target: Target
  let weights: any WeightSource
  var threads = Machine.threads
  /// For how long a kernel is measured at each number of tokens, in seconds; tests have no time.
  var patience = 0.25

  /// Refuses what this machine cannot measure.
  static func check(_ target: Target, lower levels: [Target]) throws(ToolError) {
    func refused(_ reason: String) -> ToolError {
      ToolError(.badTarget, "tuning measures on this machine: \(reason)")
    }
    if !levels.isEmpty { throw refused("choose one target, not several levels") }
    if target.isForeign { throw refused("it cannot run code for \(target.name)") }
    let missing = Target.missing(target.features)
    guard missing.isEmpty else {
      throw refused("it has no \(missing.joined(separator: " ")), which \(target.name) wants")
    }
  }

  /// A kernel of the program, where it is first used.
  private struct Subject {
    let line: String
    let entry: Int
    let node: NodeID
    let candidates: [Schedule]
    var calls = 1
  }

  /// Chooses schedules for the kernels of a program after all passes.
  ///
  /// - Parameter progress: hears how many kernels are done, and of how many.
  /// - Throws: `ToolError`, and what reading the weights throws.
  func callAsFunction(
    _ program: Program, progress: (Int, Int) -> Void = { _, _ in }
  ) throws -> Tuning {
    let clock = ContinuousClock()
    let start = clock.now
    var tuning = Tuning()
    let subjects = subjects(of: program)
    for (number, subject) in subjects.enumerated() {
      progress(number, subjects.count)
      if let kernel = try measure(subject, of: program) {
        tuning.kernels.append(kernel)
      } else {
        tuning.skipped += 1
      }
    }
    progress(subjects.count, subjects.count)
    tuning.seconds = (clock.now - start).seconds
    return tuning
  }

  /// The distinct kernels for which there is a choice.
  private func subjects(of program: Program) -> [Subject] {
    var subjects: [Subject] = []
    var places: [String: Int] = [:]
    for (index, entry) in program.entries.enumerated() {
      for id in entry.graph.ids {
        guard let schedule = entry.graph[id].op.schedule else { continue }
        let op = entry.graph[id].op.map { entry.graph.tensorType($0) }
        let line = op.kernelLine(result: entry.graph[id].type)
        if let place = places[line] {
          subjects[place].calls += 1
          continue
        }
        let candidates = schedule.candidates(for: op)
        guard candidates.count > 1 else { continue }
        places[line] = subjects.count
        subjects.append(Subject(line: line, entry: index, node: id, candidates: candidates))
      }
    }
    return subjects
  }

  /// What is known of a kernel, or is now; `nil` if it cannot run alone.
  private func measure(_ subject: Subject, of program: Program) throws -> Tuning.Kernel? {
    let tuned: TuningProgram
    let module: Module
    do {
      tuned = try TuningProgram(
        of: subject.node, in: program.entries[subject.entry], schedules: subject.candidates)
      module = try ModuleWriter.write(
        tuned.program, banner: Banner(passes: [], build: "", target: target.name), isTimed: true)
    } catch is IRError {
      return nil
    }
    let key = KernelCache.Key(
      [
        "tuning", subject.line, module.source, target.name, Machine.processor, "\(threads)",
        toolchain.version,
      ].map { Array($0.utf8) } + Toolchain.runtime.map(\.text))
    var kernel = Tuning.Kernel(
      line: subject.line, calls: subject.calls, before: subject.candidates[0])
    if let known = toolchain.cache.find(key), kernel.recall(known, among: subject.candidates) {
      return kernel
    }
    do {
      let (choice, samples) = try run(tuned, module, candidates: subject.candidates.count)
      (kernel.after, kernel.samples) = (subject.candidates[choice], samples)
    } catch is ModelError {
      return nil
    }
    toolchain.cache.store(kernel.memory.utf8, under: key)
    return kernel
  }

  /// Builds the library of a kernel, and times it.
  private func run(
    _ program: TuningProgram, _ module: Module, candidates: Int
  ) throws -> (choice: Int, samples: [Tuning.Sample]) {
    let image = try toolchain.build(
      [Toolchain.Source("model.c", Array(module.source.utf8))], target: target)
    let directory = try Files.makeTemporaryDirectory()
    defer { Leftovers.removeDirectory(directory) }
    let path = directory + "/tuning.so"
    let writer = WeightWriter(module.weights, source: weights)
    try LibraryFile.write(
      to: path, image: image, target: target, description: Array("{}".utf8),
      weightsSize: module.weights.bytes
    ) { write in try writer.run(write) }
    let timer = try ScheduleTimer(
      program, CompiledModel(path), threads: threads, patience: patience)
    return try timer.choose(among: candidates)
  }
}
