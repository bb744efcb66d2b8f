import BurinIR

/// Equations on operations that only move, repeat or choose elements.
let viewRules: [Rule] = [
  mergeReshapes, mergeTransposes, reshapeForTranspose, mergeBroadcasts, mergeSlices,
  sliceOfConcat, flattenConcat, joinSlices, dropReduction, reshapeInsteadOfBroadcast,
]

/// reshape(x) ⟶ x, if it has that shape; reshape(reshape(x)) ⟶ reshape(x)
private let mergeReshapes = Rule("merge-reshapes") { root in
  guard case .reshape(let x, let shape) = root.op else { return nil }
  if x.type.shape == shape { return .old(x) }
  guard case .reshape(let y, _) = x.op else { return nil }
  return .reshaped(y, shape)
}

/// transpose(x, identity) ⟶ x; transpose(transpose(x, p), q) ⟶ transpose(x, p[q])
private let mergeTransposes = Rule("merge-transposes") { root in
  guard case .transpose(let x, let outer) = root.op else { return nil }
  if outer == Array(outer.indices) { return .old(x) }
  guard case .transpose(let y, let inner) = x.op else { return nil }
  let merged = outer.map { inner[$0] }
  return merged == Array(merged.indices) ? .old(y) : .node(.transpose(y, permutation: merged))
}

/// transpose(x) ⟶ reshape(x), if only axes of extent 1 change their place
private let reshapeForTranspose = Rule("reshape-for-transpose") { root in
  guard case .transpose(let x, let permutation) = root.op else { return nil }
  let moving = permutation.filter { x.type.shape[$0] != 1 }
  guard moving == moving.sorted() else { return nil }
  return .reshaped(x, root.type.shape)
}

/// broadcast(x) ⟶ x, if it has that shape; broadcast(broadcast(x)) ⟶ broadcast(x)
private let mergeBroadcasts = Rule("merge-broadcasts") { root in
  guard case .broadcast(let x, let shape) = root.op else { return nil }
  if x.type.shape == shape { return .old(x) }
  guard case .broadcast(let y, _) = x.op else { return nil }
  return .node(.broadcast(y, shape))
}

/// broadcast(x, s) ⟶ reshape(x, s), if that only adds axes of extent 1
private let reshapeInsteadOfBroadcast = Rule("reshape-instead-of-broadcast") { root in
  guard case .broadcast(let x, let shape) = root.op, x.type.count == shape.product else {
    return nil
  }
  return .reshaped(x, shape)
}

/// slice(x, everything) ⟶ x; slice(slice(x, a), b) ⟶ slice(x, a + b), along one axis
private let mergeSlices = Rule("merge-slices") { root in
  guard case .slice(let x, let axis, let start, let count) = root.op else { return nil }
  if start == 0, count == x.type.shape[axis] { return .old(x) }
  guard case .slice(let y, axis, let before, _) = x.op else { return nil }
  return .node(.slice(y, axis: axis, start: before + start, count: count))
}

/// slice(concat(..., x, ...), within x) ⟶ slice(x)
private let sliceOfConcat = Rule("slice-of-concat") { root in
  guard case .slice(let x, let axis, let start, let count) = root.op,
    case .concat(let parts, axis) = x.op
  else { return nil }
  var offset: Dim = 0
  for part in parts {
    let extent = part.type.shape[axis]
    if (start - offset).minimum >= 0, (offset + extent - start - count).minimum >= 0 {
      return .node(.slice(part, axis: axis, start: start - offset, count: count))
    }
    offset = offset + extent
  }
  return nil
}

/// concat(x) ⟶ x; concat(..., concat(x, y), ...) ⟶ concat(..., x, y, ...), along one axis and of at
/// most 256 parts, as values that are used twice and again would become exponentially many
private let flattenConcat = Rule("flatten-concat") { root in
  guard case .concat(let parts, let axis) = root.op else { return nil }
  if parts.count == 1 { return .old(parts[0]) }
  var flat: [Value] = []
  for part in parts {
    if case .concat(let inner, axis) = part.op { flat += inner } else { flat.append(part) }
  }
  guard flat.count > parts.count, flat.count <= 256 else { return nil }
  return .node(.concat(flat, axis: axis))
}

/// concat(slice(x, a), slice(x, b)) ⟶ slice(x, a b), if b begins where a ends
private let joinSlices = Rule("join-slices") { root in
  guard case .concat(let parts, let axis) = root.op else { return nil }
  for (index, (left, right)) in zip(parts, parts.dropFirst()).enumerated() {
    guard case .slice(let x, axis, let start, let count) = left.op,
      case .slice(x, axis, start + count, let more) = right.op
    else { continue }
    let joined = Expression.node(.slice(x, axis: axis, start: start, count: count + more))
    var all = parts.map(Expression.old)
    all.replaceSubrange(index...index + 1, with: [joined])
    return .new(.concat(all, axis: axis))
  }
  return nil
}

/// sum(x), mean(x), maximum(x) ⟶ x, over axes of extent 1
private let dropReduction = Rule("drop-reduction") { root in
  guard case .reduce(_, let x, _) = root.op, x.type == root.type else { return nil }
  return .old(x)
}
