import BurinIR

/// Lengths and starts are dense; a padding mask may have any strides.
func maskRequirement(_ op: Op<Place>, operand: Int) -> Requirement {
  op.operands[operand].shape.count == 2 ? .any : .dense
}

/// `mask`: 0 where every mask lets the key count for the query, `-inf` elsewhere.
///
///     for sequence: for query: for key: out = counts ? 0 : -inf
func maskKernel(_ op: Op<Place>, name: String?) throws -> Kernel {
  guard case .mask(let masks, let shape) = op else { throw IRError("not a mask") }
  var parts = KernelParts()
  let batch = parts.size(shape[0], "batch")
  let queries = parts.size(shape[2], "queries")
  let keys = parts.size(shape[3], "keys")
  let (sequence, query, key): (CExpression, CExpression, CExpression) = ("sequence", "query", "key")

  var conditions: [CExpression] = []
  var declarations: [CStatement] = []
  var kinds: [String] = []
  var tensors: [(CIdentifier, String)] = []
  var names = CNames()
  func take(_ wanted: CIdentifier, _ note: String) -> CExpression {
    let name = names.make(wanted)
    tensors.append((name, note))
    return .name(name)
  }
  /// Where the query stands among the keys.
  func position(_ start: Place?) -> CExpression {
    guard start != nil else { return query }
    let starts = take("starts", "[\(batch.flat)]")
    let here = CExpression.name(names.make("position"))
    declarations += Declare(CType.int64.const, here, starts[sequence] + query).statements
    return here
  }
  for mask in masks {
    switch mask {
    case .padding(let padding):
      let values = take("padding", "[\(batch.flat), \(keys.flat)]")
      let strides = (
        parts.size(padding.strides[0], names.make("padding_stride")),
        parts.size(padding.strides[1], names.make("padding_key_stride"))
      )
      conditions.append(values[sequence * strides.0 + key * strides.1] .!= 0)
      kinds.append("padding")
    case .lengths:
      conditions.append(key < take("lengths", "[\(batch.flat)]")[sequence])
      kinds.append("lengths")
    case .causal(let start):
      conditions.append(key <= position(start))
      kinds.append("causal")
    case .window(let width, let start):
      let here = position(start)
      let width = CExpression.integer(width)
      conditions.append(here - key < width && key - here < width)
      kinds.append("window_\(width.flat)")
    }
  }
  for (index, tensor) in tensors.enumerated() {
    _ = try parts.operand(index, tensor.0, .i32, note: tensor.1)
  }
  let note = "[\(batch.flat), 1, \(queries.flat), \(keys.flat)]"
  let out = try parts.result(0, "out", .f32, note: note)
  let counts = conditions.dropFirst().reduce(conditions.first ?? 1) { $0 && $1 }
  let stem = (["mask"] + kinds).joined(separator: "_")
  let kernel = kernelName(name, stem, shape.compactMap(\.constant).filter { $0 != 1 })
  return parts.kernel(kernel) {
    parallelLoops([("sequence", batch, 1), ("query", queries, 1)]) {
      Declare(CType.float.pointer, "out_row", out + (sequence * queries + query) * keys)
      declarations
      For("key", to: keys) { key in
        ("out_row" as CExpression)[key].assign(counts.then(0.0, else: .float(-.infinity)))
      }
    }
  }
}
