import BurinIR

// The arithmetic of attention: a few rows against one chunk of keys.

extension AttentionWriter {
  /// Parameters of the chunk function that only some kernels need.
  func chunkArguments(keys: CExpression) -> [(name: CIdentifier, value: CExpression)] {
    if scores.bias == nil { return [] }
    return [("keys", keys)]
  }

  func chunk(
    _ name: CIdentifier, _ rules: AttentionScores, keys: CExpression
  ) -> CFunction {
    let start: CExpression = "start"
    let span: CExpression = "span"
    let first = span.member("first")
    let last = span.member("last")
    let weights: CExpression = "weights"
    let products: CExpression = element == .f32 ? weights : "scores"
    let chunk: CExpression = "chunk"
    let isHalf = element != .f32
    let infinity: CExpression = .float(-.infinity)
    let extra = chunkArguments(keys: keys).map { CParameter(.int64, $0.name) }
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
      Declare(.array(.array(.float, 256), "TILE_ROWS"), products, attributes: [.aligned(64)])
      CExpression.call(
        .name(typed("attention_scores")),
        ["height", .integer(width), "query", chunk, span, products[0]])
      Blank()
      Comment("Each row's largest score in this chunk, then the weights against it.")
      if isHalf {
        Declare(
          .array(.array(element.cType, 256), "TILE_ROWS"), weights, attributes: [.aligned(64)])
      }
      Declare(.int64.const, "begin", first / 16 * 16).note("whole vectors")
      Declare(.int64.const, "end", (last + 15) / 16 * 16)
      if rules.factor != 1 {
        Declare(.float.const, "factor", .float(rules.factor)).note("scale * log2(e)")
      }
      For("r", to: "height", type: .int) { r in
        let slow: [CStatement] = CBlockBuilder.build {
          Declare(vectorType, "largest", vectorSplat(infinity))
          For("key", from: "begin", to: last, by: 16) { key in
            Declare(vectorType, "score", vectorLoad(products[r] + (key - start)))
            rules.scoreStatements
            vectorStore(products[r] + (key - start), "score")
            ("largest" as CExpression).assign(("vector_maximum" as CExpression)("largest", "score"))
          }
          ("maximum" as CExpression)[r].assign(("vector_largest" as CExpression)("largest"))
        }
        if rules.factor != 1 {
          // Nothing is added to a score then, and most rows see all of a chunk.
          let row = ("rows" as CExpression)[r]
          let sees = row.member("first") <= "begin" && "end" <= row.member("last")
          If(rules.padding == nil ? sees : !chunk.arrow("has_gaps") && sees) {
            ("maximum" as CExpression)[r].assign(
              ("attention_largest" as CExpression)(
                products[r] + ("begin" - start), "end" - "begin"))
          } else: {
            slow
          }
        } else {
          slow
        }
      }
      // A loop of its own: so no row waits for its largest score while others could be computed.
      For("r", to: "height", type: .int) { r in
        ("sum" as CExpression)[r].assign(
          CExpression.call(
            .name(typed("attention_weights")),
            (isHalf ? [weights[r] + ("begin" - start)] : [])
              + [
                products[r] + ("begin" - start), "end" - "begin",
                rules.factor == 1 ? .float(1) : "factor", ("maximum" as CExpression)[r],
              ]))
        if rules.factor != 1 {
          CExpression.binary(.multiplyAssign, ("maximum" as CExpression)[r], "factor")
        }
      }
      Blank()
      Comment("Weighted values.")
      if isHalf {
        ("attention_values_bf16" as CExpression)(
          "height", .integer(padded), weights[0], chunk, span, "added")
      } else {
        ("attention_values" as CExpression)(
          "height", weights[0], chunk, span, "added", .integer(padded))
      }
    }
  }
}
