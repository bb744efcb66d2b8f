import Burin
import Testing

// The lines of Swift in the README, in a file that imports what they import.

struct Block: Layer {
  let up, down: Linear
  let norm: LayerNorm
  func callAsFunction(_ x: Tensor) -> Tensor { norm(x + down(up(x).gelu())) }
}

@Suite struct ReadmeTests {
  @Test func itsSwiftRuns() throws {
    let directory = try TestDirectory()
    func numbers(_ count: Int) -> [Float] { (0..<count).map { Float($0 % 13) / 64 } }
    let table = WeightTable([
      "up.weight": ([1536, 384], numbers(1536 * 384)), "up.bias": ([1536], numbers(1536)),
      "down.weight": ([384, 1536], numbers(384 * 1536)), "down.bias": ([384], numbers(384)),
      "norm.weight": ([384], numbers(384)), "norm.bias": ([384], numbers(384)),
    ])
    let values = numbers(2 * 384)

    let block = Block(
      up: Linear(384, 1536, Weights("up")), down: Linear(1536, 384, Weights("down")),
      norm: LayerNorm(384, Weights("norm")))
    let rows = Dim(Symbol("rows", maximum: 512))
    let program = Program.trace("block") { [("y", block($0.input("x", .f32, [rows, 384])))] }
    try Compiler().compile(program, weights: table, to: directory.path + "/block.so")

    let model = try CompiledModel(directory.path + "/block.so")
    let outputs = try model.run(["x": HostTensor(values, shape: [2, 384])])

    let y = try #require(outputs["y"])
    #expect(y.shape == [2, 384] && y.floats.allSatisfy(\.isFinite))
  }

  /// What is tested above is what stands there.
  @Test func itsSwiftIsThis() throws {
    func text(_ path: String) throws -> String {
      String(decoding: try BuildFixtures.read(path), as: UTF8.self)
    }
    let lines = Set(
      try text(#filePath).split(separator: "\n").map { line in
        String(line.drop { $0 == " " }).replacing("directory.path + \"/", with: "\"")
      })
    var isSwift = false
    var count = 0
    for line in try text(BuildFixtures.root + "/README.md").split(separator: "\n") {
      if line.hasPrefix("```") { isSwift = line == "```swift" }
      guard isSwift, !line.hasPrefix("```") else { continue }
      let code = line.drop { $0 == " " }.split(separator: "   //").first.map(String.init) ?? ""
      #expect(lines.contains(code), "\(line)")
      count += 1
    }
    #expect(count == 14)
  }
}
