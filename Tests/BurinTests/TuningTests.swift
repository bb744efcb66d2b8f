import BurinHub
import BurinIR
import BurinPasses
import Glibc
import Testing

@testable import Burin

/// Measuring schedules. How long anything takes decides nothing here.
@Suite struct TuningTests {
  /// A fixture's program after all passes, and what it was made of.
  private static func lowered(
    _ name: String, _ options: Compiler.Options
  ) throws -> (spec: ModelSpec, program: Program) {
    let spec = try ModelDirectory(Fixture(name: name).path).spec()
    return (spec, try Compiler(options: options).lower(spec.program).program)
  }

  /// For every kernel that has a choice, what it may choose from.
  private static func choices(_ program: Program) -> [(line: String, candidates: [Schedule])] {
    var found: [(line: String, candidates: [Schedule])] = []
    for entry in program.entries {
      for node in entry.graph.nodes {
        guard let schedule = node.op.schedule else { continue }
        let op = node.op.map { entry.graph.tensorType($0) }
        let line = op.kernelLine(result: node.type)
        if !found.contains(where: { $0.line == line }) {
          found.append((line, schedule.candidates(for: op)))
        }
      }
    }
    return found
  }

  @Test(
    "no schedule changes a bit, and a library says which it has",
    arguments: [
      ("bert", Precision.f32), ("bert", .int8), ("bert", .bf16), ("qwen3-moe-lm", .f32),
    ])
  func sameBits(name: String, precision: Precision) throws {
    let directory = try TestDirectory()
    let fixture = Fixture(name: name)
    let inputs = try fixture.tensors("inputs.safetensors")
    let expected = try fixture.library(precision).run(inputs)
    var options = Compiler.Options(precision: precision)
    let (spec, program) = try Self.lowered(name, options)
    let choices = Self.choices(program)
    #expect(choices.contains { $0.candidates.count > 1 })
    for round in 1...3 {
      options.schedules = Schedules(
        Dictionary(
          uniqueKeysWithValues: choices.enumerated().map { place, choice in
            (choice.line, choice.candidates[(place + round) % choice.candidates.count])
          }))
      let path = directory.path + "/\(round).so"
      try Compiler(options: options).compile(spec, to: path)
      let model = try CompiledModel(path)
      let outputs = try model.run(inputs)
      for (name, output) in expected {
        #expect(outputs[name]?.floats.map(\.bitPattern) == output.floats.map(\.bitPattern))
      }
      let description = try ModelDescription(library: model.file)
      #expect(description.schedules == options.schedules)
      // The IR shows them, and so does its text when it has been read.
      let text = try Compiler(options: options).lower(spec.program).program.text
      let again = try Program(text: text)
      #expect(again.text == text)
      for (line, candidates) in Self.choices(again) {
        #expect(candidates[0] == options.schedules.chosen[line])
      }
    }
  }

  @Test(
    "measures every kernel alone and remembers what it chose",
    arguments: [
      ("bert", Compiler.Options(precision: .int8)), ("gpt2-lm", Compiler.Options()),
      ("gemma2-lm", Compiler.Options(precision: .bf16, cacheType: .int8)),
      ("qwen3-moe-lm", Compiler.Options()), ("t5-lm", Compiler.Options()),
    ])
  func remembers(name: String, options: Compiler.Options) throws {
    let directory = try TestDirectory()
    let (spec, program) = try Self.lowered(name, options)
    let toolchain = try Toolchain.find(cache: KernelCache(directory: directory.path))
    let tuner = Tuner(
      toolchain: toolchain, target: options.target, weights: spec.weights, threads: 2, patience: 0)
    let first = try tuner(program)
    #expect(!first.kernels.isEmpty && first.skipped == 0, "\(first.skipped) cannot run alone")
    #expect(first.kernels.allSatisfy { !$0.isRemembered && !$0.samples.isEmpty })
    #expect(Set(first.kernels.map(\.line)).count == first.kernels.count)
    var heard: [Int] = []
    let second = try tuner(program) { done, _ in heard.append(done) }
    #expect(second.kernels.allSatisfy { $0.isRemembered })
    #expect(second.schedules == first.schedules)
    #expect(second.kernels.map(\.samples) == first.kernels.map(\.samples))
    #expect(heard == Array(0...first.kernels.count))
    guard name == "bert" else { return }

    // Choices are the smallest entries. Damaged ones are measured anew.
    var damaged = 0
    for name in directory.names {
      let path = directory.path + "/" + name
      var bytes = try BuildFixtures.read(path)
      guard bytes.count < 2048, bytes.last == UInt8(ascii: "}") else { continue }
      bytes[bytes.count - 1] ^= 1
      try BuildFixtures.write(bytes, to: path)
      damaged += 1
    }
    #expect(damaged == first.kernels.count)
    #expect(try tuner(program).kernels.allSatisfy { !$0.isRemembered })
    #expect(try tuner(program).kernels.allSatisfy { $0.isRemembered })
    // Another number of threads is another machine.
    let single = Tuner(
      toolchain: toolchain, target: options.target, weights: spec.weights, threads: 1, patience: 0)
    #expect(try single(program).kernels.allSatisfy { !$0.isRemembered })
    toolchain.cache.clear()
    #expect(directory.names.isEmpty)
  }

  @Test("believes only what makes sense")
  func recall() throws {
    let tile = LinearTile(rowBlock: 64)
    var even = tile
    even.isEven = true
    let candidates = [Schedule.linear(tile), .linear(even)]
    var kernel = Tuning.Kernel(line: "linear", calls: 2, before: candidates[0])
    kernel.after = candidates[1]
    kernel.samples = [
      Tuning.Sample(tokens: 1, before: 2, after: 1), Tuning.Sample(tokens: 9, before: 4, after: 4),
    ]
    var other = Tuning.Kernel(line: "linear", calls: 2, before: candidates[0])
    let isRecalled = other.recall(kernel.memory.utf8, among: candidates)
    #expect(isRecalled)
    #expect(other.after == kernel.after && other.samples == kernel.samples && other.isRemembered)
    #expect(other.gain == 0.25)
    for text in [
      "", "{}", "[]", "{\"tile\":\"rows 64\"}", "{\"tile\":\"rows 64\",\"samples\":[]}",
      "{\"tile\":\"rows 65\",\"samples\":[{\"tokens\":1,\"before\":1,\"after\":1}]}",
      "{\"tile\":\"rows 64\",\"samples\":[{\"tokens\":1,\"before\":0,\"after\":1}]}",
    ] {
      var kernel = Tuning.Kernel(line: "linear", calls: 1, before: candidates[0])
      let isRecalled = kernel.recall(Array(text.utf8), among: candidates)
      #expect(!isRecalled, "\(text)")
      #expect(kernel.samples.isEmpty && !kernel.isRemembered)
    }
    var tuning = Tuning()
    tuning.kernels = [kernel, Tuning.Kernel(line: "attention", calls: 1, before: candidates[0])]
    #expect(tuning.gain(tokens: 1) == 0.5 && tuning.gain(tokens: 9) == 0)
    #expect(tuning.tokenCounts == [1, 9] && tuning.schedules.chosen == ["linear": candidates[1]])
  }

  @Test("is refused where this machine cannot measure")
  func refusal() throws {
    let foreign = try Target(Target.Architecture.native == .x86 ? "aarch64" : "x86-64-v3")
    for (target, lower) in [(foreign, []), (.native, [foreign])] {
      #expect {
        try Tuner.check(target, lower: lower)
      } throws: { error in
        (error as? ToolError)?.kind == .badTarget
      }
    }
    try Tuner.check(.native, lower: [])
  }
}
