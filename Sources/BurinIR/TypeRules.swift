/// The type of an operation's result.
///
/// - Throws: `IRError` naming the operation and the types that do not fit.
func typeRule(_ op: Op<ValueType>) throws(IRError) -> ValueType {
  try checkAttributes(op)
  let type = try valueRule(op)
  if let element = type.tensor?.element, element.block > 1 {
    switch op {
    case .cast: break
    case .state where element == .q8, .append where element == .q8: break
    case .linear where element == .r8, .norm where element == .r8, .part: break
    case .transpose where element.isWeight, .pack where element.isWeight: break
    default:
      let makers =
        switch element {
        case .q8: "cast, state and append give"
        case .r8: "cast, linear and norm give"
        default: "cast, transpose and pack give"
        }
      throw IRError("\(op.mnemonic): only \(makers) \(element.rawValue)")
    }
  }
  switch type {
  case .tensor(let tensor): try checkLimits(tensor.shape)
  case .tuple(let tensors): for tensor in tensors { try checkLimits(tensor.shape) }
  }
  return type
}

private func valueRule(_ op: Op<ValueType>) throws(IRError) -> ValueType {
  if case .part(let tuple, let index) = op {
    guard case .tuple(let types) = tuple, types.indices.contains(index) else {
      throw IRError("part: \(tuple) has no part \(index)")
    }
    return .tensor(types[index])
  }
  let op = try op.map { (type) throws(IRError) -> TensorType in
    guard let tensor = type.tensor else {
      throw IRError("\(type) is a tuple; only part takes it apart")
    }
    return tensor
  }
  if case .addNorm(let x, let residual, let norm) = op {
    try require(x == residual, "add_norm: \(x) and \(residual) differ")
    return .tuple([x, try normType(x, norm)])
  }
  if case .normAndCast(let x, let norm) = op {
    try require(norm.cast != nil, "norm_and_cast: it casts to no type")
    return .tuple([x, try normType(x, norm)])
  }
  if case .topK(let x, let count) = op {
    guard let extent = x.shape.last?.constant, x.element == .f32, (1...extent).contains(count)
    else { throw IRError("top_k: \(count) of \(x)") }
    let shape = Array(x.shape.dropLast()) + [Dim(count)]
    return .tuple([TensorType(x.element, shape), TensorType(.i32, shape)])
  }
  return .tensor(try tensorRule(op))
}

