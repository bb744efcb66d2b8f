import BurinHub
import Glibc
import Testing

/// The fine print of the command line: raw tensors, precision, extents, text, the cache. Each test
/// quotes its line.
@Suite struct FinePrintInputTests {
  private let ids: (ByteString, [Int64], [Int]) = ("input_ids", [5, 9, 2, 7, 7, 1], [2, 3])

  // MARK: Raw tensors

  @Test("Inputs that forward() can do without may be absent and mean what they mean there")
  func absentInputs() throws {
    let bert = try Burin.library("bert")
    let bare = try Burin.tensors("bare", ids: [ids])
    let full = try Burin.tensors(
      "full",
      ids: [
        ids, ("attention_mask", [1, 1, 1, 1, 1, 1], [2, 3]),
        ("token_type_ids", [0, 0, 0, 0, 0, 0], [2, 3]),
      ])
    #expect(
      try Burin.output("last_hidden_state", of: bert, inputs: bare)
        == Burin.output("last_hidden_state", of: bert, inputs: full))
    let t5 = try Burin.library("t5-lm")
    let target: (ByteString, [Int64], [Int]) = ("decoder_input_ids", [0, 4, 0, 8], [2, 2])
    #expect(
      try Burin.output(
        "logits", of: t5, inputs: Burin.tensors("source", ids: [ids, target]))
        == Burin.output(
          "logits", of: t5,
          inputs: Burin.tensors(
            "masks",
            ids: [
              ids, target, ("attention_mask", [1, 1, 1, 1, 1, 1], [2, 3]),
              ("decoder_attention_mask", [1, 1, 1, 1], [2, 2]),
            ])))
  }

  @Test("Unknown inputs, wrong types and any index outside its table are 65")
  func wrongInputs() throws {
    let bert = try Burin.library("bert")
    let wide: (ByteString, [Int64], [Int]) = ("token_type_ids", [0, 0, 0, 0, 2, 0], [2, 3])
    for (name, mention, path) in [
      (
        "unknown", "inputs_embeds", try Burin.tensors("u", ids: [ids, ("inputs_embeds", [1], [1])])
      ),
      (
        "a float for an id", "input_ids",
        try Burin.tensors("f", features: [("input_ids", [1], [1, 1])])
      ),
      ("vocabulary", "101", try Burin.tensors("v", ids: [("input_ids", [101], [1, 1])])),
      ("negative", "-1", try Burin.tensors("n", ids: [("input_ids", [-1], [1, 1])])),
      ("token types", "token_type_ids", try Burin.tensors("t", ids: [ids, wide])),
    ] {
      let outcome = try Burin.run(["run", bert, "--inputs", path, "--outputs", "/dev/null/x"])
      #expect(
        outcome.status == 65 && outcome.errors.contains(mention), "\(name): \(outcome.errors)")
    }
    let vit = try Burin.library("vit")
    let image = try Burin.tensors("i", ids: [("pixel_values", [1], [1, 1, 1, 1])])
    let outcome = try Burin.run(["run", vit, "--inputs", image, "--outputs", "/dev/null/x"])
    #expect(outcome.status == 65 && outcome.errors.contains("pixel_values"), "\(outcome.errors)")
  }

  @Test("An unknown input without elements is none: forward() wants features even of width 0")
  func emptyInputs() throws {
    let bert = try Burin.library("bert")
    let empty: (ByteString, [Int64], [Int]) = ("past_time_features", [], [2, 3, 0])
    #expect(
      try Burin.output(
        "last_hidden_state", of: bert, inputs: Burin.tensors("empty", ids: [ids, empty]))
        == Burin.output("last_hidden_state", of: bert, inputs: Burin.tensors("ids", ids: [ids])))
  }

  @Test("run on a decoder is stateless and gives the logits of every position")
  func decoderIsStateless() throws {
    let gpt2 = try Burin.library("gpt2-lm")
    let logits = try Burin.output("logits", of: gpt2, inputs: Burin.tensors("g", ids: [ids]))
    #expect(logits.count == 2 * 3 * 283)
    // A row is what it would be alone, whatever was run before it.
    let alone = try Burin.output(
      "logits", of: gpt2, inputs: Burin.tensors("one", ids: [("input_ids", [7, 7, 1], [1, 3])]))
    #expect(Array(logits[(3 * 283)...]) == alone)
  }

  // MARK: Precision and extents

  @Test("--dtype is the precision of the arithmetic, f32 by default; narrow weights widen exactly")
  func precision() throws {
    for fixture in ["bert-bf16", "distilbert-f16"] {
      let directory = Burin.fixtures + fixture
      let diff = try Burin.run([
        "diff", Burin.library(fixture), "--reference", directory + "/expected.safetensors",
        "--inputs", directory + "/inputs.safetensors",
      ])
      #expect(diff.status == 0, "\(diff.text)")
    }
    // Weights that bf16 holds give the same bits whichever way they were stored.
    let narrow = try ModelDirectory(Burin.fixtures + "bert-bf16").weights()
    let wide = try Burin.altered("bert-bf16")
    let writer = try SafetensorsWriter(
      path: wide + "/model.safetensors",
      tensors: narrow.tensors.map { .init($0.name, .f32, $0.shape) })
    for tensor in narrow.tensors { try writer.write(narrow.floats(of: tensor.name)) }
    try writer.finish()
    let inputs = Burin.fixtures + "bert-bf16/inputs.safetensors"
    #expect(
      try Burin.output("last_hidden_state", of: Burin.compiled(wide).library, inputs: inputs)
        == Burin.output("last_hidden_state", of: Burin.library("bert-bf16"), inputs: inputs))
    let named = try Burin.compiled(Burin.altered("bert"), ["--dtype", "f32"]).library
    let bits = Burin.fixtures + "bert/inputs.safetensors"
    #expect(
      try Burin.output("pooler_output", of: named, inputs: bits)
        == Burin.output("pooler_output", of: Burin.library("bert"), inputs: bits))
  }

  @Test("--max-batch is 32 by default, --max-seq the model's own maximum, else 2,048")
  func extents() throws {
    func summary(_ fixture: String, _ options: String...) throws -> String {
      try Burin.run(["inspect", Burin.fixtures + fixture] + options).text
    }
    let bert = try summary("bert")
    #expect(bert.contains("batch up to 32\n") && bert.contains("seq up to 67\n"), "\(bert)")
    #expect(try summary("bloom-lm").contains("seq up to 2048\n"))
    #expect(try summary("t5-lm").contains("seq up to 2048\n"))
    let less = try summary("bert", "--max-seq", "9", "--max-batch", "2")
    #expect(less.contains("batch up to 2\n") && less.contains("seq up to 9\n"))
  }

  @Test("Memory is reserved lazily, never for the maximum up front")
  func memoryIsLazy() throws {
    let model = try Burin.compiled(
      Burin.altered("bloom-lm"), ["--max-seq", "20000", "--max-batch", "200"]
    ).library
    let process = try Burin.start(
      ["generate", model, "--input-ids", "1,2,3", "--max-new-tokens", "2"],
      output: Burin.directory + "/lazy")
    var (status, usage, own) = (Int32(0), rusage(), rusage())
    while wait4(process, &status, 0, &usage) < 0, errno == EINTR {}
    // A process begins with the high-water mark of the one that started it.
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &own)
    // The logits of all positions alone would take gigabytes.
    #expect(
      status == 0 && usage.ru_maxrss < own.ru_maxrss + 300 << 10, "\(usage.ru_maxrss) KiB")
  }

  // MARK: Text

  @Test("A vector's text: sentence_bert_config.json, tokenizer_config.json, then the positions")
  func lengthOfTexts() throws {
    let long = (1...200).map { "joy\($0 % 9)" }.joined(separator: " ")
    func vector(_ model: String, _ text: String) throws -> String {
      let outcome = try Burin.run(["embed", Burin.compiled(model).library, "--text", text])
      #expect(outcome.status == 0, "\(outcome.errors)")
      return outcome.text
    }
    func limited(_ sentence: Int?, _ tokenizer: Int?) throws -> String {
      var config = try #require(
        try ModelDirectory(Burin.fixtures + "sentence-mean").json("tokenizer_config.json")?.value?
          .object
      ).members
      config.removeAll { $0.key == "model_max_length" }
      if let tokenizer { config.append(.init("model_max_length", JSON(tokenizer))) }
      return try vector(
        Burin.altered(
          "sentence-mean",
          files: [
            "sentence_bert_config.json": sentence.map { ["max_seq_length": JSON($0)] } ?? [:],
            "tokenizer_config.json": .object(JSONObject(config)),
          ]), long)
    }
    let by = try [limited(9, 7), limited(nil, 9), limited(nil, 7), limited(nil, nil)]
    #expect(by[0] == by[1] && by[1] != by[2])
    #expect(by[3] != by[0])
    #expect(try by[3] == limited(67, 7))
  }

  @Test("Truncation and padding saved in tokenizer.json are ignored")
  func savedTruncation() throws {
    let fixture = "bert-sequence-classification"
    var members = try #require(
      try ModelDirectory(Burin.fixtures + fixture).json("tokenizer.json")?.value?.object
    ).members
    members.removeAll { $0.key == "truncation" || $0.key == "padding" }
    let saved: [JSONObject.Member] = [
      .init(
        "truncation",
        ["direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0]),
      .init(
        "padding",
        [
          "strategy": ["Fixed": 30], "direction": "Right", "pad_to_multiple_of": nil, "pad_id": 0,
          "pad_type_id": 0, "pad_token": "[PAD]",
        ]),
    ]
    let model = try Burin.altered(
      fixture, files: ["tokenizer.json": .object(JSONObject(members + saved))])
    let texts = ["--text", "The river rises in the mountains.", "--text", "joy"]
    #expect(
      try Burin.run(["classify", Burin.compiled(model).library] + texts).output
        == Burin.run(["classify", Burin.library(fixture)] + texts).output)
    #expect(
      try Burin.run(["tokenize", model] + texts).output
        == Burin.run(["tokenize", Burin.fixtures + fixture] + texts).output)
  }

  @Test("start and end count Unicode scalars; labels come sorted by score")
  func scalarsAndLabels() throws {
    let answer = try Burin.run([
      "answer", Burin.library("bert-question-answering"), "--question", "Who lives in Vienna?",
      "--context", "e\u{301}🙂 Anna Berger lives in Vienna.", "--json",
    ]).json()
    let context = Array("e\u{301}🙂 Anna Berger lives in Vienna.".unicodeScalars)
    var text = ""
    text.unicodeScalars.append(
      contentsOf: context[try answer["start"].int()..<(try answer["end"].int())])
    #expect(try answer["answer"].string() == ByteString(text))
    #expect(try answer["start"].int() >= 4)
    let labels = try Burin.run([
      "classify", Burin.library("bert-sequence-classification"), "--text", "joy", "--text", "a",
      "--json",
    ]).json()["results"].array()
    for row in labels {
      let scores = try row.array().map { try $0["score"].double() }
      #expect(scores.count > 1 && scores == scores.sorted(by: >))
    }
  }

  // MARK: The cache

  @Test("Cache in the user's cache directory, private to the user, cleared by doctor --clear-cache")
  func cache() throws {
    let home = Burin.directory + "/home"
    mkdir(home, 0o755)
    let places = [
      (["BURIN_CACHE": home + "/own", "XDG_CACHE_HOME": home + "/xdg"], home + "/own"),
      (["BURIN_CACHE": "", "XDG_CACHE_HOME": home + "/xdg"], home + "/xdg/burin"),
      (["BURIN_CACHE": "", "XDG_CACHE_HOME": "relative", "HOME": home], home + "/.cache/burin"),
    ]
    for (environment, place) in places {
      let json = try Burin.run(["doctor", "--json"], environment: environment).json()
      #expect(try json["cache"]["path"].string() == ByteString(place))
      #expect(try json["cache"]["bytes"].int() > 0)
      var status = stat()
      #expect(stat(place, &status) == 0 && status.st_mode & 0o777 == 0o700)
      #expect(Burin.names(in: place).allSatisfy { $0.hasPrefix("entry-") })
      let cleared = try Burin.run(["doctor", "--clear-cache"], environment: environment)
      #expect(cleared.status == 0 && cleared.errors.hasPrefix("burin: cleared "))
    }
  }
}
