import BurinHub
import Glibc
import Testing

/// What the verbs write.
@Suite struct VerbTests {
  private func json(_ arguments: String...) throws -> JSONField {
    let outcome = try Burin.run(arguments + ["--json"])
    try #require(outcome.status == 0, "\(outcome.errors)")
    return try outcome.json()
  }

  private func keys(_ field: JSONField) -> [String] {
    field.value?.object?.map { $0.key.utf8String } ?? []
  }

  @Test("writes the JSON of the task heads")
  func writesJSON() throws {
    let classified = try json(
      "classify", Burin.library("bert-sequence-classification"), "--text", "joy", "--text", "")
    #expect(try classified["results"].array().count == 2)
    #expect(keys(classified["results"][0][0]) == ["label", "score"])
    let tagged = try json(
      "tag", Burin.library("bert-token-classification"), "--text",
      "The river rises in the mountains.")
    #expect(keys(tagged["results"][0][0]) == ["entity", "score", "start", "end", "text"])
    let answer = try json(
      "answer", Burin.library("bert-question-answering"), "--question", "Who lives in Vienna?",
      "--context", "Anna Berger lives in Vienna.")
    #expect(keys(answer) == ["answer", "score", "start", "end"])
    #expect(try answer["answer"].string() == "Berger lives")
  }

