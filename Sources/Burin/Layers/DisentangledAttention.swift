import BurinIR
import Glibc

/// Which row of a table of vectors stands for each distance of query and key (He et al., 2020,
/// section 3.1; the log buckets are those of its second version).
struct DistanceRows {
  /// How many buckets there are for one direction; 0 for one row per distance.
  let buckets: Int
  /// The distance that the last bucket is for.
  let farthest: Int

  /// Half as many as the table has rows.
  var span: Int { buckets > 0 ? buckets : farthest }

  /// The longest sequence all of whose distances have a row; `nil` if all have. Where the distances
  /// with a bucket of their own reach the farthest one, the reference divides by the logarithm of 1.
  var longest: Int? { buckets > 0 && buckets / 2 == farthest - 1 ? farthest : nil }

  /// Whether more distant places have rows nearer to an end of the table. Where more distances have a
  /// bucket of their own than there should be distances, the reference turns back.
  private var isOrdered: Bool { buckets == 0 || buckets / 2 < farthest - 1 }

  /// The row of each distance (query minus key) from `-reach` to `reach`, where `reach` is `limit`, or
  /// less where all distances beyond have the same rows.
  func rows(upTo limit: Int) -> [Int] {
    func row(_ distance: Int) -> Int {
      let place = buckets > 0 ? bucket(of: distance) : distance
      return min(max(place + span, 0), 2 * span - 1)
    }
    var reach = 1
    while reach < limit, !isOrdered || row(reach) < 2 * span - 1 || row(-reach) > 0 { reach += 1 }
    return (-reach...reach).map(row)
  }

  /// The bucket of a distance, in the reference's arithmetic of f32.
  private func bucket(of distance: Int) -> Int {
    let middle = buckets / 2
    guard abs(distance) > middle else { return distance }
    let ratio =
      logf(Float(abs(distance)) / Float(middle))
      / logf(Float(Double(farthest - 1) / Double(middle)))
    let bucket = ceilf(ratio * Float(middle - 1)) + Float(middle)
    // Of a distance beyond the longest sequence there may be no number.
    guard bucket.magnitude < Float(1 << 24) else { return distance }
    return Int(distance > 0 ? bucket : -bucket)
  }
}

/// Vectors of the distances between the places of a sequence, the rows of all layers.
struct DistanceVectors {
  /// `[1, 2 * seq + 1, hidden]`: row `j` stands for the distance (key minus query, or the other way
  /// round) of `j - (seq - 1)`; the last two stand for none.
  let keyMinusQuery, queryMinusKey: Tensor

  init(_ table: Embedding, _ distances: DistanceRows, norm: LayerNorm?, seq: Dim, in trace: Trace) {
    let rows = distances.rows(upTo: max(seq.symbol?.maximum ?? 1, 1))
    let farthest = Double(rows.count / 2)
    func constant(_ value: Double) -> Tensor { trace.constant(value, .i32) }
    let all = table(trace.constant(rows.map(Double.init), .i32))
    let offset = trace.iota([1, seq * 2 + 1], axis: 1) - trace.extent(seq)
    let forward = (offset + constant(1)).binary(.maximum, constant(-farthest))
      .binary(.minimum, constant(farthest))
    func vectors(_ rows: Tensor) -> Tensor {
      let vectors = all.embedding(rows)
      return norm?(vectors) ?? vectors
    }
    queryMinusKey = vectors(forward + constant(farthest))
    keyMinusQuery = vectors(constant(farthest) - forward)
  }
}

extension DistanceVectors {
  /// The rows of a table that has one for each distance (query minus key) from `-(longest - 1)` to
  /// `longest - 1`.
  init(_ table: Embedding, seq: Dim, in trace: Trace) {
    func constant(_ value: Int) -> Tensor { trace.constant(Double(value), .i32) }
    let farthest = (table.count - 1) / 2
    let offset = trace.iota([1, seq * 2 + 1], axis: 1) - trace.extent(seq)
    let forward = (offset + constant(1)).binary(.maximum, constant(-farthest))
      .binary(.minimum, constant(farthest))
    queryMinusKey = table(forward + constant(farthest))
    keyMinusQuery = table(constant(farthest) - forward)
  }
}

