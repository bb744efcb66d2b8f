import BurinHub
import Glibc
import Testing

/// Bad inputs 67 to 74, through the command line: libraries that are not what they were, and what a
/// run cannot take.
@Suite struct BadRunTests {
  private static let bert = Burin.fixtures + "bert"
  private static let inputs = bert + "/inputs.safetensors"

  private func run(_ library: String, inputs: String = inputs) throws -> Outcome {
    try Burin.run(["run", library, "--inputs", inputs, "--outputs", Burin.directory + "/none"])
  }

  private func expect(_ outcome: Outcome, _ mention: String, _ note: String = "") {
    #expect(outcome.status == 65 && outcome.output.isEmpty, "\(note): \(outcome.errors)")
    #expect(outcome.errors.contains(mention), "\(note): \(outcome.errors)")
    #expect(outcome.errors.filter { $0 == "\n" }.count == 1, "\(outcome.errors)")
  }

  // MARK: 67, 68

  @Test("67: a library that is altered, truncated, or of another version never runs")
  func alteredLibraries() throws {
    let whole = try Burin.read(Burin.library("bert"))
    let path = Burin.directory + "/altered.so"
    func expect(_ bytes: [UInt8], _ mention: String, _ note: String) throws {
      try Burin.write(bytes, to: path, mode: 0o755)
      // Without its first bytes, `inspect` takes it for a program.
      #expect(try Burin.run(["inspect", path]).status == 65, "\(note)")
      for verb in [["bench", path], ["embed", path, "--text", "a"]] {
        self.expect(try Burin.run(verb), mention, note)
      }
      self.expect(try run(path), mention, note)
    }
    // The code, the ELF header, the description, the place of the description.
    for place in [4, 0x1000, whole.count / 20, whole.count - 100, whole.count - 5] {
      var bytes = whole
      bytes[place] ^= 0x40
      try expect(bytes, "expected", "byte \(place)")
    }
    for size in [0, 1, 64, 0x1000, whole.count / 2, whole.count - 1] {
      try expect(Array(whole[..<size]), "truncated", "\(size) bytes")
    }
    // The trailer says where the header is; its third and fourth words are the two versions.
    let header = whole.suffix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    for (offset, mention) in [(8, "format version 1, found 99"), (12, "interface version 1")] {
      var bytes = whole
      bytes[header + offset] = 99
      try expect(bytes, mention, "version")
    }
  }

