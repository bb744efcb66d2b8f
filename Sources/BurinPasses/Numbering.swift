import BurinIR

/// Numbers for values across graphs: equal if and only if their expressions are.
struct Numbering: Sendable {
  private var known: [Op<Int>: Int] = [:]

  /// The number of every node of a graph.
  mutating func numbers(of graph: Graph) -> [Int] {
    var numbers: [Int] = []
    numbers.reserveCapacity(graph.nodes.count)
    for node in graph.nodes {
      let op = node.op.map { numbers[$0.index] }
      let number = known[op] ?? known.count
      known[op] = number
      numbers.append(number)
    }
    return numbers
  }
}
