import BurinIR
import Glibc

/// Which frequencies positions turn at, from one radian per position down to one in 10,000.
public enum Sinusoids: Sendable {
  /// The paper's, `10000^(-2i/width)`, the sines before the cosines.
  case paper(Int)
  /// Frequencies whose last one is 1/10000, as in tensor2tensor; an odd width ends with a zero.
  case tensor2tensor(Int)

  fileprivate var width: Int {
    switch self {
    case .paper(let width), .tensor2tensor(let width): width
    }
  }

  /// The frequencies of `count` functions.
  fileprivate func rates(_ count: Int) -> [Double] {
    switch self {
    case .paper(let width):
      (0..<count).map { pow(10_000, -2 * Double($0) / Double(width)) }
    case .tensor2tensor:
      // In the reference's arithmetic of f32: a position multiplies the error.
      (0..<count).map {
        Double(expf(Float($0) * -Float(log(10_000) / Double(max(count - 1, 1)))))
      }
    }
  }
}

extension Tensor {
  /// Of positions `i32[batch, seq]`: the sines of each at falling frequencies, and then the cosines
  /// (Vaswani et al., 2017, section 3.5, with the two kept apart); `f32[batch, seq, width]`.
  public func sinusoids(_ kind: Sinusoids) -> Tensor {
    let width = kind.width
    func angles(_ count: Int) -> Tensor {
      cast(.f32).reshaped([shape[0], shape[1], 1]) * trace.constant(kind.rates(count))
    }
    if case .tensor2tensor = kind {
      let sines = angles(width / 2).unary(.sin)
      let zeros = width % 2 == 0 ? [] : [trace.full(0, .f32, [shape[0], shape[1], 1])]
      return trace.concat([sines, angles(width / 2).unary(.cos)] + zeros, axis: 2)
    }
    let (sines, cosines) = ((width + 1) / 2, width / 2)
    guard cosines > 0 else { return angles(sines).unary(.sin) }
    return trace.concat(
      [angles(sines).unary(.sin), angles(cosines).unary(.cos)], axis: 2)
  }
}
