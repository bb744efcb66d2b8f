// The encoder layer of "Attention Is All You Need" (Vaswani et al., 2017), from nothing: written as
// the paper writes it, compiled, run, and checked against the interpreter in double precision.

import Burin
import Glibc

/// `softmax(Q Kᵀ / √d_k) V`, equation 1.
func attention(_ q: Tensor, _ k: Tensor, _ v: Tensor, width: Int) -> Tensor {
  (q.matmul(k.transposed) / Double(width).squareRoot()).softmax().matmul(v)
}

/// `Concat(head_1, ..., head_h) W_O` of the heads `attention(x W_Q, x W_K, x W_V)`, section 3.2.2.
struct MultiHeadAttention: Layer {
  let heads, width: Int

  func callAsFunction(_ x: Tensor) -> Tensor {
    func project(_ x: Tensor, _ name: String) -> Tensor {
      x.matmul(x.trace.weight(name, [width, width]))
    }
    let head = attention(
      project(x, "W_Q").splitHeads(heads), project(x, "W_K").splitHeads(heads),
      project(x, "W_V").splitHeads(heads), width: width / heads)
    return project(head.mergedHeads, "W_O")
  }
}

/// `max(0, x W_1 + b_1) W_2 + b_2`, equation 2.
struct FeedForward: Layer {
  let width, inner: Int

  func callAsFunction(_ x: Tensor) -> Tensor {
    let (w1, b1) = (x.trace.weight("W_1", [width, inner]), x.trace.weight("b_1", [inner]))
    let (w2, b2) = (x.trace.weight("W_2", [inner, width]), x.trace.weight("b_2", [width]))
    return (x.matmul(w1) + b1).relu().matmul(w2) + b2
  }
}

/// `LayerNorm(x + Sublayer(x))`, section 3.1, around both sublayers.
struct EncoderLayer: Layer {
  let attention: MultiHeadAttention
  let feedForward: FeedForward

  func callAsFunction(_ x: Tensor) -> Tensor {
    func norm(_ x: Tensor, _ name: String) -> Tensor {
      let width = [feedForward.width]
      return x.layerNorm(
        scale: x.trace.weight(name + ".scale", width), bias: x.trace.weight(name + ".bias", width),
        epsilon: 1e-5)
    }
    let h = norm(x + attention(x), "norm_1")
    return norm(h + feedForward(h), "norm_2")
  }
}

/// Numbers from -1 to 1 (Knuth's linear congruences).
struct Random {
  var state: UInt64 = 2017

  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
  }
}

let (batch, seq, width, heads) = (2, 7, 64, 4)
let layer = EncoderLayer(
  attention: MultiHeadAttention(heads: heads, width: width),
  feedForward: FeedForward(width: width, inner: 4 * width))
let program = Program.trace("encoder layer") { trace in
  let shape = [Dim(Symbol("batch", maximum: 8)), Dim(Symbol("seq", maximum: 32)), Dim(width)]
  return [("y", layer(trace.input("x", .f32, shape)))]
}

// What the compiler makes of it.
let lowered = try Compiler().lower(program)
func nodes(_ program: Program) -> Int { program.entries[0].graph.nodes.count }
print("\(program.name): \(nodes(program)) nodes as written, \(nodes(lowered.program)) compiled")
for stage in lowered.stages {
  guard let pass = stage.pass else { continue }
  var fired: [String: Int] = [:]
  for note in lowered.notes where note.pass == pass && note.outcome == .fired {
    fired[note.rule, default: 0] += 1
  }
  guard !fired.isEmpty else { continue }
  let rules = fired.sorted { $0.key < $1.key }.map { "\($0.key) ×\($0.value)" }
  print("  \(pass): \(rules.joined(separator: ", "))")
}

// Small numbers that are the same in every run; scales of norms are near one.
var random = Random()
var weights = WeightTable()
for (name, type) in program.weights {
  let shape = type.shape.compactMap(\.constant)
  let center: Float = name.hasSuffix(".scale") ? 1 : 0
  let spread = 1 / Float(shape[0]).squareRoot()
  let values = (0..<shape.reduce(1, *)).map { _ in center + spread * random.next() }
  weights.tensors[name] = (shape, values)
}
let x = (0..<batch * seq * width).map { _ in random.next() }

// Compiled and run ...
var template = Array("/tmp/encoder-sample-XXXXXX".utf8CString)
guard mkdtemp(&template) != nil else { fatalError("no temporary directory") }
let directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
let library = directory + "/encoder.so"
try Compiler().compile(program, weights: weights, to: library)
let model = try CompiledModel(library)
let output = try model.run(["x": HostTensor(x, shape: [batch, seq, width])])["y"]!.floats
for file in [library, LibraryFile.headerPath(of: library)] { unlink(file) }
rmdir(directory)

// ... and computed slowly, in double precision.
let exact = try Interpreter(program).run(
  "forward", inputs: ["x": NumericArray([batch, seq, width], floats: x)],
  weights: { name in
    let (shape, values) = weights.tensors[name]!
    return NumericArray(shape, floats: values)
  })["y"]!.values

let largest = exact.map(abs).max()!
let error = zip(output, exact).map { abs(Double($0) - $1) }.max()! / largest
print("largest error, relative to the largest value: \(error)")
exit(output.count == exact.count && error <= 1e-5 ? 0 : 1)
