import BurinHub
import BurinIR
import BurinPasses
import Testing

@testable import Burin
@testable import BurinC

/// Programs that are counted and written although nobody would write them.
@Suite struct UnusualWeightTests {
  private func work(_ nodes: String, result: Int) throws -> Work {
    let program = try Program(
      text: """
        program "p"
        symbol n <= 8
        entry "e" {
        \(nodes)
        output "y" = %\(result)
        }
        """)
    return Work(program.entries[0], ["n": 3])
  }

  /// What is used twice, again and again, is counted once and in little time.
  @Test func sharedWeightsCountOnce() throws {
    var nodes = "%100 = input(\"x\") : f32[n, 4]\n%0 = weight(\"w\") : f32[4, 4]\n"
    for number in 0..<80 { nodes += "%\(number + 1) = add(%\(number), %\(number))\n" }
    let work = try work(nodes + "%101 = matmul(%100, %80)", result: 101)
    #expect(work.multiplyAdds == 3 * 4 * 4 && work.weights == [4: 16])
  }

  @Test func countsStopAtTheLargestNumber() throws {
    let work = try work(
      """
      %0 = input("x") : f32[268435456, 268435456]
      %1 = weight("w") : f32[268435456, 268435456]
      %2 = matmul(%0, %1)
      """, result: 2)
    #expect(work.multiplyAdds == .max && work.weights == [4: 1 << 56])
  }

  /// A panel is written at once.
  @Test func immensePanelsAreRefused() throws {
    var graph = Graph()
    let one = try graph.append(.constant(Literal(TensorType(.f32, [1_073_741_824, 32]), [1])))
    let packed = try graph.append(.pack(one, width: 32))
    var layout = WeightLayout()
    _ = try layout.add(packed, of: graph, role: "w")
    let error = #expect(throws: IRError.self) {
      try WeightWriter(layout, source: WeightTable()).run { _ in }
    }
    #expect(error?.description.hasSuffix("in strips, and one of them is too large") == true)
  }

  /// A value that only the interpreter can compute has to fit it.
  @Test func immenseExpressionsAreRefused() throws {
    var graph = Graph()
    let one = try graph.append(.constant(Literal(TensorType(.f32, [1, 1]), [1])))
    let all = try graph.append(.broadcast(one, [1_048_576, 1_048_576]))
    let sums = try graph.append(.reduce(.sum, all, axes: [0]))
    var layout = WeightLayout()
    _ = try layout.add(sums, of: graph, role: "sums")
    let error = #expect(throws: IRError.self) {
      try WeightWriter(layout, source: WeightTable()).run { _ in }
    }
    #expect(
      error?.description.hasPrefix("weights of type f32[1048576, 1048576] are too large") == true)
  }

  /// A vector as a column, as DeBERTa's biases are where heads have one element.
  @Test func vectorsBecomeColumns() throws {
    var graph = Graph()
    let vector = try graph.append(.weight(name: "bias", type: TensorType(.f32, [3])))
    let column = try graph.append(.reshape(vector, [3, 1]))
    var layout = WeightLayout()
    _ = try layout.add(column, of: graph, role: "bias")
    var written: [UInt8] = []
    let source = WeightTable(["bias": ([3], [1, 2, 3])])
    try WeightWriter(layout, source: source).run { written += $0 }
    let floats = written.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    #expect(Array(floats.prefix(3)) == [1, 2, 3])
  }

  /// A number without a scale is refused, not rounded to zero: in blocks of 8 and of 4 bits.
  @Test(
    arguments: [
      (Float.nan, "finite numbers, found NaN"), (.infinity, "finite numbers, found inf"),
      (-.infinity, "finite numbers, found -inf"),
      (-1e30, "numbers whose squares have a sum in f32, for #, found -1e+30"),
    ], [Precision.int8, .int4])
  func weightsWithoutScaleAreRefused(bad: (Float, String), precision: Precision) throws {
    let directory = try TestDirectory()
    let path = directory.path + "/model.burin"
    let text = """
      program "p"
      entry "forward" {
      %0 = input("x") : f32[2, 32]
      %1 = weight("first") : f32[32, 32]
      %2 = matmul(%0, %1)
      %3 = weight("second") : f32[32, 32]
      %4 = matmul(%2, %3)
      %5 = weight("third") : f32[32, 32]
      %6 = matmul(%4, %5)
      output "y" = %6
      }
      """
    try BuildFixtures.write(Array(text.utf8), to: path)
    let writer = try SafetensorsWriter(
      path: directory.path + "/model.safetensors",
      tensors: ["first", "second", "third"].map { .init($0, .f32, [32, 32]) })
    for name in ["first", "second", "third"] {
      var values = [Float](repeating: 0.5, count: 1024)
      if name == "second" { values[700] = bad.0 }
      try writer.write(values)
    }
    try writer.finish()
    let spec = try ModelSpec(programFile: path)
    let error = #expect(throws: HubError.self) {
      try Compiler(options: .init(precision: precision)).compile(
        spec.program, weights: spec.weights, to: directory.path + "/model.so")
    }
    let expected = bad.1.replacing("#", with: precision == .int8 ? "w8" : "w4")
    #expect(
      error?.description == "\(directory.path)/model.safetensors: second: expected \(expected)")
    #expect(error?.kind == .badInput)
  }
}
