import BurinHub
import Testing

@testable import Burin

/// What configurations of decoders mean where they leave something out or say it otherwise.
@Suite struct DecoderConfigurationTests {
  /// Two spellings of one model.
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let fixture: String
    let edits: [(ByteString, JSON?)]
    /// What the other spelling is, if it is not the fixture as it stands.
    var other: [(ByteString, JSON?)] = []
    var testDescription: String { name }
  }

  private static let factors: [ByteString: JSON] = [
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.0, 1.1, 1.2, 1.3],
    "long_factor": [1.5, 2.0, 3.0, 5.0, 1.5, 2.0, 3.0, 5.0],
  ]

  private static func longRope(_ type: JSON) -> JSON {
    .object(JSONObject(factors.map { .init($0.key, $0.value) } + [.init("type", type)]))
  }

  static let cases = [
    Case(
      name: "GPT-2's sizes under other families' names", fixture: "gpt2-lm-scaled",
      edits: [
        ("n_embd", 999), ("hidden_size", 18), ("n_head", nil), ("num_attention_heads", 3),
        ("n_layer", 1), ("num_hidden_layers", 3), ("n_positions", nil),
        ("max_position_embeddings", 103),
      ]),
    Case(
      name: "BLOOM's old width, and its layers under other names", fixture: "bloom",
      edits: [
        ("hidden_size", 999), ("n_embed", 22), ("n_layer", 7), ("num_hidden_layers", 2),
        ("n_head", nil), ("num_attention_heads", 2),
      ]),
    Case(
      name: "OPT's padding", fixture: "opt-sequence-classification",
      edits: [("pad_token_id", nil)]),
    Case(
      name: "BLOOM's sums in parts, of one part", fixture: "bloom",
      edits: [("slow_but_exact", true)]),
    Case(
      name: "yarn in Phi-3", fixture: "phi3-lm-long",
      edits: [("rope_scaling", longRope("yarn"))],
      other: [("rope_scaling", longRope("longrope"))]),
    Case(
      name: "su in Phi-3", fixture: "phi3-lm-long", edits: [("rope_scaling", longRope("su"))],
      other: [("rope_scaling", longRope("longrope"))]),
    Case(
      name: "Phi-3's original context", fixture: "phi3-lm-long",
      edits: [("original_max_position_embeddings", nil)],
      other: [("original_max_position_embeddings", 4096)]),
    Case(
      name: "one divisor for all", fixture: "llama-lm-long",
      edits: [("rope_scaling", ["type": "longrope", "short_factor": [2.0], "long_factor": [3.0]])],
      other: [
        (
          "rope_scaling",
          [
            "type": "longrope", "short_factor": [2.0, 2.0, 2.0, 2.0],
            "long_factor": [3.0, 3.0, 3.0, 3.0],
          ]
        )
      ]),
    Case(
      name: "a mixture without experts", fixture: "qwen3-lm",
      edits: [
        ("model_type", "qwen3_moe"), ("architectures", ["Qwen3MoeForCausalLM"]),
        ("num_experts", 0), ("num_experts_per_tok", 8),
      ]),
    Case(
      name: "SmolLM3's flags as truth values", fixture: "smollm3-lm",
      edits: [("no_rope_layers", [true, false, true, false])]),
    Case(
      name: "types of layers count whatever use_sliding_window says", fixture: "smollm3-lm",
      edits: [
        ("use_sliding_window", false), ("sliding_window", 5),
        (
          "layer_types",
          ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
        ),
      ], other: [("use_sliding_window", true), ("sliding_window", 5), ("layer_types", nil)]),
    Case(
      name: "a flag that is null, and so false", fixture: "gpt-neox-lm-serial",
      edits: [("use_parallel_residual", .some(.null))]),
    Case(
      name: "a soft cap of scores where there is none", fixture: "gemma-lm",
      edits: [("final_logit_softcapping", 3.0), ("attn_logit_softcapping", 3.0)]),
    Case(
      name: "the positions of Gemma 3 without types of layers", fixture: "gemma3-lm",
      edits: [
        ("rope_scaling", nil), ("rope_theta", nil),
        (
          "rope_parameters", ["rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0]
        ),
      ]),
    Case(
      name: "llama3 with no step between", fixture: "llama-lm",
      edits: [
        (
          "rope_scaling",
          [
            "rope_type": "llama3", "factor": 2.0, "low_freq_factor": 1e9,
            "high_freq_factor": 1e9, "original_max_position_embeddings": 32,
          ]
        )
      ], other: [("rope_scaling", ["type": "linear", "factor": 2.0])]),
    Case(
      name: "keys that have the value of the class", fixture: "llama-lm",
      edits: [
        ("rope_theta", nil), ("tie_word_embeddings", nil), ("hidden_act", nil),
      ]),
  ]

  @Test("one model in two spellings is one program", arguments: cases)
  func spellings(_ example: Case) throws {
    func text(_ edits: [(ByteString, JSON?)]) throws -> Substring {
      try Fixture(name: example.fixture).withCopy(edits) { directory in
        // The first line has the name of the directory.
        try directory.spec().program.text.drop { $0 != "\n" }
      }
    }
    #expect(try text(example.edits) == text(example.other))
  }

  @Test("a size that is absent is that of the class")
  func sizes() throws {
    let error = #expect(throws: HubError.self) {
      try Fixture(name: "llama-lm").withCopy([("vocab_size", nil)]) { _ = try $0.spec() }
    }
    #expect(error?.description.contains("[32000, 24]") == true, "\(error?.description ?? "")")
  }

  @Test("configurations say how to generate where no file of its own does")
  func generation() throws {
    let llama = Fixture(name: "llama-lm")
    func description(
      _ edits: [(ByteString, JSON?)], generation: JSON? = nil
    ) throws -> ModelDescription {
      try llama.withCopy(edits, generation: generation) { try $0.spec().description }
    }
    func rules(_ description: ModelDescription) throws -> LogitsRules {
      try LogitsRules(JSONField(description.generation, file: "config.json"))
    }
    let edits: [(ByteString, JSON?)] = [
      ("eos_token_id", [7, 9]), ("repetition_penalty", 1.5), ("suppress_tokens", [3, 4]),
      ("begin_suppress_tokens", [5]), ("forced_bos_token_id", 6), ("forced_eos_token_id", 9),
      ("no_repeat_ngram_size", 3), ("bad_words_ids", [[1, 2]]), ("min_length", 8),
      ("temperature", 0.1), ("num_beams", 4),
    ]
    let alone = try description(edits)
    #expect(alone.endTokens == [7, 9])
    let read = try rules(alone)
    #expect(read.repetitionPenalty == 1.5 && read.suppressed == [3, 4])
    #expect(read.suppressedFirst == [5] && read.forcedStart == 6 && read.forcedEnd == [9])
    #expect(read.noRepeatRun == 3 && read.forbiddenRuns == [[1, 2]] && read.minimumLength == 8)
    // A file of its own says everything.
    let beside = try description(edits, generation: ["min_length": 2])
    #expect(beside.endTokens.isEmpty)
    #expect(try rules(beside).minimumLength == 2 && rules(beside).repetitionPenalty == 1)
    // What the class says where nothing does; ids beyond the vocabulary are left out in silence.
    #expect(try description([("eos_token_id", nil)]).endTokens == [2])
    #expect(try description([("eos_token_id", .null)]).endTokens.isEmpty)
    let gpt2 = try Fixture(name: "gpt2-lm").withCopy([("eos_token_id", nil)]) { try $0.spec() }
    #expect(gpt2.description.endTokens.isEmpty && gpt2.warnings.isEmpty)
    // The text model of something larger says what that leaves open.
    let inner = try Fixture(name: "gemma3-conditional-lm").withCopy([("eos_token_id", nil)]) {
      try $0.spec().description
    }
    #expect(inner.endTokens == [1])
  }

  @Test("turns on as transformers does beyond the original context", arguments: [0, 8])
  func outgrowing(guesses: Int) throws {
    for fixture in Fixture.all(with: "outgrow.json") {
      let recorded = try #require(try ModelDirectory(fixture.path).json("outgrow.json"))
      let prompt = try recorded["prompt"].array().map { Int32(try $0.int()) }
      let tokens = try recorded["tokens"].array().map { try $0.int() }
      var options = GenerationOptions()
      options.maximumNewTokens = tokens.count
      options.ignoresEndTokens = true
      options.promptLookupTokens = guesses
      let generator = try Generator(TextModel(try fixture.library(), threads: 2))
      #expect(try generator(prompt, options).tokens.map(Int.init) == tokens, "\(fixture)")
    }
  }

  @Test("Phi-3 reads a text that outgrows its original context again")
  func rereading() throws {
    let fixture = Fixture(name: "phi3-lm-long")
    let original = 13
    let model = try fixture.library()
    var options = GenerationOptions()
    options.maximumNewTokens = 16
    options.ignoresEndTokens = true
    let generator = try Generator(TextModel(model, threads: 2))
    let prompt: [Int32] = [5, 71, 33, 2, 90]
    let tokens = try generator(prompt, options).tokens
    #expect(prompt.count < original && prompt.count + tokens.count > original + 1)
    // As if nothing had been kept: each token follows from the whole text before it.
    var text = prompt
    for token in tokens {
      let inputs = ["input_ids": HostTensor(text, shape: [1, text.count])]
      let logits = try #require(try model.run(inputs)["logits"]).floats.suffix(113)
      let best = try #require(logits.indices.max { logits[$0] < logits[$1] })
      #expect(Int(token) == best - logits.startIndex, "after \(text.count)")
      text.append(token)
    }
  }

  @Test("a context that no layer turns in is not long")
  func unturned() throws {
    let scaling: JSON = ["rope_type": "longrope", "short_factor": [1.0], "long_factor": [2.0]]
    let edits: [(ByteString, JSON?)] = [
      ("rope_scaling", scaling), ("original_max_position_embeddings", 16),
    ]
    func isLong(_ name: String, _ more: [(ByteString, JSON?)]) throws -> Bool {
      try Fixture(name: name).withCopy(edits + more) {
        try $0.spec().description.longContext != nil
      }
    }
    #expect(try isLong("smollm3-lm", []))
    #expect(try !isLong("smollm3-lm", [("no_rope_layers", [0, 0, 0, 0])]))
    let types = JSON.array(Array(repeating: "sliding_attention", count: 4))
    #expect(try isLong("gemma3-lm", []) && !isLong("gemma3-lm", [("layer_types", types)]))
  }

  @Test("turns as far as torch does at far positions")
  func farPositions() throws {
    // transformers' inv_freq of a head of 24 elements and a base of 500,000.
    let expected: [Float] = [
      1, 0.3350316286087036, 0.11224619299173355, 0.03760603070259094, 0.012599208392202854,
      0.004221134819090366, 0.001414213445968926, 0.0004738064017146826, 0.00015874006203375757,
      5.3182957344688475e-05, 1.7817979824030772e-05, 5.969583526166389e-06,
    ]
    let config: JSON = ["rope_theta": 500_000.0]
    let rotary = try Rotary(JSONField(config, file: "config.json"), width: 24)
    for (mine, theirs) in zip(rotary.frequencies, expected) {
      // Two libraries' powers may differ in the last place.
      #expect(abs(mine - theirs) <= theirs.ulp, "\(mine) \(theirs)")
    }
  }

  @Test("takes positions that nothing follows from")
  func unreadPositions() throws {
    let model = try Fixture(name: "bloom-lm").library()
    let ids = HostTensor([3, 1, 4, 1, 5].map(Int32.init), shape: [1, 5])
    let places = HostTensor([9, 9, 0, 0, 7].map(Int32.init), shape: [1, 5])
    let plain = try #require(try model.run(["input_ids": ids])["logits"]).floats
    let placed = try model.run(["input_ids": ids, "position_ids": places])
    #expect(try #require(placed["logits"]).floats == plain)
  }

  @Test("OPT's padding stands at the row before the first")
  func padding() throws {
    let fixture = Fixture(name: "opt-lm")
    let outputs = try fixture.library().run(fixture.tensors("inputs.safetensors"))
    let found = try #require(outputs["logits"]).floats
    let expected = try #require(try fixture.tensors("expected.safetensors")["logits"]).floats
    let largest = expected.reduce(0) { max($0, abs($1)) }
    let error = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(error / largest < 1e-4)
  }
}
