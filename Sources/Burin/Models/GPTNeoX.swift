import BurinHub
import BurinIR

/// GPT-NeoX and Pythia (Black et al., 2022; Biderman et al., 2023), as transformers'
/// `modeling_gpt_neox`: rotary positions in a part of each head, sublayers side by side.
struct GPTNeoX: DecoderFamily {
  static let modelTypes = ["gpt_neox"]
  static let bodyPrefix = "gpt_neox"
  static let architectures: KeyValuePairs<String, Head> = [
    "GPTNeoXModel": .bare, "GPTNeoXForCausalLM": .languageModel,
    "GPTNeoXForSequenceClassification": .sequenceClassification,
    "GPTNeoXForTokenClassification": .tokenClassification,
    "GPTNeoXForQuestionAnswering": .questionAnswering,
  ]

  /// Buffers of old files, and the copy of a tied output.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("attention.bias") || name.hasSuffix("attention.masked_bias")
      || name.hasSuffix("rotary_emb.inv_freq") || name == "embed_out.weight"
  }

  let head: Head
  let body: DecoderBody
  let tokenClassifier = "classifier"

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let hidden = try config["hidden_size"].width()
    let heads = try config["num_attention_heads"].heads(dividing: hidden)
    let intermediate = try config["intermediate_size"].width()
    let epsilon = try config["layer_norm_eps"].epsilon(default: 1e-5)
    let activation = try config["hidden_act"].activation(default: "gelu")
    let hasBias = try config["attention_bias"].flag(default: true)
    let isParallel = try config["use_parallel_residual"].flag(default: true)
    let width = hidden / heads
    let rotary = try Rotary(
      config, width: width, thetaKey: "rotary_emb_base", partialKey: "rotary_pct", partial: 0.25)
    let layers = (0..<(try config["num_hidden_layers"].layers())).map { index in
      let layer = body["layers"][index]
      return preNormLayer(
        isParallel: isParallel,
        attentionNorm: LayerNorm(hidden, layer["input_layernorm"], epsilon: epsilon),
        attention: CausalAttention(
          heads: heads, groups: heads, width: width,
          projections: .joinedByHead(
            Linear(hidden, 3 * hidden, layer["attention"]["query_key_value"], bias: hasBias)),
          output: Linear(hidden, hidden, layer["attention"]["dense"], bias: hasBias),
          rotary: rotary),
        feedForwardNorm: LayerNorm(hidden, layer["post_attention_layernorm"], epsilon: epsilon),
        feedForward: FeedForward(
          up: Linear(hidden, intermediate, layer["mlp"]["dense_h_to_4h"]),
          activation: activation,
          down: Linear(intermediate, hidden, layer["mlp"]["dense_4h_to_h"])))
    }
    self.head = head
    self.body = try DecoderBody(
      config, hidden: hidden, words: body["embed_in"], layers: layers,
      norm: LayerNorm(hidden, body["final_layer_norm"], epsilon: epsilon),
      output: Weights("embed_out"), isTied: false)
  }
}
