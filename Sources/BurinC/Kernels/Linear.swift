import BurinIR

/// Rows at any distance from each other; weights and biases are dense.
func linearRequirement(_ op: Op<Place>, operand: Int) -> Requirement {
  guard case .linear(_, _, _, let epilogues, _) = op else { return .dense }
  return operand < 2 ? operand == 0 ? .rows : .dense : epilogues.requirement(operand - 2)
}

extension [Epilogue<Place>] {
  /// What the epilogues ask of their operand number `index`.
  func requirement(_ index: Int) -> Requirement {
    let all = compactMap { epilogue -> Requirement? in
      switch epilogue {
      case .bias: .dense
      case .residual, .gate: .rows
      case .activation, .scale, .cast: nil
      }
    }
    return all[index]
  }
}

/// `out[row, column] = epilogues(sum over k of x[row, k] * weight[k, column])`, k ascending.
///
///     for block of rows: for 32 columns: for 8 rows: sums[8][32], then the epilogues
///
/// The columns are the outer loop, so that a panel of weights stays in the second-level cache while
/// the rows of the block pass by; blocks keep those rows in a cache as well. A schedule of several
/// panels has a loop over those inside:
///
///     for block of rows: for columns of the panels: for 8 rows: for 32 of the columns: ...
func linearKernel(_ op: Op<Place>, results: [Place], name: String?) throws -> Kernel {
  guard case .linear(let x, let weight, let columns, let epilogues, let tile) = op else {
    throw IRError("not a linear")
  }
  guard let input = x.rows, let depth = input.width.constant, let output = results[0].rows
  else { throw IRError("no kernel multiplies \(x.type) by \(weight.type)") }
  let matrix = try Factor(weight, by: x.type.element, depth: depth, columns: columns)

  var parts = KernelParts()
  let rows = parts.size(input.count, "rows")
  let stride = parts.size(
    input.stride / x.type.element.block * Dim(x.type.element.blockStep), "x_stride")
  let from = try parts.operand(0, "x", x.type.element, note: "[\(rows.flat), \(depth)]")
  let weights = try parts.operand(1, "weights", weight.type.element, note: matrix.note)
  let steps = try epilogueSteps(epilogues, from: 2, rows: rows, columns: columns, parts: &parts)
  let result = results[0].type.element
  let outStride = parts.size(
    output.stride / result.block * Dim(result.blockStep), "out_stride")
  let out = try parts.result(0, "out", result, note: "[\(rows.flat), \(columns)]")

  let isWhole = columns % 16 == 0
  let last: CExpression =
    columns % 32 == 0 ? "panel" + 32 : smaller("panel" + 32, .integer(columns))
  let block = tile?.rowBlock ?? rowBlock(bytes: depth * x.type.element.bytes)
  let isOneBlock = input.count.constant.map { $0 <= block } ?? false
  let end: CExpression = isOneBlock ? rows : "end"

  let begin: CExpression = isOneBlock ? 0 : "block"
  let step: CExpression = tile?.isEven == true ? "step" : "TILE_ROWS"
  let height: [CStatement] =
    Declare(.int.const, "height", smaller(step, end - "row").cast(to: .int)).statements
  let (panel, row): (CExpression, CExpression) = ("panel", "row")
  let share: CExpression = "share"
  /// What a tile does with a panel.
  let tileStatements: [CStatement] = CBlockBuilder.build {
    Declare(
      .array(.array(.float, 32), "TILE_ROWS"), "sums", attributes: [.aligned(64)])
    matrix.product(from + row * stride, stride, weights)
    For("r", to: "height") { r in
      For("column", from: panel, to: last, by: 16) { column in
        Declare(vectorType, "value", vectorLoad(("sums" as CExpression)[r] + column % 32))
        steps(row + r, column)
        switch result {
        case .bf16: storeHalves(out + (row + r) * outStride + column, columns, column)
        case .r8: vectorStore(("sums" as CExpression)[r] + column % 32, "value")
        default:
          isWhole
            ? vectorStore(out + (row + r) * outStride + column, "value")
            : vectorStoreFirst(
              out + (row + r) * outStride + column, "value", .integer(columns) - column)
        }
      }
    }
    if result == .r8 {
      let block = CExpression.integer(result.blockStep)
      ("r8_store_blocks" as CExpression)(
        "height", out + row * outStride + panel / 32 * block, outStride,
        ("sums" as CExpression)[0], 32)
    }
  }
  let together = min(tile?.panels ?? 1, (columns + 31) / 32) * 32
  let tiles: [CStatement] = CBlockBuilder.build {
    if tile?.isEven == true {
      Declare(.int64.const, "step", ("tile_step" as CExpression)(end - begin))
    }
    Comment("Panels times tiles; each thread takes a run of them, and helps the others at the end.")
    Declare(.int64.const, "tiles", (end - begin + (step - 1)) / step)
    Declare(
      .named("Share"), "share",
      ("share_begin" as CExpression)(
        .integer((columns + together - 1) / together) * "tiles", .integer(leastShared)))
    While(("share_take" as CExpression)(("share" as CExpression).address)) {
      For("item", from: share.member("first"), to: share.member("end")) { item in
        let first = item / "tiles" * .integer(together)
        Declare(.int64.const, together == 32 ? panel : "panels", first)
        Declare(.int64.const, row, begin + item % "tiles" * step)
        height
        if together == 32 {
          tileStatements
        } else {
          let next = "panels" + .integer(together)
          let isFull = columns % together == 0
          For(
            "panel", from: "panels", to: isFull ? next : smaller(next, .integer(columns)), by: 32
          ) { _ in tileStatements }
        }
      }
    }
    Pragma("omp barrier")
  }
  let stem = (["linear"] + matrix.words + ["\(depth)x\(columns)"] + epilogues.map(\.word)).joined(
    separator: "_")
  return parts.kernel(
    CIdentifier(cleaning: name ?? stem),
    headers: [matrix.header, "share.h", "vector_math.h"]
      + (result == .r8 ? ["blocks.h"] : result == .bf16 ? ["bf16.h"] : [])
  ) {
    if isOneBlock {
      tiles
    } else {
      For("block", to: rows, by: .integer(block)) { start in
        Declare(.int64.const, "end", smaller(start + .integer(block), rows))
        tiles
      }
    }
  }
}

