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
    let weights = Double(work.bytes) * precision.bytesPerWeight / 4
    return max(2 * Double(work.multiplyAdds) / operations, weights / bytes)
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
/// once, in f32.
public struct Work: Hashable, Sendable {
  public var multiplyAdds: Int
  public var bytes: Int

  /// The work of an entry at given extents, by name.
  ///
  /// Tables of which a few rows are looked up do not count; of attention both products do, for all
  /// keys.
  public init(_ entry: Entry, _ extents: [String: Int]) {
    let graph = entry.graph
    multiplyAdds = 0
    bytes = 0
    var products: Set<NodeID> = []
    func count(_ id: NodeID) -> Int {
      graph.tensorType(id).count.evaluate(extents) ?? 0
    }
    func read(_ id: NodeID) {
      // A weight reaches its product through transposes and the like.
      switch graph[id].op {
      case .weight(_, let type):
        if products.insert(id).inserted { bytes += type.bytes.evaluate(extents) ?? 0 }
      default: for operand in graph[id].op.operands { read(operand) }
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
        let all = graph.tensorType(weight).bytes.evaluate(extents) ?? 0
        bytes += all / experts * min(experts, count(chosen))
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
