import BurinIR

// The arithmetic of attention: a few rows against one chunk of keys.

extension AttentionWriter {
  /// Parameters of the chunk function that only some kernels need.
  func chunkArguments(
    _ values: Pages, keys: CExpression
  ) -> [(name: CIdentifier, value: CExpression)] {
    [("keys", scores.bias == nil ? 0 : keys), ("value_stride", stride(of: values))]
      .filter { if case .integer = $0.1 { false } else { true } }
  }

  func chunk(
    _ name: CIdentifier, _ rules: AttentionScores, _ values: Pages, keys: CExpression
  ) -> CFunction {
    let start: CExpression = "start"
    let span: CExpression = "span"
    let first = span.member("first")
    let last = span.member("last")
    let weights: CExpression = "weights"
    let products: CExpression = element == .f32 ? weights : "scores"
    let chunk: CExpression = "chunk"
    let tileProduct = CExpression.name(typed("tile_product"))
    let isHalf = element != .f32
    let infinity: CExpression = .float(-.infinity)
    let extra = chunkArguments(values, keys: keys).map { CParameter(.int64, $0.name) }
    return CFunction(
      comments: [
        "A few rows against the keys of one chunk: their largest scores, their sums of weights and "
          + "their weighted values."
      ],
      name,
      extra + [
        CParameter(.int, "height"),
        CParameter(element.cType.const.pointer, "query", note: "[height, \(width)]"),
        CParameter(.named("AttentionRow").const.pointer, "rows"),
        CParameter(chunkType.const.pointer, "chunk"),
        CParameter(.float.pointer, "maximum", note: "[height]"),
        CParameter(.float.pointer, "sum", note: "[height]"),
        CParameter(.float.pointer, "added", note: "[height, \(padded)]"),
      ]
    ) {
      Declare(.int64.const, start, chunk.arrow("start"))
      Declare(.named("KeyRange"), span, ("attention_span" as CExpression)("rows", "height"))
      first.assign(larger(first, start))
      last.assign(smaller(last, start + 256))
      For("r", to: "height", type: .int) { r in
        ("maximum" as CExpression)[r].assign(infinity)
        ("sum" as CExpression)[r].assign(.float(0))
      }
      If(first >= last) { Return() }
      Blank()
      Comment("Scores, 32 keys at a time.")
      Declare(.array(.array(.float, 256), "TILE_ROWS"), products, attributes: [.aligned(64)])
      For("key", from: first / 32 * 32, to: last, by: 32) { key in
        Declare(.int.const, "columns", (last - key > 16).then(32, else: 16))
        tileProduct(
          "height", "columns", .integer(width), "query", .integer(width),
          chunk.arrow("keys")[(key - start) / 64] + (isHalf ? key % 64 * 2 : key % 64), 64,
          products[0] + (key - start), 256,
          "TILE_FROM_ZERO")
      }
      Blank()
      Comment("Each row's largest score in this chunk, then the weights against it.")
      if isHalf {
        Declare(
          .array(.array(element.cType, 256), "TILE_ROWS"), weights, attributes: [.aligned(64)])
      }
      Declare(.int64.const, "even", first / 16 * 16)
      Declare(.int64.const, "even_end", (last + 15) / 16 * 16)
      if rules.factor != 1 {
        Declare(.float.const, "factor", .float(rules.factor)).note("scale * log2(e)")
      }
      For("r", to: "height", type: .int) { r in
        Declare(vectorType, "largest", vectorSplat(infinity))
        For("key", from: "even", to: last, by: 16) { key in
          Declare(vectorType, "score", vectorLoad(products[r] + (key - start)))
          rules.scoreStatements
          vectorStore(products[r] + (key - start), "score")
          ("largest" as CExpression).assign(("vector_maximum" as CExpression)("largest", "score"))
        }
        ("maximum" as CExpression)[r].assign(("vector_largest" as CExpression)("largest"))
      }
      // A loop of its own: so no row waits for its largest score while others could be computed.
      For("r", to: "height", type: .int) { r in
        ("sum" as CExpression)[r].assign(
          CExpression.call(
            .name(typed("attention_weights")),
            (isHalf ? [weights[r] + ("even" - start)] : [])
              + [
                products[r] + ("even" - start), "even_end" - "even",
                rules.factor == 1 ? .float(1) : "factor", ("maximum" as CExpression)[r],
              ]))
        if rules.factor != 1 {
          CExpression.binary(.multiplyAssign, ("maximum" as CExpression)[r], "factor")
        }
      }
      Blank()
      if values.isInPlace {
        Comment("Weighted values.")
        weighted(values, key: first, count: last - first, begin: "TILE_FROM_ZERO")
      } else {
        Comment("Weighted values, page by page.")
        // Pairs of keys begin and end with those that were given weights.
        let begin: CExpression = isHalf ? "even" : first
        let end: CExpression = isHalf ? "even_end" : last
        For("key", from: begin, to: end, by: 64 - ("key" as CExpression) % 64) { key in
          Declare(.int64.const, "count", smaller(64 - key % 64, end - key))
          Declare(
            .named("TileStart").const, "begin",
            (key .== begin).then("TILE_FROM_ZERO", else: "TILE_CONTINUE"))
          weighted(values, key: key, count: "count", begin: "begin")
        }
      }
    }
  }

  /// Adds `count` keys from `key` on, of one page or in place, to the weighted values.
  func weighted(
    _ values: Pages, key: CExpression, count: CExpression, begin: CExpression
  ) -> [CStatement] {
    let row = width(of: values)
    let whole = row / 16 * 16
    var stride = self.stride(of: values)
    if case .integer = stride {} else { stride = "value_stride" }
    let chunk: CExpression = "chunk"
    let weights = ("weights" as CExpression)[0] + (key - "start")
    // A key's row of values lies beside that of its neighbour where they are pairs.
    let page = chunk.arrow("values")[(key - "start") / 64] + key % 64 * stride
    let tileProduct = CExpression.name(typed("tile_product"))
    let tileRemainder: CExpression = "tile_remainder"
    return CBlockBuilder.build {
      if whole > 32 {
        For("column", to: .integer(whole), by: 32) { column in
          tileProduct(
            "height", whole % 32 == 0 ? 32 : smaller(32, .integer(whole) - column).cast(to: .int),
            count, weights, 256, page + (element == .f32 ? column : column * 2), stride,
            "added" + column, .integer(padded), begin)
        }
      } else if whole > 0 {
        tileProduct(
          "height", .integer(whole), count, weights, 256, page, stride, "added",
          .integer(padded), begin)
      }
      if row > whole {
        tileRemainder(
          "height", .integer(row - whole), count, weights, 256, page + .integer(whole), stride,
          "added" + .integer(whole), .integer(padded), begin)
      }
    }
  }
}
