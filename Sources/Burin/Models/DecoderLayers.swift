import BurinIR

/// A decoder layer of two sublayers, one after the other: self-attention and a feed-forward network,
/// each with a residual connection.
struct SequentialLayer: DecoderLayer {
  let attentionResidual: Residual
  let attention: CausalAttention
  let feedForwardResidual: Residual
  let feedForward: any FeedForwardLayer

  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    let h = x.trace.scoped("attention") { attentionResidual(x) { attention($0, context) } }
    return x.trace.scoped("feed forward") { feedForwardResidual(h) { feedForward($0) } }
  }
}

/// A decoder layer whose two sublayers read the same input: `x + attention(norm(x)) +
/// feedForward(norm(x))`, with one norm or two.
struct ParallelLayer: DecoderLayer {
  let attentionNorm: any NormLayer
  let attention: CausalAttention
  let feedForwardNorm: any NormLayer
  let feedForward: any FeedForwardLayer

  func callAsFunction(_ x: Tensor, _ context: DecoderContext) -> Tensor {
    let attended = x.trace.scoped("attention") { attention(attentionNorm(x), context) }
    return x.trace.scoped("feed forward") {
      feedForward(feedForwardNorm(x)) + attended + x
    }
  }
}

/// A layer that is normalised before its sublayers, which follow each other or read the same.
func preNormLayer(
  isParallel: Bool = false, attentionNorm: any NormLayer, attention: CausalAttention,
  feedForwardNorm: any NormLayer, feedForward: any FeedForwardLayer
) -> any DecoderLayer {
  if isParallel {
    return ParallelLayer(
      attentionNorm: attentionNorm, attention: attention, feedForwardNorm: feedForwardNorm,
      feedForward: feedForward)
  }
  return SequentialLayer(
    attentionResidual: Residual(before: attentionNorm), attention: attention,
    feedForwardResidual: Residual(before: feedForwardNorm), feedForward: feedForward)
}