  @Test("67: a library for a CPU that this one is not is refused before its code runs")
  func otherCPUs() throws {
    let own = try Burin.run(["doctor", "--json"]).json()["cpu"].array().map { try $0.string() }
    let known: [ByteString] = ["avx512fp16", "avx512bf16", "avx512vnni", "avxvnni", "avx512f"]
    guard let lacking = known.first(where: { !own.contains($0) }) else { return }
    let path = Burin.directory + "/other.so"
    let outcome = try Burin.run([
      "compile", Self.bert, "-o", path, "--target", "native+" + lacking.utf8String,
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    expect(try run(path), "one without " + lacking.utf8String)
    expect(try Burin.run(["bench", path]), "expected a CPU with")
    // Looking at it runs none of its code.
    let looked = try Burin.run(["inspect", path])
    #expect(looked.status == 0 && looked.text.contains(lacking.utf8String), "\(looked.errors)")
  }

  @Test("68: weights that were swapped or altered after compilation are refused")
  func swappedWeights() throws {
    let place = Burin.directory + "/weights"
    mkdir(place, 0o700)
    let (one, other) = (place + "/one.so", place + "/other.so")
    for (library, fixture) in [(one, "bert"), (other, "bert-old-names")] {
      let outcome = try Burin.run([
        "compile", Burin.fixtures + fixture, "--weights", "separate", "-o", library,
      ])
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    #expect(try run(one).status == 0)
    let own = try Burin.read(place + "/one.weights")
    try Burin.write(Burin.read(place + "/other.weights"), to: place + "/one.weights")
    expect(try run(one), "one.weights: expected the weights of")
    var altered = own
    altered[altered.count / 3] ^= 1
    try Burin.write(altered, to: place + "/one.weights")
    expect(try run(one), "damaged")
    try Burin.write(Array(own[..<(own.count / 2)]), to: place + "/one.weights")
    expect(try run(one), "one.weights")
    unlink(place + "/one.weights")
    let missing = try run(one)
    #expect(missing.status == 74 && missing.errors.contains("one.weights"), "\(missing.errors)")
    var embedded = try Burin.read(Burin.library("bert"))
    embedded[embedded.count / 2] ^= 1
    try Burin.write(embedded, to: place + "/embedded.so", mode: 0o755)
    #expect(try run(place + "/embedded.so").status == 65)
  }

  // MARK: 69, 70, 73

  @Test(
    "69, 70, 73: ids and extents outside the model's, inputs missing, unknown or of another kind")
  func wrongTensors() throws {
    let bert = try Burin.library("bert")
    typealias Ids = (ByteString, [Int64], [Int])
    let ids: Ids = ("input_ids", [1, 2], [1, 2])
    let cases: [(note: String, mention: String, path: String)] = [
      (
        "id -1", "input_ids[0,1] is -1",
        try Burin.tensors("a", ids: [("input_ids", [1, -1], [1, 2])])
      ),
      ("id 101", "expected 0 to 100", try Burin.tensors("b", ids: [("input_ids", [101], [1, 1])])),
      ("length 0", "extent 1 is 0", try Burin.tensors("c", ids: [("input_ids", [], [1, 0])])),
      ("batch 0", "extent 0 is 0", try Burin.tensors("d", ids: [("input_ids", [], [0, 2])])),
      (
        "length 68", "1 to 67",
        try Burin.tensors("e", ids: [("input_ids", [Int64](repeating: 1, count: 68), [1, 68])])
      ),
      (
        "batch 33", "1 to 32",
        try Burin.tensors("f", ids: [("input_ids", [Int64](repeating: 1, count: 33), [33, 1])])
      ),
      (
        "missing", "input_ids: forward needs this input",
        try Burin.tensors("g", ids: [("attention_mask", [1], [1, 1])])
      ),
      ("unknown", "an unknown input", try Burin.tensors("h", ids: [ids, ("labels", [1], [1])])),
      (
        "type", "type f32, expected i32 or i64",
        try Burin.tensors("i", features: [("input_ids", [1], [1, 1])])
      ),
      ("rank", "rank 1, expected 2", try Burin.tensors("j", ids: [("input_ids", [1], [1])])),
      (
        "two lengths", "attention_mask",
        try Burin.tensors("k", ids: [ids, ("attention_mask", [1, 1, 1], [1, 3])])
      ),
    ]
    for (note, mention, path) in cases { expect(try run(bert, inputs: path), mention, note) }
  }

  // MARK: 71

  @Test(
    "71: a mask of only padding gives numbers, and leaves the other rows as they are",
    arguments: [
      "bert", "distilbert", "roberta", "mpnet", "modernbert", "albert", "electra", "gpt2-lm",
      "bloom-lm", "opt-lm", "llama-lm", "mistral-lm", "gemma2-lm", "phi3-lm",
    ])
  func onlyPadding(fixture: String) throws {
    let library = try Burin.library(fixture)
    let ids: (ByteString, [Int64], [Int]) = ("input_ids", [5, 9, 2, 7, 7, 4], [2, 3])
    let inputs = try Burin.tensors(
      fixture + ".padding", ids: [ids, ("attention_mask", [1, 1, 1, 0, 0, 0], [2, 3])])
    let path = Burin.directory + "/" + fixture + ".padded"
    let outcome = try Burin.run(["run", library, "--inputs", inputs, "--outputs", path])
    try #require(outcome.status == 0, "\(outcome.errors)")
    let file = try SafetensorsFile(path: path)
    for tensor in file.tensors {
      let values = try file.floats(of: tensor)
      #expect(!values.contains { !$0.isFinite }, "\(tensor.name)")
      let alone = try Burin.output(
        tensor.name, of: library,
        inputs: Burin.tensors(
          fixture + ".alone", ids: [("input_ids", [5, 9, 2], [1, 3])]))
      #expect(Array(values[..<alone.count]) == alone, "\(tensor.name)")
    }
  }

  // MARK: 72, 74

  @Test(
    "72: options of generation that cannot be",
    arguments: [
      (65, "--max-new-tokens", "2147483648"), (64, "--max-new-tokens", "0"),
      (64, "--max-new-tokens", "-1"), (64, "--max-new-tokens", "99999999999999999999"),
      (64, "--temperature", "0"), (64, "--temperature", "-1"), (64, "--temperature", "nan"),
      (64, "--temperature", "inf"), (64, "--top-p", "0"), (64, "--top-p", "1.5"),
      (64, "--top-p", "nan"), (64, "--top-k", "0"), (64, "--top-k", "-5"), (64, "--min-p", "-1"),
      (64, "--min-p", "2"), (64, "--repetition-penalty", "0"), (64, "--repetition-penalty", "nan"),
      (64, "--num-beams", "0"), (64, "--seed", "-1"), (64, "--seed", "9223372036854775808"),
      (64, "--stop", ""),
    ])
  func generationOptions(status: Int32, option: String, value: String) throws {
    let outcome = try Burin.run([
      "generate", Burin.library("gpt2-lm"), "--prompt", "a", option, value,
    ])
    #expect(outcome.status == status && outcome.output.isEmpty, "\(outcome.errors)")
    #expect(
      outcome.errors.contains(option.dropFirst(2)) || outcome.errors.contains(value),
      "\(outcome.errors)")
    #expect(outcome.errors.filter { $0 == "\n" }.count == 1, "\(outcome.errors)")
  }

  @Test("74: generation past the context length")
  func pastTheContext() throws {
    let gpt2 = try Burin.library("gpt2-lm")
    func generate(_ prompt: Int, _ new: Int) throws -> Outcome {
      let ids = (0..<prompt).map { String($0 % 100) }.joined(separator: ",")
      return try Burin.run([
        "generate", gpt2, "--input-ids", ids, "--max-new-tokens", String(new), "--ignore-eos",
        "--json",
      ])
    }
    // The last new token needs no place.
    let full = try generate(100, 4)
    #expect(full.status == 0, "\(full.errors)")
    #expect(try full.json()["tokens"].array().count == 4)
    #expect(try generate(103, 1).status == 0)
    expect(try generate(100, 5), "room for 4")
    expect(try generate(104, 1), "at most 103")
  }
}