/// Attention whose scores also add what a token says to a distance, and a distance to a token (He et
/// al., 2020, section 3.1).
struct DisentangledAttention {
  let heads: Int
  /// Gives query, key and value, `[batch, seq, heads, width]` each.
  let projected: (Tensor) -> (query: Tensor, key: Tensor, value: Tensor)
  /// What a distance is as a key, and as a query; `nil` for what does not count.
  let distanceKey, distanceQuery: ((Tensor) -> Tensor)?
  let output: Linear
  let scale: Double
  /// What the scores of distances are multiplied by, if not by `scale`.
  var distanceScale: Double?

  /// - Parameters:
  ///   - distances: `nil` without relative attention.
  ///   - padding: `i32[batch, seq]`, 0 for tokens that see all tokens alike, padding among them; `nil`
  ///     where there are none.
  func callAsFunction(
    _ x: Tensor, distances: DistanceVectors?, mask: Tensor?, padding: Tensor? = nil
  ) -> Tensor {
    let (query, key, value) = projected(x)
    var parts: [Tensor] = []
    if let distances {
      /// The products of tokens and distances, `[batch, heads, seq, seq]`: row by token, column by
      /// the other token.
      func scores(_ tokens: Tensor, _ vectors: Tensor) -> Tensor {
        let width = tokens.shape[3].constant ?? 1
        let columns = vectors.heads((vectors.shape[2].constant ?? width) / width)
          .transposed([0, 2, 3, 1])
        let shape = [tokens.shape[0], Dim(heads)] + columns.shape[2...]
        return tokens.transposed([0, 2, 1, 3]).matmul(columns.broadcast(shape)).byDistance
      }
      if let distanceKey { parts.append(scores(query, distanceKey(distances.keyMinusQuery))) }
      if let distanceQuery {
        parts.append(scores(key, distanceQuery(distances.queryMinusKey)).transposed)
      }
    }
    let bias = parts.dropFirst().reduce(parts.first) { sum, part in sum.map { $0 + part } }
    var attended = attention(
      query: query, key: key, value: value, scale: scale,
      bias: bias.map { $0 * (distanceScale ?? scale) }, mask: mask)
    if let padding {
      let isPadding = x.trace.constant(0, .i32).binary(.equal, padding)
        .reshaped([x.shape[0], x.shape[1], 1])
      let mean = value.mean(1).reshaped([x.shape[0], 1, attended.shape[2]])
      attended = isPadding.select(mean, attended)
    }
    return output(attended)
  }
}

/// Self-attention whose scores also add what a query says to a distance, in heads that share the
/// vectors of distances (Shaw et al., 2018), and what a key says to it (Huang et al., 2020).
struct RelativeKeyAttention: SelfAttentionLayer {
  let attention: SelfAttention
  /// The vectors of distances, of the width of a head.
  let distances: Embedding
  let keysLookToo: Bool
  /// Whether what distances add is scaled as the other scores are.
  let isScaled: Bool

  func callAsFunction(_ input: (x: Tensor, mask: Tensor?)) -> Tensor {
    let (x, own) = (input.x, attention.attention)
    let vectors = DistanceVectors(distances, seq: x.shape[1], in: x.trace)
    let heads = own.heads
    return DisentangledAttention(
      heads: heads,
      projected: {
        (own.query($0).heads(heads), own.key($0).heads(heads), own.value($0).heads(heads))
      },
      distanceKey: { $0 }, distanceQuery: keysLookToo ? { $0 } : nil, output: own.output,
      scale: own.scale, distanceScale: isScaled ? nil : 1
    )(x, distances: vectors, mask: input.mask)
  }
}

extension Tensor {
  /// Of `[batch, heads, seq, 2 * seq + 1]`, whose column `j` of row `i` stands for the place
  /// `i + j - (seq - 1)`: the columns by place, `[batch, heads, seq, seq]`. Rows that are shorter by
  /// one begin one place later each, so nothing moves.
  fileprivate var byDistance: Tensor {
    let (batch, heads, seq) = (shape[0], shape[1], shape[2])
    let width = seq * 2
    return reshaped([batch, heads, seq * (width + 1)])
      .slice(axis: 2, count: seq * width).reshaped([batch, heads, seq, width])
      .slice(axis: 3, from: seq - 1, count: seq)
  }
}
