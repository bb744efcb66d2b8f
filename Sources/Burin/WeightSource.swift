import BurinHub
import BurinIR

/// Where the tensors that a program names come from.
public protocol WeightSource: Sendable {
  /// The shape of a tensor.
  ///
  /// - Throws: if there is none of this name, or its values cannot be read as numbers.
  func shape(of name: String) throws -> [Int]

  /// The type that a tensor's values have in the IR without losing any: that in which they are stored,
  /// if it is bf16 or f16, and else f32.
  func element(of name: String) -> ElementType

  /// Fills `buffer` with a tensor's elements from element `start` on, widened exactly.
  ///
  /// - Throws: if there is no such tensor, or it cannot be read.
  func read(_ name: String, from start: Int, into buffer: UnsafeMutableBufferPointer<Float>) throws

  /// The file that has a tensor, as errors name it.
  func file(of name: String) -> String
}

extension WeightSource {
  /// f32: what every number that nothing more is known of fits into.
  public func element(of name: String) -> ElementType { .f32 }

  /// A word instead, for weights that no file has.
  public func file(of name: String) -> String { "weights" }

  /// Why tensors cannot be rounded in blocks: one has a number that is not finite, or else the largest
  /// of all is too large to take its square.
  func notFinite(_ names: [String], for element: ElementType) -> any Error {
    var worst: (name: String, value: Float) = (names.first ?? "", 0)
    var values = [Float](repeating: 0, count: 1 << 16)
    do {
      search: for name in names {
        let count = try shape(of: name).reduce(1, *)
        for start in stride(from: 0, to: count, by: values.count) {
          let piece = min(values.count, count - start)
          try values.withUnsafeMutableBufferPointer {
            try read(name, from: start, into: UnsafeMutableBufferPointer(rebasing: $0[..<piece]))
          }
          for value in values[..<piece] where !(abs(value) <= abs(worst.value)) {
            worst = (name, value)
            if !value.isFinite { break search }
          }
        }
      }
    } catch { return error }
    return HubError(
      file: file(of: worst.name), key: printable(worst.name.utf8),
      expected: worst.value.isFinite
        ? "numbers whose squares have a sum in f32, for \(element.rawValue)" : "finite numbers",
      found: worst.value.isNaN ? "NaN" : "\(worst.value)")
  }
}

/// Tensors in memory, for models that are written rather than loaded.
public struct WeightTable: WeightSource {
  /// Shape and values, row by row, by name.
  public var tensors: [String: (shape: [Int], values: [Float])]

  /// A table of these tensors; each has as many values as its shape holds.
  public init(_ tensors: [String: (shape: [Int], values: [Float])] = [:]) {
    self.tensors = tensors
  }

  /// The shape of a tensor; throws `HubError` if there is none of this name.
  public func shape(of name: String) throws -> [Int] { try tensor(name).shape }

  /// Copies values; throws `HubError` if there is no tensor of this name.
  public func read(
    _ name: String, from start: Int, into buffer: UnsafeMutableBufferPointer<Float>
  ) throws {
    let values = try tensor(name).values
    _ = buffer.update(fromContentsOf: values[start..<start + buffer.count])
  }

  private func tensor(_ name: String) throws -> (shape: [Int], values: [Float]) {
    guard let tensor = tensors[name] else {
      throw HubError(
        file: file(of: name), key: printable(name.utf8), expected: "a tensor", found: "nothing")
    }
    return tensor
  }
}

/// The tensors of a model directory under the names that the model's description uses.
///
/// Two spellings differ between files of one model: the prefix of the body, which files saved
/// without a head lack, and TensorFlow's `gamma` and `beta` of normalisations.
public struct Checkpoint: WeightSource {
  private let main: StoredWeights
  /// The files of a sentence pipeline's dense layers, by their directories.
  private let modules: [String: StoredWeights]
  private let aliases: [ByteString: ByteString]
  /// Whether the model is the text model of something larger.
  private let isInside: Bool
  /// Where the body's tensors are: the family's prefix, or nothing.
  let body: Weights

  /// The checkpoint of a directory.
  ///
  /// - Parameters:
  ///   - prefixes: what the body's tensors may begin with in files saved with a head.
  ///   - modules: the directories of dense layers, inside of `root`.
  ///   - isInside: whether the model is the text model of something larger.
  init(
    _ directory: ModelDirectory, prefixes: [String], modules names: [String] = [],
    of root: ModelDirectory, isInside: Bool = false
  ) throws(HubError) {
    main = try directory.weights()
    var modules: [String: StoredWeights] = [:]
    for name in names { modules[name] = try root.subdirectory(name).weights() }
    self.modules = modules
    var aliases: [ByteString: ByteString] = [:]
    var known = main.tensors.map(\.name)
    if isInside {
      for name in known {
        if let own = TextConfiguration.ownName(name), own != name { aliases[own] = name }
      }
      known = Array(aliases.keys)
    }
    let prefix = prefixes.first { prefix in
      let start = ByteString(prefix + ".").bytes
      return known.contains { $0.bytes.starts(with: start) }
    }
    body = Weights(prefix ?? "", of: main)
    self.isInside = isInside
    for tensor in main.tensors {
      for (old, new) in [
        ("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"),
      ]
      where tensor.name.bytes.ends(with: old.utf8) {
        let stem = tensor.name.bytes.dropLast(old.utf8.count)
        aliases[ByteString(Array(stem) + Array(new.utf8))] = tensor.name
      }
    }
    self.aliases = aliases
  }

