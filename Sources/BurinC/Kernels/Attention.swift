import BurinIR

/// Queries, keys, values and a bias need contiguous rows, the small operands any strides.
func attentionRequirement(_ op: Op<Place>, operand: Int) -> Requirement {
  guard case .attention(_, _, _, let scores, _) = op else { return .lastContiguous }
  if operand < 3 { return .lastContiguous }
  var requirements: [Requirement] = scores.bias == nil ? [] : [.lastContiguous]
  if scores.slopes != nil { requirements.append(.dense) }
  for mask in scores.masks {
    switch mask {
    case .padding: requirements.append(.lastContiguous)
    case .lengths, .causal(.some), .window(_, .some): requirements.append(.any)
    case .causal(nil), .window(_, nil): break
    }
  }
  return requirements[operand - 3]
}

/// `softmax(scores(query x keyᵀ)) x value`, in chunks of 256 keys at absolute positions.
///
///     for page: keys into pages, if they do not lie in pages already, and values that do not fill
///               whole vectors; other values are read where they lie
///     for sequence: for head: for 64 queries: for chunk of 256 keys:
///       for 8 queries: scores, weights, weighted values, merged into what the rows have
///
/// A few queries over a long context are also split by chunk, and merged afterwards: the same terms
/// in the same order, so the same bits.
func attentionKernel(_ op: Op<Place>, name: String?) throws -> Kernel {
  guard case .attention(let query, let key, let value, let scores, let tile) = op else {
    throw IRError("not an attention")
  }
  return try AttentionWriter(query, key, value, scores, tile).kernel(name: name)
}

/// Shapes as C sees them, shared by the parts of the kernel.
struct AttentionWriter {
  let query: Place
  let key: Place
  let value: Place
  let scores: Scores<Place>
  let heads: Int
  let groups: Int
  let width: Int
  let valueWidth: Int
  /// What multiplies: f32, or bf16 in pairs.
  let element: ElementType
  /// Rows of one task, fewer where heads are so wide that they would fill the stack.
  let block: Int
  /// Whether a few queries over many keys are worth a split by chunk.
  let splits: Bool

  /// The runtime's function or type of that name for the element type.
  func typed(_ name: String) -> CIdentifier {
    CIdentifier(cleaning: element == .f32 ? name : "\(name)_\(element.rawValue)")
  }
  /// Where the keys and values of a chunk are.
  var chunkType: CType { .named(element == .f32 ? "Chunk" : "ChunkBF16") }

  /// Heads that share keys.
  var shared: Int { heads / groups }
  /// A row of values in vectors of 16.
  var padded: Int { (valueWidth + 15) / 16 * 16 }
  /// What counts the heads of keys; where no heads share keys they are the heads.
  var group: CIdentifier { shared == 1 ? "head" : "group" }
  /// A row of values in panels of 32 columns.
  var valuePanels: Int { (valueWidth + 31) / 32 }
  /// Values of a head, at most, that a task copies to the stack.
  static let gathered = 256
  /// Rows that a split task may have.
  static let few = 16
  /// Bytes of a task's arrays, which lie on its thread's stack; libomp's threads have 4 MiB.
  private static let stack = 1 << 21
  /// Far from what any arithmetic on heads and widths could exceed.
  private static let most = 1 << 24

