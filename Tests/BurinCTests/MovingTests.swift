import BurinIR
import Testing

@testable import BurinC

@Suite(.enabled(if: Clang.isPresent)) struct MovingTests {
  static let (batch, seq) = (KernelCase.batch, KernelCase.seq)

  @Test func copiesOfStridedTensors() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    var cases: [KernelCase] = []
    for element in [ElementType.f32, .i32, .bool, .bf16] {
      let type = TensorType(element, [batch, seq, 3, 5])
      for place in [
        Place(dense: type), .transposed(type, [0, 2, 1, 3]), .transposed(type, [0, 2, 3, 1]),
        .transposed(type, [3, 2, 1, 0]), .transposed(type, [1, 3, 0, 2]), .sliced(type, from: 8),
        .broadcast(type, along: [1]), .broadcast(type, along: [0, 3]),
        .broadcast(type, along: [0, 1, 2, 3]), Place(dense: TensorType(element, [])),
      ] {
        // A reshape to the same shape stands for "the same values, dense".
        cases.append(try KernelCase(.reshape(place, place.shape)))
      }
    }
    // Transposed axes that a reshape merges: no view shows them.
    let patches = Place.transposed(
      TensorType(.f32, [batch, 2, 3, 2, 5, 3]), [0, 2, 4, 1, 3, 5])
    cases.append(try KernelCase(.reshape(patches, [batch, 15, 12])))
    try KernelLibrary(cases).check()
  }

  @Test func concatenations() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    var cases: [KernelCase] = []
    for axis in 0..<3 {
      for count in 1...3 {
        let parts = (0..<count).map { number -> Place in
          var shape: [Dim] = [batch, seq, 4]
          shape[axis] = [shape[axis], 3, seq + 1][number]
          let type = TensorType(.f32, shape)
          return number == 1 ? .sliced(type, from: shape[2] + 2) : Place(dense: type)
        }
        cases.append(try KernelCase(.concat(parts, axis: axis)))
      }
    }
    let turned = Place.transposed(TensorType(.f32, [4, batch, seq]), [1, 2, 0])
    cases.append(try KernelCase(.concat([turned, turned], axis: 2)))
    try KernelLibrary(cases).check()
  }

  @Test func lookups() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    let indices = Place(dense: TensorType(.i32, [batch, seq]))
    var cases: [KernelCase] = []
    for width in [1, 5, 16, 31] as [Dim] {
      cases.append(
        try KernelCase(
          .embedding(
            table: Place(dense: TensorType(.f32, [6, width])), indices: indices, rows: 6)))
      cases.append(
        try KernelCase(
          .embedding(
            table: Place(dense: TensorType(.f32, [2, width, 4])), indices: indices, rows: 6)))
      cases.append(
        try KernelCase(
          .embedding(
            table: Place(dense: TensorType(.bf16, [2, width, 4, 2])), indices: indices, rows: 6)))
      for type in [
        TensorType(.bf16, [6, width]), TensorType(.f16, [6, width]),
        TensorType(.f16, [2, width, 4]),
      ] {
        cases.append(
          try KernelCase(
            .embedding(table: Place(dense: type), indices: indices, rows: 6)))
      }
    }
    for shape in [[batch, 6], [batch, 6, 5], [batch, 6, 3, 2]] as [[Dim]] {
      cases.append(
        try KernelCase(
          .gather(Place(dense: TensorType(.f32, shape)), indices: indices)))
    }
    cases.append(
      try KernelCase(
        .gather(.sliced(TensorType(.i32, [batch, 6, 5]), from: 11), indices: indices)))
    try KernelLibrary(cases).check()
  }

  @Test func rotations() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    var cases: [KernelCase] = []
    for (width, half) in [(2, 1), (8, 4), (40, 20), (64, 16), (7, 3)] as [(Int, Int)] {
      for interleaved in [false, true] {
        let type = TensorType(.f32, [batch, seq, 3, Dim(width)])
        for x in [Place(dense: type), .sliced(type, from: Dim(3 * width))] {
          var item = try KernelCase(
            .rotary(
              x, positions: Place(dense: TensorType(.i32, [batch, seq])),
              frequencies: Place(dense: TensorType(.f32, [Dim(half)])), interleaved: interleaved))
          item.tolerance = { _ in 4e-6 }
          cases.append(item)
        }
      }
    }
    try KernelLibrary(cases).check()
  }

  @Test func masks() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    let padding = Place(dense: TensorType(.i32, [batch, seq]))
    let perSequence = Place(dense: TensorType(.i32, [batch]))
    let shape = [batch, 1, seq, seq]
    let sets: [[Mask<Place>]] = [
      [.padding(padding)], [.lengths(perSequence)], [.causal(start: nil)],
      [.causal(start: perSequence)], [.window(3, start: nil)], [.window(2, start: perSequence)], [],
      [.causal(start: perSequence), .window(4, start: perSequence), .padding(padding)],
      [.lengths(perSequence), .causal(start: nil), .lengths(perSequence)],
    ]
    try KernelLibrary(
      sets.map { try KernelCase(.mask($0, shape: shape)) }
    ).check()
  }

  @Test func products() throws {
    let (batch, seq) = (Self.batch, Self.seq)
    func f32(_ shape: [Dim]) -> Place { Place(dense: TensorType(.f32, shape)) }
    var cases: [KernelCase] = []
    let pairs: [(Place, Place)] = [
      (f32([batch, 3, seq, 8]), f32([batch, 3, 8, seq])),
      (f32([batch, 3, seq, seq]), f32([batch, 3, seq, 16])),
      (f32([batch, seq, 7]), f32([7, 33])), (f32([batch, seq, 7]), f32([7, 64])),
      (f32([seq, 1]), f32([1, 1])), (f32([5, 6]), f32([6, 31])), (f32([4, 6]), f32([6, 32])),
      (
        .transposed(TensorType(.f32, [batch, seq, 3, 8]), [0, 2, 1, 3]),
        .transposed(TensorType(.f32, [batch, 8, 3, seq]), [0, 2, 1, 3])
      ),
      (
        .transposed(TensorType(.f32, [batch, 8, seq]), [0, 2, 1]),
        .broadcast(TensorType(.f32, [batch, 8, 17]), along: [0])
      ),
    ]
    for (x, y) in pairs {
      var item = try KernelCase(.matmul(x, y))
      item.tolerance = { 3e-5 * max(1, abs($0)) }
      cases.append(item)
    }
    try KernelLibrary(cases).check()
  }
}
