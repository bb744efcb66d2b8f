import BurinHub
import BurinIR

extension Program {
  /// Reads a `.burin` file.
  ///
  /// - Throws: `HubError`, also for text that is not a program: it names the line.
  public init(file path: String) throws(HubError) {
    let bytes = try RegularFile(path: path).contents(limit: 256 << 20)
    do throws(TextError) { try self.init(utf8: bytes) } catch {
      throw HubError(
        file: path, expected: "a model directory or a .burin program", found: error.description)
    }
  }
}

extension ModelSpec {
  /// Reads a program from a `.burin` file. Its weights, if it has any, are in the safetensors file of
  /// the same name beside it.
  ///
  /// - Throws: `HubError`.
  public init(programFile path: String) throws(HubError) {
    let program = try Program(file: path)
    guard !program.weights.isEmpty else {
      self.init(program: program, weights: WeightTable())
      return
    }
    let stem = path.hasSuffix(".burin") ? String(path.dropLast(".burin".count)) : path
    let weights = StoredTensors(try SafetensorsFile(path: stem + ".safetensors"))
    for (name, type) in program.weights {
      let tensor = try weights.tensor(name)
      guard tensor.shape == type.shape.compactMap(\.constant) else {
        throw HubError(
          file: weights.file.path, key: printable(name.utf8), expected: type.description,
          found: "\(tensor.shape)")
      }
      // Anything is read as f32; what is narrower has to be so in the file, or would be rounded.
      guard type.element == .f32 || !type.element.isFloat || tensor.type.element == type.element
      else {
        throw HubError(
          file: weights.file.path, key: printable(name.utf8) + ".dtype",
          expected: type.element.rawValue, found: tensor.type.rawValue)
      }
    }
    self.init(program: program, weights: weights)
  }
}

/// The tensors of one safetensors file under their own names.
struct StoredTensors: WeightSource {
  let file: SafetensorsFile

  init(_ file: SafetensorsFile) { self.file = file }

  func tensor(_ name: String) throws(HubError) -> StoredTensor {
    guard let tensor = file.tensor(ByteString(name)) else {
      throw HubError(
        file: file.path, key: printable(name.utf8), expected: "a tensor", found: "nothing")
    }
    return tensor
  }

  func file(of name: String) -> String { file.path }

  func shape(of name: String) throws -> [Int] { try tensor(name).shape }

  func read(
    _ name: String, from start: Int, into buffer: UnsafeMutableBufferPointer<Float>
  ) throws {
    try file.readFloats(of: tensor(name), from: start, into: buffer)
  }
}
