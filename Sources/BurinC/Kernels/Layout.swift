import BurinIR

/// `concat`: each part copied to where it belongs.
func layoutKernel(_ op: Op<Place>, results: [Place], name: String?) throws -> Kernel {
  guard case .concat(let places, let axis) = op else { throw IRError("not a concatenation") }
  let out = results[0]
  var parts = KernelParts()
  var copies: [Copy] = []
  var start: Dim = 0
  for (index, place) in places.enumerated() {
    copies.append(
      Copy(
        from: place, strides: out.strides, prefix: CIdentifier("part", sizes: [index]),
        offset: start * out.strides[axis]))
    start = start + place.shape[axis]
  }
  let element = out.type.element
  var bodies: [[CStatement]] = []
  for (index, copy) in copies.enumerated() {
    bodies.append(copy.statements(&parts, isLast: index == copies.count - 1))
  }
  for (index, copy) in copies.enumerated() {
    _ = try parts.operand(index, copy.prefix, element, note: copy.note(0))
  }
  _ = try parts.result(0, "out", element, note: "the parts along axis \(axis)")
  let extents = out.shape.compactMap(\.constant).filter { $0 != 1 }
  return parts.kernel(kernelName(name, "concat_axis_\(axis)", extents, element)) {
    bodies.flatMap { $0 }
  }
}

/// A copy of a tensor at any strides; under another shape, the copy is dense.
///
///     for row: for column: out[row][column] = x[row][column]
func copyKernel(from: Place, to: Place, name: String?) throws -> Kernel {
  var parts = KernelParts()
  guard to.shape == from.shape || to.isDense else { throw IRError("a reshape is dense") }
  let strides = to.shape == from.shape ? to.strides : Place.denseStrides(from.shape)
  let copy = Copy(from: from, strides: strides, prefix: "x", offset: 0)
  let body = copy.statements(&parts, isLast: true)
  let element = from.type.element
  _ = try parts.operand(0, "x", element, note: copy.note(0))
  _ = try parts.result(0, "out", element, note: copy.note(1))
  let extents = from.shape.compactMap(\.constant).filter { $0 != 1 }
  return parts.kernel(kernelName(name, from.isOneValue ? "fill" : "copy", extents, element)) {
    body
  }
}

/// Loops that copy one strided tensor into another.
private struct Copy {
  let nest: Nest
  let prefix: CIdentifier
  let offset: Dim

  init(from: Place, strides: [Dim], prefix: CIdentifier, offset: Dim) {
    nest = Nest(over: from.shape, [from.strides, strides])
    self.prefix = prefix
    self.offset = offset
  }

  /// A name of its own, where there are several copies.
  private func own(_ name: CIdentifier) -> CIdentifier {
    prefix == "x" ? name : CIdentifier(joining: [prefix, name])
  }

  /// The shape of one of the two tensors, as a remark.
  func note(_ tensor: Int) -> String { KernelParts.note(nest, tensor, extent: own) }

  func statements(_ parts: inout KernelParts, isLast: Bool) -> [CStatement] {
    let names = nest.names
    var loops = zip(nest.axes, names).map { axis, name in
      (name: name.loop, extent: parts.size(axis.extent, own(name.extent)), step: 1 as CExpression)
    }
    let count = nest.axes.count
    func place(_ tensor: Int, _ name: CIdentifier) -> CExpression {
      var offset: CExpression = 0
      for (axis, loop) in zip(nest.axes, names) {
        let stride = parts.size(
          axis.strides[tensor], CIdentifier(joining: [name, loop.loop, "stride"]))
        offset = offset + .name(loop.loop) * stride
      }
      return offset
    }
    let from = place(0, prefix)
    let to = place(1, own("out"))
    let start = parts.size(offset, CIdentifier(joining: [prefix, "start"]))
    let move = ("out" as CExpression)[to + start].assign(CExpression.name(prefix)[from])

    // A transposed tensor is read along one axis and written along another: in squares of 16, so
    // that each line of the cache is fetched once.
    let inner = nest.axes[count - 1]
    if count >= 2, inner.strides[0] != 0, inner.strides[0] != 1,
      let along = nest.axes.indices.dropLast().last(where: { nest.axes[$0].strides[0] == 1 })
    {
      var squares: [CStatement] = [.expression(move)]
      for axis in [count - 1, along] {
        let name = names[axis].loop
        let first = CExpression.name(CIdentifier(joining: ["first", name]))
        let end = CExpression.name(CIdentifier(joining: [name, "end"]))
        let body = squares
        let extent = loops[axis].extent
        squares =
          Declare(
            CType.int64.const, end, (extent - first < 16).then(extent, else: first + 16)
          ).statements + For(name, from: first, to: end) { _ in body }.statements
        loops[axis].name = CIdentifier(joining: ["first", name])
        loops[axis].step = 16
      }
      return parallelLoops(loops, isLast: isLast) { squares }
    }
    if count == 1 {
      return [.pragma("omp for schedule(static)\(isLast ? "" : " nowait")")]
        + For(names[0].loop, to: loops[0].extent) { _ in move }.statements
    }
    let columns = loops.removeLast()
    return parallelLoops(loops, isLast: isLast) {
      For(columns.name, to: columns.extent) { _ in move }
    }
  }
}
