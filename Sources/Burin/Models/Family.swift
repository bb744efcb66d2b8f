import BurinHub
import BurinIR

/// The most that a compiled program accepts.
public struct Limits: Hashable, Sendable {
  /// Sequences in one call.
  public var batch: Int
  /// Positions of a sequence; `nil` for the model's own maximum.
  public var sequence: Int?
  /// The size that pictures are brought to before the model sees them, where the directory says so.
  var picture: PictureSize?

  /// Limits; what is left out is 32 sequences of the model's own maximum.
  public init(batch: Int = 32, sequence: Int? = nil) {
    self.batch = batch
    self.sequence = sequence
  }
}

/// What a model puts on top of its body.
public enum Head: String, Hashable, Sendable {
  /// No head: the hidden states, and what pools them.
  case bare
  /// Scores of labels for a whole text.
  case sequenceClassification = "sequence-classification"
  /// Scores of labels for each token.
  case tokenClassification = "token-classification"
  /// For each token, scores of the answer's beginning and end there.
  case questionAnswering = "question-answering"
  /// Scores of the vocabulary for each token, covered ones among them.
  case maskedLanguageModel = "masked-language-model"
  /// For each token, a score of its having been replaced.
  case replacedTokenDetection = "replaced-token-detection"
  /// Scores of the vocabulary for the token that follows each.
  case languageModel = "language-model"
  /// The encoder of an encoder-decoder alone.
  case encoder
  /// Scores of the vocabulary for the target of an encoder-decoder.
  case sequenceToSequence = "sequence-to-sequence"
  /// Scores of labels for a picture.
  case imageClassification = "image-classification"
  /// Two classifiers of an image, one taught by another model, and their mean.
  case distilledImageClassification = "distilled-image-classification"
  /// The values that follow time series, or the parameters of their distribution.
  case seriesPrediction = "series-prediction"
  /// Scores of classes for time series.
  case seriesClassification = "series-classification"
  /// Numbers for time series as a whole, or the parameters of their distribution.
  case seriesRegression = "series-regression"
  /// The patches of time series that were covered.
  case maskedPatches = "masked-patches"
  /// One of two towers, and what takes its vector into the space that both share.
  case projection
  /// Scores of labels for sound.
  case audioClassification = "audio-classification"
}

extension Head {
  /// Whether the outputs are scores of named labels.
  var hasLabels: Bool {
    switch self {
    case .sequenceClassification, .tokenClassification, .imageClassification,
      .distilledImageClassification, .audioClassification:
      true
    case .bare, .questionAnswering, .maskedLanguageModel, .replacedTokenDetection, .languageModel,
      .encoder, .sequenceToSequence, .seriesPrediction, .seriesClassification, .seriesRegression,
      .maskedPatches, .projection:
      false
    }
  }
}

/// A family of architectures: reads a configuration and builds the entries of its program.
protocol Family: SendableMetatype {
  /// The values of `model_type` that it stands for.
  static var modelTypes: [String] { get }

  /// The names in `architectures` that it knows, and the heads that they mean.
  static var architectures: KeyValuePairs<String, Head> { get }

  /// The prefix of the body's tensors in a file saved with a head, without the point.
  static var bodyPrefix: String { get }

  /// Whether a file may hold the tensor without its being used, as transformers' own files do.
  static func isUnused(_ name: String) -> Bool

  /// Reads `config.json`; `body` is where the body's tensors are.
  init(_ config: JSONField, head: Head, body: Weights) throws(HubError)

  /// The longest sequence that the model takes.
  var maximumLength: Int { get }

  /// The longest sequence of a library where the user asks for none.
  var defaultLength: Int { get }

  /// What a model that predicts series takes and gives; `nil` for others.
  var series: SeriesDescription? { get }
  /// From where on a sequence's positions turn otherwise; `nil` if they never do.
  var longContext: LongContext? { get }

  /// Whether the model sees pictures, prepared as `preprocessor_config.json` says.
  static var seesPictures: Bool { get }

  /// How the model reads captions of pictures, if it does.
  static var captions: Captions? { get }

  /// The program's entries.
  func entries(_ limits: Limits) throws(HubError) -> [Entry]
}

extension Family {
  static var seesPictures: Bool { false }
  static var captions: Captions? { nil }
  var defaultLength: Int { maximumLength }
  var series: SeriesDescription? { nil }
  var longContext: LongContext? { nil }

  /// The shape `[batch, seq]` of a call's tokens.
  func tokenShape(_ limits: Limits) -> [Dim] {
    [
      Dim(Symbol("batch", maximum: limits.batch)),
      Dim(Symbol("seq", maximum: limits.sequence ?? defaultLength)),
    ]
  }
}

/// A family whose tokens have vectors that a sentence-transformers directory can pool.
protocol PooledFamily: Family {
  /// The head that transformers' `AutoModel` leaves such a directory, whatever its `architectures` names.
  static var pooledHead: Head { get }

