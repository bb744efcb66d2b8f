import BurinHub
import BurinIR
import BurinPasses
import Glibc
import Testing

@testable import Burin

/// Weights that files store in a narrow type stay in it where products multiply in f32, and nothing that
/// comes out changes.
@Suite struct NarrowWeightsTests {
  /// A copy of a fixture in a directory of its own, all of its weights rounded to `values` and stored as
  /// `stored`.
  static func copy(
    _ name: String, of values: StoredType, as stored: StoredType, in directory: TestDirectory
  ) throws -> String {
    // A model is called after its directory: what is called alike may be the same C.
    let place = "\(directory.path)/\(stored.rawValue)"
    let path = "\(place)/\(name)"
    #expect(mkdir(place, 0o700) == 0 && mkdir(path, 0o700) == 0)
    let source = try ModelDirectory(Fixture(name: name).path)
    try BuildFixtures.write(
      try #require(try source.bytes("config.json")), to: path + "/config.json")
    let weights = try source.weights()
    let writer = try SafetensorsWriter(
      path: path + "/model.safetensors",
      tensors: weights.tensors.map { .init($0.name, stored, $0.shape) })
    for tensor in weights.tensors {
      let floats = try weights.floats(of: tensor.name)
      switch (values, stored) {
      case (.bf16, .bf16):
        try floats.map(\.bf16).withUnsafeBytes { try writer.write($0) }
      case (.bf16, .f32):
        try writer.write(floats.map { Float(bitPattern: UInt32($0.bf16) << 16) })
      case (.f16, .f16):
        try floats.map { Float16($0).bitPattern }.withUnsafeBytes { try writer.write($0) }
      case (.f16, .f32): try writer.write(floats.map { Float(Float16($0)) })
      default: Issue.record("\(values) as \(stored)")
      }
    }
    try writer.finish()
    return path
  }

  /// What a fixture's inputs give in a library of the directory at `path`.
  private func outputs(
    of path: String, _ fixture: Fixture, _ precision: Precision = .f32, target: Target = .native
  ) throws -> (bits: [String: [UInt32]], file: LibraryFile) {
    let library = path + ".so"
    let compiler = Compiler(options: .init(target: target, precision: precision))
    try compiler.compile(ModelDirectory(path).spec(), to: library)
    let model = try CompiledModel(library)
    let outputs = try model.run(fixture.tensors("inputs.safetensors"))
    return (outputs.mapValues { $0.floats.map(\.bitPattern) }, model.file)
  }

  /// Encoders and decoders, tied and untied heads, mixtures of experts, an encoder-decoder; of odd
  /// numbers of terms too.
  static let names = [
    "bert-masked-lm", "bert-bf16", "roberta-masked-lm-untied", "albert-masked-lm", "gpt2-lm",
    "llama-lm",
    "llama-lm-tied", "gemma3-lm", "mixtral-lm", "qwen3-moe-lm-bf16", "t5-lm", "vit", "deberta-v2",
  ]

  @Test(
    "gives the bits that weights stored as f32 give, in f32", arguments: names,
    [StoredType.bf16, .f16])
  func sameBits(name: String, stored: StoredType) throws {
    try expectSameBits(name, stored, .f32)
  }

  @Test(
    "and in every other precision", arguments: ["bert-bf16", "gpt2-lm", "qwen3-moe-lm-bf16"],
    [Precision.bf16, .int8, .int4])
  func sameBits(name: String, precision: Precision) throws {
    for stored in [StoredType.bf16, .f16] { try expectSameBits(name, stored, precision) }
  }

  private func expectSameBits(_ name: String, _ stored: StoredType, _ precision: Precision) throws {
    let directory = try TestDirectory()
    let fixture = Fixture(name: name)
    let wide = try outputs(
      of: Self.copy(name, of: stored, as: .f32, in: directory), fixture, precision)
    let narrow = try outputs(
      of: Self.copy(name, of: stored, as: stored, in: directory), fixture, precision)
    #expect(!narrow.bits.isEmpty && narrow.bits == wide.bits)
    #expect(
      narrow.file.weightsSize < wide.file.weightsSize
        || precision != .f32 && narrow.file.weightsSize == wide.file.weightsSize)
    let error = try ModelDescription(library: narrow.file).weightError
    #expect(
      error == nil || error == 0 || stored != .bf16 || precision == .int8 || precision == .int4)
    #expect(precision != .f32 || error == nil)
  }

  @Test(
    "and so at every level of instructions",
    arguments: ["x86-64", "x86-64-v3", "x86-64-v4"], [StoredType.bf16, .f16])
  func levels(level: String, stored: StoredType) throws {
    for name in ["gpt2-lm", "qwen3-moe-lm-bf16"] { try expectSameBits(name, stored, level) }
  }

  private func expectSameBits(_ name: String, _ stored: StoredType, _ level: String) throws {
    let directory = try TestDirectory()
    let fixture = Fixture(name: name)
    let target = try Target(level)
    guard Target.missing(target.features).isEmpty else { return }
    let wide = try outputs(
      of: Self.copy(name, of: stored, as: .f32, in: directory), fixture, target: target)
    let narrow = try outputs(
      of: Self.copy(name, of: stored, as: stored, in: directory), fixture, target: target)
    #expect(!narrow.bits.isEmpty && narrow.bits == wide.bits)
  }

  @Test("a token behind a cache gives the bits that the whole prompt gives")
  func steps() throws {
    let directory = try TestDirectory()
    let path = try Self.copy("gpt2-lm", of: .bf16, as: .bf16, in: directory)
    try Compiler().compile(ModelDirectory(path).spec(), to: path + ".so")
    let model = try CompiledModel(path + ".so")
    let tokens = (0..<19).map { Int32($0 * 7 % 90) }
    func step(_ session: Session, _ tokens: ArraySlice<Int32>) throws -> [UInt32] {
      let ids = HostTensor(Array(tokens), shape: [1, tokens.count])
      let outputs = try session.run("step", ["input_ids": ids])
      return try #require(outputs["logits"]).floats.map(\.bitPattern)
    }
    let whole = try step(Session(model, limits: ["batch": 1]), tokens[...])
    for threads in [1, 2] {
      let session = try Session(model, limits: ["batch": 1], threads: threads)
      var last: [UInt32] = []
      for start in [0, 9, 10, 18] {
        last = try step(session, tokens[start..<([9, 10, 18, 19].first { $0 > start } ?? 19)])
      }
      #expect(last == whole, "\(threads) threads")
    }
  }

  /// Products of even numbers of terms take half of the bytes: here all but the small vectors.
  @Test("takes half the bytes", arguments: ["phi-lm-wide", "gpt2-lm"])
  func half(name: String) throws {
    let directory = try TestDirectory()
    func size(_ stored: StoredType) throws -> Int {
      let path = try Self.copy(name, of: .bf16, as: stored, in: directory)
      let lowered = try Compiler().lower(ModelDirectory(path).spec().program)
      return lowered.module.weights.bytes
    }
    let share = Double(try size(.bf16)) / Double(try size(.f32))
    #expect(share < 0.62, "\(share)")
  }

  @Test("the program says how the files store its weights, and its text is read again")
  func program() throws {
    let spec = try ModelDirectory(Fixture(name: "qwen3-moe-lm-bf16").path).spec()
    #expect(spec.program.weights.allSatisfy { $0.type.element == .bf16 })
    #expect(try Program(text: spec.program.text).text == spec.program.text)
  }

  @Test("a program of bf16 beside a file of f32 is refused, as it would round")
  func refusesRounding() throws {
    let directory = try TestDirectory()
    let path = directory.path + "/model.burin"
    let text = """
      program "narrow"

      entry "forward" {
        %0 = input("x") : f32[1, 2]
        %1 = weight("w") : bf16[2, 2]
        %2 = linear(%0, weight: %1, columns: 2) : f32[1, 2]

        output "y" = %2
      }

      """
    try BuildFixtures.write(Array(text.utf8), to: path)
    for (stored, isRefused) in [(StoredType.f32, true), (.bf16, false)] {
      let writer = try SafetensorsWriter(
        path: directory.path + "/model.safetensors", tensors: [.init("w", stored, [2, 2])])
      try [UInt8](repeating: 0, count: stored.bits / 2).withUnsafeBytes { try writer.write($0) }
      try writer.finish()
      if isRefused {
        #expect {
          try ModelSpec(programFile: path)
        } throws: { "\($0)".contains("w.dtype: expected bf16, found F32") }
      } else {
        #expect(try ModelSpec(programFile: path).program.weights.count == 1)
      }
    }
  }
}

extension Float {
  /// The bits of the nearest bf16, for numbers that are finite.
  fileprivate var bf16: UInt16 {
    UInt16(truncatingIfNeeded: (bitPattern + 0x7FFF + (bitPattern >> 16 & 1)) >> 16)
  }
}
