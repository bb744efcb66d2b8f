import BurinHub
import BurinIR
import CBurin
import Glibc
import Synchronization

/// A compiled library that has been loaded. Everything about its file is checked before any of its
/// code runs.
public final class CompiledModel: Sendable {
  /// The model's name.
  public let name: String
  /// The extents that change from call to call, and how large each may become.
  public let symbols: [(name: String, maximum: Int)]
  /// What the model can do.
  public let entries: [Entry]
  /// Whether its sessions remember sequences.
  public let hasStates: Bool
  /// The file that it came from.
  public let file: LibraryFile

  /// One thing that a model can do: `forward`, `encode`, `step`.
  public struct Entry: Sendable, Hashable {
    /// What `run` calls it.
    public let name: String
    /// What it takes, in the order of the model's forward call.
    public let inputs: [Port]
    /// What it gives, in order.
    public let outputs: [Port]
  }

  /// An input or an output.
  public struct Port: Sendable, Hashable {
    /// Its name in transformers' forward call.
    public let name: String
    /// The type of its elements; integers may be given as i32 or i64, whichever this is.
    public let element: ElementType
    /// Its extents, outermost first.
    public let shape: [Extent]
    /// Whether a call may leave it out.
    public let isOptional: Bool
    /// The values that an integer input may have.
    public let range: ClosedRange<Int>
  }

  /// How long an axis is.
  public enum Extent: Sendable, Hashable {
    /// Always this long.
    case fixed(Int)
    /// The value of a symbol.
    case symbol(String)
    /// Something that follows from several symbols, at most this long.
    case computed(maximum: Int)
  }

  let interface: LibraryInterface
  private let shared = Mutex<Session?>(nil)

  /// Checks and loads a library.
  ///
  /// - Throws: `HubError` for a file that is not, or no longer, a library for this machine;
  ///   `ToolError` if libomp is missing; `ModelError` if the library refuses.
  public init(_ path: String) throws {
    file = try LibraryFile(path)
    interface = try LibraryInterface(path)
    guard let model = interface.describe()?.pointee else { throw interface.error(BURIN_BAD_FILE) }
    func text(_ pointer: UnsafePointer<CChar>?) -> String {
      pointer.map { String(cString: $0) } ?? ""
    }
    let symbols = (0..<Int(model.symbol_count)).map { index in
      (name: text(model.symbols[index].name), maximum: Int(model.symbols[index].maximum))
    }
    func port(_ port: burin_port) -> Port {
      let extents = withUnsafeBytes(of: port.extents) {
        Array($0.bindMemory(to: burin_extent.self).prefix(Int(port.rank)))
      }
      return Port(
        name: text(port.name), element: ElementType(interfaceCode: port.type) ?? .u8,
        shape: extents.map { extent in
          switch extent.symbol {
          case BURIN_FIXED: .fixed(Int(extent.size))
          case BURIN_COMPUTED: .computed(maximum: Int(extent.size))
          default: .symbol(symbols[Int(extent.symbol)].name)
          }
        },
        isOptional: port.optional != 0,
        range: Int(port.lower)...max(Int(port.lower), Int(port.upper)))
    }
    self.symbols = symbols
    entries = (0..<Int(model.entry_count)).map { index in
      let entry = model.entries[index]
      return Entry(
        name: text(entry.name),
        inputs: (0..<Int(entry.input_count)).map { port(entry.inputs[$0]) },
        outputs: (0..<Int(entry.output_count)).map { port(entry.outputs[$0]) })
    }
    name = text(model.name)
    hasStates = model.has_states != 0
  }

  /// The entry of this name.
  public func entry(_ name: String) -> Entry? { entries.first { $0.name == name } }

  /// Runs an entry in a session that the model keeps for such calls; callers take turns.
  ///
  /// - Parameters:
  ///   - inputs: by name; those that the model can do without may be absent. Shapes are those of the
  ///     entry's ports, with any value up to its maximum for each symbol.
  ///   - entry: `forward` unless said otherwise.
  /// - Returns: the outputs by name, in memory of their own.
  /// - Throws: `ModelError` for an entry that there is not, an input that does not fit, or no memory.
  public func run(
    _ inputs: [String: HostTensor], entry: String = "forward"
  ) throws -> [String: HostTensor] {
    let session = try shared.withLock { shared in
      if let session = shared { return session }
      let session = try Session(self)
      shared = session
      return session
    }
    return try session.run(entry, inputs)
  }
}

/// Why a loaded model refused something, in one line.
public struct ModelError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What kind of fault it is.
  public enum Kind: Hashable, Sendable {
    /// An entry, symbol or sequence that there is not (64).
    case misuse
    /// An input that does not fit (65).
    case badInput
    /// The system refused the memory (70).
    case noMemory
    /// The library's file or its weights are damaged (65).
    case badFile
    /// A sequence has reached the end of its context (65).
    case contextFull
  }

  /// Which kind of fault this is.
  public let kind: Kind
  /// One line that names the input or the sequence, what was expected and what was found.
  public let description: String
}

