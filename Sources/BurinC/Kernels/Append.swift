import BurinIR

/// New rows need contiguous widths.
func appendRequirement(operand: Int) -> Requirement {
  operand == 1 ? .lastContiguous : .any
}

/// `cache[batch, context, ...]` with `values[b, i]` at `start[b] + i` for `i < counts[b]`, into the
/// pages of the sequences, where every state that is appended to lies.
func appendKernel(_ op: Op<Place>, name: String?) throws -> Kernel {
  guard case .append(let cache, let values, let start, let counts) = op else {
    throw IRError("not an append")
  }
  guard values.type.element == .f32 else { throw IRError("no kernel appends \(values.type)") }
  guard case .pages(let role, _, let offset, let bytes) = cache.storage else {
    throw IRError("no kernel appends to \(cache.type) outside of pages")
  }
  return try pagedAppend(
    values, start, counts, role: role, element: cache.type.element, offset: offset, bytes: bytes,
    name: name)
}

/// The first position and the number of rows of a sequence, as the body finds them.
private func progress(
  _ start: Place, _ counts: Place, rows: CExpression, _ parts: inout KernelParts
) throws -> [CStatement] {
  let startStride = parts.size(start.strides[0], "start_stride")
  let countStride = parts.size(counts.strides[0], "counts_stride")
  let starts = try parts.operand(2, "start", .i32, note: "[batch]")
  let numbers = try parts.operand(3, "counts", .i32, note: "[batch]")
  return CBlockBuilder.build {
    Declare(.int64.const, "first", starts["sequence" * startStride])
    Declare(.int64.const, "count", smaller(numbers["sequence" * countStride], rows))
  }
}

/// for sequence: for head: for new row: into its page, rounded to the cache's type
private func pagedAppend(
  _ values: Place, _ start: Place, _ counts: Place, role: Place.PageRole, element: ElementType,
  offset: Int, bytes: Int, name: String?
) throws -> Kernel {
  guard values.shape.count == 4, let groups = values.shape[2].constant,
    let width = values.shape[3].constant, element.isPaged
  else { throw IRError("append: \(values.type) into pages of \(element.rawValue)") }
  let suffix = element == .f32 ? "" : "_\(element.rawValue)"
  var parts = KernelParts()
  let batch = parts.size(values.shape[0], "batch")
  let rows = parts.size(values.shape[1], "rows")
  let strides = [
    parts.size(values.strides[0], "sequence_stride"), parts.size(values.strides[1], "row_stride"),
    parts.size(values.strides[2], "head_stride"),
  ]
  let from = try parts.operand(1, "values", .f32, note: "[batch, rows, \(groups), \(width)]")
  let progress = try progress(start, counts, rows: rows, &parts)
  let pool = parts.parameter(.char.pointer, "pool", .pool, note: "the memory of pages")
  let table = parts.parameter(
    .int32.const.pointer, "table", .table, note: "[batch, table_stride], pages by 64 positions")
  let tableStride = parts.parameter(.int64, "table_stride", .tableStride)
  let offset = parts.parameter(
    .int64, "offset", .size(Dim(offset)), note: "bytes from a page's start")
  let put: CExpression = .name(
    CIdentifier(cleaning: (role == .keys ? "page_put_key" : "page_put_value") + suffix))
  let position: CExpression = "position"
  return parts.kernel(
    CIdentifier(cleaning: name ?? "append_\(role.rawValue)\(suffix)_\(groups)x\(width)"),
    headers: ["pages.h"]
  ) {
    Pragma("omp for collapse(2) schedule(static)")
    For("sequence", to: batch) { sequence in
      For("group", to: .integer(groups)) { group in
        progress
        For("i", to: "count") { i in
          Declare(.int64.const, position, "first" + i)
          Declare(
            .char.pointer, "page",
            pool + table[sequence * tableStride + position / 64].cast(to: .int64)
              * .integer(bytes))
          put(
            (("page" as CExpression) + offset
              + group * .integer(role.bytes(element, width: width)))
              .cast(to: element.cType.pointer),
            position % 64, from + sequence * strides[0] + i * strides[1] + group * strides[2],
            .integer(width))
        }
      }
    }
  }
}