private func tensorRule(_ op: Op<TensorType>) throws(IRError) -> TensorType {
  switch op {
  case .input(let name, let type, let fallback):
    try require(
      fallback.map { type.extents(like: $0) != nil } ?? true,
      "input \(name): its fallback is not \(type)")
    return type
  case .weight(let name, let type):
    try require(
      type.shape.allSatisfy { $0.constant != nil }, "weight \(name): \(type) is not constant")
    return type
  case .state(_, let type): return type
  case .constant(let literal):
    guard let count = literal.type.count.constant,
      literal.values.count == count || literal.values.count == 1
    else { throw IRError("constant: \(literal.values.count) values for \(literal.type)") }
    return literal.type
  case .iota(let type, let axis):
    try require(
      type.shape.indices.contains(axis) && type.element != .bool, "iota: axis \(axis) of \(type)")
    return type
  case .extent: return TensorType(.i32, [])

  case .unary(let function, let x):
    switch function {
    case .not: try require(x.element == .bool, "not: \(x) is not bool")
    case .negate, .absolute, .relu:
      try require(x.element != .bool, "\(function.rawValue): \(x) is bool")
    default: try require(x.element.isFloat, "\(function.rawValue): \(x) is not floating point")
    }
    return x
  case .binary(let function, let x, let y):
    try require(
      x.element == y.element, "\(function.rawValue): \(x) and \(y) have different elements")
    switch function {
    case .and, .or: try require(x.element == .bool, "\(function.rawValue): \(x) is not bool")
    case .equal: break
    default: try require(x.element != .bool, "\(function.rawValue): \(x) is bool")
    }
    guard let shape = broadcastShape(x.shape, y.shape) else {
      throw IRError("\(function.rawValue): the shapes of \(x) and \(y) do not broadcast")
    }
    return TensorType(function.isPredicate ? .bool : x.element, shape)
  case .select(let condition, let then, let otherwise):
    try require(condition.element == .bool, "select: \(condition) is not bool")
    try require(
      then.element == otherwise.element, "select: \(then) and \(otherwise) have different elements")
    guard let values = broadcastShape(then.shape, otherwise.shape),
      let shape = broadcastShape(condition.shape, values)
    else { throw IRError("select: \(condition), \(then) and \(otherwise) do not broadcast") }
    return TensorType(then.element, shape)
  case .scale(let x, _):
    try require(x.element.isFloat, "scale: \(x) is not floating point")
    return x
  case .cast(let x, let element):
    // Only blocks that are turned have to be whole.
    let rows = x.shape.last.map { width in
      width.dividedExactly(by: Dim(element.block)) != nil
        || !element.isTurned && width.constant != nil
    }
    try require(
      element.block == 1 || x.element == .f32 && rows ?? false,
      "cast: \(x) has no rows of \(element.isTurned ? "whole " : "")blocks of \(element.rawValue)")
    return TensorType(element, x.shape)

  case .matmul(let x, let y): return try matmulType(x, y)
  case .linear(let x, let weight, let columns, let epilogues, _):
    return try linearType(x, weight, columns, epilogues)
  case .experts(let x, let chosen, let weight, let count, let columns, let epilogues, _):
    return try expertsType(x, chosen, weight, count: count, columns: columns, epilogues)
  case .attention(let query, let key, let value, let scores, _):
    return try attentionType(query, key, value, scores)

  case .softmax(let x):
    try require(x.element.isFloat && x.rank > 0, "softmax: \(x) has no floating-point rows")
    return x
  case .norm(let x, let norm): return try normType(x, norm)
  case .reduce(let function, let x, let axes):
    try require(
      Set(axes).count == axes.count && axes.allSatisfy(x.shape.indices.contains),
      "reduce \(function.rawValue): axes \(axes) of \(x)")
    try require(x.element != .bool, "reduce \(function.rawValue): \(x) is bool")
    var shape = x.shape
    for axis in axes { shape[axis] = 1 }
    return TensorType(x.element, shape)
  case .cumulativeSum(let x, let axis):
    try require(
      x.shape.indices.contains(axis) && x.element != .bool, "cumulative_sum: axis \(axis) of \(x)")
    return x
  case .rotary(let x, let positions, let frequencies, _):
    guard x.rank == 4, positions.rank == 2, positions.element == .i32, frequencies.rank == 1,
      x.element.isFloat, frequencies.element == .f32,
      Array(x.shape[..<2]) == positions.shape, let width = x.shape[3].constant,
      let half = frequencies.shape[0].constant, 2 * half <= width
    else { throw IRError("rotary: \(x) by positions \(positions) and frequencies \(frequencies)") }
    return x

  case .embedding(let table, let indices, let rows):
    return try embeddingType(table, indices, rows)
  case .gather(let x, let indices):
    guard x.rank >= 2, indices.rank == 2, indices.element == .i32, x.shape[0] == indices.shape[0]
    else { throw IRError("gather: \(indices) from \(x)") }
    return TensorType(x.element, indices.shape + x.shape[2...])
  case .slice(let x, let axis, let start, let count):
    guard x.shape.indices.contains(axis), start.minimum >= 0, count.minimum >= 1,
      (x.shape[axis] - start - count).minimum >= 0
    else { throw IRError("slice: \(start) and \(count) after it on axis \(axis) of \(x)") }
    var shape = x.shape
    shape[axis] = count
    return TensorType(x.element, shape)
  case .concat(let parts, let axis): return try concatType(parts, axis)
  case .reshape(let x, let shape):
    try require(
      x.count == shape.product, "reshape: \(x) has not the elements of \(shapeText(shape))")
    return TensorType(x.element, shape)
  case .transpose(let x, let permutation):
    try require(
      permutation.sorted() == Array(x.shape.indices), "transpose: \(permutation) of \(x)")
    return TensorType(x.element, permutation.map { x.shape[$0] })
  case .broadcast(let x, let shape):
    try require(
      broadcastShape(x.shape, shape) == shape, "broadcast: \(x) to \(shapeText(shape))")
    return TensorType(x.element, shape)
  case .mask(let masks, let shape):
    try require(shape.count == 4 && shape[1] == 1, "mask: \(shapeText(shape)) is no mask's shape")
    for mask in masks { try checkMask(mask, batch: shape[0], keys: shape[3]) }
    return TensorType(.f32, shape)
  case .append(let cache, let values, let start, let counts):
    guard cache.rank == values.rank, cache.rank >= 2, cache.element == values.element,
      cache.shape[0] == values.shape[0], cache.shape[2...] == values.shape[2...],
      start == TensorType(.i32, [cache.shape[0]]), counts == start
    else { throw IRError("append: \(values) at \(start) to \(cache)") }
    return cache

  case .pack(let x, let width):
    guard x.rank == 2, width > 0, let columns = x.shape[1].constant else {
      throw IRError("pack: \(x) into panels of \(width)")
    }
    return TensorType(x.element, packedShape(x.element, x.shape[0], columns, width: width))
  case .part, .addNorm, .normAndCast, .topK: throw IRError("a tuple where a tensor belongs")
  }
}