  init(
    _ query: Place, _ key: Place, _ value: Place, _ scores: Scores<Place>, _ tile: AttentionTile?
  ) throws {
    let element = query.type.element
    guard element == .f32 || element == .bf16, key.isAttended(by: element),
      value.isAttended(by: element),
      let heads = query.shape[2].constant, let groups = key.shape[2].constant,
      let width = query.shape[3].constant, let valueWidth = value.shape[3].constant,
      element == .f32 || width % 2 == 0
    else { throw IRError("no kernel attends from \(query.type) to \(key.type)") }
    for count in [heads, width, valueWidth] where count > Self.most {
      throw IRError("attention: \(count) heads or values of a head, expected at most \(Self.most)")
    }
    self.query = query
    self.key = key
    self.value = value
    self.scores = scores
    self.heads = heads
    self.groups = groups
    self.width = width
    self.valueWidth = valueWidth
    self.element = element
    splits = query.shape[1] != key.shape[1]
    // Rows of queries, what they gather, and what stands beside it; 8 rows of sums; and the pages of a
    // chunk that are widened.
    let padded = (valueWidth + 15) / 16 * 16
    let row = width * element.bytes + padded * 4 + 64
    let gathers = element == .f32 && padded <= Self.gathered
    let shared =
      padded * 32 + (key.isWidened ? width * 1024 : 0)
      + (value.isWidened || gathers ? (padded + 31) / 32 * 32 * 1024 : 0)
    let fitting = (Self.stack - shared) / row / 8 * 8
    // A split keeps the shares of its rows by their places in one task.
    let least = splits ? AttentionWriter.few : 8
    guard fitting >= least else {
      throw IRError(
        "attention: heads of \(width) and \(valueWidth) values are too wide for a thread's stack")
    }
    block = min(max(least, (tile?.queries ?? 64) / 8 * 8), fitting)
  }

  func kernel(name: String?) throws -> Kernel {
    var parts = KernelParts()
    let batch = parts.size(query.shape[0], "batch")
    let queries = parts.size(query.shape[1], "queries")
    let keys = parts.size(key.shape[1], "keys")
    let from = try Rows(query, "q", 0, note: "[batch, queries, \(heads), \(width)]", &parts)
    let keyPages = try Pages(
      key, "k", 1, note: "[batch, keys, \(groups), \(width)]", page: groups * width * 64,
      group: group, &parts)
    let valuePages = try Pages(
      value, "v", 2, note: "[batch, keys, \(groups), \(valueWidth)]",
      page: valueWidth == padded && element == .f32 ? 0 : groups * padded * 64,
      group: group, &parts)
    let rules = try AttentionScores(scores, firstOperand: 3, keys: keys, parts: &parts)
    let out = try parts.result(0, "out", .f32, note: "[batch, queries, \(heads), \(valueWidth)]")
    if keyPages.isPaged || valuePages.isPaged {
      let parameter: (CType, CIdentifier, Kernel.Argument, String) -> CExpression = {
        parts.parameter($0, $1, $2, note: $3)
      }
      _ = parameter(.char.const.pointer, "pool", .pool, "the memory of pages")
      _ = parameter(
        .int32.const.pointer, "table", .table, "[batch, table_stride], pages by 64 keys")
      _ = parameter(.int64, "table_stride", .tableStride, "entries per sequence")
    }
    let (scratch, workspace) = self.scratch(keyPages, valuePages, batch: batch)
    if workspace != 0 { _ = parts.parameter(.char.pointer, "workspace", .workspace) }

    let types = [keyPages, valuePages].filter(\.isNarrow).map(\.element.rawValue)
    let own = element == .f32 ? [] : [element.rawValue]
    let words = (["attention_\(heads)x\(width)"] + own + types.prefix(1) + rules.words).joined(
      separator: "_")
    let stem = name ?? words
    let chunk = CIdentifier(cleaning: String(stem.prefix(40)) + "_chunk")
    var kernel = parts.kernel(
      CIdentifier(cleaning: stem),
      headers: [element == .f32 ? "attention.h" : "attention_bf16.h"]
    ) {
      Declare(.int64.const, "pages", (keys + 63) / 64)
      scratch
      if !keyPages.isPaged || !valuePages.isPaged {
        Blank()
        Comment(valuePages.isInPlace ? "Keys into pages." : "Keys and values into pages.")
        fillPages(keyPages, valuePages, batch: batch, keys: keys)
        Blank()
      }
      if shared > 1 {
        Declare(.int64.const, "rows_per_group", queries * .integer(shared))
          .note("queries of the heads that share keys")
      }
      Declare(
        .int64.const, "blocks", (rowCount(queries) + .integer(block - 1)) / .integer(block))
      if splits { splitSizes(batch: batch, queries: queries) }
      Pragma("omp for collapse(\(splits ? 4 : 3)) schedule(static)")
      For("sequence", to: batch) { _ in
        For(group, to: .integer(groups)) { _ in
          For("index", to: "blocks") { _ in
            if splits {
              For("part", to: "splits") { _ in
                task(
                  rules, from, keyPages, valuePages, queries: queries, keys: keys, out: out,
                  chunk: chunk)
              }
            } else {
              task(
                rules, from, keyPages, valuePages, queries: queries, keys: keys, out: out,
                chunk: chunk)
            }
          }
        }
      }
      if splits { merge(batch: batch, queries: queries, out: out) }
    }
    kernel.helpers = [self.chunk(chunk, rules, keys: keys)]
    kernel.workspace = workspace
    return kernel
  }

