import BurinIR

/// The weight expressions that a product of any entry reads transposed.
struct TiedTables: Sendable {
  private var numbering = Numbering()
  private var tables: Set<Int> = []

  init(_ program: Program) {
    for entry in program.entries {
      let numbers = numbering.numbers(of: entry.graph)
      for node in entry.graph.nodes {
        guard case .linear(_, let weight, _, _, _) = node.op,
          case .transpose(let table, [1, 0]) = entry.graph[weight].op
        else { continue }
        tables.insert(numbers[table.index])
      }
    }
  }

  /// Whether the value is such a table.
  func contains(_ value: Value) -> Bool {
    var numbering = numbering
    return tables.contains(numbering.numbers(of: value.subject.graph)[value.id.index])
  }
}
