import BurinHub
import Glibc
import Testing

/// The fine print of the command line: what verbs on text write, and how generation reads its
/// options. Each test quotes its line.
@Suite struct FinePrintTests {
  private func json(_ arguments: [String]) throws -> JSONField {
    let outcome = try Burin.run(arguments + ["--json"])
    try #require(outcome.status == 0, "\(outcome.errors)")
    return try outcome.json()
  }

  private func ids(_ field: JSONField) throws -> [Int] { try field.array().map { try $0.int() } }

  private func generated(
    _ library: String, _ ids: [Int], _ options: String...
  ) throws -> [Int] {
    let list = ids.map(String.init).joined(separator: ",")
    return try self.ids(json(["generate", library, "--input-ids", list] + options)["tokens"])
  }

  // MARK: Values and JSON

  @Test("The value after an option is taken as it stands, even if it begins with -")
  func valuesStand() throws {
    let library = try Burin.library("gpt2-lm")
    for value in ["--json", "--", "-o", "--help"] {
      let written = try Burin.run(["generate", library, "--prompt", value, "--max-new-tokens", "2"])
      #expect(written.status == 0, "\(written.errors)")
      let stopped = try json(["generate", library, "--prompt", "a", "--stop", value])
      #expect(try stopped["prompt_tokens"].int() > 0)
    }
    let place = Burin.directory + "/--emit"
    let outcome = try Burin.run(["compile", Burin.fixtures + "bert", "-o", "--", "--emit", place])
    defer { for name in ["--", "--.h"] { unlink(name) } }
    #expect(outcome.status == 0 && access("./--", R_OK) == 0, "\(outcome.errors)")
  }

  @Test("With --json, standard output is exactly one JSON value")
  func oneValue() throws {
    let gpt2 = try Burin.library("gpt2-lm")
    let bert = try Burin.library("bert")
    let fixture = Burin.fixtures + "bert/"
    let lines: [[String]] = [
      ["embed", try Burin.library("sentence-mean"), "--text", "a\n\"b\u{1}"],
      ["embed", bert + "-none.so"],
      ["classify", try Burin.library("bert-sequence-classification"), "--text", "a"],
      ["tag", try Burin.library("bert-token-classification"), "--text", "a"],
      [
        "answer", try Burin.library("bert-question-answering"), "--question", "a", "--context", "b",
      ],
      ["generate", gpt2, "--prompt", "\u{7F}\n"], ["score", gpt2, "--text", "a"],
      ["tokenize", gpt2, "--text", "a"], ["tokenize", gpt2, "--ids", "13,52"],
      ["bench", bert, "--seq", "4", "--repeats", "1"], ["doctor"],
      [
        "diff", bert, "--reference", fixture + "expected.safetensors", "--inputs",
        fixture + "inputs.safetensors",
      ],
      ["generate", gpt2], ["compile"], ["nothing"],
    ]
    for line in lines {
      let outcome = try Burin.run(line + ["--json"])
      // One value and the end of the line, or, in failure, nothing.
      guard outcome.status == 0 else {
        #expect(outcome.output.isEmpty, "\(line)")
        continue
      }
      _ = try outcome.json()
      #expect(outcome.output.filter { $0 == UInt8(ascii: "\n") }.count == 1, "\(line)")
    }
  }

