import BurinIR
import BurinPasses
import CBurin

/// What this machine can do at most, measured.
public struct Ceiling: Sendable {
  /// Operations a second in the precision; a multiply-add is two.
  public private(set) var operations = 0.0
  /// Bytes read from memory a second.
  public private(set) var bytes = 0.0
  /// How many threads took part.
  public let threads: Int
  /// What is multiplied, and how weights lie in memory.
  public let precision: Precision

  private let memory: ProbeMemory

  /// Nothing measured yet.
  public init(threads: Int, precision: Precision = .f32) {
    self.precision = precision
    self.threads = max(1, min(threads, Int(BURIN_PROBE_THREADS)))
    memory = ProbeMemory()
  }

  /// Measures for some milliseconds; the best of all measurements counts.
  public mutating func measure() {
    let kinds =
      switch precision {
      case .f32: [BURIN_FACTORS_F32]
      // Not every processor multiplies pairs of bf16 faster.
      case .bf16: [BURIN_FACTORS_F32, BURIN_FACTORS_BF16]
      case .int8, .int4: [BURIN_FACTORS_F32, BURIN_FACTORS_I8]
      }
    for _ in 0..<3 {
      for factors in kinds {
        operations = max(operations, burin_probe_arithmetic(Int32(threads), factors))
      }
      bytes = max(
        bytes, burin_probe_memory(Int32(threads), memory.buffer.baseAddress, memory.buffer.count))
    }
  }

  /// The least time in seconds that some work can take here.
  public func seconds(for work: Work) -> Double {
    guard operations > 0, bytes > 0 else { return 0 }
    return max(
      2 * Double(work.multiplyAdds) / operations, work.bytes(in: precision) / bytes)
  }
}

/// More memory than the caches hold.
private final class ProbeMemory: Sendable {
  nonisolated(unsafe) let buffer: UnsafeMutableRawBufferPointer

  init() {
    buffer = .allocate(byteCount: 256 << 20, alignment: 4096)
    // Pages that were never written are all one page of zeros.
    buffer.initializeMemory(as: UInt8.self, repeating: 1)
  }

  deinit { buffer.deallocate() }
}

/// What an entry has to do at least: the multiplications of its products, and reading its weights
/// once.
public struct Work: Hashable, Sendable {
  /// Multiplications of all products; each has its addition.
  public var multiplyAdds: Int
  /// How many weights it reads, by the bytes that each takes in the model's files, 4 at most.
  public var weights: [Int: Int]

  /// The bytes of the weights, which are stored as narrow as the files or the precision have them.
  public func bytes(in precision: Precision) -> Double {
    weights.reduce(0) { $0 + Double($1.value) * min(Double($1.key), precision.bytesPerWeight) }
  }

  /// The work of an entry at given extents, by name.
  ///
  /// Tables of which a few rows are looked up do not count; of attention both products do, for all
  /// keys.
  public init(_ entry: Entry, _ extents: [String: Int]) {
    let graph = entry.graph
    // Extents have an arithmetic that stops at the largest number.
    var products: Dim = 0
    var read: [Int: Dim] = [:]
    let isWeight = Self.weights(graph)
    var seen = [Bool](repeating: false, count: graph.nodes.count)
    func value(_ count: Dim) -> Dim { Dim(count.evaluate(extents) ?? 0) }
    func readWeight(_ id: NodeID, share: (Dim) -> Dim = { $0 }) {
      // A weight reaches its product through transposes and the like.
      var pending = [id]
      while let next = pending.popLast() {
        guard !seen[next.index] else { continue }
        seen[next.index] = true
        if case .weight(_, let type) = graph[next].op {
          let total = read[type.element.bytes] ?? 0
          read[type.element.bytes] = total + value(share(type.count))
        }
        pending += graph[next].op.operands
      }
    }
    for id in graph.ids {
      func product(of x: NodeID) {
        products =
          products
          + value(graph.tensorType(id).count * (graph.tensorType(x).shape.last ?? 0))
      }
      switch graph[id].op {
      case .matmul(let left, let right):
        product(of: left)
        if isWeight[right.index] { readWeight(right) }
      case .linear(let x, let weight, _, _, _):
        product(of: x)
        readWeight(weight)
      case .experts(let x, let chosen, let weight, let experts, _, _, _):
        product(of: x)
        // At most as many experts as were chosen are read.
        let choices = graph.tensorType(chosen).count.evaluate(extents) ?? 0
        readWeight(weight) { $0 / experts * Dim(min(experts, choices)) }
      case .attention(let query, let key, _, _, _):
        products =
          products + value(2 * graph.tensorType(query).count * graph.tensorType(key).shape[1])
      default: break
      }
    }
    multiplyAdds = products.maximum
    weights = read.mapValues(\.maximum)
  }

  /// Which values are weights, however they lie.
  private static func weights(_ graph: Graph) -> [Bool] {
    var result: [Bool] = []
    for node in graph.nodes {
      if case .weight = node.op {
        result.append(true)
      } else {
        let operands = node.op.operands
        result.append(!operands.isEmpty && operands.allSatisfy { result[$0.index] })
      }
    }
    return result
  }
}
