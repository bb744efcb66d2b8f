import BurinHub
import Testing

@Suite struct SentencePipelineTests {
  let directory = TemporaryDirectory()

  /// The `modules.json` of these types, each in the directory `N_Type`, the first in none.
  func modules(_ types: [String]) {
    let members = types.enumerated().map { number, type in
      let path = number == 0 ? "" : "\(number)_" + String(type.split(separator: ".").last!)
      return #"{"idx":\#(number),"name":"\#(number)","path":"\#(path)","type":"\#(type)"}"#
    }
    directory.write("[" + members.joined(separator: ",") + "]", to: "modules.json")
  }

  func pipeline() throws -> SentencePipeline? {
    try ModelDirectory(directory.path).sentencePipeline()
  }

  static let bare = [
    "sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling",
  ]

  @Test func noModules() throws {
    #expect(try pipeline() == nil)
  }

  @Test func theUsualThree() throws {
    modules(Self.bare + ["sentence_transformers.models.Normalize"])
    directory.write(
      """
      {"word_embedding_dimension": 384, "pooling_mode_cls_token": false,
       "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false,
       "pooling_mode_mean_sqrt_len_tokens": false}
      """, to: "1_Pooling/config.json")
    directory.write(
      #"{"max_seq_length": 256, "do_lower_case": false}"#, to: "sentence_bert_config.json")
    directory.write(#"{"__version__": {}}"#, to: "config_sentence_transformers.json")
    #expect(
      try pipeline()
        == SentencePipeline(
          transformer: "", poolings: [.mean], poolsPrompt: true, steps: [.normalize],
          maxLength: 256, lowercases: false, prompt: ""))
  }

  @Test func everythingElse() throws {
    modules(
      Self.bare + [
        "sentence_transformers.base.modules.dense.Dense", "sentence_transformers.models.Dropout",
        "sentence_transformers.models.Normalize",
      ])
    directory.write(
      #"{"pooling_mode_lasttoken": true, "pooling_mode_cls_token": true, "include_prompt": false}"#,
      to: "1_Pooling/config.json")
    directory.write(
      """
      {"in_features": 768, "out_features": 512, "bias": false,
       "activation_function": "torch.nn.modules.linear.Identity",
       "module_input_name": "sentence_embedding"}
      """, to: "2_Dense/config.json")
    directory.write(
      #"{"max_seq_length": null, "do_lower_case": true}"#, to: "sentence_roberta_config.json")
    directory.write(
      #"{"prompts": {"query": "Find: ", "other": ""}, "default_prompt_name": "query"}"#,
      to: "config_sentence_transformers.json")
    #expect(
      try pipeline()
        == SentencePipeline(
          transformer: "", poolings: [.cls, .lastToken], poolsPrompt: false,
          steps: [
            .dense(
              directory: "2_Dense", inputs: 768, outputs: 512, bias: false, activation: .identity),
            .normalize,
          ], maxLength: nil, lowercases: true,
          prompts: ["query": "Find: ", "document": "", "other": ""], prompt: "Find: "))
  }

  @Test func promptsAndDimensions() throws {
    modules(Self.bare)
    directory.write("{}", to: "1_Pooling/config.json")
    func settings(_ json: String) throws -> SentencePipeline? {
      directory.write(json, to: "config_sentence_transformers.json")
      return try pipeline()
    }
    let usual = try #require(try settings(#"{"default_prompt_name": "query"}"#))
    #expect(usual.prompts == ["query": "", "document": ""] && usual.prompt.bytes.isEmpty)
    let own = try #require(
      try settings(
        #"{"prompts": {"document": "a: ", "b": null}, "default_prompt_name": null, "#
          + #""truncate_dim": 9, "model_type": "SentenceTransformer"}"#))
    #expect(own.prompts == ["query": "", "document": "a: ", "b": ""])
    #expect(own.prompt.bytes.isEmpty && own.dimensions == 9)
    // What another kind of model puts there is no pipeline of sentences.
    modules(["sentence_transformers.cross_encoder.modules.Transformer"])
    #expect(try settings(#"{"model_type": "CrossEncoder"}"#) == nil)
    #expect(
      message { _ = try settings(#"{"model_type": 3}"#) }.hasSuffix("expected a string, found 3"))
  }

  @Test(
    arguments: [
      (#"{"pooling_mode": "lasttoken"}"#, [.lastToken]),
      (#"{"pooling_mode": ["mean", "cls"]}"#, [.mean, .cls]),
      (#"{"pooling_mode": "max", "pooling_mode_cls_token": true}"#, [.max]),
      (#"{"pooling_mode_weightedmean_tokens": true}"#, [.weightedMean]),
      (#"{"pooling_mode_mean_sqrt_len_tokens": true}"#, [.meanSquareRoot]),
      (#"{"word_embedding_dimension": 8}"#, [.mean]),
    ] as [(String, [SentencePipeline.Pooling])])
  func poolings(config: String, expected: [SentencePipeline.Pooling]) throws {
    modules(Self.bare)
    directory.write(config, to: "1_Pooling/config.json")
    #expect(try pipeline()?.poolings == expected)
  }

  @Test func whatIsUnknownIsRefusedByName() {
    func refusal() -> String { message { _ = try pipeline() } }
    directory.write("{}", to: "1_Pooling/config.json")
    modules(Self.bare + ["sentence_transformers.models.LSTM"])
    #expect(
      refusal().hasSuffix(
        "modules.json: [2].type: expected Transformer, then Pooling, then any of Dense, Normalize, "
          + "Dropout, found \"sentence_transformers.models.LSTM\""))
    modules(["sentence_transformers.models.StaticEmbedding"])
    #expect(refusal().hasSuffix("found \"sentence_transformers.models.StaticEmbedding\""))
    modules(Self.bare + ["custom.Normalize"])
    #expect(refusal().contains("expected a module of sentence_transformers"))
    modules([Self.bare[0]])
    #expect(refusal().contains("expected a Transformer and a Pooling"))
    modules(Self.bare + ["sentence_transformers.models.Dense"])
    #expect(refusal().contains("[2].path: expected a directory with a config.json"))
    directory.write(
      #"{"in_features": 8, "out_features": 0, "activation_function": "os.system"}"#,
      to: "2_Dense/config.json")
    #expect(refusal().contains("2_Dense/config.json: activation_function: expected one of"))
    directory.write(#"{"in_features": 8, "out_features": 0}"#, to: "2_Dense/config.json")
    #expect(refusal().hasSuffix("out_features: expected an integer from 1 to 1048576, found 0"))
    directory.write(#"{"pooling_mode": "best"}"#, to: "1_Pooling/config.json")
    #expect(refusal().contains("pooling_mode: expected one of \"cls\", \"max\", \"mean\""))
    directory.write(
      #"[{"path":"","type":"sentence_transformers.models.Transformer"},"#
        + #"{"path":"../x","type":"sentence_transformers.models.Pooling"}]"#, to: "modules.json")
    #expect(refusal().contains("expected the name of a file inside the model directory"))
    directory.write("{}", to: "modules.json")
    #expect(refusal().hasSuffix("modules.json: expected an array, found an object of 0 keys"))
    modules(Self.bare)
    for name in [
      "1_Pooling/config.json", "sentence_bert_config.json", "config_sentence_transformers.json",
    ] {
      directory.write("[]", to: name)
      #expect(refusal().hasSuffix("\(name): expected an object, found an array of 0"))
      directory.write("{}", to: name)
    }
  }
}
