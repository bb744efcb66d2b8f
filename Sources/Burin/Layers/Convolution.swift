import BurinIR

/// A convolution along a sequence, with zeros before its first position and behind its last one,
/// written as one matrix product of each position's window with the kernel.
public struct Convolution: Layer {
  let inputs, outputs: Int
  let kernel, stride, padding: Int
  let weights: Weights

  /// - Parameters:
  ///   - inputs: channels of a position.
  ///   - outputs: channels of a position of the result.
  ///   - kernel: positions in a window.
  ///   - stride: positions from one window to the next.
  ///   - padding: zeros at either end.
  public init(
    _ inputs: Int, _ outputs: Int, kernel: Int, stride: Int = 1, padding: Int = 0,
    _ weights: Weights
  ) {
    self.inputs = inputs
    self.outputs = outputs
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
    self.weights = weights
  }

  /// - Parameter x: `[batch, positions, inputs]`, positions known and enough for a window.
  /// - Returns: `[batch, windows, outputs]`.
  public func callAsFunction(_ x: Tensor) -> Tensor {
    guard let positions = x.shape[1].constant, positions + 2 * padding >= kernel else {
      misuse("Convolution: \(x.type) under a kernel of \(kernel)")
    }
    let batch = x.shape[0]
    let windows = (positions + 2 * padding - kernel) / stride + 1
    // Positions in groups of a stride: a window is whole groups that follow each other, the last
    // one perhaps cut, and a group is a view.
    let reach = (kernel + stride - 1) / stride
    let rows = (windows - 1 + reach) * stride
    func zeros(_ count: Int) -> [Tensor] {
      count > 0 ? [x.trace.full(0, .f32, [batch, Dim(count), Dim(inputs)])] : []
    }
    let behind = rows - padding - positions
    let whole = behind < 0 ? x.slice(axis: 1, count: Dim(rows - padding)) : x
    let groups = x.trace.concat(zeros(padding) + [whole] + zeros(behind), axis: 1)
      .reshaped([batch, Dim(rows / stride), Dim(stride * inputs)])
    let window = (0..<reach).map { group in
      groups.slice(axis: 1, from: Dim(group), count: Dim(windows))
        .slice(axis: 2, count: Dim(min(stride, kernel - group * stride) * inputs))
    }
    let matrix = weights.tensor("weight", [outputs, inputs, kernel], in: x.trace)
      .transposed([0, 2, 1]).reshaped([Dim(outputs), Dim(kernel * inputs)])
    return x.trace.concat(window, axis: 2).matmul(matrix.transposed)
      + weights.tensor("bias", [outputs], in: x.trace)
  }
}
