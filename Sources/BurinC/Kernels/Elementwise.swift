import BurinIR

/// Operands may have any leading strides; their last axis is contiguous or broadcast.
func elementwiseRequirement(_ op: Op<Place>, operand: Int) -> Requirement {
  if case .cast(_, .r8) = op { return .rows }
  let place = op.operands[operand]
  guard case .memory(let strides) = place.storage else { return .any }
  // One value along the last axis needs no neighbours.
  return strides.last == 0 || place.shape.last == 1 ? .any : .lastContiguous
}

/// `unary`, `binary`, `select`, `scale`, `cast`, `iota` and `extent`.
func elementwiseKernel(_ op: Op<Place>, results: [Place], name: String?) throws -> Kernel {
  switch op {
  case .iota(let type, let axis): try iotaKernel(type, axis: axis, name: name)
  case .extent(let dim): try extentKernel(dim, name: name)
  case .cast(let x, .r8): try blockKernel(x, name: name)
  default: try mapKernel(op, results: results, name: name)
  }
}

/// `out[...] = f(x[...], y[...])`, operands broadcast.
///
///     for row: for column: out[row][column] = f(x[row][column], y[row][column])
private func mapKernel(_ op: Op<Place>, results: [Place], name: String?) throws -> Kernel {
  let (stem, function) = try elementFunction(op)
  let out = results[0]
  let operands = op.operands
  var nest = Nest(
    over: out.shape,
    (operands + [out]).map { Nest.strides(of: $0, along: out.shape) })
  // The first elements of wider rows have no neighbours: each is a row of its own.
  if nest.axes[nest.axes.count - 1].strides.contains(where: { $0 != 0 && $0 != 1 }) {
    nest.appendUnit()
  }
  var parts = KernelParts()
  let names = nest.names
  let extents = zip(nest.axes, names).map { parts.size($0.extent, $1.extent) }
  let identifiers: [CIdentifier] =
    if case .select = op { ["condition", "then", "otherwise", "out"] } else {
      ["x", "y"].prefix(operands.count) + ["out"]
    }
  for (index, place) in operands.enumerated() {
    _ = try parts.operand(
      index, identifiers[index], place.type.element, note: KernelParts.note(nest, index))
  }
  _ = try parts.result(0, "out", out.type.element, note: KernelParts.note(nest))

  // Pointers to the row that each tensor is in, where there are rows.
  let outer = nest.axes.count - 1
  var rows: [CExpression] = []
  var pointers: [CStatement] = []
  for (index, place) in (operands + [out]).enumerated() {
    let offset = parts.offset(of: identifiers[index], index, in: nest, over: outer)
    let tensor = CExpression.name(identifiers[index])
    guard offset != 0 else {
      rows.append(tensor)
      continue
    }
    let row = CExpression.name(CIdentifier(joining: [identifiers[index], names[outer - 1].loop]))
    let type = try CType(place.type.element)
    pointers +=
      Declare(
        (index < operands.count ? type.const : type).pointer, row, tensor + offset
      ).statements
    rows.append(row)
  }

  let inner = nest.axes[outer]
  let column = CExpression.name(names[outer].loop)
  let loop = RowLoop(inner.extent, extents[outer])
  let isBroadcast = inner.strides.map { $0 == 0 }
  let body: CExpression
  switch function {
  case .scalar(let function):
    let values = operands.indices.map { rows[$0][isBroadcast[$0] ? 0 : column] }
    body = rows[operands.count][column].assign(function(values))
  case .vector(let function):
    let values = operands.indices.map {
      isBroadcast[$0] ? vectorSplat(rows[$0][0]) : loop.load(rows[$0], column)
    }
    body = loop.store(rows[operands.count], column, .call(.name(function), values))
  }
  let isVector = if case .vector = function { true } else { false }
  let step: CExpression = isVector ? 16 : 1
  let statements = (isVector ? loop.left(column) : []) + body.statements
  let kernel = kernelName(name, stem, nest.constants, operands[0].type.element)
  let halves = [ElementType.bf16, .f16].filter { half in
    (operands + [out]).contains { $0.type.element == half }
  }
  let headers = halves.map { "\($0.rawValue).h" } + (isVector ? ["vector_math.h"] : [])
  return parts.kernel(kernel, headers: headers) {
    if outer == 0 {
      Pragma("omp for schedule(static)")
      For(names[0].loop, to: extents[0], by: step) { _ in statements }
    } else {
      parallelLoops((0..<outer).map { (names[$0].loop, extents[$0], 1) }) {
        pointers
        For(names[outer].loop, to: extents[outer], by: step) { _ in statements }
      }
    }
  }
}