  @Test("Absent things are null; a directory without a tokenizer compiles; verbs on text say so")
  func withoutTokenizer() throws {
    let library = try Burin.library("gpt2-lm-scaled")
    let result = try json(["generate", library, "--input-ids", "3", "--max-new-tokens", "1"])
    for key: ByteString in ["text", "score", "seed"] { #expect(result.value?[key] == .null) }
    for verb in [
      ["generate", library, "--prompt", "a"],
      ["generate", library, "--input-ids", "1", "--stop", "a"],
      ["score", library, "--text", "a"], ["tokenize", library, "--text", "a"],
      ["embed", try Burin.library("bert"), "--text", "a"],
    ] {
      let outcome = try Burin.run(verb)
      #expect(outcome.status == 65 && outcome.errors.contains("tokenizer"), "\(outcome.errors)")
    }
  }

  // MARK: Generation

  @Test("--input-ids are untouched; tokens end with the end token; --ignore-eos never gives it")
  func idsAreUntouched() throws {
    let gpt2 = try Burin.library("gpt2-lm")
    let recorded = try #require(
      try ModelDirectory(Burin.fixtures + "gpt2-lm").json("generate.json"))
    let prompt = try ids(recorded["prompt"])
    #expect(
      try generated(gpt2, prompt, "--max-new-tokens", "64") == ids(recorded["until_end"]))
    #expect(
      try generated(gpt2, prompt, "--max-new-tokens", "64", "--ignore-eos")
        == ids(recorded["ignoring_end"]))
    let list = prompt.map(String.init).joined(separator: ",")
    let result = try json(["generate", gpt2, "--input-ids", list, "--max-new-tokens", "64"])
    #expect(try result["prompt_tokens"].int() == prompt.count)
    #expect(try result["end"].string() == "end")
  }

  @Test("tokens are without the decoder's start token")
  func noStartToken() throws {
    let t5 = try Burin.library("t5-lm")
    let recorded = try #require(try ModelDirectory(Burin.fixtures + "t5-lm").json("translate.json"))
    let source = try ids(recorded["source"])
    #expect(try generated(t5, source) == ids(recorded["until_end"]))
    #expect(
      try generated(t5, source, "--max-new-tokens", "40", "--ignore-eos")
        == ids(recorded["ignoring_end"]))
  }

  @Test(
    "generation_config.json supplies ids, tokens and penalties; sampling and beams come by flag")
  func generationConfiguration() throws {
    let plain = try generated(Burin.library("gpt2-lm"), [188, 178], "--max-new-tokens", "12")
    func library(_ generation: JSON) throws -> String {
      try Burin.compiled(Burin.altered("gpt2-lm", files: ["generation_config.json": generation]))
        .library
    }
    let sampling = try library([
      "do_sample": true, "temperature": 9.5, "top_k": 3, "top_p": 0.1, "num_beams": 5,
      "eos_token_id": 127, "max_length": 4, "max_new_tokens": 3,
    ])
    #expect(try generated(sampling, [188, 178], "--max-new-tokens", "12") == plain)
    let ruled = try library([
      "suppress_tokens": [JSON(plain[0])], "forced_eos_token_id": 9,
      "eos_token_id": 9, "repetition_penalty": 1.5,
    ])
    let tokens = try generated(ruled, [188, 178], "--max-new-tokens", "12")
    #expect(!tokens.contains(plain[0]) && tokens.last == 9)
    let ended = try library(["eos_token_id": [JSON(plain[3])]])
    #expect(
      try generated(ended, [188, 178], "--max-new-tokens", "12")
        == Array(plain[...#require(plain.firstIndex(of: plain[3]))]))
  }

  // MARK: What the directory says

  // Bad input 44.
  @Test("A special id outside the vocabulary is a warning")
  func specialIDs() throws {
    let model = try Burin.altered(
      "gpt2-lm", [("eos_token_id", 50_256)],
      files: ["generation_config.json": ["eos_token_id": [127, 50_256]]])
    let (library, errors) = try Burin.compiled(model)
    #expect(errors.contains("burin: warning: ") && errors.contains("50256"), "\(errors)")
    #expect(errors.contains("never"))
    #expect(try generated(library, [188, 178], "--max-new-tokens", "3").count == 3)
  }

  @Test("architectures[0] chooses the head; absent means bare; unknown is 65")
  func architectures() throws {
    func summary(_ names: JSON?) throws -> Outcome {
      try Burin.run(["inspect", Burin.altered("bert", [("architectures", names)])])
    }
    #expect(try summary(nil).text.contains("gives last_hidden_state"))
    #expect(try summary([]).text.contains("gives last_hidden_state"))
    #expect(try summary(["BertModel", "BertForMaskedLM"]).text.contains("gives last_hidden_state"))
    let unknown = try summary(["BertForChess"])
    #expect(unknown.status == 65)
    #expect(
      unknown.errors.contains("architectures[0]") && unknown.errors.contains("BertForChess")
        && unknown.errors.contains("BertModel"), "\(unknown.errors)")
  }

  @Test("Configurations of transformers 4.x and 5.x are read")
  func configurations() throws {
    let scaling: JSON = [
      "factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
      "original_max_position_embeddings": 32, "rope_type": "llama3",
    ]
    let members = try #require(scaling.object).members
    let parameters = JSON.object(JSONObject(members + [.init("rope_theta", 10_000.0)]))
    let old = members.filter { $0.key != "rope_type" } + [.init("type", "llama3")]
    let edits: [[(ByteString, JSON?)]] = [
      [], [("dtype", nil), ("torch_dtype", "float32")],
      [("rope_scaling", .object(JSONObject(old)))],
      [("rope_scaling", nil), ("rope_theta", nil), ("rope_parameters", parameters)],
    ]
    let programs = try edits.map { edit in
      let outcome = try Burin.run(["inspect", Burin.altered("llama-lm", edit), "--ir"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      // The first line has the name of the directory.
      return outcome.text.drop { $0 != "\n" }
    }
    #expect(programs.allSatisfy { $0 == programs[0] })
  }
}