/// Tiles for each thread from which on a loop takes so long that threads help each other: some of the
/// first microseconds would go into asking what is left.
private let leastShared = 512

/// Stores `value` as bf16, as many of its lanes as there are columns left.
private func storeHalves(
  _ to: CExpression, _ columns: Int, _ column: CExpression
) -> CExpression {
  columns % 16 == 0
    ? ("bf16_store" as CExpression)(to, "value")
    : ("bf16_store_first" as CExpression)(to, "value", .integer(columns) - column)
}

/// As many rows of so many bytes as fill 6 MiB: what the last cache keeps of them while the panels
/// pass by.
private func rowBlock(bytes: Int) -> Int {
  max(64, min(4096, (6 << 20) / max(1, bytes) / 64 * 64))
}

/// The statements that take `value`, 16 columns of a row, through the epilogues, whose operands are
/// those from `first` on.
func epilogueSteps(
  _ epilogues: [Epilogue<Place>], from first: Int, rows: CExpression, columns: Int,
  parts: inout KernelParts
) throws -> (_ row: CExpression, _ column: CExpression) -> [CStatement] {
  let value: CExpression = "value"
  var steps: [(CExpression, CExpression) -> CExpression] = []
  var operand = first
  var names = CNames()
  func load(_ from: CExpression, _ column: CExpression) -> CExpression {
    columns % 16 == 0
      ? vectorLoad(from + column) : vectorLoadFirst(from + column, .integer(columns) - column)
  }
  /// Reads a tensor of the product's own type.
  func tensor(_ place: Place, _ wanted: CIdentifier) throws -> (CExpression, CExpression) ->
    CExpression
  {
    guard let lines = place.rows else {
      throw IRError("linear: rows of \(place.type) at no stride")
    }
    let name = names.make(wanted)
    let pointer = try parts.operand(operand, name, .f32, note: "[\(rows.flat), \(columns)]")
    let stride = parts.size(lines.stride, CIdentifier(cleaning: "\(name)_stride"))
    operand += 1
    return { row, column in load(pointer + row * stride, column) }
  }
  for epilogue in epilogues {
    switch epilogue {
    case .bias:
      let bias = try parts.operand(operand, names.make("bias"), .f32, note: "[\(columns)]")
      operand += 1
      steps.append { _, column in value += load(bias, column) }
    case .residual(let place):
      let residual = try tensor(place, "residual")
      steps.append { row, column in value += residual(row, column) }
    case .gate(let place):
      let gate = try tensor(place, "gate")
      steps.append { row, column in value *= gate(row, column) }
    case .activation(let function):
      let result = try function.vector(of: value, isRounded: epilogues.last?.isCast ?? false)
      steps.append { _, _ in value.assign(result) }
    case .scale(let factor): steps.append { _, _ in value *= .float(Float(factor)) }
    case .cast: break
    }
  }
  return { row, column in steps.flatMap { $0(row, column).statements } }
}

extension Unary {
  /// C for the function of 16 floats, a shorter one where the result is rounded to a narrow type.
  fileprivate func vector(of value: CExpression, isRounded: Bool) throws -> CExpression {
    switch self {
    case .negate: return -value
    case .not: throw IRError("linear: \(rawValue) is no function of floats")
    case .gelu where isRounded: return ("vector_gelu_coarse" as CExpression)(value)
    case .geluTanh where isRounded: return ("vector_gelu_tanh_coarse" as CExpression)(value)
    default: return .call(.name(CIdentifier(cleaning: "vector_\(rawValue)")), [value])
    }
  }
}

extension Epilogue {
  fileprivate var isCast: Bool { if case .cast = self { true } else { false } }

  /// The word that a kernel's name has for it.
  var word: String {
    switch self {
    case .bias: "bias"
    case .activation(let function): function.rawValue
    case .residual: "residual"
    case .gate: "gate"
    case .scale: "scale"
    case .cast(let element): element.rawValue
    }
  }
}

/// `smaller(a, b)` of the runtime.
func smaller(_ a: CExpression, _ b: CExpression) -> CExpression {
  ("smaller" as CExpression)(a, b)
}

extension CBlockBuilder {
  /// The statements of a block that stands for itself.
  static func build(@CBlockBuilder _ body: () -> [CStatement]) -> [CStatement] { body() }
}
