import BurinHub
import Glibc
import Testing

/// `embed`, and the directories of sentence-transformers that it needs.
@Suite struct EmbedVerbTests {
  private let text = ["--text", "The river rises in the mountains."]

  private func vector(_ arguments: [String]) throws -> [Double] {
    let outcome = try Burin.run(["embed"] + arguments + ["--json"])
    try #require(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.isEmpty)
    return try outcome.json()["embeddings"][0].array().map { try $0.double() }
  }

  private func recorded(_ fixture: String, _ key: ByteString) throws -> [Double] {
    let file = try #require(try ModelDirectory(Burin.fixtures + fixture).json("text.json"))
    return try file[key][0]["vector"].array().map { try $0.double() }
  }

  private func distance(_ left: [Double], _ right: [Double]) -> Double {
    guard left.count == right.count else { return .infinity }
    return zip(left, right).map { abs($0 - $1) }.max() ?? .infinity
  }

  @Test("embeds with a decoder, its prompts by name or as a text, and cut")
  func embeds() throws {
    let fixture = "sentence-qwen3"
    let library = try Burin.library(fixture)
    let plain = try vector([library] + text)
    #expect(try distance(plain, recorded(fixture, "sentences")) < 1e-4)
    let query = try vector([library, "--prompt-name", "query"] + text)
    #expect(try distance(query, recorded(fixture, "prompted")) < 1e-4)
    #expect(distance(query, plain) > 1e-2)
    let prompt = "Instruct: Find where the river rises\nQuery:"
    #expect(try vector([library, "--prompt", prompt] + text) == query)
    #expect(try vector([library, "--prompt-name", "document"] + text) == plain)
    #expect(try vector([library, "--truncate-dim", "7"] + text) == Array(plain[..<7]))
    let cut = try vector([library, "--truncate-dim", "7", "--normalize"] + text)
    #expect(try distance(cut, recorded(fixture, "cut")) < 1e-4)
  }

  @Test("takes the directory's default prompt unless another is asked for")
  func defaultPrompt() throws {
    let library = try Burin.library("sentence-prompted")
    let plain = try vector([library] + text)
    #expect(try distance(plain, recorded("sentence-prompted", "sentences")) < 1e-4)
    #expect(try vector([library, "--prompt-name", "search"] + text) == plain)
    let none = try vector([library, "--prompt", ""] + text)
    #expect(try vector([library, "--prompt-name", "none"] + text) == none && none != plain)
  }

