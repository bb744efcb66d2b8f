import BurinIR

/// Rows at any distance from each other; weights and what was chosen are dense.
func expertsRequirement(_ op: Op<Place>, operand: Int) -> Requirement {
  guard case .experts(_, _, _, _, _, let epilogues, _) = op else { return .dense }
  return operand < 3 ? operand == 0 ? .rows : .dense : epilogues.requirement(operand - 3)
}

/// `out[place, column] = epilogues(sum over k of x[row of place, k] * weights[chosen[place]][k,
/// column])`, k ascending, where a row has one place for each of its choices.
///
///     sort the places by expert, gather their rows;
///     for expert: for block of its rows: for 32 columns: for 8 rows: sums[8][32], then the epilogues
///
/// So every panel of an expert is read once for all its rows, and those of an expert that nobody has
/// chosen are not read.
func expertsKernel(_ op: Op<Place>, results: [Place], name: String?) throws -> Kernel {
  guard
    case .experts(let x, let chosen, let weight, let count, let columns, let epilogues, let tile) =
      op
  else { throw IRError("not a product by experts") }
  guard let input = x.rows, let depth = input.width.constant, let output = results[0].rows,
    let choices = chosen.shape[chosen.shape.count - 1].constant
  else { throw IRError("no kernel multiplies \(x.type) by experts \(weight.type)") }
  let matrix = try Factor(
    weight, by: x.type.element, depth: depth, columns: columns, stride: count * columns)
  let isRepeated = x.shape.count == chosen.shape.count && choices > 1

  var parts = KernelParts()
  let places = parts.size(output.count, "places")
  let left = x.type.element
  let stride = parts.size(input.stride / left.block * Dim(left.blockStep), "x_stride")
  let from = try parts.operand(
    0, "x", x.type.element, note: "[\(places.flat)\(isRepeated ? " / \(choices)" : ""), \(depth)]")
  let choice = try parts.operand(1, "chosen", .i32, note: "[\(places.flat)]")
  let note = "[\(count)] x \(matrix.note)"
  let weights = try parts.operand(2, "weights", weight.type.element, note: note)
  let steps = try epilogueSteps(
    epilogues, from: 3, rows: places, columns: columns, parts: &parts)
  let out = try parts.result(0, "out", .f32, note: "[\(places.flat), \(columns)]")
  let workspace = parts.parameter(.char.pointer, "workspace", .workspace)

  let (starts, order, gathered): (CExpression, CExpression, CExpression) = (
    "starts", "order", "gathered"
  )
  let (place, end): (CExpression, CExpression) = ("place", "end")
  let step: CExpression = tile?.isEven == true ? "step" : "TILE_ROWS"
  let element = try CType(left)
  let rowBytes = depth / left.block * left.blockBytes
  let width = CExpression.integer(depth / left.block * left.blockStep)
  let isWhole = columns % 16 == 0
  let last: CExpression =
    columns % 32 == 0 ? "panel" + 32 : smaller("panel" + 32, .integer(columns))
  let stem =
    (["experts"] + matrix.words + ["\(count)_of_\(depth)x\(columns)"] + epilogues.map(\.word))
    .joined(separator: "_")
  var kernel = parts.kernel(
    CIdentifier(cleaning: name ?? stem), headers: ["experts.h", matrix.header, "vector_math.h"]
  ) {
    Declare(CType.int64.pointer, starts, workspace.cast(to: CType.int64.pointer))
    Declare(
      CType.int32.pointer, order, (starts + .integer(count + 1)).cast(to: CType.int32.pointer))
    Declare(element.pointer, gathered, (order + places).cast(to: element.pointer))
    Pragma("omp single")
    ("experts_sort" as CExpression)(places, .integer(count), choice, starts, order)
    Pragma("omp for schedule(static)")
    For("place", to: places) { place in
      ("memcpy" as CExpression)(
        gathered + place * width,
        from + (isRepeated ? order[place] / .integer(choices) : order[place]) * stride,
        .integer(rowBytes))
    }
    Blank()
    For("expert", to: .integer(count)) { expert in
      let size = CExpression.integer(matrix.size)
      For(
        "block", from: starts[expert], to: starts[expert + 1],
        by: .integer(tile?.rowBlock ?? 256)
      ) { block in
        Declare(
          .int64.const, end,
          smaller(block + .integer(tile?.rowBlock ?? 256), starts[expert + 1]))
        if tile?.isEven == true {
          Declare(.int64.const, "step", ("tile_step" as CExpression)(end - block))
        }
        Pragma("omp for schedule(static) nowait")
        For("panel", to: .integer(columns), by: 32) { panel in
          For("row", from: block, to: end, by: step) { row in
            Declare(.int.const, "height", smaller(step, end - row).cast(to: .int))
            Declare(
              .array(.array(.float, 32), "TILE_ROWS"), "sums", attributes: [.aligned(64)])
            matrix.product(gathered + row * width, width, weights + expert * size)
            For("r", to: "height") { r in
              Declare(.int64.const, place, order[row + r])
              For("column", from: panel, to: last, by: 16) { column in
                Declare(vectorType, "value", vectorLoad(("sums" as CExpression)[r] + column % 32))
                steps(place, column)
                isWhole
                  ? vectorStore(out + place * .integer(columns) + column, "value")
                  : vectorStoreFirst(
                    out + place * .integer(columns) + column, "value", .integer(columns) - column)
              }
            }
          }
        }
      }
    }
    Pragma("omp barrier")
  }
  let bytes = Dim(8 * (count + 1)) + output.count * Dim(4) + output.count * Dim(rowBytes)
  kernel.workspace = bytes.rounded(upTo: 64)
  return kernel
}

/// `values[row, n]` and `indices[row, n]`: the n-th largest element of `x[row]`, and where it is.
///
///     for row: for n: for column: what is largest of what is left
func topKKernel(_ op: Op<Place>, name: String?) throws -> Kernel {
  guard case .topK(let x, let count) = op, let rows = x.rows, x.type.element == .f32 else {
    throw IRError("no kernel chooses the largest elements of \(op.operands.map(\.type))")
  }
  var parts = KernelParts()
  let lines = parts.size(rows.count, "rows")
  let width = parts.size(rows.width, "columns")
  let stride = rows.stride == rows.width ? width : parts.size(rows.stride, "x_stride")
  let from = try parts.operand(0, "x", .f32, note: "[\(lines.flat), \(width.flat)]")
  let note = "[\(lines.flat), \(count)]"
  let values = try parts.result(0, "values", .f32, note: note)
  let indices = try parts.result(1, "indices", .i32, note: note)
  let kernel = kernelName(name, "top_\(count)", rows.width.constant.map { [$0] } ?? [])
  let row: CExpression = "row"
  return parts.kernel(kernel, headers: ["experts.h"]) {
    parallelLoops([("row", lines, 1)]) {
      ("top_k" as CExpression)(
        from + row * stride, width, .integer(count), values + row * .integer(count),
        indices + row * .integer(count))
    }
  }
}