  // MARK: One task

  /// A block of rows against all keys, or against one chunk of a split.
  private func task(
    _ rules: AttentionScores, _ from: Rows, _ keyPages: Pages, _ valuePages: Pages,
    queries: CExpression, keys: CExpression, out: CExpression, chunk: CIdentifier
  ) -> [CStatement] {
    let rows: CExpression = "rows"
    let gathered: CExpression = "gathered"
    let count: CExpression = "count"
    let row: CExpression = "row"
    let merge: CExpression = "attention_merge"
    let begin: CExpression = "attention_begin"
    let finish: CExpression = "attention_finish"
    let blockOf: CExpression = "attention_block"
    let copyRow = CExpression.name(typed("copy_row"))
    return CBlockBuilder.build {
      Declare(.int64.const, "block", blockOf("index", "blocks") * .integer(block))
      Declare(
        .int.const, count,
        smaller(.integer(block), rowCount(queries) - "block").cast(to: .int))
      Declare(.array(.named("AttentionRow"), .integer(block)), rows)
      Declare(
        .array(.array(element.cType, .integer(width)), .integer(block)), "query_rows",
        attributes: [.aligned(64)])
      Declare(
        .array(.array(.float, .integer(padded)), .integer(block)), gathered,
        attributes: [.aligned(64)])
      if let padding = rules.padding {
        let mask = padding.mask + "sequence" * padding.stride
        Declare(
          .named("KeyRange").const, "padded", ("attention_padding" as CExpression)(mask, keys))
        Declare(.int.const, "has_gaps", ("attention_gaps" as CExpression)(mask, "padded"))
      }
      For("r", to: count) { r in
        place(of: "block" + r, queries: queries)
        Declare(.named("AttentionRow").pointer, row, (rows + r))
        begin(row, gathered[r], .integer(padded))
        rules.rowStatements
        copyRow(
          ("query_rows" as CExpression)[r], from.row("sequence", "query", "head"), .integer(width))
      }
      Declare(.named("KeyRange"), "span", ("attention_span" as CExpression)(rows, count))
      if splits {
        If("splits" > 1) {
          Comment("Only the chunk of this part.")
          ("span" as CExpression).member("first").assign(
            larger(("span" as CExpression).member("first"), "part" * 256))
          ("span" as CExpression).member("last").assign(
            smaller(("span" as CExpression).member("last"), "part" * 256 + 256))
        }
      }
      wideRoom(keyPages, valuePages)
      if gathersValues(valuePages) {
        Declare(
          .array(.array(.array(.float, 32), "CHUNK"), .integer(valuePanels)), "value_rows",
          attributes: [.aligned(64)])
      }
      For(
        "start", from: ("span" as CExpression).member("first") / 256 * 256,
        to: ("span" as CExpression).member("last"), by: 256
      ) { _ in
        fillChunk(rules, keyPages, valuePages, keys: keys)
        For("r", to: count, by: "TILE_ROWS") { r in
          Declare(.int.const, "height", smaller("TILE_ROWS", count - r).cast(to: .int))
          Declare(.array(.float, "TILE_ROWS"), "maximum")
          Declare(.array(.float, "TILE_ROWS"), "sum")
          Declare(
            .array(.array(.float, .integer(padded)), "TILE_ROWS"), "added",
            attributes: [.aligned(64)])
          CExpression.call(
            .name(chunk),
            chunkArguments(keys: keys).map(\.value)
              + [
                "height", ("query_rows" as CExpression)[r], rows + r,
                ("chunk" as CExpression).address,
                "maximum", "sum", ("added" as CExpression)[0],
              ])
          For("row", to: "height") { row in
            merge(
              rows + (r + row), gathered[r + row], ("maximum" as CExpression)[row],
              ("sum" as CExpression)[row], ("added" as CExpression)[row], .integer(padded))
          }
        }
      }
      let finished: [CStatement] = For("r", to: count) { r in
        place(of: "block" + r, queries: queries)
        finish(outRow(out, queries), gathered[r], rows + r, .integer(valueWidth))
      }.statements
      if splits {
        If("splits" > 1) {
          keepShares()
        } else: {
          finished
        }
      } else {
        finished
      }
    }
  }

