import BurinIR

/// Rows at any distance from each other; scales and biases are dense.
func normalizationRequirement(_ op: Op<Place>, operand: Int) -> Requirement {
  switch op {
  case .reduce: .lastContiguous
  case .cumulativeSum: .any
  case .softmax: .rows
  case .addNorm: operand < 2 ? .rows : .dense
  default: operand < 1 ? .rows : .dense
  }
}

/// `softmax`, `norm`, `normAndCast`, `addNorm`, `reduce` and `cumulativeSum`: sums over a row in 16
/// fixed lanes.
func normalizationKernel(_ op: Op<Place>, results: [Place], name: String?) throws -> Kernel {
  switch op {
  case .softmax(let x): try softmaxKernel(x, name: name)
  case .norm(let x, let norm): try normKernel(x, residual: nil, norm, name: name)
  case .normAndCast(let x, let norm):
    try normKernel(x, residual: nil, norm, isKept: true, name: name)
  case .addNorm(let x, let residual, let norm):
    try normKernel(x, residual: residual, norm, name: name)
  case .reduce(let function, let x, let axes):
    try reduceKernel(function, x, axes: axes, out: results[0], name: name)
  case .cumulativeSum(let x, let axis):
    try cumulativeSumKernel(x, axis: axis, out: results[0], name: name)
  default: throw IRError("not a normalisation")
  }
}

/// The rows of one operand or result of a kernel over rows.
private struct Rows {
  let row: CExpression
  /// `const float *x_row = x + row * stride;`.
  let pointer: [CStatement]

  init(
    _ tensor: CExpression, _ name: CIdentifier, stride: CExpression, isConst: Bool
  ) {
    row = .name(name)
    pointer =
      Declare(
        isConst ? CType.float.const.pointer : CType.float.pointer, .name(name),
        tensor + ("row" as CExpression) * stride
      ).statements
  }
}

extension KernelParts {
  /// The rows of an operand: `rows` times `columns` floats, perhaps in wider rows.
  fileprivate mutating func rows(
    _ index: Int, _ name: CIdentifier, _ place: Place
  ) throws -> (rows: Rows, count: CExpression, width: CExpression, note: String) {
    guard place.type.element == .f32, let rows = place.rows else {
      throw IRError("a kernel over rows of floats cannot read \(place.type)")
    }
    let count = size(rows.count, "rows")
    let width = size(rows.width, "columns")
    let stride =
      rows.stride == rows.width
      ? width : size(rows.stride, CIdentifier(joining: [name, "stride"]))
    let note = "[\(count.flat), \(width.flat)]"
    let tensor = try operand(index, name, .f32, note: note)
    let own = Rows(tensor, CIdentifier(joining: [name, "row"]), stride: stride, isConst: true)
    return (own, count, width, note)
  }
}

/// `out[row] = exp(x[row] - max x[row]) / sum`; a row of `-inf` gives zeros.
///
///     for row: largest of the columns; for column: exp, sum; for column: divide
private func softmaxKernel(_ x: Place, name: String?) throws -> Kernel {
  var parts = KernelParts()
  let (input, count, width, note) = try parts.rows(0, "x", x)
  let output = Rows(
    try parts.result(0, "out", .f32, note: note), "out_row", stride: width, isConst: false)
  let columns = x.shape[x.shape.count - 1]
  let loop = RowLoop(columns, width)
  let kernel = kernelName(name, "softmax", columns.constant.map { [$0] } ?? [])
  return parts.kernel(kernel, headers: ["vector_math.h"]) {
    parallelLoops([("row", count, 1)]) {
      input.pointer
      output.pointer
      Declare(vectorType, "lanes", vectorSplat(.float(-.infinity)))
      loop { column in
        Declare(vectorType, "values", loop.load(input.row, column))
        loop.restrict("values", else: "lanes")
        ("lanes" as CExpression).assign(("vector_maximum" as CExpression)("values", "lanes"))
      }
      Declare(.float, "largest", ("vector_largest" as CExpression)("lanes"))
      If("largest" .== .float(-.infinity)) {
        ("largest" as CExpression).assign(0.0)
      }.note("nothing counts: exp gives zeros")
      Blank()
      Declare(vectorType, "sums", vectorSplat(0.0))
      loop { column in
        Declare(
          vectorType, "power",
          ("vector_exp" as CExpression)(loop.load(input.row, column) - "largest"))
        loop.restrict("power", else: vectorSplat(0.0))
        loop.store(output.row, column, "power")
        "sums" += "power"
      }
      Declare(CType.float.const, "sum", vectorSum("sums"))
      Declare(
        CType.float.const, "share", ("sum" .== 0.0).then(0.0, else: 1.0 / "sum"))
      loop { column in
        loop.store(output.row, column, loop.load(output.row, column) * "share")
      }
    }
  }
}

