import BurinHub
import Glibc
import Testing

/// The contract of the command line: exit statuses, what goes where, the shapes of JSON.
@Suite struct ContractTests {
  private static let bert = Burin.fixtures + "bert"

  /// A command line that must fail, with which status, and what the one line must mention.
  struct Mistake: Sendable, CustomTestStringConvertible {
    var arguments: [String]
    var status: Int32
    var mention: String
    var testDescription: String { arguments.joined(separator: " ") }

    init(_ status: Int32, _ mention: String, _ arguments: String...) {
      self.arguments = arguments
      self.status = status
      self.mention = mention
    }
  }

  static let mistakes: [Mistake] = [
    Mistake(64, "frobnicate", "frobnicate"),
    Mistake(64, "MODEL", "compile"),
    Mistake(64, "--output", "compile", bert),
    Mistake(64, "--bogus", "compile", bert, "-o", "x.so", "--bogus"),
    Mistake(64, "bf16, int8 or int4", "compile", bert, "-o", "x.so", "--dtype", "f99"),
    Mistake(64, "f32, bf16 or int8", "compile", bert, "-o", "x.so", "--cache-dtype", "f16"),
    Mistake(64, "z80", "compile", bert, "-o", "x.so", "--target", "z80"),
    Mistake(64, "--max-seq", "compile", bert, "-o", "x.so", "--max-seq", "0"),
    Mistake(64, "--max-batch", "compile", bert, "-o", "x.so", "--max-batch", "-3"),
    Mistake(64, "--weights", "compile", bert, "-o", "x.so", "--weights", "elsewhere"),
    Mistake(65, "100000", "compile", bert, "-o", "x.so", "--max-seq", "100000"),
    Mistake(74, "nowhere", "compile", bert + "/nowhere", "-o", "x.so"),
    Mistake(65, "config.json", "compile", bert + "/config.json", "-o", "x.so"),
    Mistake(74, "/nowhere/", "compile", bert, "-o", "/nowhere/x.so"),
    Mistake(
      74, "/: expected a directory without C", "compile", bert, "-o", "x.so", "--emit", "/"),
    Mistake(74, "expected a path, found none", "compile", bert, "-o", "x.so", "--emit", ""),
    Mistake(74, "expected a path, found none", "compile", bert, "-o", ""),
    Mistake(74, "found a directory", "compile", bert, "-o", "/"),
    Mistake(65, "library", "run", bert + "/config.json", "--inputs", "a", "--outputs", "b"),
    Mistake(74, "nothing.so", "embed", "nothing.so", "--text", "a"),
    Mistake(64, "--after", "inspect", bert, "--after", "nothing"),
    Mistake(64, "--graph", "inspect", bert, "--graph", "png"),
    Mistake(64, "--threads", "bench", "x.so", "--threads", "0"),
    Mistake(64, "--batch", "bench", "x.so", "--batch", "1", "--prompt", "2"),
    Mistake(65, "tokenizer", "tokenize", bert, "--text", "a"),
  ]

