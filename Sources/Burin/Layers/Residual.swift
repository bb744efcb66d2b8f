/// A residual connection around a sublayer, with norms before the sublayer, after it, after the sum,
/// or at several of these: `afterSum(x + scale * after(sublayer(before(x))))`.
struct Residual {
  var before, after, afterSum: (any NormLayer)?
  var scale = 1.0

  func callAsFunction(_ x: Tensor, _ sublayer: (Tensor) -> Tensor) -> Tensor {
    let output = sublayer(before?(x) ?? x)
    let normed = after?(output) ?? output
    let sum = x + (scale == 1 ? normed : normed * scale)
    return afterSum?(sum) ?? sum
  }
}
