import BurinHub
import BurinIR

extension ModelDirectory {
  /// The entry `embed`, which makes `sentence_embedding[batch, width]` of the tokens' vectors, as
  /// this directory's modules say.
  ///
  /// - Throws: `HubError` if a dense layer does not take what stands before it.
  func embedEntry(
    _ sentence: SentencePipeline, _ states: (Trace) -> TokenStates
  ) throws(HubError) -> Entry {
    try Entry.trace("embed") { trace throws(HubError) in
      let states = states(trace)
      try check(sentence, width: states.hidden.shape[2].constant ?? 0)
      let vector = trace.scoped("sentence") { sentence(states) }
      return [("sentence_embedding", vector)]
    }
  }
}

extension SentencePipeline {
  /// The tokens' vectors as one vector `[batch, width]` a text, by the arithmetic of
  /// sentence-transformers.
  fileprivate func callAsFunction(_ states: TokenStates) -> Tensor {
    let hidden = states.hidden
    let counting = counting(states.padding)
    let pooled = poolings.map { pool(hidden, counting, by: $0) }
    let joined = pooled.count == 1 ? pooled[0] : hidden.trace.concat(pooled, axis: 1)
    return steps.reduce(joined) { x, step in
      switch step {
      case .normalize:
        let length = (x * x).sum(-1).squareRoot()
        return x / length.binary(.maximum, x.trace.constant(1e-12))
      case .dense(let directory, let inputs, let outputs, let bias, let activation):
        let linear = Linear(inputs, outputs, Weights(directory + "/linear"), bias: bias)
        return activation.function.map { linear(x).unary($0) } ?? linear(x)
      }
    }
  }

  /// Which tokens pooling counts, 0 or 1: those that are not padding, and where the directory leaves
  /// the prompt out, none of the first `prompt_length[batch]` of these.
  private func counting(_ padding: Tensor) -> Tensor {
    guard !poolsPrompt else { return padding }
    let batch = padding.shape[0]
    let prompt = padding.trace.input(
      "prompt_length", .i32, [batch], fallback: padding.trace.full(0, .i32, [batch]))
    let isPrompt = padding.countedPositions.binary(.less, prompt.reshaped([batch, 1]))
    return isPrompt.select(padding.trace.constant(0, .i32), padding)
  }

  /// - Parameter counting: `i32[batch, seq]`, 0 where a token does not count.
  private func pool(_ hidden: Tensor, _ counting: Tensor, by pooling: Pooling) -> Tensor {
    let trace = hidden.trace
    let (batch, seq, width) = (hidden.shape[0], hidden.shape[1], hidden.shape[2])
    let counts = counting.cast(.f32).reshaped([batch, seq, 1])
    func sum(_ weights: Tensor) -> Tensor { (hidden * weights).sum(1) }
    func total(_ weights: Tensor) -> Tensor {
      weights.sum(1).binary(.maximum, trace.constant(1e-9))
    }
    let vector: Tensor
    switch pooling {
    case .cls: return hidden.first
    case .mean: vector = sum(counts) / total(counts)
    case .meanSquareRoot: vector = sum(counts) / total(counts).squareRoot()
    case .max:
      let isLeftOut = counts.binary(.equal, trace.constant(0))
      vector = isLeftOut.select(trace.constant(-1e9), hidden).maximum(1)
    case .weightedMean:
      let places = trace.iota([batch, seq], axis: 1).cast(.f32) + 1
      let weights = counts * places.reshaped([batch, seq, 1])
      vector = sum(weights) / total(weights)
    case .lastToken:
      let last = (trace.iota([batch, seq], axis: 1) * counting).maximum(1)
      // Of a text without a token that counts, nothing is left.
      vector = hidden.gather(last) * counts.gather(last)
    }
    return vector.reshaped([batch, width])
  }
}

extension SentencePipeline.Activation {
  /// The function; `nil` for none.
  fileprivate var function: Unary? {
    switch self {
    case .identity: nil
    case .tanh: .tanh
    case .relu: .relu
    case .gelu: .gelu
    case .sigmoid: .sigmoid
    case .silu: .silu
    }
  }
}