/// `out[row] = x[row]` in blocks of 32 that share a scale.
///
///     for row: for 32 columns: out[row][block] = round(x[row][block])
private func blockKernel(_ x: Place, name: String?) throws -> Kernel {
  guard x.type.element == .f32, let rows = x.rows, let width = rows.width.constant else {
    throw IRError("no kernel casts \(x.type) to r8")
  }
  var parts = KernelParts()
  let count = parts.size(rows.count, "rows")
  let stride = parts.size(rows.stride, "x_stride")
  let values = try parts.operand(0, "x", .f32, note: "[\(count.flat), \(width)]")
  let out = try parts.result(
    0, "out", .r8, note: "[\(count.flat), \(width / 32)] blocks: scale, start, then [32]")
  let (step, blocks) = (ElementType.r8.blockBytes, width / 32)
  return parts.kernel(kernelName(name, "cast_to_r8", [width]), headers: ["blocks.h"]) {
    parallelLoops([("row", count, 1)]) {
      ("r8_store_blocks" as CExpression)(
        .integer(blocks), out + "row" * .integer(blocks * step), .integer(step),
        values + "row" * stride, 32)
    }
  }
}

/// What happens to one element.
private enum ElementFunction {
  /// An expression of the operands' elements, which the C compiler vectorises.
  case scalar(([CExpression]) -> CExpression)
  /// A function of the runtime on 16 floats.
  case vector(CIdentifier)
}

/// The stem of the kernel's name, and the function.
private func elementFunction(_ op: Op<Place>) throws -> (String, ElementFunction) {
  switch op {
  case .unary(_, let x) where x.type.element.isHalf,
    .binary(_, let x, _) where x.type.element.isHalf,
    .scale(let x, _) where x.type.element.isHalf:
    throw IRError("no kernel computes \(op.mnemonic) of \(x.type.element.rawValue)")
  case .unary(let function, let x):
    return (function.rawValue, try unaryFunction(function, x.type.element))
  case .binary(let function, let x, _):
    return (function.rawValue, try binaryFunction(function, x.type.element))
  case .select: return ("select", .scalar { $0[0].then($0[1], else: $0[2]) })
  case .scale(_, let factor): return ("scale", .scalar { $0[0] * .float(Float(factor)) })
  case .cast(let x, let element):
    _ = try castExpression("x", x.type.element, element)
    return (
      "cast_to_\(element.rawValue)",
      .scalar { (try? castExpression($0[0], x.type.element, element)) ?? $0[0] }
    )
  default: throw IRError("not an operation of single elements")
  }
}

private func unaryFunction(_ function: Unary, _ element: ElementType) throws -> ElementFunction {
  let isFloat = element == .f32
  switch function {
  case .negate where isFloat: return .scalar { -$0[0] }
  case .absolute where isFloat: return .scalar { ("__builtin_fabsf" as CExpression)($0[0]) }
  case .negate where element == .i32: return .scalar { wrapped(-$0[0].cast(to: .int64)) }
  case .absolute where element == .i32:
    return .scalar { ($0[0] < 0).then(wrapped(-$0[0].cast(to: .int64)), else: $0[0]) }
  case .negate, .absolute:
    throw IRError("no kernel computes \(function.rawValue) of \(element.rawValue)")
  case .not: return .scalar { !$0[0] }
  // A NaN stays.
  case .relu:
    let zero: CExpression = isFloat ? 0.0 : 0
    return .scalar { ($0[0] < zero).then(zero, else: $0[0]) }
  case .floor: return .scalar { ("__builtin_floorf" as CExpression)($0[0]) }
  case .exp: return .vector("vector_exp")
  case .log: return .vector("vector_log")
  case .sqrt: return .vector("vector_sqrt")
  case .rsqrt: return .vector("vector_rsqrt")
  case .sin: return .vector("vector_sin")
  case .cos: return .vector("vector_cos")
  case .erf: return .vector("vector_erf")
  case .gelu: return .vector("vector_gelu")
  case .geluTanh: return .vector("vector_gelu_tanh")
  case .silu: return .vector("vector_silu")
  case .tanh: return .vector("vector_tanh")
  case .sigmoid: return .vector("vector_sigmoid")
  }
}