  @Test("says what is wrong with its options, and that there is nothing to generate with")
  func refuses() throws {
    let library = try Burin.library("sentence-qwen3")
    func refusal(_ arguments: [String], _ status: Int32) throws -> String {
      let outcome = try Burin.run(arguments)
      #expect(outcome.status == status && outcome.output.isEmpty)
      return outcome.errors
    }
    #expect(
      try refusal(["embed", library, "--prompt-name", "passage"] + text, 64).contains(
        "prompt-name: expected one of document, query, found passage"))
    #expect(
      try refusal(["embed", library, "--prompt-name", "query", "--prompt", "a"] + text, 64)
        .contains("--prompt-name and --prompt exclude each other"))
    for number in ["0", "25"] {
      #expect(
        try refusal(["embed", library, "--truncate-dim", number] + text, 64).contains(
          "truncate-dim: expected an integer from 1 to 24, found \(number)"))
    }
    #expect(
      try refusal(["generate", library, "--prompt", "a"], 65).contains(
        "generate needs a model for language-model, found one for no task"))
  }

  @Test("finds a dense layer beside a Transformer in a directory of its own")
  func nested() throws {
    let parent = try Burin.altered("sentence-t5") + "-nested"
    let inner = try Burin.altered("sentence-t5")
    mkdir(parent, 0o700)
    for name in ["1_Pooling", "2_Dense"] { rename("\(inner)/\(name)", "\(parent)/\(name)") }
    rename(inner, parent + "/0_Transformer")
    let modules = try #require(
      try ModelDirectory(Burin.fixtures + "sentence-t5").json("modules.json")?.value?.array)
    let first: JSON = [
      "idx": 0, "name": "0", "path": "0_Transformer",
      "type": "sentence_transformers.models.Transformer",
    ]
    try Burin.write(
      JSON.array([first] + modules[1...]).utf8, to: parent + "/modules.json")
    #expect(
      try vector([Burin.compiled(parent).library] + text)
        == vector([Burin.library("sentence-t5")] + text))
  }

  @Test("leaves a head out, and does not need a pooler")
  func headOfAnotherClass() throws {
    let fixture = "sentence-mean"
    let model = try Burin.altered(fixture, [("architectures", ["BertForMaskedLM"])])
    let source = try SafetensorsFile(path: Burin.fixtures + fixture + "/model.safetensors")
    let body = source.tensors.filter { !$0.name.utf8String.hasPrefix("pooler.") }
    let writer = try SafetensorsWriter(
      path: model + "/model.safetensors",
      tensors: body.map { .init(ByteString("bert." + $0.name.utf8String), .f32, $0.shape) }
        + [.init("cls.predictions.other", .f32, [3])])
    for tensor in body { try writer.write(source.floats(of: tensor)) }
    try writer.write([1, 2, 3] as [Float])
    try writer.finish()
    let compiled = try Burin.compiled(model)
    #expect(
      compiled.errors.contains(
        "without bert.pooler.dense.weight, forward gives the last hidden state alone"))
    #expect(try vector([compiled.library] + text) == vector([Burin.library(fixture)] + text))
  }

  // MARK: Files that are wrong

  /// What `compile` says of a directory.
  private func refusal(_ model: String) throws -> String {
    let outcome = try Burin.run(["compile", model, "-o", model + ".so"])
    #expect(outcome.status == 65 && outcome.output.isEmpty, "\(outcome.errors)")
    #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    return outcome.errors
  }

  private func dense(_ inputs: Int, _ outputs: Int, bias: Bool) -> JSON {
    [
      "in_features": JSON(inputs), "out_features": JSON(outputs), "bias": JSON(bias),
      "activation_function": "torch.nn.modules.linear.Identity",
    ]
  }

  @Test("refuses dense layers that do not fit, or whose weights are not those of the configuration")
  func badDense() throws {
    func altered(_ layer: String, _ json: JSON) throws -> String {
      try refusal(Burin.altered("sentence-gemma3", files: [layer + "/config.json": json]))
    }
    #expect(
      try altered("2_Dense", dense(48, 40, bias: false)).contains(
        "2_Dense/config.json: in_features: expected 24, the width of what the modules before it "
          + "give, found 48"))
    #expect(
      try altered("3_Dense", dense(24, 24, bias: false)).contains(
        "3_Dense/config.json: in_features: expected 40, the width of what the modules before it "
          + "give, found 24"))
    #expect(
      try altered("3_Dense", dense(40, 25, bias: false)).contains(
        "3_Dense: linear.weight: expected the shape [25, 40], found [24, 40]"))
    #expect(
      try altered("3_Dense", dense(40, 24, bias: true)).contains(
        "3_Dense: linear.bias: expected a tensor of shape [24], found nothing"))
    #expect(
      try refusal(
        Burin.altered(
          "sentence-prompted", files: ["2_Dense/config.json": dense(64, 11, bias: false)])
      ).contains(
        "2_Dense: linear.bias: expected only tensors of the model, found a tensor that it does "
          + "not have"))
    let bare = try Burin.altered("sentence-gemma3")
    unlink(bare + "/3_Dense/model.safetensors")
    #expect(
      try refusal(bare).contains(
        "3_Dense: expected model.safetensors or model.safetensors.index.json, found neither"))
  }

  @Test("refuses modules, prompts and models that it cannot pool")
  func badModules() throws {
    let package = "sentence_transformers.models."
    func modules(_ types: [String]) -> JSON {
      .array(
        types.enumerated().map { number, type in
          [
            "idx": JSON(number), "name": JSON("\(number)"),
            "path": JSON(number == 0 ? "" : "\(number)_\(type)"), "type": JSON(package + type),
          ]
        })
    }
    #expect(
      try refusal(
        Burin.altered(
          "sentence-mistral",
          files: ["modules.json": modules(["Transformer", "Pooling", "LSTM"])])
      ).contains("modules.json: [2].type: expected Transformer, then Pooling, then any of"))
    #expect(
      try refusal(
        Burin.altered(
          "sentence-mistral",
          files: ["1_Pooling/config.json": ["pooling_mode": ["mean", "median"]]])
      ).contains("1_Pooling/config.json: pooling_mode[1]: expected one of \"cls\", \"max\""))
    func settings(_ json: JSON) throws -> String {
      try refusal(
        Burin.altered("sentence-mistral", files: ["config_sentence_transformers.json": json]))
    }
    #expect(
      try settings(["default_prompt_name": "passage"]).contains(
        "config_sentence_transformers.json: default_prompt_name: expected one of \"document\", "
          + "\"query\", found \"passage\""))
    #expect(
      try settings(["prompts": ["query": 7]]).contains("prompts.query: expected a string, found 7"))
    #expect(
      try settings(["truncate_dim": 25]).contains(
        "truncate_dim: expected at most 24, the width of the vectors, found 25"))
    let target = try Burin.altered("bart")
    mkdir(target + "/1_Pooling", 0o700)
    try Burin.write(Array("{}".utf8), to: target + "/1_Pooling/config.json")
    try Burin.write(modules(["Transformer", "Pooling"]).utf8, to: target + "/modules.json")
    #expect(
      try refusal(target).contains(
        "config.json: model_type: expected an encoder or a decoder of text, whose tokens "
          + "modules.json can pool, found \"bart\""))
  }
}
