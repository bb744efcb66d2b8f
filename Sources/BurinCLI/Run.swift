import ArgumentParser
import Burin
import BurinHub
import BurinIR

/// `burin run`
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a library on raw tensors.",
    discussion: """
      Tensors are named as in the transformers forward call. Inputs that the model can do without \
      may be absent.
      """)

  @Argument(help: ArgumentHelp("A compiled library.", valueName: "X.so"))
  var library: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("A safetensors file.", valueName: "in.safetensors"))
  var inputs: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The safetensors file to write.", valueName: "out.safetensors"))
  var outputs: String
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What to run.", valueName: "ENTRY"))
  var entry = "forward"
  @OptionGroup var threads: ThreadOptions

  func run() throws {
    let model = try CompiledModel(library)
    let entry = try model.requiredEntry(entry)
    let tensors = try readTensors(inputs) { tensor in
      if entry.inputs.contains(where: { $0.name.utf8.elementsEqual(tensor.name.bytes) }) {
        return true
      }
      // transformers' forward call wants the features of each step even where there are none.
      guard tensor.shape.contains(0) else {
        throw HubError(
          file: inputs, key: printable(tensor.name.bytes),
          expected: "one of " + entry.inputs.map(\.name).joined(separator: ", "),
          found: "an unknown input")
      }
      return false
    }
    let session = try Session(model, threads: threads.count)
    let results = try session.run(entry.name, entry.withMasks(tensors))
    let ports = entry.outputs.filter { results[$0.name] != nil }
    // Wide elements first keeps every tensor aligned.
    let sorted = ports.enumerated().sorted {
      ($1.element.element.bytes, $0.offset) < ($0.element.element.bytes, $1.offset)
    }
    var declarations: [SafetensorsWriter.Declaration] = []
    for (_, port) in sorted {
      guard let tensor = results[port.name],
        let type = StoredType(rawValue: tensor.element.rawValue.uppercased())
      else { continue }
      declarations.append(.init(ByteString(port.name), type, tensor.shape))
    }
    let writer = try SafetensorsWriter(path: outputs, tensors: declarations)
    for (_, port) in sorted {
      try results[port.name]?.withUnsafeBytes { bytes in try writer.write(bytes) }
    }
    try writer.finish()
  }
}

extension CompiledModel {
  /// The entry of this name, or an error that lists those that there are.
  func requiredEntry(_ name: String) throws -> Entry {
    guard let entry = entry(name) else {
      throw Failure.usage(
        "\(line(file.path)): expected an entry of "
          + entries.map(\.name).joined(separator: ", ") + ", found \(quoted(name))")
    }
    return entry
  }
}

extension CompiledModel.Entry {
  /// The tensors with masks as this entry takes them: they may be BOOL, and integers where it
  /// multiplies by them.
  func withMasks(_ tensors: [String: HostTensor]) -> [String: HostTensor] {
    var tensors = tensors
    for port in inputs where port.name.utf8.suffix(4).elementsEqual("mask".utf8) {
      guard let mask = tensors[port.name], let values = mask.integers else { continue }
      if port.element == .f32 {
        tensors[port.name] = HostTensor(values.map { Float($0) }, shape: mask.shape)
      } else if mask.element == .bool {
        tensors[port.name] = HostTensor(values.map { Int32($0) }, shape: mask.shape)
      }
    }
    return tensors
  }
}

/// Reads the tensors of a safetensors file that may be a model's input, those that are wanted.
func readTensors(
  _ path: String, isWanted: (StoredTensor) throws -> Bool
) throws -> [String: HostTensor] {
  let file = try SafetensorsFile(path: path)
  var tensors: [String: HostTensor] = [:]
  for tensor in file.tensors where try isWanted(tensor) {
    tensors[tensor.name.utf8String] = try hostTensor(tensor, of: file)
  }
  return tensors
}

/// Reads one tensor of a safetensors file: i32, i64, f32 or bool.
func hostTensor(_ tensor: StoredTensor, of file: SafetensorsFile) throws -> HostTensor {
  let elements: [StoredType: ElementType] = [.f32: .f32, .i32: .i32, .i64: .i64, .bool: .bool]
  guard let element = elements[tensor.type] else {
    throw HubError(
      file: file.path, key: printable(tensor.name.bytes) + ".dtype",
      expected: "I32, I64, F32 or, for a mask, BOOL", found: tensor.type.rawValue)
  }
  guard tensor.shape.count <= 8 else {
    throw HubError(
      file: file.path, key: printable(tensor.name.bytes) + ".shape",
      expected: "at most 8 axes", found: "\(tensor.shape.count)")
  }
  let bytes = try file.bytes(of: tensor)
  return HostTensor(element, shape: tensor.shape) { buffer in
    bytes.withUnsafeBytes { buffer.copyMemory(from: $0) }
  }
}
