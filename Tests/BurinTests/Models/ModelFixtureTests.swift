import Burin
import Testing

/// Whole models against transformers f32.
@Suite struct ModelFixtureTests {
  static let fixtures = Fixture.all(with: "expected.safetensors")

  @Test("agrees with transformers", arguments: fixtures)
  func agrees(fixture: Fixture) throws {
    let model = try fixture.library()
    for suffix in ["", "-ids"] {
      for (name, error) in try errors(of: model, on: fixture, suffix) {
        #expect(error < 1e-4, "\(fixture.name)\(suffix) \(name)")
      }
    }
  }

  @Test("gives a sequence the same bits alone and in a batch", arguments: fixtures)
  func sameBitsAlone(fixture: Fixture) throws {
    let model = try fixture.library()
    let inputs = try fixture.tensors("inputs.safetensors")
    let together = try model.run(inputs)
    let batch = try #require(
      inputs["pixel_values"] ?? inputs["input_ids"] ?? inputs["past_values"]
        ?? inputs["input_features"]
    ).shape[0]
    // SigLIP's vector of a text is that of its last place, which may be padding.
    let readsPadding = fixture.name.hasPrefix("siglip")
    for sequence in 0..<batch {
      let length =
        readsPadding
        ? nil
        : inputs["input_ids"].map { sequenceLength(inputs["attention_mask"], sequence, of: $0) }
      // Only what has a row for each token of the source is cut.
      func own(_ tensor: HostTensor) -> HostTensor {
        let isPositional =
          tensor.shape.count > 1 && tensor.shape[1] == inputs["input_ids"]?.shape[1]
        return tensor.sequence(sequence, length: isPositional ? length : nil)
      }
      let alone = try model.run(inputs.mapValues(own))
      for (name, output) in together {
        // A row for each caption and a column for each picture: of one there is only a part.
        if name.hasPrefix("logits_per_") { continue }
        let mine = own(output)
        #expect(
          alone[name]!.floats.map(\.bitPattern) == mine.floats.map(\.bitPattern),
          "\(fixture.name) \(name) \(sequence)")
      }
    }
  }

  @Test("gives the same bits for one thread and for two", arguments: fixtures)
  func sameBitsForThreads(fixture: Fixture) throws {
    try expectSameBitsForThreads(fixture.library(), fixture)
  }

  private func sequenceLength(_ mask: HostTensor?, _ sequence: Int, of ids: HostTensor) -> Int {
    guard let mask else { return ids.shape[1] }
    let row = mask.ids[sequence * mask.shape[1]..<(sequence + 1) * mask.shape[1]]
    return row.lastIndex { $0 != 0 }.map { $0 - row.startIndex + 1 } ?? 0
  }
}

/// For every row of `reference`, whether it belongs to a token that is not padding.
private func validRows(_ mask: HostTensor?, _ reference: HostTensor) -> [Bool]? {
  guard let mask, reference.shape.count >= 2, reference.shape[1] == mask.shape[1] else {
    return nil
  }
  return mask.ids.map { $0 != 0 }
}

/// How far each output of a model is from the one recorded of transformers, relative to the largest
/// value.
func errors(
  of model: CompiledModel, on fixture: Fixture, _ suffix: String = ""
) throws -> [String: Float] {
  let inputs = try fixture.tensors("inputs\(suffix).safetensors")
  let expected = try fixture.tensors("expected\(suffix).safetensors")
  let outputs = try model.run(inputs)
  #expect(Set(outputs.keys) == Set(expected.keys))
  var errors: [String: Float] = [:]
  for (name, reference) in expected {
    let output = try #require(outputs[name])
    #expect(output.shape == reference.shape)
    errors[name] = largestDifference(
      output, reference, valid: validRows(inputs["attention_mask"], reference))
  }
  return errors
}

/// One thread and two give the same bits.
func expectSameBitsForThreads(_ model: CompiledModel, _ fixture: Fixture) throws {
  let inputs = try fixture.tensors("inputs.safetensors")
  let one = try Session(model, threads: 1).run("forward", inputs)
  let two = try Session(model, threads: 2).run("forward", inputs)
  for (name, output) in one {
    #expect(output.floats.map(\.bitPattern) == two[name]!.floats.map(\.bitPattern))
  }
}

/// The largest difference relative to the largest value, over the rows that count.
private func largestDifference(
  _ output: HostTensor, _ reference: HostTensor, valid: [Bool]?
) -> Float {
  let (a, b) = (output.floats, reference.floats)
  let width = valid.map { b.count / $0.count } ?? 1
  var difference: Float = 0
  var largest: Float = 0
  for index in b.indices where valid?[index / width] ?? true {
    let distance = abs(a[index] - b[index])
    difference = max(difference, distance.isNaN ? .infinity : distance)
    largest = max(largest, abs(b[index]))
  }
  return difference == 0 ? 0 : difference / largest
}

extension HostTensor {
  /// The elements of a tensor of i64.
  fileprivate var ids: [Int64] { withUnsafeBytes { Array($0.bindMemory(to: Int64.self)) } }

  /// One sequence of a batch, its first `length` positions.
  func sequence(_ index: Int, length: Int?) -> HostTensor {
    let inner = shape.dropFirst().reduce(1, *) * element.bytes
    let perPosition = length == nil ? inner : inner / shape[1]
    let count = length.map { $0 * perPosition } ?? inner
    var cut = shape
    cut[0] = 1
    if let length { cut[1] = length }
    return HostTensor(element, shape: cut) { target in
      withUnsafeBytes {
        target.copyMemory(from: .init(rebasing: $0[index * inner..<index * inner + count]))
      }
    }
  }
}