private func binaryFunction(_ function: Binary, _ element: ElementType) throws -> ElementFunction {
  let isFloat = element == .f32
  switch function {
  case .add where isFloat: return .scalar { $0[0] + $0[1] }
  case .subtract where isFloat: return .scalar { $0[0] - $0[1] }
  case .multiply where isFloat: return .scalar { $0[0] * $0[1] }
  case .divide where isFloat: return .scalar { $0[0] / $0[1] }
  case .power where isFloat: return .vector("vector_power")
  // 64 bits hold what 32 bits wrap around.
  case .add where element == .i32: return .scalar { wrapped($0[0].cast(to: .int64) + $0[1]) }
  case .subtract where element == .i32: return .scalar { wrapped($0[0].cast(to: .int64) - $0[1]) }
  case .multiply where element == .i32: return .scalar { wrapped($0[0].cast(to: .int64) * $0[1]) }
  case .divide where element == .i32:
    return .scalar { ($0[1] .== 0).then(0, else: wrapped($0[0].cast(to: .int64) / $0[1])) }
  // A NaN in either stays.
  case .minimum: return .scalar { extreme($0[0] < $0[1], $0, isFloat) }
  case .maximum: return .scalar { extreme($0[0] > $0[1], $0, isFloat) }
  case .equal: return .scalar { $0[0] .== $0[1] }
  case .less: return .scalar { $0[0] < $0[1] }
  case .lessOrEqual: return .scalar { $0[0] <= $0[1] }
  case .and: return .scalar { $0[0] & $0[1] }
  case .or: return .scalar { $0[0] | $0[1] }
  case .add, .subtract, .multiply, .divide, .power:
    throw IRError("no kernel computes \(function.rawValue) of \(element.rawValue)")
  }
}

private func wrapped(_ wide: CExpression) -> CExpression { wide.cast(to: .int32) }

private func extreme(
  _ wins: CExpression, _ values: [CExpression], _ isFloat: Bool
) -> CExpression {
  let chosen = isFloat ? wins || (values[0] .!= values[0]) : wins
  return chosen.then(values[0], else: values[1])
}

/// A conversion without undefined cases: a float beyond the integers becomes their nearest end, NaN
/// becomes 0.
private func castExpression(
  _ x: CExpression, _ from: ElementType, _ to: ElementType
) throws -> CExpression {
  switch (from, to) {
  case (.f32, .bf16): return ("bf16_from_float" as CExpression)(x)
  case (.bf16, .f32): return ("float_from_bf16" as CExpression)(x)
  case (.f16, .f32): return ("float_from_f16" as CExpression)(x)
  case (.bf16, .bf16), (.f16, .f16): return x
  case (.bf16, _), (_, .bf16), (.f16, _), (_, .f16):
    throw IRError("no kernel casts \(from.rawValue) to \(to.rawValue)")
  case (_, .bool): return x .!= (from == .f32 ? 0.0 : 0)
  case (.f32, .i32):
    let whole = (x .== x).then(x.cast(to: .int32), else: 0)
    return (x < -0x1p31).then(
      .integer(Int(Int32.min)), else: (x >= 0x1p31).then(.integer(Int(Int32.max)), else: whole))
  case (.f32, _) where to.isInteger:
    throw IRError("no kernel casts \(from.rawValue) to \(to.rawValue)")
  default: return x.cast(to: try CType(to))
  }
}

/// `out[..., i, ...] = i` along the axis, or the largest value of a type that is too narrow for that.
private func iotaKernel(_ type: TensorType, axis: Int, name: String?) throws -> Kernel {
  guard !type.element.isHalf else {
    throw IRError("no kernel counts in \(type.element.rawValue)")
  }
  // One tensor says where the axis is, the other where its elements go.
  let along = type.shape.indices.map { $0 == axis ? 1 : 0 as Dim }
  let nest = Nest(over: type.shape, [along, Place.denseStrides(type.shape)])
  var parts = KernelParts()
  let loops = zip(nest.axes, nest.names).map { axis, name in
    (name: name.loop, extent: parts.size(axis.extent, name.extent), step: 1 as CExpression)
  }
  let place = parts.offset(of: "out", 1, in: nest, over: nest.axes.count)
  let position = parts.offset(of: "i", 0, in: nest, over: nest.axes.count)
  let element = try CType(type.element)
  let out = try parts.result(0, "out", type.element, note: KernelParts.note(nest))
  let largest = type.element.rounded(Double(type.shape[axis].maximum - 1))
  let isNarrow = type.element.isInteger && Int(largest) < type.shape[axis].maximum - 1
  let value =
    isNarrow
    ? (position < .integer(Int(largest))).then(position, else: .integer(Int(largest))) : position
  return parts.kernel(kernelName(name, "iota", nest.constants, type.element)) {
    parallelLoops(loops) {
      out[place].assign(value.cast(to: element))
    }
  }
}

/// `out = the extent`, which the caller evaluates.
private func extentKernel(_ dim: Dim, name: String?) throws -> Kernel {
  var parts = KernelParts()
  let extent = parts.size(dim, "extent")
  let out = try parts.result(0, "out", .i32)
  let constants = dim.constant.map { [$0] } ?? []
  return parts.kernel(kernelName(name, "extent", constants, .i32)) {
    Pragma("omp single")
    out[0].assign(extent.cast(to: .int32))
  }
}