  /// The rows of one head of keys.
  private func rowCount(_ queries: CExpression) -> CExpression {
    shared == 1 ? queries : "rows_per_group"
  }

  /// Declares which query of which head a row is.
  private func place(of row: CExpression, queries: CExpression) -> [CStatement] {
    if shared == 1 { return Declare(.int64.const, "query", row).statements }
    return CBlockBuilder.build {
      Declare(.int64.const, "query", row % queries)
      Declare(.int64.const, "head", "group" * .integer(shared) + row / queries)
    }
  }

  private func outRow(_ out: CExpression, _ queries: CExpression) -> CExpression {
    out + (("sequence" * queries + "query") * .integer(heads) + "head") * .integer(valueWidth)
  }

  // MARK: Splits

  private func splitSizes(batch: CExpression, queries: CExpression) -> [CStatement] {
    let threads: CExpression = "thread_count"
    let isSplit =
      rowCount(queries) <= .integer(AttentionWriter.few)
      && batch * .integer(groups) < threads() * 4
    return CBlockBuilder.build {
      Comment("A few rows for many threads: each chunk of keys is a task.")
      Declare(.int64.const, "splits", isSplit.then(("pages" + 3) / 4, else: 1))
    }
  }

  private func share(_ part: CExpression, _ row: CExpression) -> CExpression {
    let tasks = ("sequence" * .integer(groups) + .name(group)) * "splits" + part
    return "shares" + (tasks * .integer(AttentionWriter.few) + row) * .integer(padded + 16)
  }

  /// What the rows gathered from their chunk, for the merge.
  private func keepShares() -> [CStatement] {
    let keep: CExpression = "attention_keep"
    return CBlockBuilder.build {
      For("r", to: "count") { r in
        keep(
          share("part", r), ("gathered" as CExpression)[r], ("rows" as CExpression) + r,
          .integer(padded))
      }
    }
  }

  private func merge(batch: CExpression, queries: CExpression, out: CExpression) -> [CStatement] {
    let begin: CExpression = "attention_begin"
    let merge: CExpression = "attention_merge"
    let finish: CExpression = "attention_finish"
    return CBlockBuilder.build {
      If("splits" > 1) {
        Pragma("omp for collapse(3) schedule(static)")
        For("sequence", to: batch) { _ in
          For(group, to: .integer(groups)) { _ in
            For("r", to: rowCount(queries)) { r in
              Declare(.named("AttentionRow"), "row")
              Declare(.array(.float, .integer(padded)), "gathered", attributes: [.aligned(64)])
              begin(("row" as CExpression).address, "gathered", .integer(padded))
              For("part", to: "splits") { part in
                Declare(.float.const.pointer, "share", share(part, r))
                merge(
                  ("row" as CExpression).address, "gathered",
                  ("share" as CExpression)[.integer(padded)],
                  ("share" as CExpression)[.integer(padded + 1)], "share", .integer(padded))
              }
              place(of: r, queries: queries)
              finish(
                outRow(out, queries), "gathered", ("row" as CExpression).address,
                .integer(valueWidth))
            }
          }
        }
      }
    }
  }
}

extension Place {
  /// Whether queries of the element type attend to it: to the same type, or to any type of pages
  /// in f32.
  fileprivate func isAttended(by query: ElementType) -> Bool {
    if case .pages = storage { return query == .f32 && type.element.isPaged }
    return type.element == query
  }

  /// Whether what lies in pages is widened to f32 before it is used.
  fileprivate var isWidened: Bool { page != nil && type.element != .f32 }
}
