import BurinIR
import Testing

@testable import BurinC

@Suite(.enabled(if: Clang.isPresent)) struct NormalizationTests {
  static let (batch, seq) = (KernelCase.batch, KernelCase.seq)

  @Test func softmaxOfRows() throws {
    var cases: [KernelCase] = []
    for width in [1, 7, 16, 33, Self.seq] as [Dim] {
      let type = TensorType(.f32, [Self.batch, 3, width])
      for place in [Place(dense: type), .sliced(type, from: width + 5)] {
        var item = try KernelCase(.softmax(place))
        item.tolerance = { 1e-6 * abs($0) + 1e-9 }
        cases.append(item)
        // Nothing counts in some rows, and in others only little.
        item.values = { _, count in (0..<count).map { $0 % 3 == 1 ? 1 : -.infinity } }
        cases.append(item)
        item.values = { _, count in (0..<count).map { _ in -.infinity } }
        cases.append(item)
      }
    }
    try KernelLibrary(cases).check()
  }

  @Test func normsOfRows() throws {
    var cases: [KernelCase] = []
    for width in [1, 33, 64, Self.seq] as [Dim] {
      let type = TensorType(.f32, [Self.batch, 3, width])
      let vector = Place(dense: TensorType(.f32, [width]))
      for kind in NormKind.allCases {
        for (scale, bias) in [(vector, vector), (vector, nil), (nil, nil)] as [(Place?, Place?)] {
          let norm = Norm(kind, scale: scale, bias: bias, epsilon: 1e-3)
          let wide = Place.sliced(type, from: width + 3)
          for op in [
            Op.norm(Place(dense: type), norm), .norm(wide, norm),
            .addNorm(Place(dense: type), residual: wide, norm),
          ] {
            var item = try KernelCase(op)
            item.tolerance = { 4e-6 * max(1, abs($0)) }
            cases.append(item)
          }
          var rounded = norm
          rounded.cast = .bf16
          for op in [
            Op.norm(wide, rounded), .normAndCast(Place(dense: type), rounded),
            .addNorm(Place(dense: type), residual: wide, rounded),
          ] {
            var item = try KernelCase(op)
            // A unit of bf16, where an ulp of f32 tips it over.
            item.tolerance = { 0x1p-7 * max(0.01, abs($0)) }
            cases.append(item)
          }
        }
      }
    }
    try KernelLibrary(cases).check()
  }

  @Test func reductionsAndRunningSums() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    var cases: [KernelCase] = []
    for element in [ElementType.f32, .i32] {
      let shapes: [[Dim]] = [[batch, seq, 7], [batch, 16, 5, seq], [seq], [batch, 1, 32]]
      for shape in element == .f32 ? shapes : [shapes[0], shapes[2]] {
        for subset in 0..<(1 << shape.count) {
          let axes = shape.indices.filter { subset & (1 << $0) != 0 }
          for function in Reduction.allCases {
            let place = Place(dense: TensorType(element, shape))
            var item = try KernelCase(.reduce(function, place, axes: axes))
            item.tolerance = { 1e-4 * max(0.1, abs($0)) }
            cases.append(item)
          }
        }
        for axis in shape.indices {
          let place = Place(dense: TensorType(element, shape))
          var item = try KernelCase(.cumulativeSum(place, axis: axis))
          item.tolerance = { 1e-5 * max(1, abs($0)) }
          cases.append(item)
        }
      }
    }
    cases.append(
      try KernelCase(
        .reduce(.sum, .transposed(TensorType(.f32, [seq, batch, 9]), [1, 0, 2]), axes: [1])))
    for index in cases.indices.suffix(1) {
      cases[index].tolerance = { 1e-5 * max(1, abs($0)) }
    }
    try KernelLibrary(cases).check()
  }
}
