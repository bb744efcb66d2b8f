import BurinIR

/// Tables are dense; what is gathered from or rotated is contiguous along its last axis.
func embeddingRequirement(_ op: Op<Place>, operand: Int) -> Requirement {
  switch op {
  case .gather(let x, _):
    operand > 0 ? .any : x.shape.count <= 2 ? .any : x.shape.count == 3 ? .lastContiguous : .dense
  case .rotary: operand == 0 ? .lastContiguous : operand == 1 ? .any : .dense
  default: .dense
  }
}

/// `embedding`, `gather` and `rotary`.
func embeddingKernel(_ op: Op<Place>, name: String?) throws -> Kernel {
  switch op {
  case .embedding(let table, let indices, let rows):
    try lookupKernel(table, indices, rows: rows, name: name)
  case .gather(let x, let indices): try gatherKernel(x, indices, name: name)
  case .rotary(let x, let positions, let frequencies, let interleaved):
    try rotaryKernel(x, positions, frequencies, interleaved: interleaved, name: name)
  default: throw IRError("not an embedding")
  }
}

/// An index as a row that there is: one that a model computes may lie anywhere, and inputs that are
/// indices themselves have been checked.
private func within(_ index: CExpression, _ rows: CExpression) -> CExpression {
  larger(0, smaller(index, rows - 1))
}

/// `out[token] = table[indices[token]]`; the rows of a packed table are columns of its panels. Rows of
/// a narrow table are widened.
///
///     for token: for column: out[token][column] = table[index][column]
private func lookupKernel(
  _ table: Place, _ indices: Place, rows count: Int, name: String?
) throws -> Kernel {
  if table.type.element.isTurned {
    return try blockLookupKernel(table, indices, rows: count, name: name)
  }
  let group = table.shape.count == 4 ? table.type.element.termsPerGroup : 1
  let width = table.shape[1] * Dim(group)
  let panel = table.shape.count > 2 ? table.shape[2].constant : nil
  var parts = KernelParts()
  let tokens = parts.size(indices.type.count, "tokens")
  let columns = parts.size(width, "columns")
  let element = table.type.element
  let tableNote =
    panel.map { panel in
      group == 1
        ? "[panels, \(columns.flat), \(panel)]"
        : "[panels, \(columns.flat) / \(group), \(panel), \(group)]"
    } ?? "[rows, \(columns.flat)]"
  // A parameter even though it is known: tables of one width share the kernel.
  let rows = parts.parameter(.int64, "rows", .size(Dim(count)))
  let values = try parts.operand(0, "table", element, note: tableNote)
  let places = try parts.operand(1, "indices", .i32, note: "[\(tokens.flat)]")
  let result = element.isFloat ? ElementType.f32 : element
  let out = try parts.result(0, "out", result, note: "[\(tokens.flat), \(columns.flat)]")
  let token: CExpression = "token"
  let (row, target): (CExpression, CExpression) = ("row", "out_row")
  let (type, resultType) = (try CType(element), try CType(result))
  let widened: (CExpression) -> CExpression
  switch (element, result) {
  case (.bf16, .f32): widened = { ("float_from_bf16" as CExpression)($0) }
  case (.f16, .f32): widened = { ("float_from_f16" as CExpression)($0) }
  case (result, _): widened = { $0 }
  default: throw IRError("no kernel looks up rows of \(table.type)")
  }
  let stem = panel.map { "embedding_packed_\($0)" } ?? "embedding"
  let kernel = kernelName(name, stem, width.constant.map { [$0] } ?? [], element)
  return parts.kernel(kernel, headers: [element == result ? "vectors.h" : "\(element.rawValue).h"])
  {
    parallelLoops([("token", tokens, 1)]) {
      if let panel {
        let panel = CExpression.integer(panel)
        Declare(CType.int64.const, "index", within(places[token], rows))
        Declare(
          type.const.pointer, row,
          values + "index" / panel * (columns * panel) + "index" % panel * .integer(group))
        Declare(resultType.pointer, target, out + token * columns)
        For("column", to: columns) { column in
          let place =
            group == 1
            ? column * panel
            : column / .integer(group) * (panel * .integer(group)) + column % .integer(group)
          target[column].assign(widened(row[place]))
        }
      } else {
        Declare(
          type.const.pointer, row, values + within(places[token], rows) * columns)
        Declare(resultType.pointer, target, out + token * columns)
        For("column", to: columns) { column in
          target[column].assign(widened(row[column]))
        }
      }
    }
  }
}

