import BurinIR

/// f(literals) ⟶ literal, for small literals and for literals of one value
let evaluateLiterals = Rule("evaluate-literals") { root in
  let isElementwise: Bool
  switch root.op {
  case .unary, .binary, .select, .scale, .cast: isElementwise = true
  case .slice, .concat, .reshape, .transpose: isElementwise = false
  default: return nil
  }
  // Blocks are the writer's business: a literal has none, and none depends on a symbol.
  guard root.type.element.block == 1, root.type.count.constant != nil else { return nil }
  var literals: [Literal] = []
  for operand in root.op.operands {
    guard let literal = operand.literal else { return nil }
    literals.append(literal)
  }
  if literals.allSatisfy({ $0.values.count == 1 }) {
    if isElementwise {
      return computed(root, as: root.type) { NumericArray($0.type.element, [], $0.values) }
    }
    if literals.count == 1 { return .new(.constant(Literal(root.type, literals[0].values))) }
  }
  guard (literals.map(\.type) + [root.type]).allSatisfy({ $0.count.maximum <= largestLiteral })
  else { return nil }
  return computed(root, as: root.type) { literal in
    let shape = literal.type.shape.map(\.maximum)
    return literal.values.count == 1
      ? NumericArray(literal.type.element, shape, repeating: literal.values[0])
      : NumericArray(literal.type.element, shape, literal.values)
  }
}

/// The most elements of a constant that is computed here rather than when the model is compiled.
private let largestLiteral = 4096

/// The node's value as a constant, by the interpreter.
private func computed(
  _ root: Value, as type: TensorType, _ array: (Literal) -> NumericArray
) -> Expression? {
  let applied = root.op.map { array($0.literal ?? Literal($0.type, [])) }
  guard let result = try? interpret(applied, extents: [:]), let values = result.first?.values,
    !values.contains(where: \.isNaN)
  else { return nil }
  return .new(.constant(Literal(type, values.map(type.element.rounded))))
}
