import BurinHub
import Testing

@testable import Burin

/// Configurations as transformers 5 writes them, where it says otherwise what transformers 4 said.
@Suite struct RecentConfigurationTests {
  typealias Case = DecoderConfigurationTests.Case

  private static let t5: [(ByteString, JSON?)] = [
    ("model_type", "t5"), ("architectures", ["T5ForConditionalGeneration"]),
  ]

  static let cases = [
    Case(
      name: "T5, tied and scaled", fixture: "t5-lm",
      edits: [("tie_word_embeddings", true), ("scale_decoder_outputs", true)]),
    // `tie_word_embeddings` is always true there: the files have a matrix of their own, or not.
    Case(
      name: "T5 1.1, neither tied nor scaled", fixture: "mt5-lm",
      edits: t5 + [("tie_word_embeddings", true), ("scale_decoder_outputs", false)],
      other: t5 + [("tie_word_embeddings", false)]),
    Case(
      name: "mT5, which says nothing of a scale", fixture: "mt5-lm",
      edits: [("tie_word_embeddings", true), ("transformers_version", "5.24.0")]),
    Case(
      name: "the experts of Qwen3-MoE under Mixtral's name", fixture: "qwen3-moe-lm",
      edits: [("num_experts", nil), ("num_local_experts", 11)]),
    Case(
      name: "ModernBERT's layers by their types", fixture: "modernbert",
      edits: [
        ("global_attn_every_n_layers", nil), ("global_rope_theta", nil),
        ("local_rope_theta", nil),
        (
          "layer_types",
          ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
        ),
        (
          "rope_parameters",
          [
            "full_attention": ["rope_type": "default", "rope_theta": 160_000.0],
            "sliding_attention": ["rope_type": "default", "rope_theta": 10_000.0],
          ]
        ),
      ], other: [("global_attn_every_n_layers", 2)]),
  ]

  @Test("one model in two spellings is one program", arguments: cases)
  func spellings(_ example: Case) throws {
    try DecoderConfigurationTests().spellings(example)
  }

  @Test("T5 without a matrix of its own is tied, and not scaled where it is said")
  func tiedWithoutScale() throws {
    func text(_ edits: [(ByteString, JSON?)]) throws -> String {
      try Fixture(name: "t5-lm").withCopy(edits) { try $0.spec().program.text }
    }
    let scaled = try text([])
    let plain = try text([("scale_decoder_outputs", false)])
    #expect(plain != scaled && !plain.contains("lm_head"))
  }
}
