import BurinHub
import BurinIR
import CBurin
import Glibc

/// A copy of a library whose entries time their kernels; it has the weights of the original.
public final class ProfiledModel {
  /// The copy.
  public let model: CompiledModel
  private let directory: String

  /// What one kernel took.
  public struct Lap: Hashable, Sendable {
    /// Its name in the emitted C.
    public let kernel: String
    /// How often it ran.
    public let calls: Int
    /// How long it took in all.
    public let seconds: Double
  }

  /// Compiles the program that a library carries once more, for the same instructions and types.
  ///
  /// - Throws: `HubError` if the library carries none, or other weights than its program asks for.
  public init(of original: CompiledModel) throws {
    let file = original.file
    let description = try ModelDescription(library: file)
    guard let text = description.program else {
      throw HubError(
        file: file.path, expected: "the program that it was compiled from", found: "none")
    }
    let target = file.target
    let compiler = Compiler(
      options: Compiler.Options(
        target: target, precision: description.precision, cacheType: description.cacheType,
        schedules: description.schedules))
    let module = try compiler.lower(Program(text: text), isTimed: true).module
    guard module.weights.bytes == file.weightsSize else {
      throw HubError(
        file: file.path, expected: "\(module.weights.bytes) bytes of weights",
        found: "\(file.weightsSize): another version of Burin compiled it")
    }
    let image = try Toolchain.find().build(
      [Toolchain.Source("model.c", Array(module.source.utf8))], target: target)
    directory = try Files.makeTemporaryDirectory()
    do {
      let path = directory + "/profiled.so"
      try LibraryFile.write(
        to: path, image: image, target: target, description: file.description, sharing: file)
      model = try CompiledModel(path)
    } catch {
      Leftovers.removeDirectory(directory)
      throw error
    }
  }

  deinit { Leftovers.removeDirectory(directory) }

  /// What each kernel has taken since the last time that this was asked, in the order of the C.
  public func takeLaps() -> [Lap] { model.takeLaps() }
}

extension CompiledModel {
  /// What each kernel has taken since the last time that this was asked, in the order of the C; empty
  /// if the library does not time its kernels.
  func takeLaps() -> [ProfiledModel.Lap] {
    typealias Function = @convention(c) (UnsafeMutablePointer<UnsafeMutableRawPointer?>) -> Int32
    guard let symbol = interface.symbol("burin_laps") else { return [] }
    var records: UnsafeMutableRawPointer?
    let count = unsafeBitCast(symbol, to: Function.self)(&records)
    guard let records else { return [] }
    // `struct lap` of Runtime/kernels/laps.h: a pointer, an integer and a double.
    return (0..<Int(count)).map { index in
      let record = records + index * 24
      let name = record.load(as: UnsafePointer<CChar>.self)
      defer { record.storeBytes(of: 0, toByteOffset: 8, as: Int64.self) }
      defer { record.storeBytes(of: 0, toByteOffset: 16, as: Double.self) }
      return ProfiledModel.Lap(
        kernel: String(cString: name),
        calls: Int(record.load(fromByteOffset: 8, as: Int64.self)),
        seconds: record.load(fromByteOffset: 16, as: Double.self))
    }
  }
}
