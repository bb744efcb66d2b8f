import BurinHub
import BurinIR

/// The stack of a decoder: embeddings, layers, a last norm, and the scores of the tokens that may
/// follow.
struct DecoderBody {
  /// The width of the hidden state.
  let hidden: Int
  let words: Embedding
  /// The vectors of positions; `nil` where the layers know them, or need none.
  var positions: (any PositionVectors)?
  /// Whether tokens see those behind them too, as in encoders.
  var looksAhead = false
  /// Whether anything follows from positions.
  var readsPositions = true
  /// What embeddings are multiplied by.
  var embeddingScale = 1.0
  /// The step from embeddings to the hidden width, where they differ, and back.
  var projectionIn, projectionOut: Linear?
  var embeddingNorm: (any NormLayer)?
  /// Whether positions are added behind that norm.
  var addsPositionsLast = false
  let layers: [any DecoderLayer]
  var norm: (any NormLayer)?
  /// Whether the output projection is the word embeddings.
  let isTied: Bool
  /// The output projection where it is not.
  var output: Linear
  /// The bias of the scores where they are the word embeddings'.
  var tiedBias: Weights?
  /// What scores are multiplied by, and then bounded by.
  var outputScale = 1.0
  var finalSoftCap: Double?
  /// How many labels a classifier has.
  let labels: Int
  /// The token that classification skips at the end of a sequence.
  let paddingID: Int?
  let maximumLength: Int
  /// From where on positions turn otherwise; `nil` if they never do.
  var longContext: LongContext?

  /// Reads what all decoders' configurations have: `vocab_size`, `tie_word_embeddings`,
  /// `max_position_embeddings`, the labels and the padding.
  ///
  /// - Parameters:
  ///   - embeddingWidth: of the word embeddings; the hidden width if `nil`.
  ///   - output: where the output projection is.
  ///   - isTied: `tie_word_embeddings` where it is absent.
  ///   - positions: the longest sequence where the configuration names none.
  ///   - vocabulary: where it is not that of the configuration.
  init(
    _ config: JSONField, hidden: Int, embeddingWidth: Int? = nil, words: Weights,
    layers: [any DecoderLayer], norm: (any NormLayer)?, output: Weights = Weights("lm_head"),
    isTied: Bool, positionsKey: ByteString = "max_position_embeddings", positions: Int? = nil,
    vocabulary: Int? = nil
  ) throws(HubError) {
    self.hidden = hidden
    let count =
      if let vocabulary { vocabulary } else { try config["vocab_size"].int(in: 1...1 << 24) }
    self.words = Embedding(count, embeddingWidth ?? hidden, words)
    self.layers = layers
    self.norm = norm
    self.isTied = try config["tie_word_embeddings"].flag(default: isTied)
    self.output = Linear(self.words.width, self.words.count, output, bias: false)
    labels = try config.labelCount()
    paddingID = try config.paddingID()
    let longest = config[positionsKey]
    if let positions, !longest.exists {
      maximumLength = positions
    } else {
      maximumLength = try longest.int(in: 1...1 << 24)
    }
  }

  /// Whether a file may hold the tensor without its being used: buffers of old files, and the copy of
  /// a tied output.
  static func isUnused(_ name: String) -> Bool {
    name.hasSuffix("rotary_emb.inv_freq") || name == "lm_head.weight"
  }

  /// The width of what `normalize` gives.
  var outputWidth: Int { projectionOut == nil ? hidden : words.width }

  /// The embeddings `[batch, seq, hidden]` of `ids[batch, seq]`.
  func embed(_ ids: Tensor, positions places: Tensor) -> Tensor {
    var x = words(ids)
    if embeddingScale != 1 { x = x * embeddingScale }
    if let projectionIn { x = projectionIn(x) }
    if addsPositionsLast { x = embeddingNorm?(x) ?? x }
    if let positions { x = x + positions(places) }
    return addsPositionsLast ? x : embeddingNorm?(x) ?? x
  }

  /// What follows the last layer.
  func normalize(_ x: Tensor) -> Tensor {
    let normed = norm?(x) ?? x
    return projectionOut?(normed) ?? normed
  }

  /// The scores `[..., vocabulary]` of the tokens that may follow.
  func scores(_ x: Tensor) -> Tensor {
    var scores = isTied ? words.scores(x) : output(x)
    if isTied, let tiedBias {
      scores = scores + tiedBias.tensor("bias", [words.count], in: x.trace)
    }
    if outputScale != 1 { scores = scores * outputScale }
    return finalSoftCap.map { scores.softCapped($0) } ?? scores
  }
}

/// What gives positions `[batch, seq]` vectors `[batch, seq, hidden]`.
protocol PositionVectors: Layer where Input == Tensor, Output == Tensor {}

/// A table of positions of which the first one stands at row `offset`.
struct LearnedPositions: PositionVectors {
  let table: Embedding
  var offset = 0

  func callAsFunction(_ positions: Tensor) -> Tensor {
    table(offset == 0 ? positions : positions + Double(offset))
  }
}
