import BurinIR

/// The left side may have any strides, the right side's rows are contiguous.
func matmulRequirement(operand: Int) -> Requirement {
  operand == 0 ? .any : .lastContiguous
}

/// `out[..., row, column] = sum over k of x[..., row, k] * y[..., k, column]`, k ascending.
///
///     for plane: for 4 rows: for 32 columns: for k: sum[4][32] += x[4][k] * y[k][32]
func matmulKernel(_ op: Op<Place>, results: [Place], name: String?) throws -> Kernel {
  guard case .matmul(let x, let y) = op else { throw IRError("not a matmul") }
  guard x.type.element == .f32 else { throw IRError("no kernel multiplies \(x.type)") }
  let out = results[0]
  let rank = out.shape.count
  // All axes of the result but the columns; the right side does not depend on the row, and on
  // nothing at all if it is one matrix.
  let rightLeading =
    y.shape.count == 2 ? [Dim](repeating: 0, count: rank - 2) : Array(y.strides.dropLast(2))
  var nest = Nest(
    over: Array(out.shape.dropLast()),
    [Array(x.strides.dropLast()), rightLeading + [0], Array(out.strides.dropLast())])
  if nest.axes[nest.axes.count - 1].strides[1] != 0 { nest.appendUnit() }
  let outer = nest.axes.count - 1
  var parts = KernelParts()
  let rows = parts.size(nest.axes[outer].extent, "rows")
  let inner = parts.size(x.shape[x.shape.count - 1], "inner")
  let columns = parts.size(out.shape[rank - 1], "columns")
  var loops: [(name: CIdentifier, extent: CExpression, step: CExpression)] = []
  var offsets: [CExpression] = [0, 0, 0]
  for (number, axis) in nest.axes.dropLast().enumerated() {
    let name: CIdentifier = outer == 1 ? "plane" : CIdentifier("plane", sizes: [number])
    let extent: CIdentifier = outer == 1 ? "planes" : CIdentifier("planes", sizes: [number])
    loops.append((name, parts.size(axis.extent, extent), 1))
    for (tensor, prefix) in (["x", "y", "out"] as [CIdentifier]).enumerated() {
      let stride = parts.size(
        axis.strides[tensor], CIdentifier(joining: [prefix, name, "stride"]))
      offsets[tensor] = offsets[tensor] + .name(name) * stride
    }
  }
  let xRow = parts.size(nest.axes[outer].strides[0], "x_row_stride")
  let outRow = parts.size(nest.axes[outer].strides[2], "out_row_stride")
  let xInner = parts.size(x.strides[x.shape.count - 1], "x_inner_stride")
  let yInner = parts.size(y.strides[y.shape.count - 2], "y_inner_stride")
  let left = try parts.operand(0, "x", .f32, note: "[..., \(rows.flat), \(inner.flat)]")
  let right = try parts.operand(1, "y", .f32, note: "[..., \(inner.flat), \(columns.flat)]")
  let result = try parts.result(0, "out", .f32, note: "[..., \(rows.flat), \(columns.flat)]")

  // Few columns need one vector, whole multiples of 32 no care at the end.
  let known = out.shape[rank - 1].constant
  let vectors = known.map { $0 <= 16 ? 1 : 2 } ?? 2
  let width = vectors * 16
  let isWhole = known.map { $0 % width == 0 } ?? false
  loops.append(("row", rows, 4))
  loops.append(("column", columns, .integer(width)))
  let (row, column, k): (CExpression, CExpression, CExpression) = ("row", "column", "k")
  let (height, sum): (CExpression, CExpression) = ("height", "sum")
  let (xBlock, yBlock, outBlock): (CExpression, CExpression, CExpression) = (
    "x_block", "y_block", "out_block"
  )
  func load(_ vector: Int) -> CExpression {
    let from = yBlock + k * yInner + .integer(vector * 16)
    return isWhole ? vectorLoad(from) : vectorLoadFirst(from, "left" - .integer(vector * 16))
  }
  func store(_ vector: Int) -> CExpression {
    let to = outBlock + "r" * outRow + .integer(vector * 16)
    let value = sum["r"][.integer(vector)]
    return isWhole
      ? vectorStore(to, value) : vectorStoreFirst(to, value, "left" - .integer(vector * 16))
  }
  let names: [CExpression] = ["first", "second"]
  let extents = [nest.axes[outer].extent, x.shape[x.shape.count - 1], out.shape[rank - 1]]
  let kernel = kernelName(name, "matmul", extents.compactMap(\.constant))
  return parts.kernel(kernel, headers: ["vectors.h"]) {
    parallelLoops(loops) {
      Declare(
        CType.int64.const, height, (rows - row < 4).then(rows - row, else: 4))
      if !isWhole { Declare(CType.int64.const, "left", columns - column) }
      Declare(CType.float.const.pointer, xBlock, left + offsets[0] + row * xRow)
      Declare(CType.float.const.pointer, yBlock, right + offsets[1] + column)
      Declare(CType.float.pointer, outBlock, result + offsets[2] + row * outRow + column)
      Declare(
        .array(.array(vectorType, .integer(vectors)), 4), sum, .list([.list([vectorSplat(0.0)])]))
      For("k", to: inner) { k in
        for vector in 0..<vectors { Declare(.const(vectorType), names[vector], load(vector)) }
        For("r", to: 4, type: .int) { r in
          Declare(
            CType.float.const, "factor",
            xBlock[(r < height).then(r, else: 0) * xRow + k * xInner]
          )
          .note("rows beyond the end repeat the first")
          for vector in 0..<vectors { sum[r][.integer(vector)] += "factor" * names[vector] }
        }
      }
      For("r", to: height, type: .int) { _ in
        for vector in 0..<vectors { store(vector) }
      }
    }
  }
}
