import BurinIR

/// What the kernel for `op` asks of its operand.
func requirement(of op: Op<Place>, operand: Int) -> Requirement {
  switch op {
  case .linear: linearRequirement(op, operand: operand)
  case .experts: expertsRequirement(op, operand: operand)
  case .attention: attentionRequirement(op, operand: operand)
  case .append: appendRequirement(op, operand: operand)
  case .unary, .binary, .select, .scale, .cast, .iota, .extent:
    elementwiseRequirement(op, operand: operand)
  case .topK: .rows
  case .softmax, .norm, .addNorm, .reduce, .cumulativeSum:
    normalizationRequirement(op, operand: operand)
  case .embedding, .gather, .rotary: embeddingRequirement(op, operand: operand)
  case .matmul: matmulRequirement(op, operand: operand)
  case .mask: maskRequirement(op, operand: operand)
  case .concat: layoutRequirement(op, operand: operand)
  case .input, .weight, .state, .constant, .slice, .reshape, .transpose,
    .broadcast, .pack, .part:
    .any
  }
}

/// The kernel for an operation.
///
/// - Parameter name: what to call it, or `nil` for a name that says what it does.
/// - Throws: `IRError` if the operation is none of a kernel's, or its types have no kernel.
func kernel(for op: Op<Place>, results: [Place], name: String? = nil) throws -> Kernel {
  switch op {
  case .linear: return try linearKernel(op, results: results, name: name)
  case .experts: return try expertsKernel(op, results: results, name: name)
  case .topK: return try topKKernel(op, results: results, name: name)
  case .attention: return try attentionKernel(op, results: results, name: name)
  case .append: return try appendKernel(op, results: results, name: name)
  case .unary, .binary, .select, .scale, .cast, .iota, .extent:
    return try elementwiseKernel(op, results: results, name: name)
  case .softmax, .norm, .addNorm, .reduce, .cumulativeSum:
    return try normalizationKernel(op, results: results, name: name)
  case .embedding, .gather, .rotary: return try embeddingKernel(op, results: results, name: name)
  case .matmul: return try matmulKernel(op, results: results, name: name)
  case .concat: return try layoutKernel(op, results: results, name: name)
  case .mask: return try maskKernel(op, results: results, name: name)
  case .slice(let x, _, _, _), .reshape(let x, _), .transpose(let x, _), .broadcast(let x, _):
    return try copyKernel(from: x, to: results[0], name: name)
  case .input, .weight, .state, .constant, .pack, .part:
    throw IRError("no kernel computes a leaf")
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

  /// The kernel for an operation; `note` says which operation that is.
  mutating func kernel(for op: Op<Place>, results: [Place], note: String) throws -> Kernel {
    var kernel = try BurinC.kernel(for: op, results: results)
    // With room for a number where names are cut.
    let stem = kernel.function.name.text.prefix(CIdentifier.longest - 6)
    var number = 2
    while let place = places[kernel.function.name.text] {
      let known = rows[place].kernel
      if known.function == kernel.function && known.helpers == kernel.helpers { return kernel }
      kernel = try BurinC.kernel(for: op, results: results, name: "\(stem)_\(number)")
      number += 1
    }
    places[kernel.function.name.text] = rows.count
    rows.append(Row(kernel: kernel, note: note))
    return kernel
  }
}