  /// The tokens' vectors of a call, and what it takes to tell them from padding.
  func states(_ trace: Trace, _ limits: Limits) -> TokenStates
}

extension PooledFamily {
  static var pooledHead: Head { .bare }
}

/// The vectors of a call's tokens.
struct TokenStates {
  /// The last hidden state, `[batch, seq, width]`.
  let hidden: Tensor
  /// `i32[batch, seq]`, 0 where a token is padding.
  let padding: Tensor
}

/// How a model of pictures and captions was trained to read captions.
struct Captions {
  /// The length in tokens that each is filled up to.
  var length: Int?
  /// Whether the captions of a picture exclude each other.
  var problem: ModelDescription.Problem
}

/// All families, the one list to which a new one is added.
let families: [any Family.Type] = [
  // Encoders.
  Bert.self, Roberta.self, DistilBert.self, Electra.self, Albert.self, MPNet.self,
  ModernBert.self, Deberta.self,
  // Images.
  ViT.self, DeiT.self, DINOv2.self, DINOv2WithRegisters.self,
  // Pictures and captions.
  CLIP.self, CLIPText.self, CLIPVision.self, SigLIP.self, SigLIPText.self, SigLIPVision.self,
  // Decoders.
  GPT2.self, Llama.self, Mistral.self, Qwen2.self, Qwen3.self, Phi3.self, Gemma.self, Gemma2.self,
  Gemma3.self, Granite.self, SmolLM3.self, OLMo2.self, StarCoder2.self, GPTNeoX.self,
  Phi.self, StableLM.self, OPT.self, BLOOM.self, Mixtral.self, Qwen2MoE.self, Qwen3MoE.self,
  OLMoE.self,
  // Encoder-decoders.
  T5.self, Bart.self, BartDecoder.self,
  // Time series.
  PatchTST.self, TimeSeriesTransformer.self,
  // Sound.
  Whisper.self,
]

extension JSONField {
  /// The member under one of the names that transformers has for it, the first that is there.
  func first(of names: ByteString...) -> JSONField {
    names.map { self[$0] }.first { $0.exists } ?? self[names[names.count - 1]]
  }

  /// Whether transformers 5 or later wrote this configuration.
  func isOfTransformers5() throws(HubError) -> Bool {
    let version = try self["transformers_version"].string(default: "").utf8String
    return (version.split(separator: ".").first.flatMap { Int($0) } ?? 0) >= 5
  }

  /// An activation function by transformers' name.
  func activation(default absent: String? = nil) throws(HubError) -> Activation {
    let name = exists ? try string().utf8String : absent ?? ""
    guard let known = Activation.named.first(where: { $0.key == name }) else {
      throw error(
        expected: "one of " + Activation.named.map(\.key).joined(separator: ", "))
    }
    return known.value
  }

  /// The member of one of two names of the same; the first one counts where both stand.
  func either(_ first: ByteString, _ second: ByteString) -> JSONField {
    self[first].exists ? self[first] : self[second]
  }

  /// The epsilon of a normalisation.
  func epsilon(default absent: Double) throws(HubError) -> Double {
    let value = try double(above: 0, default: absent)
    guard value < 1 else { throw error(expected: "a number between 0 and 1") }
    return value
  }

  /// A number of heads that divides `width`.
  func heads(dividing width: Int, default absent: Int? = nil) throws(HubError) -> Int {
    let heads = try count(in: 1...65_536, default: absent)
    guard width % heads == 0 else { throw error(expected: "a divisor of \(width)") }
    return heads
  }

  /// A number of heads of keys that divides the `heads` of queries; as many if `null`, and if absent
  /// without a default.
  func groups(dividing heads: Int, default absent: Int? = nil) throws(HubError) -> Int {
    let groups = isNull ? heads : try int(in: 1...65_536, default: absent ?? heads)
    guard heads % groups == 0 else { throw error(expected: "a divisor of \(heads)") }
    return groups
  }

  /// A width: of a hidden state, of a table.
  func width(default absent: Int? = nil) throws(HubError) -> Int {
    try count(in: 1...1 << 20, default: absent)
  }

  /// How many layers there are.
  func layers(default absent: Int? = nil) throws(HubError) -> Int {
    try count(in: 1...4096, default: absent)
  }

  private func count(in range: ClosedRange<Int>, default absent: Int?) throws(HubError) -> Int {
    guard let absent else { return try int(in: range) }
    return try int(in: range, default: absent)
  }

  /// How many labels a classifier has: `id2label`'s, else `num_labels`, else two, or BART's three.
  func labelCount() throws(HubError) -> Int {
    let labels = self["id2label"]
    if labels.exists {
      let count = try labels.members().count
      guard count >= 1 else { throw labels.error(expected: "at least one label") }
      return count
    }
    let absent = self["model_type"].value?.string == "bart" ? 3 : 2
    return try self["num_labels"].int(in: 1...1 << 20, default: absent)
  }
}
