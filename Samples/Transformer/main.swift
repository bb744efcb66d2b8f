// Compiles the Transformer of the paper at a tiny size, runs it, and checks it against the interpreter
// in double precision; or, told a size, writes the program of that size as the IR's text:
//
//     transformer-sample
//     transformer-sample base > base.burin && burin inspect base.burin --c

import Burin
import Glibc

func program(_ size: Size) -> Program {
  Program.trace("transformer") { trace in
    let batch = Dim(Symbol("batch", maximum: 32))
    let shape = [batch, Dim(Symbol("seq", maximum: 512))]
    let source = trace.input("source", .i32, shape)
    let padding = trace.input(
      "source_mask", .i32, shape, fallback: trace.full(1, .i32, shape))
    let target = trace.input("target", .i32, [batch, Dim(Symbol("length", maximum: 512))])
    return [("probabilities", Transformer(size)(source, padding, target))]
  }
}

/// Numbers from -1 to 1 (Knuth's linear congruences).
struct Random {
  var state: UInt64 = 2017

  mutating func next() -> Float {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
  }

  mutating func id(below count: Int) -> Int32 { Int32((next() + 1) / 2 * Float(count - 1)) }
}

let arguments = CommandLine.arguments.dropFirst()
let sizes: KeyValuePairs<String, Size> = ["base": .base, "big": .big]
if let name = arguments.first {
  guard arguments.count == 1, let size = sizes.first(where: { $0.key == name })?.value else {
    let words = "expected nothing, or one of \(sizes.map(\.key).joined(separator: ", "))\n"
    _ = Array(words.utf8).withUnsafeBytes { write(2, $0.baseAddress, $0.count) }
    exit(64)
  }
  print(program(size).text)
  exit(0)
}

// Small numbers that are the same in every run; scales of norms are near one.
let size = Size(layers: 2, width: 24, inner: 52, heads: 3, vocabulary: 53)
let tiny = program(size)
var random = Random()
var weights = WeightTable()
for (name, type) in tiny.weights {
  let shape = type.shape.compactMap(\.constant)
  let center: Float = name.hasSuffix("norm.weight") ? 1 : 0
  let spread = 1 / Float(shape[shape.count - 1]).squareRoot()
  let values = (0..<shape.reduce(1, *)).map { _ in center + spread * random.next() }
  weights.tensors[name] = (shape, values)
}
let (batch, seq, length) = (2, 7, 5)
let source = (0..<batch * seq).map { _ in random.id(below: size.vocabulary) }
let target = (0..<batch * length).map { _ in random.id(below: size.vocabulary) }
// The second source is shorter.
let mask = (0..<batch * seq).map { Int32($0 < 2 * seq - 3 ? 1 : 0) }

// Compiled and run ...
var template = Array("/tmp/transformer-sample-XXXXXX".utf8CString)
guard mkdtemp(&template) != nil else { fatalError("no temporary directory") }
let directory = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
let library = directory + "/transformer.so"
try Compiler().compile(tiny, weights: weights, to: library)
let output = try CompiledModel(library).run([
  "source": HostTensor(source, shape: [batch, seq]),
  "source_mask": HostTensor(mask, shape: [batch, seq]),
  "target": HostTensor(target, shape: [batch, length]),
])["probabilities"]!.floats
for file in [library, LibraryFile.headerPath(of: library)] { unlink(file) }
rmdir(directory)

// ... and computed slowly, in double precision.
func array(_ values: [Int32], _ shape: [Int]) -> NumericArray {
  NumericArray(.i32, shape, values.map(Double.init))
}
let exact = try Interpreter(tiny).run(
  "forward",
  inputs: [
    "source": array(source, [batch, seq]), "source_mask": array(mask, [batch, seq]),
    "target": array(target, [batch, length]),
  ],
  weights: { name in
    let (shape, values) = weights.tensors[name]!
    return NumericArray(shape, floats: values)
  })["probabilities"]!.values

let width = size.vocabulary
let sums = (0..<batch * length).map { output[$0 * width..<($0 + 1) * width].reduce(0, +) }
let largest = exact.map(abs).max()!
let error = zip(output, exact).map { abs(Double($0) - $1) }.max()! / largest
print("each row of probabilities sums up to 1: \(sums.allSatisfy { abs($0 - 1) < 1e-5 })")
print("largest error, relative to the largest value: \(error)")
exit(output.count == exact.count && error <= 1e-5 ? 0 : 1)
