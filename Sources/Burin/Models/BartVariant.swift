import BurinHub
import BurinIR

/// What tells BART's relatives apart, with the values that their configurations leave out.
struct BartVariant {
  var places = BartPlaces.learned(offset: 2)
  /// Norms before each sublayer, and one after the last layer.
  var isPreNorm = false
  /// Whether embeddings are normalised.
  var normalizesEmbeddings = true
  /// Whether the positions of a target come after that.
  var addsTargetPositionsLast = false
  /// Whether `scale_embedding` holds for targets too.
  var scalesTargets = true
  var hasScoreBias = true
  /// Whether forward() makes a target of the source where there is none, and whether that begins with
  /// the source's last token.
  var shiftsSource = false
  var beginsWithLast = false

  // Defaults of the configuration.

  var width = 1024
  var heads = 16
  var intermediate = 4096
  var encoderLayers = 12
  var decoderLayers = 12
  var vocabulary = 50_265
  var positions = 1024
  var activation = "gelu"
  var scalesEmbeddings = false
  var paddingID = 1
  var beginID: Int? = 0
  var endID = 2
  var startID: Int?
  /// The token that a target which has become too long is ended with.
  var forcedEndID: Int?
  /// Runs of the source of this many tokens that a target may not repeat.
  var noSourceRun: Int?

  static let all: KeyValuePairs<String, BartVariant> = [
    "bart": BartVariant(shiftsSource: true, startID: 2, forcedEndID: 2),
    "mbart": BartVariant(isPreNorm: true, shiftsSource: true, beginsWithLast: true, forcedEndID: 2),
    "marian": BartVariant(
      places: .sines, normalizesEmbeddings: false, vocabulary: 58_101, paddingID: 58_100,
      beginID: nil, endID: 0, startID: 58_100, forcedEndID: 0),
    "pegasus": BartVariant(
      places: .sines, isPreNorm: true, normalizesEmbeddings: false, paddingID: 0, beginID: nil,
      endID: 1, startID: 0, forcedEndID: 1),
    "m2m_100": BartVariant(
      places: .sinesAfterPadding, isPreNorm: true, normalizesEmbeddings: false,
      hasScoreBias: false, vocabulary: 128_112, activation: "relu", scalesEmbeddings: true,
      startID: 2),
    "blenderbot": BartVariant(
      places: .learned(offset: 0), isPreNorm: true, normalizesEmbeddings: false, width: 2560,
      heads: 32, intermediate: 10_240, encoderLayers: 2, decoderLayers: 24, vocabulary: 8008,
      positions: 128, paddingID: 0, beginID: 1, startID: 1, forcedEndID: 2, noSourceRun: 3),
    "blenderbot-small": BartVariant(
      places: .learned(offset: 0), addsTargetPositionsLast: true, scalesTargets: false, width: 512,
      intermediate: 2048, encoderLayers: 8, decoderLayers: 8, positions: 512, paddingID: 0,
      beginID: 1, startID: 1, forcedEndID: 2),
  ]
}

/// How a relative of BART knows where a token stands.
enum BartPlaces: Equatable {
  /// A table of which the first `offset` rows are not used.
  case learned(offset: Int)
  case sines
  /// Sines of positions that count from behind the id of padding, whose own vector is zero.
  case sinesAfterPadding

  func embedding(
    _ count: Int, _ width: Int, _ weights: Weights, paddingID: Int
  ) -> BartPositions {
    switch self {
    case .learned(let offset):
      .learned(LearnedPositions(table: Embedding(count + offset, width, weights), offset: offset))
    // What a file holds counts: in half precision, its sines are rounded.
    case .sines:
      weights.holds("weight")
        ? .learned(LearnedPositions(table: Embedding(count, width, weights))) : .sines
    case .sinesAfterPadding: .sinesAfterPadding(paddingID)
    }
  }
}

/// The vectors of positions.
enum BartPositions {
  case learned(LearnedPositions)
  case sines
  case sinesAfterPadding(Int)

  /// `f32[batch, seq, width]` for the tokens `ids` at `places`, `i32[batch, seq]` both.
  func callAsFunction(_ ids: Tensor, _ places: Tensor, width: Int) -> Tensor {
    let trace = ids.trace
    switch self {
    case .learned(let table): return table(places)
    case .sines: return places.sinusoids(.paper(width))
    case .sinesAfterPadding(let padding):
      let sines = (places + trace.constant(Double(padding) + 1, .i32))
        .sinusoids(.tensor2tensor(width))
      let counts = ids.binary(.equal, trace.constant(Double(padding), .i32)).unary(.not)
      return sines * counts.cast(.f32).reshaped([ids.shape[0], ids.shape[1], 1])
    }
  }
}

/// What stands before the layers of the encoder or the decoder, and after them.
struct BartEnds {
  let positions: BartPositions
  let embeddingNorm: LayerNorm?
  /// Whether the norm of embeddings is of their sum with the positions.
  let normalizesPositions: Bool
  let norm: LayerNorm?

  /// The embeddings `x[batch, seq, hidden]` of `ids` with their positions `[batch, seq]`, normalised.
  func embed(_ x: Tensor, _ ids: Tensor, positions places: Tensor) -> Tensor {
    let vectors = positions(ids, places, width: x.shape[2].constant ?? 1)
    guard let embeddingNorm else { return x + vectors }
    return normalizesPositions ? embeddingNorm(x + vectors) : embeddingNorm(x) + vectors
  }
}