/// The same for a packed table of blocks, whose rows come out as f32.
private func blockLookupKernel(
  _ table: Place, _ indices: Place, rows count: Int, name: String?
) throws -> Kernel {
  guard table.shape.count == 4, let groups = table.shape[1].constant, table.shape[2] == 32 else {
    throw IRError("no kernel looks up rows of \(table.type)")
  }
  let element = table.type.element
  let width = groups * element.termsPerGroup
  var parts = KernelParts()
  let tokens = parts.size(indices.type.count, "tokens")
  let columns = CExpression.integer(width)
  let rows = parts.parameter(.int64, "rows", .size(Dim(count)))
  let values = try parts.operand(
    0, "table", element,
    note: "[panels, \(width / 32)] blocks: 32 scales, then [\(32 / element.termsPerGroup), 32, 4]")
  let places = try parts.operand(1, "indices", .i32, note: "[\(tokens.flat)]")
  let out = try parts.result(0, "out", .f32, note: "[\(tokens.flat), \(width)]")
  let token: CExpression = "token"
  let column = CExpression.name(CIdentifier(cleaning: "\(element.rawValue)_column"))
  let stem = "embedding_\(element.rawValue)"
  return parts.kernel(
    kernelName(name, stem, [width]), headers: ["tile_\(element.rawValue).h"]
  ) {
    parallelLoops([("token", tokens, 1)]) {
      Declare(CType.int64.const, "index", within(places[token], rows))
      column(
        out + token * columns, values + "index" / 32 * .integer(width * element.blockBytes),
        "index" % 32, columns)
    }
  }
}

/// `out[b, t, ...] = x[b, indices[b, t], ...]`.
///
///     for sequence: for place: for column: out[sequence][place][column] = x[sequence][index][column]
private func gatherKernel(_ x: Place, _ indices: Place, name: String?) throws -> Kernel {
  let width = x.shape.dropFirst(2).reduce(1 as Dim, *)
  var parts = KernelParts()
  let batch = parts.size(indices.shape[0], "batch")
  let places = parts.size(indices.shape[1], "places")
  let columns = parts.size(width, "columns")
  let rows = parts.size(x.shape[1], "rows")
  let strides = (
    parts.size(x.strides[0], "x_sequence_stride"), parts.size(x.strides[1], "x_row_stride")
  )
  let steps = (
    parts.size(indices.strides[0], "index_sequence_stride"),
    parts.size(indices.strides[1], "index_stride")
  )
  let element = x.type.element
  let type = try CType(element)
  let note = "[\(batch.flat), rows, \(columns.flat)]"
  let values = try parts.operand(0, "x", element, note: note)
  let chosen = try parts.operand(1, "indices", .i32, note: "[\(batch.flat), \(places.flat)]")
  let out = try parts.result(
    0, "out", element, note: "[\(batch.flat), \(places.flat), \(columns.flat)]")
  let (sequence, place): (CExpression, CExpression) = ("sequence", "place")
  let kernel = kernelName(name, "gather", width.constant.map { [$0] } ?? [], element)
  return parts.kernel(kernel, headers: ["vectors.h"]) {
    parallelLoops([("sequence", batch, 1), ("place", places, 1)]) {
      Declare(
        CType.int64.const, "row", within(chosen[sequence * steps.0 + place * steps.1], rows))
      Declare(type.const.pointer, "x_row", values + sequence * strides.0 + "row" * strides.1)
      Declare(type.pointer, "out_row", out + (sequence * places + place) * columns)
      For("column", to: columns) { column in
        ("out_row" as CExpression)[column].assign(("x_row" as CExpression)[column])
      }
    }
  }
}