  @Test("says in one line what is wrong", arguments: mistakes)
  func reportsMistakes(mistake: Mistake) throws {
    let outcome = try Burin.run(mistake.arguments)
    #expect(outcome.status == mistake.status)
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.hasPrefix("burin: "))
    #expect(outcome.errors.contains(mistake.mention), "\(outcome.errors)")
    #expect(outcome.errors.filter { $0 == "\n" }.count == 1)
  }

  @Test(
    "shows only as much of a long word as tells which",
    arguments: [
      ["compile", bert, "-o", "x.so", "--dtype", long],
      ["compile", bert, "-o", "x.so", "--max-seq", long],
      ["compile", bert, "-o", "x.so", "--" + long], [long], ["inspect", bert, "--after", long],
      ["compile", bert, "-o", "x.so", "--target", "x86-64-v3+" + long],
      ["compile", bert, "-o", "x.so"] + Array(repeating: String(long.prefix(70)), count: 100),
    ])
  func shortensWords(arguments: [String]) throws {
    let outcome = try Burin.run(arguments)
    #expect(outcome.status == 64 && outcome.errors.hasPrefix("burin: "))
    #expect(outcome.errors.utf8.count < 2100, "\(outcome.errors)")
    #expect(outcome.errors.contains("…") && outcome.errors.contains("aaaaaaaaaaaaaaaa"))
  }

  private static let long = String(repeating: "a", count: 5000)

  static let runMistakes: [(library: String, mistake: Mistake)] = [
    (
      "gpt2-lm",
      Mistake(65, "2147483648", "generate", "--prompt", "a", "--max-new-tokens", "2147483648")
    ),
    (
      "gpt2-lm",
      Mistake(64, "--max-new-tokens", "generate", "--prompt", "a", "--max-new-tokens", "-1")
    ),
    ("gpt2-lm", Mistake(64, "temperature", "generate", "--prompt", "a", "--temperature", "0")),
    ("gpt2-lm", Mistake(64, "temperature", "generate", "--prompt", "a", "--temperature", "nan")),
    ("gpt2-lm", Mistake(64, "top-p", "generate", "--prompt", "a", "--top-p", "0")),
    ("gpt2-lm", Mistake(64, "beam", "generate", "--prompt", "a", "--num-beams", "0")),
    ("gpt2-lm", Mistake(65, "beam", "generate", "--prompt", "a", "--num-beams", "999")),
    (
      "gpt2-lm",
      Mistake(64, "sample", "generate", "--prompt", "a", "--num-beams", "2", "--seed", "1")
    ),
    (
      "gpt2-lm",
      Mistake(64, "stop", "generate", "--prompt", "a", "--num-beams", "2", "--stop", "b")
    ),
    ("gpt2-lm", Mistake(64, "num-beams", "generate", "--prompt", "a", "--length-penalty", "2")),
    (
      "gpt2-lm",
      Mistake(
        64, "early-stopping", "generate", "--prompt", "a", "--num-beams", "2", "--early-stopping",
        "maybe")
    ),
    ("gpt2-lm", Mistake(64, "--prompt", "generate")),
    ("gpt2-lm", Mistake(64, "--input-ids", "generate", "--input-ids", "1,two")),
    ("gpt2-lm", Mistake(65, "-1", "generate", "--input-ids", "5,-1")),
    ("gpt2-lm", Mistake(65, "283", "generate", "--input-ids", "283")),
    ("gpt2-lm", Mistake(65, "token", "generate", "--input-ids", "")),
    ("gpt2-lm", Mistake(65, "sequence-classification", "classify", "--text", "a")),
    ("gpt2-lm", Mistake(65, "--batch 99", "bench", "--batch", "99")),
    (
      "gpt2-lm",
      Mistake(64, "entry", "run", "--entry", "backward", "--inputs", "a", "--outputs", "b")
    ),
    ("bert", Mistake(65, "tokenizer", "embed", "--text", "a")),
    ("bert", Mistake(65, "step", "bench", "--prompt", "4")),
  ]

  @Test("says in one line what a library cannot do", arguments: runMistakes)
  func reportsRunMistakes(library: String, mistake: Mistake) throws {
    var arguments = mistake.arguments
    arguments.insert(try Burin.library(library), at: 1)
    let outcome = try Burin.run(arguments)
    #expect(outcome.status == mistake.status)
    #expect(outcome.output.isEmpty)
    let last = outcome.errors.split(separator: "\n").last ?? ""
    #expect(last.hasPrefix("burin: ") && last.contains(mistake.mention), "\(outcome.errors)")
  }

  @Test("gives help as a result")
  func helps() throws {
    for arguments in [["--help"], ["help", "compile"], ["compile", "--help"]] {
      let outcome = try Burin.run(arguments)
      #expect(outcome.status == 0)
      #expect(outcome.text.contains("USAGE: burin"))
      #expect(outcome.errors.isEmpty)
    }
  }

  @Test(
    "takes the value after an option as it stands", arguments: ["-x", "--", "--json", "-o", ""])
  func takesValues(value: String) throws {
    let library = try Burin.library("sentence-mean")
    let outcome = try Burin.run(["embed", library, "--text", value, "--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try outcome.json()["embeddings"].array().count == 1)
    let piped = try Burin.run(["embed", "--json", library], input: value + "\n")
    #expect(piped.output == outcome.output)
  }

  @Test("reads texts from a file and from standard input")
  func readsTexts() throws {
    let library = try Burin.library("sentence-mean")
    let path = Burin.directory + "/texts of \"two\" lines"
    let file = try AtomicFile(path: path)
    try file.write(Array("joy\r\n\nThe river\n".utf8))
    try file.commit()
    let outcome = try Burin.run(["embed", library, "--file", path])
    let lines = outcome.text.split(separator: "\n")
    #expect(lines.count == 3)
    let texts = try Burin.run(
      ["embed", library, "--text", "joy", "--text", "", "--text", "The river"])
    #expect(texts.output == outcome.output)
    let none = try Burin.run(["embed", library, "--json"])
    #expect(none.text == "{\"embeddings\":[]}\n")
  }

  @Test("leaves nothing behind when it is interrupted, and exits with 130")
  func isInterrupted() throws {
    let place = Burin.directory + "/interrupted"
    mkdir(place, 0o700)
    // A compiler that hangs.
    let clang = Burin.directory + "/hanging"
    let script = try AtomicFile(path: clang, mode: 0o755)
    try script.write(Array("#!/bin/sh\nexec sleep 600\n".utf8))
    try script.commit()
    let process = try Burin.start(
      ["compile", Self.bert, "-o", place + "/x.so"], output: Burin.directory + "/interruption",
      environment: ["BURIN_CLANG": clang, "TMPDIR": place])
    for _ in 0..<600 where Burin.names(in: place).isEmpty { usleep(10_000) }
    #expect(!Burin.names(in: place).isEmpty)
    kill(process, SIGINT)
    #expect(Burin.wait(process) == 130)
    #expect(Burin.names(in: place).isEmpty)
  }

  @Test("says when standard output cannot be written")
  func reportsFullOutput() throws {
    let process = try Burin.start(["--help"], output: "/dev/full")
    #expect(Burin.wait(process) == 74)
  }

  @Test("writes to paths with quotes, newlines and a leading hyphen")
  func takesPaths() throws {
    let place = Burin.directory + "/a \"b'\n$(c)"
    mkdir(place, 0o700)
    let library = place + "/-x.so"
    let outcome = try Burin.run([
      "compile", Self.bert, "--weights", "separate", "-o", library, "--emit", place + "/-emitted",
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(Set(Burin.names(in: place)) == ["-x.so", "-x.h", "-x.weights", "-emitted"])
    let result = try Burin.run([
      "run", library, "--inputs", Self.bert + "/inputs.safetensors", "--outputs", place + "/-y",
    ])
    #expect(result.status == 0 && result.output.isEmpty && result.errors.isEmpty)
    #expect(try SafetensorsFile(path: place + "/-y").tensors.count == 2)
  }

  @Test("says what the machine has")
  func examines() throws {
    let outcome = try Burin.run(["doctor", "--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let json = try outcome.json()
    #expect(try json["clang"]["path"].string().bytes.first == UInt8(ascii: "/"))
    #expect(try json["missing"].array().isEmpty)
    #expect(try json["cache"]["bytes"].int() >= 0)
    let cache = Burin.directory + "/another cache"
    let lacking = try Burin.run(
      ["doctor"], environment: ["BURIN_CLANG": "/bin/false", "BURIN_CACHE": cache])
    #expect(lacking.status == 69)
    #expect(lacking.text.contains("apt install clang"))
    let cleared = try Burin.run(
      ["doctor", "--clear-cache", "--json"], environment: ["BURIN_CACHE": cache])
    #expect(try cleared.json()["cache"]["bytes"].int() >= 0)
  }
}
