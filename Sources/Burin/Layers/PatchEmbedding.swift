import BurinIR

/// An image cut into square patches, each projected to a vector: a convolution whose stride is its
/// kernel (Dosovitskiy et al., 2020, section 3.1), written as one matrix product.
public struct PatchEmbedding: Layer {
  let channels: Int
  let height, width: Int
  let patchHeight, patchWidth: Int
  let outputs: Int
  let weights: Weights
  let hasBias: Bool

  /// - Parameters:
  ///   - channels: colours of a pixel.
  ///   - image: height and width in pixels; what is left over beside whole patches is not read.
  ///   - patch: height and width of a patch in pixels.
  public init(
    channels: Int, image: (height: Int, width: Int), patch: (height: Int, width: Int),
    outputs: Int, _ weights: Weights, bias: Bool = true
  ) {
    self.channels = channels
    (height, width) = image
    (patchHeight, patchWidth) = patch
    self.outputs = outputs
    self.weights = weights
    self.hasBias = bias
  }

  /// Patches of the image.
  public var count: Int { height / patchHeight * (width / patchWidth) }

  /// How many rows and columns of patches an image has.
  ///
  /// - Parameter pixels: `[batch, channels, height, width]`, both known.
  func grid(of pixels: Tensor) -> (rows: Int, columns: Int) {
    let (height, width) = (pixels.shape[2].constant, pixels.shape[3].constant)
    return ((height ?? self.height) / patchHeight, (width ?? self.width) / patchWidth)
  }

  /// - Parameter pixels: `[batch, channels, height, width]`, of the image's size or another.
  /// - Returns: `[batch, patches, outputs]`, the patches row by row.
  public func callAsFunction(_ pixels: Tensor) -> Tensor {
    let batch = pixels.shape[0]
    let (rows, columns) = grid(of: pixels)
    var whole = pixels
    if pixels.shape[2] != Dim(rows * patchHeight) {
      whole = whole.slice(axis: 2, count: Dim(rows * patchHeight))
    }
    if pixels.shape[3] != Dim(columns * patchWidth) {
      whole = whole.slice(axis: 3, count: Dim(columns * patchWidth))
    }
    let grid = [channels, rows, patchHeight, columns, patchWidth].map { Dim($0) }
    let elements = channels * patchHeight * patchWidth
    let patches = whole.reshaped([batch] + grid).transposed([0, 2, 4, 1, 3, 5])
      .reshaped([batch, Dim(rows * columns), Dim(elements)])
    let kernel = weights.tensor(
      "weight", [outputs, channels, patchHeight, patchWidth], in: pixels.trace)
    let product = patches.matmul(kernel.reshaped([Dim(outputs), Dim(elements)]).transposed)
    return hasBias ? product + weights.tensor("bias", [outputs], in: pixels.trace) : product
  }
}
