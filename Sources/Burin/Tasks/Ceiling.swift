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
    multiplyAdds = 0
    weights = [:]
    var products: Set<NodeID> = []
    func count(_ id: NodeID) -> Int {
      graph.tensorType(id).count.evaluate(extents) ?? 0
    }
    /// A weight reaches its product through transposes and the like.
    func leaves(_ id: NodeID) -> [NodeID] {
      if case .weight = graph[id].op { return [id] }
      return graph[id].op.operands.flatMap(leaves)
    }
    func read(_ id: NodeID, share: (Int) -> Int = { $0 }) {
      for leaf in leaves(id) where products.insert(leaf).inserted {
        weights[graph.tensorType(leaf).element.bytes, default: 0] += share(count(leaf))
      }
    }
    for id in graph.ids {
      switch graph[id].op {
      case .matmul(let left, let right):
        let inner = graph.tensorType(left).shape.last?.evaluate(extents) ?? 0
        multiplyAdds += count(id) * inner
        if Self.isWeight(right, in: graph) { read(right) }
      case .linear(let x, let weight, _, _, _):
        let inner = graph.tensorType(x).shape.last?.evaluate(extents) ?? 0
        multiplyAdds += count(id) * inner
        read(weight)
      case .experts(let x, let chosen, let weight, let experts, _, _, _):
        let inner = graph.tensorType(x).shape.last?.evaluate(extents) ?? 0
        multiplyAdds += count(id) * inner
        // At most as many experts as were chosen are read.
        read(weight) { $0 / experts * min(experts, count(chosen)) }
      case .attention(let query, let key, _, _, _):
        let keys = graph.tensorType(key).shape[1].evaluate(extents) ?? 0
        multiplyAdds += 2 * count(query) * keys
      default: break
      }
    }
  }

  /// Whether a value is a weight, however it lies.
  private static func isWeight(_ id: NodeID, in graph: Graph) -> Bool {
    if case .weight = graph[id].op { return true }
    let operands = graph[id].op.operands
    return !operands.isEmpty && operands.allSatisfy { isWeight($0, in: graph) }
  }
}
