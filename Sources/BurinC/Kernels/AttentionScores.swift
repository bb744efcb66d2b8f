import BurinIR

/// What a kernel of attention knows of its scores: which keys a row may see, and what happens to a
/// score before the softmax. Scores are to the base 2, so that weights are powers of two.
struct AttentionScores {
  /// The parameters that a row's description reads, besides sequence, head and query.
  private(set) var rowStatements: [CStatement] = []
  /// Takes `score`, of the 16 keys from `key` on, through everything that is added or masked.
  private(set) var scoreStatements: [CStatement] = []
  /// What scores are multiplied by after their largest is known, and so only once each. 1 where
  /// something is added to the scaled scores, or where a factor would turn their order round, or
  /// might be 0, which makes the `-infinity` of a masked key NaN.
  private(set) var factor: Float = 1
  /// The padding mask, `[batch, keys]`, and its stride from sequence to sequence.
  private(set) var padding: (mask: CExpression, stride: CExpression)?
  /// Words for the kernel's name.
  private(set) var words: [String] = []

  /// Declares the operands from `index` on as parameters.
  init(
    _ scores: Scores<Place>, firstOperand index: Int, keys: CExpression, parts: inout KernelParts
  ) throws {
    var operand = index
    var names = CNames()
    let row: CExpression = "row"
    let score: CExpression = "score"
    let key: CExpression = "key"
    let base = 1.4426950408889634  // log2(e)

    func add(_ value: CExpression) -> [CStatement] {
      CExpression.binary(.addAssign, score, value).statements
    }
    if let cap = scores.softCap {
      words.append("cap")
      scoreStatements =
        score.assign(
          ("vector_tanh" as CExpression)(score * .float(Float(scores.scale / cap)))
            * .float(Float(cap * base))
        ).note("cap * log2(e)")
    } else if scores.bias == nil, scores.slopes == nil, scores.scale > 0,
      Float(scores.scale * base).isNormal
    {
      factor = Float(scores.scale * base)
    } else {
      let factor = CExpression.float(Float(scores.scale * base))
      scoreStatements = CExpression.binary(.multiplyAssign, score, factor).note("scale * log2(e)")
    }
    if let bias = scores.bias {
      words.append("bias")
      guard bias.type.element == .f32, bias.isLastContiguous else {
        throw IRError("attention: a bias \(bias.type) that is not contiguous along the keys")
      }
      let pointer = try parts.operand(operand, "bias", .f32, note: "[batch, heads, queries, keys]")
      operand += 1
      var offset: CExpression = 0
      let axes: [(index: CExpression, name: CIdentifier)] = [
        ("sequence", "bias_sequence_stride"), ("head", "bias_head_stride"),
        ("query", "bias_query_stride"),
      ]
      for (axis, part) in axes.enumerated() where bias.shape[axis] != 1 {
        offset = offset + part.index * parts.size(bias.strides[axis], part.name)
      }
      rowStatements += row.arrow("bias").assign(pointer + offset).statements
      let values = vectorLoadFirst(("rows" as CExpression)["r"].member("bias") + key, keys - key)
      scoreStatements += add(("attention_bias" as CExpression)(values))
    }
    if scores.slopes != nil {
      words.append("slopes")
      let slopes = try parts.operand(operand, "slopes", .f32, note: "[heads]")
      operand += 1
      rowStatements += row.arrow("slope").assign(slopes["head"] * .float(Float(base))).statements
      let distance = ("attention_distance" as CExpression)(
        (("rows" as CExpression)["r"]).address, key)
      scoreStatements += add(distance * ("rows" as CExpression)["r"].member("slope"))
    }

    var first: CExpression?
    var last: CExpression?
    var position: CExpression = "query"
    var limits: [CStatement] = []
    func start(_ place: Place?) throws -> CExpression {
      guard let place else { return "query" }
      let stride = parts.size(place.strides[0], CIdentifier(cleaning: "start\(operand)_stride"))
      let starts = try parts.operand(
        operand, names.make("starts"), .i32, note: "[batch], the first query's position")
      operand += 1
      position = starts["sequence" * stride] + "query"
      return position
    }
    func later(_ bound: CExpression) { first = larger(first ?? 0, bound) }
    func earlier(_ bound: CExpression) { last = smaller(last ?? keys, bound) }
    for mask in scores.masks {
      switch mask {
      case .padding(let place):
        guard padding == nil else { throw IRError("attention: two padding masks") }
        words.append("padding")
        let mask = try parts.operand(operand, "padding", .i32, note: "[batch, keys], 0: no key")
        operand += 1
        padding = (mask, parts.size(place.strides[0], "padding_stride"))
        later(("padded" as CExpression).member("first"))
        earlier(("padded" as CExpression).member("last"))
      case .lengths(let place):
        words.append("lengths")
        let stride = parts.size(place.strides[0], CIdentifier(cleaning: "length\(operand)_stride"))
        let lengths = try parts.operand(operand, names.make("lengths"), .i32, note: "[batch]")
        operand += 1
        earlier(lengths["sequence" * stride])
      case .causal(let place):
        words.append("causal")
        earlier(try start(place) + 1)
      case .window(let width, let place):
        words.append("window\(width)")
        let here = try start(place)
        later(here - .integer(width - 1))
        earlier(here + .integer(width))
      }
    }
    limits += row.arrow("first").assign(first ?? 0).statements
    limits += row.arrow("last").assign(last ?? keys).statements
    if scores.slopes != nil { limits += row.arrow("position").assign(position).statements }
    rowStatements = limits + rowStatements

    let visible: CExpression = "attention_visible"
    scoreStatements +=
      score.assign(visible(score, (("rows" as CExpression)["r"]).address, key)).statements
    if padding != nil {
      let counting: CExpression = "attention_counting"
      let counts = ("chunk" as CExpression).arrow("counts") + (key - "start")
      scoreStatements +=
        If(("chunk" as CExpression).arrow("has_gaps")) {
          score.assign(counting(score, counts))
        }.statements
    }
  }
}

/// `larger(a, b)` of the runtime, where it is not known that `a` is 0 and `b` a size.
func larger(_ a: CExpression, _ b: CExpression) -> CExpression {
  ("larger" as CExpression)(a, b)
}
