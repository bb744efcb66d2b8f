import BurinIR

/// A sparse mixture of gated feed-forward networks (Shazeer et al., 2017): a router chooses some of
/// them for each token, and only those are computed.
struct MixtureOfExperts: FeedForwardLayer {
  /// What the matrices of an expert are called.
  struct Names {
    let gate, up, down: String
  }

  /// A network that every token passes, weighted by a gate of its own.
  struct Shared {
    let network: GatedFeedForward
    let gate: Linear
  }

  let hidden, intermediate: Int
  /// How many experts there are, and how many a token has.
  let count, choices: Int
  /// Scores every expert.
  let router: Linear
  let experts: Weights
  let names: Names
  let activation: Activation
  /// Whether the weights of the chosen experts are divided by their sum.
  let isNormalized: Bool
  var shared: Shared?

  func callAsFunction(_ x: Tensor) -> Tensor {
    let (probabilities, chosen) = router(x).softmax().topK(choices)
    let weights = isNormalized ? probabilities / probabilities.sum(-1) : probabilities
    func product(_ x: Tensor, _ name: String, _ inputs: Int, _ outputs: Int) -> Tensor {
      let all = (0..<count).map {
        experts[$0][name].tensor("weight", [outputs, inputs], in: x.trace)
      }
      return x.experts(chosen, x.trace.concat(all, axis: 0).transposed, count: count)
    }
    let gate = activation(product(x, names.gate, hidden, intermediate))
    let inner = gate * product(x, names.up, hidden, intermediate)
    let outer = product(inner, names.down, intermediate, hidden)
    // [batch, seq, 1, choices] x [batch, seq, choices, hidden]
    let leading = Array(x.shape.dropLast())
    let sum = weights.reshaped(leading + [1, Dim(choices)]).matmul(outer).reshaped(x.shape)
    guard let shared else { return sum }
    return sum + shared.network(x) * shared.gate(x).sigmoid()
  }
}
