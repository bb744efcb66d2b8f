import BurinHub
import BurinIR

/// Phi-3 and Phi-4-mini (Abdin et al., 2024), as transformers' `modeling_phi3`: Llama with joined
/// projections, a window, and LongRoPE.
///
/// The length of a batch, padding included, chooses the frequencies of `forward`, as in transformers.
/// A generation that outgrows the original context reads its text again with the new frequencies, as
/// transformers does.
struct Phi3: LlamaFamily {
  static let modelTypes = ["phi3"]
  static let architectures = decoderArchitectures("Phi3")

  let head: Head
  let body: DecoderBody

  static func variant(_ config: JSONField) throws(HubError) -> LlamaVariant {
    var variant = LlamaVariant()
    variant.epsilon = 1e-5
    variant.isJoined = true
    variant.originalPositions = 4096
    try variant.readWindow(config, default: nil)
    variant.isWindowed = { _ in true }
    return variant
  }
}