/// `(a, b)` becomes `(a cos - b sin, b cos + a sin)` of the angle `position * frequency`, for the
/// pairs `(i, i + half)`, or `(2i, 2i + 1)` if interleaved; what lies beyond is copied.
///
///     for token: cos, sin of the angles; for head: for pair: rotate
private func rotaryKernel(
  _ x: Place, _ positions: Place, _ frequencies: Place, interleaved: Bool, name: String?
) throws -> Kernel {
  guard let half = frequencies.shape[0].constant, let width = x.shape[3].constant,
    x.type.element == .f32
  else { throw IRError("no kernel rotates \(x.type) by \(frequencies.type)") }
  // Their cosines and sines lie on the thread's stack.
  let most = 65536
  guard half <= most else {
    throw IRError("rotary: \(half) frequencies, expected at most \(most)")
  }
  var parts = KernelParts()
  let batch = parts.size(x.shape[0], "batch")
  let tokens = parts.size(x.shape[1], "tokens")
  let heads = parts.size(x.shape[2], "heads")
  let strides = (
    parts.size(x.strides[0], "x_sequence_stride"), parts.size(x.strides[1], "x_token_stride"),
    parts.size(x.strides[2], "x_head_stride")
  )
  let steps = (
    parts.size(positions.strides[0], "position_sequence_stride"),
    parts.size(positions.strides[1], "position_stride")
  )
  let note = "[\(batch.flat), \(tokens.flat), \(heads.flat), \(width)]"
  let values = try parts.operand(0, "x", .f32, note: note)
  let places = try parts.operand(1, "positions", .i32, note: "[\(batch.flat), \(tokens.flat)]")
  let rates = try parts.operand(2, "frequencies", .f32, note: "[\(half)]")
  let out = try parts.result(0, "out", .f32, note: note)
  let (sequence, token): (CExpression, CExpression) = ("sequence", "token")
  let (cosine, sine): (CExpression, CExpression) = ("cosine", "sine")
  let (from, to): (CExpression, CExpression) = ("x_head", "out_head")
  let loop = RowLoop(Dim(half), .integer(half))
  let room = CExpression.integer((half + 15) / 16 * 16)
  let stem = interleaved ? "rotary_interleaved" : "rotary"
  let kernel = kernelName(name, stem, [x.shape[2].constant, width].compactMap { $0 })
  return parts.kernel(kernel, headers: ["vector_math.h"]) {
    parallelLoops([("sequence", batch, 1), ("token", tokens, 1)]) {
      Declare(
        CType.float.const, "position",
        places[sequence * steps.0 + token * steps.1].cast(to: .float))
      Declare(.array(.float, room), cosine)
      Declare(.array(.float, room), sine)
      loop("pair") { pair in
        Declare(.const(vectorType), "angle", "position" * loop.load(rates, pair))
        vectorStore(cosine + pair, ("vector_cos" as CExpression)("angle"))
        vectorStore(sine + pair, ("vector_sin" as CExpression)("angle"))
      }
      For("head", to: heads) { head in
        Declare(
          CType.float.const.pointer, from,
          values + sequence * strides.0 + token * strides.1 + head * strides.2)
        Declare(
          CType.float.pointer, to,
          out + ((sequence * tokens + token) * heads + head) * .integer(width))
        For("pair", to: .integer(half)) { pair in
          let first = interleaved ? pair * 2 : pair
          let second = interleaved ? pair * 2 + 1 : pair + .integer(half)
          to[first].assign(from[first] * cosine[pair] - from[second] * sine[pair])
          to[second].assign(from[second] * cosine[pair] + from[first] * sine[pair])
        }
        if 2 * half < width {
          For("column", from: .integer(2 * half), to: .integer(width)) { column in
            to[column].assign(from[column])
          }
        }
      }
    }
  }
}
