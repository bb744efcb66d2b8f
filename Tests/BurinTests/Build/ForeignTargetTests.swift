import BurinHub
import BurinIR
import BurinPasses
import Glibc
import Testing

@testable import Burin

/// Code for a machine that this one is not.
@Suite struct ForeignTargetTests {
  /// Whether this machine can build for aarch64, and run what it built.
  static let canRun =
    access("/usr/aarch64-linux-gnu/include/pthread.h", R_OK) == 0
    && access("/usr/bin/qemu-aarch64", X_OK) == 0

  @Test(
    "agrees with transformers on aarch64", .enabled(if: canRun),
    arguments: [
      ("bert", Precision.f32), ("gpt2-lm", .f32), ("llama-lm", .f32), ("vit", .f32),
      ("bert", .bf16), ("bert", .int8),
    ])
  func agrees(name: String, precision: Precision) throws {
    let fixture = Fixture(name: name)
    let said = try outputs(of: fixture.path, fixture, precision)
    let expected = try fixture.tensors("expected.safetensors")
    let mask = try fixture.tensors("inputs.safetensors")["attention_mask"]
    var lines = said.split(separator: "\n")[...]
    var found: Set<String> = []
    while let title = lines.popFirst()?.split(separator: " "), title.count == 2 {
      let count = try #require(Int(title[1]))
      let values = lines.prefix(count).compactMap { Float(String($0)) }
      lines = lines.dropFirst(count)
      let reference = try #require(expected[String(title[0])])
      let bound: Float = precision == .f32 ? 1e-4 : precision == .bf16 ? 5e-2 : 1e-1
      let error = largestError(values, reference, mask)
      #expect(error < bound, "\(fixture.name) \(title[0])")
      found.insert(String(title[0]))
    }
    #expect(found == Set(expected.keys))
  }

  @Test(
    "gives on aarch64 the same for weights in a narrow type as for those in f32",
    .enabled(if: canRun), arguments: [StoredType.bf16, .f16], ["gpt2-lm", "qwen3-moe-lm-bf16"])
  func narrowWeights(stored: StoredType, name: String) throws {
    let directory = try TestDirectory()
    let said = try [stored, .f32].map { type in
      try outputs(
        of: NarrowWeightsTests.copy(name, of: stored, as: type, in: directory), Fixture(name: name),
        .f32)
    }
    #expect(said[0] == said[1] && said[0].contains("logits"))
  }

  /// What `forward.c` says that a library of the directory `model` gives for the fixture's inputs.
  private func outputs(
    of model: String, _ fixture: Fixture, _ precision: Precision
  ) throws -> String {
    let directory = try TestDirectory()
    let library = directory.path + "/model.so"
    // One thread, so that no libomp of that machine is needed.
    var compiler = Compiler(options: .init(target: try Target("aarch64"), precision: precision))
    compiler.toolchain = try Toolchain.find()
    compiler.toolchain?.usesThreads = false
    compiler.toolchain?.warningsAreErrors = true
    try compiler.compile(ModelDirectory(model).spec(), to: library)

    try run(
      try Toolchain.find().clang,
      [
        "--target=aarch64-linux-gnu", "-O1", "-I", "\(Fixture.root)../../Runtime/include",
        "\(Fixture.root)runtime/forward.c", "-o", "forward",
      ], in: directory)
    var arguments = ["-L", "/usr/aarch64-linux-gnu", "./forward", library]
    for (name, tensor) in try fixture.tensors("inputs.safetensors").sorted(by: { $0.key < $1.key })
    {
      try BuildFixtures.write(tensor.withUnsafeBytes(Array.init), to: "\(directory.path)/\(name)")
      // As `burin_type` numbers them.
      let type = tensor.element == .i64 ? 8 : 1
      arguments += [name, "\(type)", name, "\(tensor.shape.count)"] + tensor.shape.map(String.init)
    }
    return try run("/usr/bin/qemu-aarch64", arguments, in: directory)
  }

  @Test func codeForAnotherMachineIsRefusedUnrun() throws {
    let directory = try TestDirectory()
    let path = directory.path + "/model.so"
    try LibraryFile.write(
      to: path, image: [0x7F, 0x45, 0x4C, 0x46], target: Target("aarch64"), description: [],
      weightsSize: 0
    ) { _ in }
    #expect {
      try LibraryFile(path, machine: Target("x86-64-v4").features)
    } throws: { "\($0)".contains("expected a CPU with neon") }
    // Who only looks at it may.
    #expect(try LibraryFile(path, machine: nil).target == Target("aarch64"))
  }

  @discardableResult
  private func run(
    _ program: String, _ arguments: [String], in directory: TestDirectory
  ) throws -> String {
    let result = Command(
      path: program, arguments: arguments, directory: directory.path, timeLimit: .seconds(60)
    ).run()
    try #require(result.succeeded, "\(program) \(arguments): \(result.text)")
    return result.text
  }

  private func largestError(
    _ values: [Float], _ reference: HostTensor, _ mask: HostTensor?
  ) -> Float {
    let expected = reference.floats
    guard values.count == expected.count else { return .infinity }
    let isPositional = reference.shape.count > 1 && reference.shape[1] == mask?.shape[1]
    let counts = mask.map { $0.withUnsafeBytes { Array($0.bindMemory(to: Int64.self)) } }
    let width = counts.map { expected.count / $0.count } ?? 1
    var difference: Float = 0
    var largest: Float = 0
    for index in expected.indices where !isPositional || counts?[index / width] != 0 {
      difference = max(difference, abs(values[index] - expected[index]))
      largest = max(largest, abs(expected[index]))
    }
    return difference / largest
  }
}

/// Several levels of instructions in one file.
@Suite struct PortableTests {
  @Test(
    "gives the bits of the level that the machine has",
    arguments: [
      ("gpt2-lm", Precision.f32), ("gpt2-lm", .bf16), ("qwen3-moe-lm-bf16", .f32),
      ("distilbert-f16", .f32),
    ])
  func sameBits(name: String, precision: Precision) throws {
    let fixture = Fixture(name: name)
    let directory = try TestDirectory()
    let levels = try Target.levels("portable")
    #expect(levels.first?.name == "x86-64-v3")
    let compiler = Compiler(
      options: .init(
        target: try #require(levels.last), lowerLevels: levels.dropLast(), precision: precision))
    let path = directory.path + "/portable.so"
    try compiler.compile(ModelDirectory(fixture.path).spec(), to: path)
    #expect(try LibraryFile(path).features == Target("x86-64-v3").features)
    let inputs = try fixture.tensors("inputs.safetensors")
    let portable = try CompiledModel(path).run(inputs)
    let best = levels.last { Target.missing($0.features).isEmpty }
    let alone = Compiler(options: .init(target: try #require(best), precision: precision))
    let other = directory.path + "/alone.so"
    try alone.compile(ModelDirectory(fixture.path).spec(), to: other)
    let expected = try CompiledModel(other).run(inputs)
    for (name, output) in expected {
      #expect(portable[name]?.floats.map(\.bitPattern) == output.floats.map(\.bitPattern))
    }
  }
}