/// The functions of one loaded library.
final class LibraryInterface: Sendable {
  private typealias Describe = @convention(c) () -> UnsafePointer<burin_model>?
  private typealias ErrorText = @convention(c) () -> UnsafePointer<CChar>?
  typealias Create =
    @convention(c) (UnsafePointer<burin_options>?, UnsafeMutablePointer<OpaquePointer?>?) -> Int32
  typealias Free = @convention(c) (OpaquePointer?) -> Void
  typealias Run =
    @convention(c) (
      OpaquePointer?, UnsafePointer<CChar>?, UnsafePointer<burin_tensor>?, Int32,
      UnsafeMutablePointer<burin_tensor>?, Int32
    ) -> Int32
  typealias Length = @convention(c) (OpaquePointer?, Int64, UnsafeMutablePointer<Int64>?) -> Int32
  typealias Truncate = @convention(c) (OpaquePointer?, Int64, Int64) -> Int32
  typealias Fork = @convention(c) (OpaquePointer?, Int64, Int64) -> Int32
  typealias Reorder = @convention(c) (OpaquePointer?, UnsafePointer<Int64>?, Int64) -> Int32

  private let describeFunction: Describe
  private let errorText: ErrorText
  let create: Create
  let free: Free
  let run: Run
  let length: Length
  let truncate: Truncate
  let fork: Fork
  let reorder: Reorder
  private let handle: UInt

  /// Loads a library that has been checked.
  init(_ path: String) throws {
    guard let spelling = LibraryInterface.spelling(of: path) else {
      throw HubError(.cannotRead, file: path, expected: "a file", found: "\"\(systemMessage())\"")
    }
    OpenMPRegistration.prepare()
    guard let handle = dlopen(spelling, RTLD_NOW | RTLD_LOCAL) else {
      let reason = printable(dlerror().map { String(cString: $0) } ?? "no reason was given")
      if reason.contains("libomp.so") {
        throw ToolError(.missing, "libomp is missing (apt install libomp5): \(reason)")
      }
      throw HubError(file: path, expected: "a library that can be loaded", found: reason)
    }
    func function<Function>(_ name: String, _ type: Function.Type) throws -> Function {
      guard let symbol = dlsym(handle, name) else {
        dlclose(handle)
        throw HubError(file: path, expected: "the function \(name)", found: "none")
      }
      return unsafeBitCast(symbol, to: type)
    }
    describeFunction = try function("burin_describe", Describe.self)
    errorText = try function("burin_error", ErrorText.self)
    create = try function("burin_session_create", Create.self)
    free = try function("burin_session_free", Free.self)
    run = try function("burin_run", Run.self)
    length = try function("burin_length", Length.self)
    truncate = try function("burin_truncate", Truncate.self)
    fork = try function("burin_fork", Fork.self)
    reorder = try function("burin_reorder", Reorder.self)
    self.handle = UInt(bitPattern: handle)
  }

  /// The address of a function that only some libraries have.
  func symbol(_ name: String) -> UnsafeMutableRawPointer? {
    UnsafeMutableRawPointer(bitPattern: handle).flatMap { dlsym($0, name) }
  }

  deinit { if let handle = UnsafeMutableRawPointer(bitPattern: handle) { dlclose(handle) } }

  func describe() -> UnsafePointer<burin_model>? { describeFunction() }

  /// The calling thread's latest error.
  func error(_ status: burin_status) -> ModelError { error(Int32(status.rawValue)) }

  func error(_ status: Int32) -> ModelError {
    let kind: ModelError.Kind =
      switch burin_status(rawValue: UInt32(bitPattern: status)) {
      case BURIN_BAD_INPUT: .badInput
      case BURIN_NO_MEMORY: .noMemory
      case BURIN_BAD_FILE: .badFile
      case BURIN_FULL: .contextFull
      default: .misuse
      }
    return ModelError(
      kind: kind, description: errorText().map { String(cString: $0) } ?? "status \(status)")
  }

  // MARK: The loader's idea of a name

  private struct Known {
    var device: UInt
    var inode: UInt
    var generation: Int
  }

  private static let known = Mutex<[String: Known]>([:])

  /// An absolute spelling of a path under which the loader finds the file that is there now: it
  /// knows what it has loaded by name, and would give the old library for the name of a new one.
  private static func spelling(of path: String) -> String? {
    var status = stat()
    guard let absolute = Files.resolved(path), stat(absolute, &status) == 0 else { return nil }
    let (device, inode) = (UInt(status.st_dev), UInt(status.st_ino))
    let generation = known.withLock { known in
      var entry = known[absolute] ?? Known(device: device, inode: inode, generation: 0)
      if entry.device != device || entry.inode != inode {
        entry = Known(device: device, inode: inode, generation: entry.generation + 1)
      }
      known[absolute] = entry
      return entry.generation
    }
    return String(repeating: "/.", count: generation) + absolute
  }
}