/// `out[row] = (x[row] - mean) / sqrt(variance + epsilon) * scale + bias`, where layer norm has a
/// mean; with a residual the row is `x[row] + residual[row]`, and the first result keeps it. The last
/// result is rounded if the norm has a cast, beside a first one that is not if that `isKept`.
///
///     for row: for column: sum; for column: squares; for column: normalise
private func normKernel(
  _ x: Place, residual: Place?, _ norm: Norm<Place>, isKept: Bool = false, name: String?
) throws -> Kernel {
  var parts = KernelParts()
  let (input, count, width, note) = try parts.rows(0, "x", x)
  let added = try residual.map { try parts.rows(1, "residual", $0).rows }
  var pointers = input.pointer + (added?.pointer ?? [])
  var operand = added == nil ? 1 : 2
  var scale: CExpression?
  var bias: CExpression?
  if norm.scale != nil {
    scale = try parts.operand(operand, "scale", .f32, note: "[\(width.flat)]")
    operand += 1
  }
  if norm.bias != nil {
    bias = try parts.operand(operand, "bias", .f32, note: "[\(width.flat)]")
  }
  // What is normalised: the row itself, or the sum that the first result keeps.
  var whole = input.row
  if residual != nil {
    let sum = Rows(
      try parts.result(0, "sum", .f32, note: note), "sum_row", stride: width, isConst: false)
    pointers += sum.pointer
    whole = sum.row
  }
  let columns = x.shape[x.shape.count - 1]
  let loop = RowLoop(columns, width)
  let stored = try NormStore(
    norm.cast, isKept: isKept, result: residual == nil ? 0 : 1, rows: count, columns, loop,
    note: note, parts: &parts)
  pointers += stored.pointers

  let divisor = asFloat(width)
  let isLayer = norm.kind == .layer
  let spread: CExpression = isLayer ? "variance" : "mean_square"
  let factor: CExpression = isLayer ? "inverse_deviation" : "inverse_root"
  let lanes = CType.const(vectorType)
  let stem = (residual == nil ? "norm_" : "add_norm_") + norm.kind.rawValue + stored.word
  let kernel = kernelName(name, stem, columns.constant.map { [$0] } ?? [])
  return parts.kernel(kernel, headers: stored.headers) {
    parallelLoops([("row", count, 1)]) {
      pointers
      if isLayer || added != nil {
        if isLayer { Declare(vectorType, "sums", vectorSplat(0.0)) }
        loop { column in
          let values = loop.load(input.row, column)
          if let added {
            Declare(lanes, "values", values + loop.load(added.row, column))
            loop.store(whole, column, "values")
            if isLayer { "sums" += "values" }
          } else {
            "sums" += values
          }
        }
      }
      if isLayer { Declare(CType.float.const, "mean", vectorSum("sums") / divisor) }
      Declare(vectorType, "squares", vectorSplat(0.0))
      loop { column in
        let values = loop.load(whole, column)
        if isLayer {
          Declare(vectorType, "centred", values - "mean")
          loop.restrict("centred", else: vectorSplat(0.0))
          "squares" += "centred" * "centred"
        } else {
          Declare(lanes, "values", values)
          "squares" += "values" * "values"
        }
      }
      Declare(CType.float.const, spread, vectorSum("squares") / divisor)
      Declare(
        CType.float.const, factor,
        1.0 / ("__builtin_sqrtf" as CExpression)(spread + .float(Float(norm.epsilon))))
      loop { column in
        let values = loop.load(whole, column)
        let centred = isLayer ? values - "mean" : values
        let normal = centred * factor
        let scaled = scale.map { normal * loop.load($0, column) } ?? normal
        stored.statements(column, bias.map { scaled + loop.load($0, column) } ?? scaled)
      }
      stored.end
    }
  }
}

/// How a normalisation stores its rows: as floats, rounded, or both.
private struct NormStore {
  /// What the kernel's name says of it: `_to_r8`, `_and_bf16`.
  let word: String
  let headers: [String]
  /// Where a row begins in each result.
  let pointers: [CStatement]
  /// Stores 16 elements at a column.
  let statements: (_ column: CExpression, _ value: CExpression) -> [CStatement]
  /// What follows the last column.
  let end: [CStatement]

  /// - Parameters:
  ///   - isKept: whether the result number `result` is the row as floats, and the next one rounded.
  init(
    _ cast: ElementType?, isKept: Bool, result: Int, rows: CExpression, _ columns: Dim,
    _ loop: RowLoop, note: String, parts: inout KernelParts
  ) throws {
    let floats: CExpression = "out_row"
    var pointers: [CStatement] = []
    if isKept || cast == nil {
      pointers =
        Rows(
          try parts.result(result, "out", .f32, note: note), "out_row", stride: loop.width,
          isConst: false
        ).pointer
    }
    let narrow: CIdentifier = isKept ? "rounded" : "out"
    let index = isKept ? result + 1 : result
    switch cast {
    case nil:
      (word, headers, end) = ("", ["vectors.h"], [])
      statements = { column, value in loop.store(floats, column, value).statements }
    case .bf16:
      let out = try parts.result(index, narrow, .bf16, note: note)
      let row = CExpression.name(CIdentifier(joining: [narrow, "row"]))
      pointers += Declare(CType.uint16.pointer, row, out + "row" * loop.width).statements
      statements = { column, value in
        CBlockBuilder.build {
          if isKept {
            Declare(.const(vectorType), "normal", value)
            loop.store(floats, column, "normal")
            loop.storeHalves(row, column, "normal")
          } else {
            loop.storeHalves(row, column, value)
          }
        }
      }
      (word, headers, end) = (isKept ? "_and_bf16" : "_to_bf16", ["bf16.h"], [])
    case .r8:
      guard let width = columns.constant else { throw IRError("norm: r8 of \(columns) columns") }
      let (blocks, step) = (width / 32, ElementType.r8.blockBytes)
      let out = try parts.result(
        index, narrow, .r8, note: "[\(rows.flat), \(blocks)] blocks: scale, start, then [32]")
      if !isKept {
        pointers =
          Declare(.array(.float, .integer(width)), floats, attributes: [.aligned(64)])
          .statements
      }
      statements = { column, value in loop.store(floats, column, value).statements }
      end =
        ("r8_store_blocks" as CExpression)(
          .integer(blocks), out + "row" * .integer(blocks * step), .integer(step), floats, 32
        ).statements
      (word, headers) = (isKept ? "_and_r8" : "_to_r8", ["blocks.h"])
    case let cast?: throw IRError("norm: no kernel rounds to \(cast.rawValue)")
    }
    self.pointers = pointers
  }
}
