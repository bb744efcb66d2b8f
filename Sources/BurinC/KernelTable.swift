import BurinIR

/// What the kernel for `op` asks of its operand.
func requirement(of op: Op<Place>, operand: Int) -> Requirement {
  switch op {
  case .linear: linearRequirement(op, operand: operand)
  case .experts: expertsRequirement(op, operand: operand)
  case .attention: attentionRequirement(op, operand: operand)
  case .append: appendRequirement(operand: operand)
  case .unary, .binary, .select, .scale, .cast, .iota, .extent:
    elementwiseRequirement(op, operand: operand)
  case .topK: .rows
  case .softmax, .norm, .normAndCast, .addNorm, .reduce, .cumulativeSum:
    normalizationRequirement(op, operand: operand)
  case .embedding, .gather, .rotary: embeddingRequirement(op, operand: operand)
  case .matmul: matmulRequirement(operand: operand)
  case .mask: maskRequirement(op, operand: operand)
  case .input, .weight, .state, .constant, .slice, .concat, .reshape, .transpose, .broadcast, .pack,
    .part:
    .any
  }
}

/// The kernel for an operation.
///
/// - Parameter name: what to call it, or `nil` for a name that says what it does.
/// - Throws: `IRError` if the operation is none of a kernel's, or its types have no kernel.
func kernel(for op: Op<Place>, results: [Place], name: String? = nil) throws -> Kernel {
  try checkPages(of: op)
  switch op {
  case .linear: return try linearKernel(op, results: results, name: name)
  case .experts: return try expertsKernel(op, results: results, name: name)
  case .topK: return try topKKernel(op, name: name)
  case .attention: return try attentionKernel(op, name: name)
  case .append: return try appendKernel(op, name: name)
  case .unary, .binary, .select, .scale, .cast, .iota, .extent:
    return try elementwiseKernel(op, results: results, name: name)
  case .softmax, .norm, .normAndCast, .addNorm, .reduce, .cumulativeSum:
    return try normalizationKernel(op, results: results, name: name)
  case .embedding, .gather, .rotary: return try embeddingKernel(op, name: name)
  case .matmul: return try matmulKernel(op, results: results, name: name)
  case .concat: return try layoutKernel(op, results: results, name: name)
  case .mask: return try maskKernel(op, name: name)
  case .slice(let x, _, _, _), .reshape(let x, _), .transpose(let x, _), .broadcast(let x, _):
    return try copyKernel(from: x, to: results[0], name: name)
  case .input, .weight, .state, .constant, .pack, .part:
    throw IRError("no kernel computes a leaf")
  }
}

/// Pages are read by attention, keys as keys and values as values of the same pages, and written by
/// `append`.
private func checkPages(of op: Op<Place>) throws {
  switch op {
  case .append(_, let values, let start, let counts):
    guard [values, start, counts].allSatisfy({ $0.page == nil }) else {
      throw IRError("append: what is appended lies in a cache itself")
    }
  case .attention(let query, let key, let value, _, _):
    guard ([query] + op.operands.dropFirst(3)).allSatisfy({ $0.page == nil }) else {
      throw IRError("attention: a cache that is neither its keys nor its values")
    }
    guard key.page?.role != .values, value.page?.role != .keys else {
      throw IRError("attention: a cache holds keys for one reader and values for another")
    }
    if let keys = key.page, let values = value.page, keys.cache != values.cache {
      throw IRError("attention: readers of its keys look back farther than those of its values")
    }
  default:
    guard op.operands.allSatisfy({ $0.page == nil }) else {
      throw IRError("\(op.mnemonic): only attention reads a cache")
    }
  }
}

/// The distinct kernels of a module, in order of first use: operations whose C is the same share
/// one.
struct KernelTable {
  /// A kernel, and the operation for which it was first made, for the comment above it.
  struct Row {
    let kernel: Kernel
    let note: String
  }

  private(set) var rows: [Row] = []
  private var places: [String: Int] = [:]
  /// The names of the kernels' helpers.
  private var helpers: Set<String> = []
  /// The longest name that a number can follow, and `_chunk`, within an identifier.
  private static let longestStem = 36

  /// The kernel for an operation; `note` says which operation that is.
  mutating func kernel(for op: Op<Place>, results: [Place], note: String) throws -> Kernel {
    var kernel = try BurinC.kernel(for: op, results: results)
    let stem = kernel.function.name.text.prefix(Self.longestStem)
    var number = 2
    while isTaken(kernel) {
      if let place = places[kernel.function.name.text] {
        let known = rows[place].kernel
        if known.function == kernel.function && known.helpers == kernel.helpers { return kernel }
      }
      kernel = try BurinC.kernel(for: op, results: results, name: "\(stem)_\(number)")
      number += 1
    }
    places[kernel.function.name.text] = rows.count
    helpers.formUnion(kernel.helpers.map(\.name.text))
    rows.append(Row(kernel: kernel, note: note))
    return kernel
  }

  /// Whether a name of the kernel, or of a helper, is another's already.
  private func isTaken(_ kernel: Kernel) -> Bool {
    places[kernel.function.name.text] != nil
      || kernel.helpers.contains { helpers.contains($0.name.text) }
  }
}