  @Test("answers alike where only the tokenizer's class names its special tokens")
  func answersByTheClass() throws {
    let name = "bert-question-answering"
    let config = try #require(
      try ModelDirectory(Burin.fixtures + name).json("tokenizer_config.json")?.value?.object)
    let kept = config.filter { member in
      !member.key.utf8String.hasSuffix("_token") && member.key != "added_tokens_decoder"
    }
    let bare = try Burin.compiled(
      Burin.altered(
        name, files: ["tokenizer_config.json": .object(JSONObject(kept))],
        without: ["special_tokens_map.json"]))
    let question = ["--question", "Who lives in Vienna?", "--context", "Anna Berger does."]
    #expect(
      try Burin.run(["answer", bare.library, "--json"] + question).text
        == Burin.run(["answer", Burin.library(name), "--json"] + question).text)
  }

  @Test("generates, with and without text")
  func generates() throws {
    let library = try Burin.library("gpt2-lm")
    let result = try json("generate", library, "--prompt", "The river", "--max-new-tokens", "4")
    #expect(try result["tokens"].array().map { try $0.int() } == [140, 23, 23, 189])
    #expect(try result["prompt_tokens"].int() == 6)
    #expect(try result["seconds"].double() >= 0)
    let plain = try Burin.run(
      ["generate", library, "--prompt", "The river", "--max-new-tokens", "4"])
    #expect(Array(plain.output.dropLast()) == (try result["text"].string().bytes))
    #expect(plain.errors.isEmpty)
    let bare = try json("generate", Burin.library("gpt2-lm-scaled"), "--input-ids", "1,2")
    #expect(bare.value?["text"] == .null)
    #expect(try bare["tokens"].array().isEmpty == false)
  }

  @Test("scores")
  func scores() throws {
    let library = try Burin.library("gpt2-lm")
    let result = try json("score", library, "--text", "The river", "--text", "a")["results"]
    #expect(keys(result[0]) == ["tokens", "log_probabilities", "sum", "perplexity"])
    #expect(try result[0]["log_probabilities"].array().count == 6)
    #expect(!result[0]["log_probabilities"][0].exists)
    #expect(abs(try result[0]["perplexity"].double() - 1_687.976) < 0.01)
    #expect(try result[1]["tokens"].array().count == 1)
    #expect(result[1].value?["perplexity"] == .null)
    let ids = try Burin.run(["score", library, "--input-ids", "52,257,221,265,86,267"])
    let lines = ids.text.split(separator: "\n")
    #expect(lines.count == 7 && lines[0] == "52\t-\tT" && lines[6].hasPrefix("perplexity\t"))
    let long = try Burin.run([
      "score", library, "--text", String(repeating: "river ", count: 200),
    ])
    #expect(long.status == 65 && long.errors.contains("at most 103"), "\(long.errors)")
    #expect(try Burin.run(["score", library, "--input-ids", "1", "--text", "a"]).status == 64)
  }

  @Test("turns text into ids and back")
  func tokenizes() throws {
    for model in [Burin.fixtures + "gpt2-lm", try Burin.library("gpt2-lm")] {
      let ids = try Burin.run(["tokenize", model, "--text", "-The river"])
      #expect(ids.text == "13 52 257 221 265 86 267\n")
      let text = try Burin.run(["tokenize", model, "--ids", "13,52,257,221,265,86,267"])
      #expect(text.text == "-The river\n")
      #expect(
        try keys(json("tokenize", model, "--text", "a")["results"][0]) == [
          "ids", "tokens", "offsets",
        ])
    }
  }

  @Test("reads the tokenizer where the modules of a sentence pipeline say it is")
  func tokenizesInModules() throws {
    let model = "\(Burin.directory)/modules"
    for folder in ["", "/0_Transformer", "/1_Pooling"] { mkdir(model + folder, 0o700) }
    let fixture = Burin.fixtures + "sentence-mean/"
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      try Burin.write(Burin.read(fixture + name), to: "\(model)/0_Transformer/\(name)")
    }
    let package = "sentence_transformers.models."
    try Burin.write(
      JSON.array([
        ["idx": 0, "path": "0_Transformer", "type": JSON(package + "Transformer")],
        ["idx": 1, "path": "1_Pooling", "type": JSON(package + "Pooling")],
      ]).utf8, to: model + "/modules.json")
    try Burin.write(Array("{}".utf8), to: model + "/1_Pooling/config.json")
    let outcome = try Burin.run(["tokenize", model, "--text", "joy"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.text == (try Burin.run(["tokenize", fixture, "--text", "joy"])).text)
  }

  @Test("names the first value that diverges")
  func compares() throws {
    let library = try Burin.library("bert")
    let fixture = Burin.fixtures + "bert/"
    let inputs = ["--inputs", fixture + "inputs.safetensors"]
    let same = try Burin.run(
      ["diff", library, "--reference", fixture + "expected.safetensors"] + inputs)
    #expect(same.status == 0, "\(same.text)")
    let file = try SafetensorsFile(path: fixture + "expected.safetensors")
    let tensor = try #require(file.tensor("pooler_output"))
    var values = try file.floats(of: tensor)
    values[tensor.shape[1] + 2] += 0.25
    let path = Burin.directory + "/altered.safetensors"
    let writer = try SafetensorsWriter(
      path: path, tensors: [.init("pooler_output", .f32, tensor.shape)])
    try writer.write(values)
    try writer.finish()
    let other = try Burin.run(["diff", library, "--reference", path] + inputs)
    #expect(other.status == 1)
    #expect(other.text.hasPrefix("pooler_output[1, 2]: expected "), "\(other.text)")
    #expect(other.errors.isEmpty)
    // A mask of BOOL is taken as `run` takes it.
    let masked = Burin.directory + "/masked.safetensors"
    let mask = try SafetensorsWriter(
      path: masked,
      tensors: [.init("input_ids", .i64, [1, 3]), .init("attention_mask", .bool, [1, 3])])
    try mask.write([5, 9, 2] as [Int64])
    try mask.write([1, 1, 0] as [UInt8])
    try mask.finish()
    let recorded = Burin.directory + "/masked-outputs.safetensors"
    #expect(
      try Burin.run(["run", library, "--inputs", masked, "--outputs", recorded]).status == 0)
    let both = try Burin.run(["diff", library, "--reference", recorded, "--inputs", masked])
    #expect(both.status == 0, "\(both.errors)")
    let unknown = try Burin.run(
      ["diff", library, "--reference", fixture + "model.safetensors"] + inputs)
    #expect(unknown.status == 65)
  }

  @Test("shows a model and a library alike")
  func inspects() throws {
    let library = try Burin.library("bert")
    let model = Burin.fixtures + "bert"
    for part in [["--ir"], ["--after", "fuse-attention"], ["--c"], ["--fusion"], ["--memory"]] {
      let one = try Burin.run(["inspect", library] + part)
      #expect(one.status == 0, "\(one.errors)")
      #expect(one.output == (try Burin.run(["inspect", model] + part)).output)
      #expect(!one.output.isEmpty)
    }
    let program = Burin.directory + "/bert.burin"
    let file = try AtomicFile(path: program)
    try file.write(try Burin.run(["inspect", library, "--ir"]).output)
    try file.commit()
    let again = try Burin.run(["inspect", program, "--ir", "--max-seq", "4"])
    #expect(again.errors.contains("bounds of its own"))
    #expect(again.text == (try Burin.run(["inspect", library, "--ir"]).text))
    let output = Burin.directory + "/from-text.so"
    #expect(try Burin.run(["compile", program, "-o", output]).status == 74)
    try copy(model + "/model.safetensors", to: Burin.directory + "/bert.safetensors")
    #expect(try Burin.run(["compile", program, "-o", output]).status == 0)
    let diff = try Burin.run([
      "diff", output, "--reference", model + "/expected.safetensors", "--inputs",
      model + "/inputs.safetensors",
    ])
    #expect(diff.status == 0, "\(diff.text)")
    #expect(try Burin.run(["inspect", library, "--graph", "dot"]).text.hasPrefix("digraph"))
    #expect(try Burin.run(["inspect", library, "--graph", "svg"]).text.hasSuffix("</svg>\n"))
    let assembly = try Burin.run(["inspect", library, "--asm", "attention"])
    #expect(assembly.text.contains("attention") && assembly.text.contains("ret"))
    let page = Burin.directory + "/page.html"
    #expect(try Burin.run(["inspect", library, "--html", page]).status == 0)
    #expect(try RegularFile(path: page).contents(limit: 1 << 26).starts(with: "<!DOCTYPE".utf8))
  }

  private func copy(_ source: String, to target: String) throws {
    let file = try AtomicFile(path: target)
    try file.write(RegularFile(path: source).contents(limit: 1 << 26))
    try file.commit()
  }

  @Test("measures")
  func measures() throws {
    let forward = try json(
      "bench", Burin.library("bert"), "--batch", "2", "--seq", "16", "--repeats", "3")
    #expect(try forward["median_ms"].double() > 0)
    #expect(try forward["peak_share"].double() > 0)
    #expect(try forward["ceiling"]["gflops"].double() > 0)
    let decoding = try json(
      "bench", Burin.library("gpt2-lm"), "--prompt", "8", "--generate", "4", "--repeats", "3")
    #expect(try decoding["prefill_tokens_per_second"].double() > 0)
    #expect(try decoding["decode_tokens_per_second"].double() > 0)
    #expect(try decoding["peak_share"].double() > 0)
    let profile = try json(
      "bench", Burin.library("gpt2-lm"), "--prompt", "8", "--generate", "4", "--repeats", "3",
      "--profile")
    for part in ["prefill_profile", "decode_profile"] as [ByteString] {
      let shares = try profile[part].array().map { try $0["share"].double() }
      #expect(abs(shares.reduce(0, +) - 1) < 1e-6)
    }
  }
}
