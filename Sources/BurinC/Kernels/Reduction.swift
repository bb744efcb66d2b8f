import BurinIR

/// `out[kept...] = sum, mean or maximum of x over the other axes`.
///
/// A reduced last axis is added in 16 lanes (element `column` in lane `column % 16`), then the
/// lanes; otherwise 16 neighbouring results are added at a time, in the order of the axes.
func reduceKernel(
  _ function: Reduction, _ x: Place, axes: [Int], out: Place, name: String?
) throws -> Kernel {
  let element = x.type.element
  guard element == .f32 || element == .i32 else {
    throw IRError("no kernel reduces \(x.type) to its \(function.rawValue)")
  }
  let isFloat = element == .f32
  let reduced = Set(axes)
  let leading = x.shape.indices.dropLast()
  let isLastReduced = x.shape.isEmpty || reduced.contains(x.shape.count - 1)
  func nest(_ axes: [Int]) -> Nest {
    Nest(
      over: axes.map { x.shape[$0] }, [axes.map { x.strides[$0] }, axes.map { out.strides[$0] }])
  }
  func stride(_ tensor: CIdentifier, _ loop: CIdentifier) -> CIdentifier {
    CIdentifier(joining: [tensor, loop, "stride"])
  }
  var parts = KernelParts()

  // The axes that stay are loops outside, shared out among the threads.
  let kept = nest(leading.filter { !reduced.contains($0) })
  var loops: [(name: CIdentifier, extent: CExpression, step: CExpression)] = []
  var start: CExpression = 0
  var target: CExpression = 0
  for (axis, number) in zip(kept.axes, 0...) {
    let isSingle = kept.axes.count == 1
    let name: CIdentifier = isSingle ? "row" : CIdentifier("kept", sizes: [number])
    let extent: CIdentifier = isSingle ? "rows" : CIdentifier("extent", sizes: [number])
    loops.append((name, parts.size(axis.extent, extent), 1))
    start = start + .name(name) * parts.size(axis.strides[0], stride("x", name))
    target =
      target + .name(name) * parts.size(axis.strides[1], stride("out", name))
  }
  // Those that are added are loops inside, but for the last, which is walked 16 lanes at a time.
  let columns = parts.size(x.shape.last ?? 1, "columns")
  var terms = isLastReduced ? columns : 1
  var sums: [(name: CIdentifier, extent: CExpression)] = []
  var place: CExpression = 0
  let added = nest(leading.filter { reduced.contains($0) })
  for (axis, number) in zip(added.axes, 0...) where axis.extent != 1 {
    let isSingle = added.axes.count == 1
    let name: CIdentifier = isSingle ? "term" : CIdentifier("term", sizes: [number])
    let extent = parts.size(axis.extent, isSingle ? "terms" : CIdentifier("terms", sizes: [number]))
    sums.append((name, extent))
    place = place + .name(name) * parts.size(axis.strides[0], stride("x", name))
    terms = extent * terms
  }
  let input = try parts.operand(0, "x", element)
  let output = try parts.result(0, "out", element)

  let isMaximum = function == .maximum
  let type: CType = isFloat ? vectorType : .int64
  let initial: CExpression =
    isFloat
    ? vectorSplat(isMaximum ? .float(-.infinity) : 0.0) : isMaximum ? .integer(Int(Int32.min)) : 0
  let row = RowLoop(x.shape.last ?? 1, columns)
  let column: CExpression = "column"
  let (total, values): (CExpression, CExpression) = ("total", "x_row")
  let here = values + place
  func combine(_ value: CExpression) -> CExpression {
    guard isMaximum else { return .binary(.addAssign, total, value) }
    return isFloat
      ? total.assign(("vector_maximum" as CExpression)(total, value))
      : total.assign((value > total).then(value, else: total))
  }
  func result(_ total: CExpression) -> CExpression {
    let mean = function == .mean ? total / (isFloat ? asFloat(terms) : terms) : total
    return isFloat ? mean : mean.cast(to: .int32)
  }

  // One step of the sum, and where it goes.
  var step: [CStatement]
  let last: CExpression
  var opening: [CStatement] = []
  if isLastReduced && isFloat {
    step = row { column in
      Declare(vectorType, "values", row.load(here, column))
      if isMaximum { row.restrict("values", else: total) }
      combine("values")
    }
    let all: CExpression = isMaximum ? "vector_largest" : vectorSum
    last = output[target].assign(result(all(total)))
  } else if isLastReduced {
    step = For("column", to: columns) { column in combine(values[place + column]) }.statements
    last = output[target].assign(result(total))
  } else {
    loops.append(("column", columns, isFloat ? 16 : 1))
    if isFloat { opening = row.left(column) }
    step = [.expression(combine(isFloat ? row.load(here, column) : values[place + column]))]
    last =
      isFloat
      ? row.store(output + target, column, result(total))
      : output[target + column].assign(result(total))
  }
  for sum in sums.reversed() {
    let inner = step
    step = For(sum.name, to: sum.extent) { _ in inner }.statements
  }
  let stem = "\(function.rawValue)_axes_" + axes.sorted().map(String.init).joined(separator: "_")
  let extents = x.shape.compactMap(\.constant).filter { $0 != 1 }
  return parts.kernel(
    kernelName(name, stem, extents, element), headers: isFloat ? ["vectors.h"] : []
  ) {
    parallelLoops(loops) {
      Declare((isFloat ? CType.float : .int32).const.pointer, values, input + start)
      opening
      Declare(type, total, initial)
      step
      last
    }
  }
}

/// A count as a float, literally where it is known.
func asFloat(_ count: CExpression) -> CExpression {
  if case .integer(let value) = count { return .float(Float(value)) }
  return count.cast(to: .float)
}

/// `out[..., i, ...] = x[..., 0, ...] + ... + x[..., i, ...]`, added in order.
///
///     for row: for column: for i: sum += x[row][i][column]
func cumulativeSumKernel(
  _ x: Place, axis: Int, out: Place, name: String?
) throws -> Kernel {
  let element = x.type.element
  guard element == .f32 || element == .i32 else {
    throw IRError("no kernel adds up \(x.type) cumulatively")
  }
  let others = x.shape.indices.filter { $0 != axis }
  let nest = Nest(
    over: others.map { x.shape[$0] },
    [others.map { x.strides[$0] }, others.map { out.strides[$0] }])
  var parts = KernelParts()
  let names = nest.names
  let loops = zip(nest.axes, names).map { axis, name in
    (name: name.loop, extent: parts.size(axis.extent, name.extent), step: 1 as CExpression)
  }
  let start = parts.offset(of: "x", 0, in: nest, over: nest.axes.count)
  let target = parts.offset(of: "out", 1, in: nest, over: nest.axes.count)
  let terms = parts.size(x.shape[axis], "terms")
  let strides = (
    parts.size(x.strides[axis], "x_stride"), parts.size(out.strides[axis], "out_stride")
  )
  let isFloat = element == .f32
  let input = try parts.operand(0, "x", element)
  let output = try parts.result(0, "out", element)
  let kernel = kernelName(
    name, "cumulative_sum_axis_\(axis)", x.shape.compactMap(\.constant).filter { $0 != 1 }, element)
  return parts.kernel(kernel) {
    parallelLoops(loops) {
      Declare(isFloat ? .float : .int64, "sum", isFloat ? 0.0 : 0)
      For("term", to: terms) { term in
        "sum" += input[start + term * strides.0]
        output[target + term * strides.1].assign(
          isFloat ? "sum" : ("sum" as CExpression).cast(to: .int32))
      }
    }
  }
}
