/// Classes of tokenizers in transformers whose settings are treated alike.
enum TokenizerFamily {
  /// BERT and its relatives with WordPiece.
  case bert
  /// RoBERTa and its relatives with byte-level BPE.
  case roberta
  /// GPT-2.
  case gpt2
  /// CLIP, byte-level BPE in lower case that marks where words end.
  case clip
  /// T5 and mT5.
  case t5
  case xlmRoberta
  case camembert
  case albert
  case debertaV2
  case pegasus
  /// Llama and those that took over its tokenizer, such as Mistral.
  case llama
  case gemma
  /// SigLIP, which only has a tokenizer written in Python.
  case siglip
  /// Marian, which only has a tokenizer written in Python.
  case marian
  /// Multilingual translators, which mark texts with their languages.
  case mbart, mbart50, nllb
  /// M2M-100, which as Marian only has a tokenizer written in Python.
  case m2m100
  /// Anything else: the file says everything.
  case other

  /// Finds the class that `tokenizer_config.json` or `config.json` names.
  init(_ config: JSONField, _ model: JSONField?) throws(HubError) {
    var name = try config["tokenizer_class"].string(default: "").utf8String
    if name.isEmpty, let model {
      name = try model["tokenizer_class"].string(default: "").utf8String
      if name.isEmpty { name = try model["model_type"].string(default: "").utf8String }
    }
    name = name.lowercased().filter { $0 != "-" && $0 != "_" }
    for suffix in ["tokenizerfast", "tokenizer"] where name.hasSuffix(suffix) {
      name.removeLast(suffix.count)
      break
    }
    switch name {
    case "bert", "distilbert", "electra", "mobilebert", "squeezebert", "convbert", "layoutlm",
      "retribert", "lxmert", "dprquestionencoder", "dprcontextencoder", "dprreader":
      self = .bert
    case "roberta", "longformer", "bart", "led": self = .roberta
    case "gpt2": self = .gpt2
    case "clip", "cliptextmodel", "clipvisionmodel": self = .clip
    case "siglip", "siglipmodel", "sigliptextmodel": self = .siglip
    case "t5", "mt5", "umt5", "longt5", "switchtransformers", "pix2struct", "musicgen": self = .t5
    case "xlmroberta", "xlmrobertaxl": self = .xlmRoberta
    case "camembert": self = .camembert
    case "albert": self = .albert
    case "debertav2": self = .debertaV2
    case "pegasus", "pegasusx", "bigbirdpegasus": self = .pegasus
    case "llama", "mistral", "mixtral", "phi3", "jamba": self = .llama
    case "gemma", "gemma2", "gemma3", "gemma3text": self = .gemma
    case "marian": self = .marian
    case "mbart": self = .mbart
    case "mbart50": self = .mbart50
    case "nllb": self = .nllb
    case "m2m100": self = .m2m100
    default: self = .other
    }
  }

  /// The SentencePiece model that the class reads where there is no tokenizer.json.
  var sentencePieceFile: String? {
    switch self {
    case .t5, .albert, .pegasus, .siglip: "spiece.model"
    case .xlmRoberta, .camembert, .mbart, .mbart50, .nllb, .m2m100: "sentencepiece.bpe.model"
    case .debertaV2: "spm.model"
    case .llama, .gemma: "tokenizer.model"
    case .marian: "source.spm"
    case .bert, .roberta, .gpt2, .clip, .other: nil
    }
  }

  /// Every name that a SentencePiece model goes by.
  static let sentencePieceFiles = [
    "spiece.model", "sentencepiece.bpe.model", "spm.model", "tokenizer.model", "source.spm",
  ]

  /// Whether the mask takes the white space before it unless the files say otherwise.
  var maskStripsLeft: Bool {
    switch self {
    case .roberta, .xlmRoberta, .camembert, .albert, .mbart, .mbart50, .nllb: true
    default: false
    }
  }

  /// The special tokens that the class has unless told otherwise.
  var defaults: [ByteString: ByteString] {
    switch self {
    case .bert:
      [
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
        "mask_token": "[MASK]",
      ]
    case .roberta, .xlmRoberta, .camembert, .mbart, .nllb:
      [
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>",
        "pad_token": "<pad>", "cls_token": "<s>", "mask_token": "<mask>",
      ]
    case .gpt2:
      [
        "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
      ]
    case .clip:
      [
        "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
      ]
    case .siglip: ["eos_token": "</s>", "unk_token": "<unk>", "pad_token": "</s>"]
    case .mbart50:
      [
        "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>", "pad_token": "<pad>",
        "cls_token": "<s>", "mask_token": "<mask>",
      ]
    case .m2m100:
      [
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>",
        "pad_token": "<pad>",
      ]
    case .t5, .marian: ["eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"]
    case .albert:
      [
        "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "<unk>", "sep_token": "[SEP]",
        "pad_token": "<pad>", "cls_token": "[CLS]", "mask_token": "[MASK]",
      ]
    case .debertaV2:
      [
        "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]", "sep_token": "[SEP]",
        "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
      ]
    case .pegasus:
      [
        "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask_2>",
      ]
    case .llama: ["bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"]
    case .gemma:
      [
        "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>",
      ]
    case .other: [:]
    }
  }

  /// The additional special tokens, given those that the files list, or nil when they list none.
  func additional(
    _ listed: [ByteString]?, _ config: JSONField
  ) throws(HubError) -> [ByteString] {
    let listed = listed
    switch self {
    case .t5:
      let count = try config["extra_ids"].int(in: 0...100_000, default: 100)
      if let listed, listed.contains(where: { $0.utf8String.contains("<extra_id_") }) {
        return listed
      }
      return (listed ?? []) + (0..<count).map { ByteString("<extra_id_\($0)>") }
    case .mbart, .mbart50: return LanguageCodes.tokens(of: self) + (listed ?? [])
    case .nllb: return listed ?? LanguageCodes.tokens(of: self)
    case .camembert: return listed ?? ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]
    case .pegasus:
      let offset = try config["offset"].int(in: 0...100_000, default: 103)
      var sentence: [ByteString] = ["<mask_1>"]
      if let mask = config.value?["mask_token_sent"] {
        sentence = mask.string.map { [$0] } ?? []
      }
      guard let listed else {
        return sentence + (2..<max(offset, 2)).map { ByteString("<unk_\($0)>") }
      }
      let all = sentence.filter { !listed.contains($0) } + listed
      return all
        + (min(all.count, max(offset - 1, 0))..<max(offset - 1, 0)).map {
          ByteString("<unk_\($0)>")
        }
    default: return listed ?? []
    }
  }
}