  private func place(_ name: String) -> (StoredWeights, ByteString) {
    if let slash = name.utf8.lastIndex(of: UInt8(ascii: "/")),
      let module = modules[String(name[..<slash])]
    {
      return (module, ByteString(String(name[name.index(after: slash)...])))
    }
    let bytes = ByteString(name)
    return (main, main.tensor(bytes) == nil ? aliases[bytes] ?? bytes : bytes)
  }

  /// The shape that the file gives; throws `HubError` if it has no such tensor.
  public func shape(of name: String) throws -> [Int] {
    let (weights, stored) = place(name)
    guard let tensor = weights.tensor(stored) else {
      throw HubError(
        file: weights.path, key: printable(name.utf8), expected: "a tensor", found: "nothing")
    }
    return tensor.shape
  }

  /// bf16 or f16 where the file stores the tensor in that, else f32.
  public func element(of name: String) -> ElementType {
    let (weights, stored) = place(name)
    return weights.tensor(stored)?.type.element ?? .f32
  }

  /// The file of the directory that has it.
  public func file(of name: String) -> String { place(name).0.path }

  /// Reads elements from the file, in strips; throws `HubError` for what cannot be read.
  public func read(
    _ name: String, from start: Int, into buffer: UnsafeMutableBufferPointer<Float>
  ) throws {
    let (weights, stored) = place(name)
    try weights.readFloats(of: stored, from: start, into: buffer)
  }

  /// The first tensor that a program reads and the files do not have.
  func missing(of program: Program) -> String? {
    program.weights.map(\.name).first { name in
      let (weights, stored) = place(name)
      return weights.tensor(stored) == nil
    }
  }

  /// Whether a tensor is no part of the body, in a file that keeps the body apart.
  func isBesideBody(_ name: String) -> Bool {
    !body.path.isEmpty && !name.hasPrefix(body.path + ".")
  }

  /// Checks that the files hold exactly what `program` reads: every tensor, of its shape, and none
  /// besides those that `isUnused` says may lie there.
  func check(_ program: Program, isUnused: (String) -> Bool) throws(HubError) {
    var used: [String: Set<ByteString>] = [:]
    for (name, type) in program.weights {
      let (weights, stored) = place(name)
      _ = try weights.tensor(stored, shape: type.shape.compactMap(\.constant))
      used[weights.path, default: []].insert(stored)
    }
    func refuse(_ name: ByteString, in weights: StoredWeights) -> HubError {
      HubError(
        file: weights.path, key: printable(name.bytes), expected: "only tensors of the model",
        found: "a tensor that it does not have")
    }
    for name in main.unexpected(beyond: used[main.path] ?? []) {
      // Of something larger only the text model's tensors are this model's.
      guard let own = isInside ? TextConfiguration.ownName(name) : name,
        !isUnused(own.utf8String)
      else { continue }
      throw refuse(name, in: main)
    }
    for (_, weights) in modules.sorted(by: { $0.key < $1.key }) {
      if let name = weights.unexpected(beyond: used[weights.path] ?? []).first {
        throw refuse(name, in: weights)
      }
    }
  }
}

extension StoredType {
  /// The type in the IR that has all its values: bf16 and f16 for themselves, and f32 for what is read
  /// as that.
  var element: ElementType { self == .bf16 ? .bf16 : self == .f16 ? .f16 : .f32 }
}

extension Program {
  /// The program with each weight in the type in which `source` has it, widened to the f32 that it was
  /// read as: so passes see that a weight need not be f32 to be exact.
  func storing(as source: some WeightSource) throws(IRError) -> Program {
    var program = self
    for index in program.entries.indices {
      let entry = program.entries[index]
      var graph = Graph()
      var copies: [NodeID] = []
      for node in entry.graph.nodes {
        var op = node.op.map { copies[$0.index] }
        if case .weight(let name, let type) = op, type.element == .f32 {
          let stored = TensorType(source.element(of: name), type.shape)
          op = .weight(name: name, type: stored)
          if stored.element != .f32 {
            op = .cast(try graph.append(op, scope: node.scope), to: .f32)
          }
        }
        copies.append(try graph.append(op, scope: node.scope))
      }
      program.entries[index].graph = graph
      for number in entry.outputs.indices {
        program.entries[index].outputs[number].value = copies[entry.outputs[number].value.index]
      }
      for number in entry.successors.indices {
        program.entries[index].successors[number].value =
          copies[entry.successors[number].value.index]
      }
    }
    return program
  }
}

extension [UInt8] {
  fileprivate func ends(with suffix: String.UTF8View) -> Bool {
    count >= suffix.count && self[(count - suffix.count)...].elementsEqual(suffix)
  }
}
