import Burin
import BurinIR
import BurinTestSupport
import Testing

/// Convolutions along a sequence against their definition.
@Suite struct ConvolutionTests {
  /// Kernel, stride, padding and positions.
  static let cases = [
    [3, 1, 1, 7], [3, 2, 1, 8], [3, 2, 1, 7], [1, 1, 0, 5], [5, 2, 2, 9], [4, 3, 0, 11],
    [2, 5, 1, 3],
    [5, 1, 2, 1], [2, 3, 0, 7],
  ]

  @Test("is the sum over each window", arguments: cases)
  func definition(shape: [Int]) throws {
    let (kernel, stride, padding, positions) = (shape[0], shape[1], shape[2], shape[3])
    let (inputs, outputs) = (3, 5)
    var random = TestRandom(seed: UInt64(positions))
    func draw(_ shape: [Int]) -> NumericArray {
      NumericArray(
        shape, floats: (0..<shape.reduce(1, *)).map { _ in Float(random.int(in: -8...8)) })
    }
    let x = draw([2, positions, inputs])
    let weight = draw([outputs, inputs, kernel])
    let bias = draw([outputs])
    let layer = Convolution(
      inputs, outputs, kernel: kernel, stride: stride, padding: padding, Weights("conv"))
    let program = Program.trace("convolution") {
      [("y", layer($0.input("x", .f32, [2, Dim(positions), Dim(inputs)])))]
    }
    let result = try #require(
      try Interpreter(program).run("forward", inputs: ["x": x]) {
        $0 == "conv.bias" ? bias : weight
      }["y"])
    let windows = (positions + 2 * padding - kernel) / stride + 1
    #expect(result.shape == [2, windows, outputs])
    for batch in 0..<2 {
      for window in 0..<windows {
        for output in 0..<outputs {
          var sum = bias.values[output]
          for tap in 0..<kernel {
            let place = window * stride + tap - padding
            guard (0..<positions).contains(place) else { continue }
            for input in 0..<inputs {
              sum +=
                x.values[(batch * positions + place) * inputs + input]
                * weight.values[(output * inputs + input) * kernel + tap]
            }
          }
          #expect(result.values[(batch * windows + window) * outputs + output] == sum)
        }
      }
    }
  }
}
