/// A residual connection around a sublayer, with norms before the sublayer, after it, after the sum,
/// or at several of these: `afterSum(x + scale * after(sublayer(before(x))))`.
struct Residual {
  var before, after, afterSum: (any NormLayer)?
  var scale = 1.0
  /// Whether what is added to the sublayer's output is its input behind the norm.
  var addsNormed = false

  func callAsFunction(_ x: Tensor, _ sublayer: (Tensor) -> Tensor) -> Tensor {
    let input = before?(x) ?? x
    let output = sublayer(input)
    let normed = after?(output) ?? output
    let sum = (addsNormed ? input : x) + (scale == 1 ? normed : normed * scale)
    return afterSum?(sum) ?? sum
  }
}
