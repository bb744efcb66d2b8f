import BurinIR
import Glibc

/// Biases of attention by how far the key is from the query, in buckets that widen with the distance
/// (Raffel et al., 2019, section 2.1).
public struct RelativePositions {
  let table: Embedding
  let buckets: Int
  let farthest: Int
  let isBidirectional: Bool

  /// - Parameters:
  ///   - table: the biases of each bucket, one for each head.
  ///   - buckets: how many there are, for both directions together.
  ///   - farthest: the distance from which on all share a bucket.
  ///   - isBidirectional: whether keys after the query have buckets of their own.
  public init(table: Embedding, buckets: Int, farthest: Int, isBidirectional: Bool) {
    self.table = table
    self.buckets = buckets
    self.farthest = farthest
    self.isBidirectional = isBidirectional
  }

  /// The bucket of each distance (key minus query) from `-farthest` to `farthest`, in the reference's
  /// arithmetic of f32.
  var bucketsByDistance: [Int] {
    let count = isBidirectional ? buckets / 2 : buckets
    let exact = count / 2
    return (-farthest...farthest).map { distance in
      let start = isBidirectional && distance > 0 ? count : 0
      let far = isBidirectional ? abs(distance) : max(-distance, 0)
      guard far >= exact else { return start + far }
      let ratio =
        logf(Float(far) / Float(exact)) / Float(log(Double(farthest) / Double(exact)))
      return start + min(exact + Int(ratio * Float(count - exact)), count - 1)
    }
  }

  /// The biases `f32[batch, heads, queries, keys]`.
  ///
  /// - Parameter positions: where each query stands among the keys, `i32[batch, queries]`.
  public func callAsFunction(_ positions: Tensor, keys: Dim) -> Tensor {
    let trace = positions.trace
    let (batch, queries) = (positions.shape[0], positions.shape[1])
    let grid = [batch, queries, keys]
    // Distances count from the farthest one on, so that they are rows of a table.
    let first = positions + trace.constant(-Double(farthest), .i32)
    let distance = trace.iota(grid, axis: 2) - first.reshaped([batch, queries, 1]).broadcast(grid)
    let rows = distance.binary(.maximum, trace.constant(0, .i32))
      .binary(.minimum, trace.constant(2 * Double(farthest), .i32))
    let byDistance = table(trace.constant(bucketsByDistance.map(Double.init), .i32))
    return byDistance.embedding(rows).transposed([0, 3, 1, 2])
  }
}
