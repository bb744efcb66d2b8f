import ArgumentParser
import Burin
import BurinHub
import BurinIR

/// `burin diff`
struct Diff: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Compare a library's outputs with recorded ones.",
    discussion: """
      Names the first value of each output that diverges, and by how much; differences are parts of \
      the reference's largest absolute value. Exits with 1 if one is beyond the tolerance.
      """)

  @Argument(help: ArgumentHelp("A compiled library.", valueName: "X.so"))
  var library: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The expected outputs; the inputs too, unless --inputs has them.",
      valueName: "ref.safetensors"))
  var reference: String
  @Option(
    parsing: .unconditional, help: ArgumentHelp("The inputs.", valueName: "in.safetensors"))
  var inputs: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What to run.", valueName: "ENTRY"))
  var entry = "forward"
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The largest difference that passes.", valueName: "PART"))
  var tolerance = 1e-4
  @OptionGroup var threads: ThreadOptions
  @Flag(help: "Write one JSON value.")
  var json = false

  func validate() throws {
    guard tolerance >= 0, tolerance.isFinite else {
      throw Failure.usage("--tolerance: expected a number of at least 0, found \(tolerance)")
    }
  }

  func run() throws {
    let model = try CompiledModel(library)
    let entry = try model.requiredEntry(entry)
    func isInput(_ name: ByteString) -> Bool {
      entry.inputs.contains { $0.name.utf8.elementsEqual(name.bytes) }
    }
    func isOutput(_ name: ByteString) -> Bool {
      entry.outputs.contains { $0.name.utf8.elementsEqual(name.bytes) }
    }
    let file = try SafetensorsFile(path: reference)
    var tensors: [String: HostTensor] = [:]
    if let inputs {
      tensors = try readTensors(inputs) { tensor in
        guard isInput(tensor.name) || tensor.shape.contains(0) else {
          throw unknown(tensor.name, in: inputs, entry.inputs)
        }
        return isInput(tensor.name)
      }
    }
    for tensor in file.tensors where !isOutput(tensor.name) {
      guard inputs == nil, isInput(tensor.name) else {
        throw unknown(
          tensor.name, in: reference, (inputs == nil ? entry.inputs : []) + entry.outputs)
      }
      tensors[tensor.name.utf8String] = try hostTensor(tensor, of: file)
    }
    let expected = file.tensors.filter { isOutput($0.name) }
    guard !expected.isEmpty else {
      throw HubError(
        file: reference, expected: "one of " + entry.outputs.map(\.name).joined(separator: ", "),
        found: "none of them")
    }
    let session = try Session(model, threads: threads.count)
    let results = try session.run(entry.name, entry.withMasks(tensors))
    let comparisons = try entry.outputs.compactMap { port -> Comparison? in
      guard let stored = expected.first(where: { $0.name.utf8.elementsEqual(port.name.utf8) }),
        let result = results[port.name]
      else { return nil }
      guard stored.shape == result.shape else {
        throw HubError(
          file: reference, key: printable(stored.name.bytes),
          expected: "the shape \(result.shape) of the output", found: "\(stored.shape)")
      }
      return Comparison(
        name: port.name, shape: stored.shape, expected: try file.floats(of: stored),
        found: result.floats, tolerance: tolerance)
    }
    let isRight = comparisons.allSatisfy { $0.first == nil }
    if json {
      try Standard.output(
        ["outputs": .array(comparisons.map(\.json)), "equal": JSON(isRight)])
    } else {
      try Standard.output(comparisons.map(\.text).joined(separator: "\n") + "\n")
    }
    if !isRight { throw Failure(1, "") }
  }

  private func unknown(
    _ name: ByteString, in path: String, _ known: [CompiledModel.Port]
  ) -> HubError {
    HubError(
      file: path, key: printable(name.bytes),
      expected: "one of " + known.map(\.name).joined(separator: ", "), found: "an unknown tensor")
  }
}

extension ByteString {
  fileprivate var utf8: [UInt8] { bytes }
}

/// How an output differs from what it should be.
struct Comparison {
  /// A value that is not what it should be.
  struct Difference: Equatable {
    var index: [Int]
    var expected, found: Float
    /// As a part of the reference's largest absolute value.
    var size: Double
  }

  var name: String
  var shape: [Int]
  /// The first value beyond the tolerance, and the one furthest off.
  var first, largest: Difference?
  var tolerance: Double

  init(
    name: String, shape: [Int], expected: [Float], found: [Float], tolerance: Double
  ) {
    self.name = name
    self.shape = shape
    self.tolerance = tolerance
    let scale = expected.lazy.filter(\.isFinite).map { Double(abs($0)) }.max() ?? 0
    for (place, (wanted, got)) in zip(expected, found).enumerated() {
      // Infinities must agree, and nothing but a NaN agrees with a NaN.
      if wanted == got || (wanted.isNaN && got.isNaN) { continue }
      let distance = abs(Double(wanted) - Double(got))
      let size = distance.isFinite ? distance / (scale > 0 ? scale : 1) : .infinity
      guard size > largest?.size ?? 0 || (first == nil && size > tolerance) else { continue }
      let difference = Difference(
        index: Self.index(place, shape), expected: wanted, found: got, size: size)
      if size > largest?.size ?? 0 { largest = difference }
      if first == nil, size > tolerance { first = difference }
    }
  }

  private static func index(_ place: Int, _ shape: [Int]) -> [Int] {
    var rest = place
    return shape.reversed().map { extent in
      defer { rest /= extent }
      return rest % extent
    }.reversed()
  }

  /// One line.
  var text: String {
    func words(_ difference: Difference) -> String {
      let index = difference.index.map { "\($0)" }.joined(separator: ", ")
      return "\(name)[\(index)]: expected \(difference.expected), found \(difference.found) "
        + "(\(Float(difference.size)) of the largest value)"
    }
    if let first, let largest {
      let most = first == largest ? "" : "; at most \(Float(largest.size)) at \(largest.index)"
      return "\(words(first)), tolerance \(Float(tolerance))\(most)"
    }
    guard let largest else { return "\(name) \(shape): equal" }
    return "\(name) \(shape): within \(Float(largest.size)) of the largest value"
  }

  /// For `--json`.
  var json: JSON {
    func value(_ difference: Difference?) -> JSON {
      guard let difference else { return .null }
      return [
        "index": .array(difference.index.map { JSON($0) }),
        "expected": JSON(difference.expected), "found": JSON(difference.found),
        "size": .score(difference.size),
      ]
    }
    return [
      "name": JSON(name), "shape": .array(shape.map { JSON($0) }), "first": value(first),
      "largest": value(largest),
    ]
  }
}