private func matmulType(_ x: TensorType, _ y: TensorType) throws(IRError) -> TensorType {
  guard x.element == y.element, x.element != .bool, x.rank >= 2, y.rank >= 2,
    x.shape[x.rank - 1] == y.shape[y.rank - 2],
    y.rank == 2 || x.shape.dropLast(2) == y.shape.dropLast(2)
  else { throw IRError("matmul: \(x) by \(y)") }
  return TensorType(x.element, x.shape.dropLast() + [y.shape[y.rank - 1]])
}

/// The shape of a packed matrix.
private func packedShape(
  _ element: ElementType, _ inner: Dim, _ columns: Int, width: Int
) -> [Dim] {
  let panels = Dim((columns + width - 1) / width)
  let group = element.termsPerGroup
  if group == 1 { return [panels, inner, Dim(width)] }
  return [panels, (inner + Dim(group - 1)) / group, Dim(width), Dim(group)]
}

private func linearType(
  _ x: TensorType, _ weight: TensorType, _ columns: Int, _ epilogues: [Epilogue<TensorType>]
) throws(IRError) -> TensorType {
  guard let inner = x.shape.last, x.element.isFloat else { throw IRError("linear: \(x)") }
  let expected =
    weight.rank < 3
    ? [inner, Dim(columns)]
    : packedShape(weight.element, inner, columns, width: weight.shape[2].constant ?? 1)
  try require(
    weight.shape == expected && x.element.multiplies(weight.element),
    "linear: \(x) by the weight \(weight) to \(columns) columns")
  let result = TensorType(x.element.sum, x.shape.dropLast() + [Dim(columns)])
  for (index, epilogue) in epilogues.enumerated() {
    if case .cast(let element) = epilogue {
      try require(
        index == epilogues.count - 1 && result.element == .f32 && element.isCastOfProducts,
        "linear: a cast of \(result) to \(element.rawValue) as number \(index)")
      return try tensorRule(.cast(result, to: element))
    }
    try checkEpilogue(epilogue, of: result, "linear")
  }
  return result
}

extension ElementType {
  /// Whether the type is one of packed weights only.
  fileprivate var isWeight: Bool { self == .w8 || self == .w4 }

  /// Whether products of values of this type by weights of that type are known.
  fileprivate func multiplies(_ weight: ElementType) -> Bool {
    switch self {
    case .f32: weight.isFloat && weight.block == 1
    case .r8: weight.isWeight
    default: weight == self && block == 1
    }
  }
}

private func checkEpilogue(
  _ epilogue: Epilogue<TensorType>, of result: TensorType, _ name: String
) throws(IRError) {
  switch epilogue {
  case .bias(let bias):
    try require(
      bias == TensorType(result.element, result.shape.suffix(1)),
      "\(name): the bias \(bias) for \(result)")
  case .residual(let other), .gate(let other):
    try require(other == result, "\(name): the epilogue's \(other) is not \(result)")
  case .activation(let function):
    try require(function != .not, "\(name): not is no activation")
  case .scale: break
  case .cast(let element): throw IRError("\(name): a cast to \(element.rawValue)")
  }
}

private func expertsType(
  _ x: TensorType, _ chosen: TensorType, _ weight: TensorType, count: Int, columns: Int,
  _ epilogues: [Epilogue<TensorType>]
) throws(IRError) -> TensorType {
  guard let inner = x.shape.last, x.element.isFloat, chosen.element == .i32, chosen.rank >= 1,
    count >= 1, columns >= 1,
    x.shape.dropLast() == chosen.shape[...]
      || x.shape.dropLast() == chosen.shape.dropLast()
  else { throw IRError("experts: \(x) with the chosen \(chosen)") }
  var expected = [inner, Dim(count) * Dim(columns)]
  if weight.rank > 2 {
    let width = weight.shape[2].constant ?? 1
    expected = packedShape(weight.element, inner, columns, width: width)
    expected[0] = expected[0] * Dim(count)
  }
  try require(
    weight.shape == expected && x.element.multiplies(weight.element),
    "experts: \(x) by \(count) weights of \(columns) columns, \(weight)")
  let result = TensorType(x.element.sum, chosen.shape + [Dim(columns)])
  for epilogue in epilogues { try checkEpilogue(epilogue, of: result, "experts") }
  return result
}

