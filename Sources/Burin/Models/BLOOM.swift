import BurinHub
import BurinIR
import Glibc

/// BLOOM (BigScience, 2022), as transformers' `modeling_bloom`: no positions but what nearness is
/// worth to each head.
struct BLOOM: DecoderFamily {
  static let modelTypes = ["bloom"]
  static let bodyPrefix = "transformer"
  static let architectures: KeyValuePairs<String, Head> = [
    "BloomModel": .bare, "BloomForCausalLM": .languageModel,
    "BloomForSequenceClassification": .sequenceClassification,
    "BloomForTokenClassification": .tokenClassification,
    "BloomForQuestionAnswering": .questionAnswering,
  ]

  /// The copy of a tied output, and biases of products that are summed up in parts.
  static func isUnused(_ name: String) -> Bool {
    name == "lm_head.weight" || name.hasSuffix("self_attention.dense.bias")
      || name.hasSuffix("mlp.dense_4h_to_h.bias")
  }

  let head: Head
  let body: DecoderBody
  let tokenClassifier = "classifier"
  /// Nothing bounds a sequence but memory.
  let defaultLength = 2048

  init(_ config: JSONField, head: Head, body: Weights) throws(HubError) {
    let hidden = try config.either("n_embed", "hidden_size").width(default: 64)
    let heads = try config.either("num_attention_heads", "n_head")
      .heads(dividing: hidden, default: 8)
    let epsilon = try config["layer_norm_epsilon"].epsilon(default: 1e-5)
    let addsNormed = try config["apply_residual_connection_post_layernorm"].bool(default: false)
    // Where the parts of a product are summed up one by one, transformers leaves its bias out.
    let parts = try config["pretraining_tp"].int(in: 1...1 << 20, default: 1)
    let isExact = try config["slow_but_exact"].bool(default: false)
    let hasBias = parts == 1 || !isExact
    let slopes = BLOOM.slopes(heads)
    let count = try config.either("num_hidden_layers", "n_layer").layers(default: 2)
    let layers = (0..<count).map { index in
      let layer = body["h"][index]
      func residual(_ name: String) -> Residual {
        Residual(
          before: LayerNorm(hidden, layer[name], epsilon: epsilon), addsNormed: addsNormed)
      }
      return SequentialLayer(
        attentionResidual: residual("input_layernorm"),
        attention: CausalAttention(
          heads: heads, groups: heads, width: hidden / heads,
          projections: .joinedByHead(
            Linear(hidden, 3 * hidden, layer["self_attention"]["query_key_value"])),
          output: Linear(hidden, hidden, layer["self_attention"]["dense"], bias: hasBias),
          slopes: slopes),
        feedForwardResidual: residual("post_attention_layernorm"),
        feedForward: FeedForward(
          up: Linear(hidden, 4 * hidden, layer["mlp"]["dense_h_to_4h"]),
          activation: Activation(.geluTanh),
          down: Linear(4 * hidden, hidden, layer["mlp"]["dense_4h_to_h"], bias: hasBias)))
    }
    var stack = try DecoderBody(
      config, hidden: hidden, words: body["word_embeddings"], layers: layers,
      norm: LayerNorm(hidden, body["ln_f"], epsilon: epsilon), isTied: true,
      positions: 1 << 24)
    stack.readsPositions = false
    stack.embeddingNorm = LayerNorm(
      hidden, body["word_embeddings_layernorm"], epsilon: epsilon)
    self.head = head
    self.body = stack
  }

  /// A geometric row for a power of two of heads; further heads lie between.
  private static func slopes(_ heads: Int) -> [Double] {
    let power = 1 << (Int.bitWidth - 1 - heads.leadingZeroBitCount)
    func row(_ count: Int) -> [Double] {
      (1...count).map { pow(2, -8 * Double($0) / Double(count)) }
    }
    let between = row(2 * power).enumerated().filter { $0.offset % 2 == 0 }.map(\.element)
    return row(power) + between.prefix(heads - power)
  }
}