private func attentionType(
  _ query: TensorType, _ key: TensorType, _ value: TensorType, _ scores: Scores<TensorType>
) throws(IRError) -> TensorType {
  guard query.rank == 4, key.rank == 4, value.rank == 4,
    query.shape[0] == key.shape[0], key.shape[..<3] == value.shape[..<3],
    query.shape[3] == key.shape[3], query.element.isFloat, key.element.isFloat,
    value.element.isFloat,
    query.element != .bf16 || key.element == .bf16 && value.element == .bf16,
    let heads = query.shape[2].constant, let groups = key.shape[2].constant, heads % groups == 0
  else { throw IRError("attention: query \(query), key \(key), value \(value)") }
  for mask in scores.masks { try checkMask(mask, batch: key.shape[0], keys: key.shape[1]) }
  let grid = [query.shape[0], query.shape[2], query.shape[1], key.shape[1]]
  if let bias = scores.bias {
    try require(
      bias.element == .f32 && bias.rank == 4 && broadcastShape(bias.shape, grid) == grid,
      "attention: the bias \(bias) for scores \(shapeText(grid))")
  }
  if let slopes = scores.slopes {
    try require(slopes == TensorType(.f32, [Dim(heads)]), "attention: slopes \(slopes)")
  }
  return TensorType(query.element.sum, query.shape.dropLast() + [value.shape[3]])
}

private func checkMask(_ mask: Mask<TensorType>, batch: Dim, keys: Dim) throws(IRError) {
  let perSequence = TensorType(.i32, [batch])
  switch mask {
  case .padding(let padding):
    try require(padding == TensorType(.i32, [batch, keys]), "mask: the padding \(padding)")
  case .lengths(let lengths): try require(lengths == perSequence, "mask: the lengths \(lengths)")
  case .causal(let start):
    try require(start == nil || start == perSequence, "mask: a causal start that is no i32[batch]")
  case .window(let width, let start):
    try require(width > 0, "mask: a window of \(width)")
    try require(start == nil || start == perSequence, "mask: a window start that is no i32[batch]")
  }
}

private func normType(_ x: TensorType, _ norm: Norm<TensorType>) throws(IRError) -> TensorType {
  guard x.element.isFloat, let width = x.shape.last else { throw IRError("norm: \(x)") }
  for vector in [norm.scale, norm.bias].compactMap({ $0 }) {
    try require(
      vector == TensorType(x.element, [width]), "norm: a scale or bias \(vector) for \(x)")
  }
  guard let cast = norm.cast else { return x }
  try require(
    x.element == .f32 && cast.isCastOfRows(of: width),
    "norm: a cast of \(x) to \(cast.rawValue)")
  return try tensorRule(.cast(x, to: cast))
}

private func embeddingType(
  _ table: TensorType, _ indices: TensorType, _ rows: Int
) throws(IRError) -> TensorType {
  try require(indices.element == .i32, "embedding: the indices \(indices) are not i32")
  // Narrow types are for what is stored: what is looked up in them is f32.
  let element = table.element.isFloat ? .f32 : table.element
  switch table.rank {
  case 2 where table.shape[0] == Dim(rows):
    return TensorType(element, indices.shape + [table.shape[1]])
  case 3, 4:
    let group = table.element.termsPerGroup
    guard (table.rank == 4) == (group > 1), table.rank == 3 || table.shape[3] == Dim(group),
      let width = table.shape[2].constant, width > 0,
      table.shape[0] == Dim((rows + width - 1) / width)
    else { break }
    return TensorType(element, indices.shape + [table.shape[1] * Dim(group)])
  default: break
  }
  throw IRError("embedding: the table \(table) has not \(rows) rows")
}

private func concatType(_ parts: [TensorType], _ axis: Int) throws(IRError) -> TensorType {
  guard var result = parts.first, result.shape.indices.contains(axis) else {
    throw IRError("concat: no axis \(axis)")
  }
  for part in parts.dropFirst() {
    var shape = part.shape
    if shape.indices.contains(axis) { shape[axis] = result.shape[axis] }
    guard shape == result.shape, part.element == result.element else {
      throw IRError("concat: \(result) and \(part) on axis \(axis)")
    }
    result.shape[axis] = result.shape[axis] + part.shape[axis]
  }
  return result
}

/// The shape to which both broadcast, aligned at the last axis; `nil` if they do not.
public func broadcastShape(_ left: [Dim], _ right: [Dim]) -> [Dim]? {
  let rank = max(left.count, right.count)
  let a = Array(repeating: Dim(1), count: rank - left.count) + left
  let b = Array(repeating: Dim(1), count: rank - right.count) + right
  var shape: [Dim] = []
  for (x, y) in zip(a, b) {
    guard x == y || x == 1 || y == 1 else { return nil }
    shape.append(x == 1 ? y : x)
  }
  return shape
}

private func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(IRError) {
  if !condition { throw IRError(message()) }
}
