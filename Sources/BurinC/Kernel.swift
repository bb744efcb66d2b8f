import BurinIR

/// C for one operation on operands that lie in given places.
struct Kernel: Sendable {
  /// What the caller gives for one parameter of a kernel.
  enum Argument: Hashable, Sendable {
    /// An `int64_t` that follows from the symbols.
    case size(Dim)
    /// A pointer to an operand, `op.operands[index]`, at its offset.
    case operand(Int)
    /// A pointer to a result; a tuple has several.
    case result(Int)
    /// `char *`: scratch memory, aligned to 64 bytes.
    case workspace
    /// `char *`: the memory that the pages lie in.
    case pool
    /// `const int32_t *`: the pages of each sequence.
    case table
    /// `int64_t`: entries of the table per sequence.
    case tableStride
  }

  /// Static functions that it calls; their names begin with the kernel's.
  var helpers: [CFunction] = []
  /// `static void name(sizes, operands, results, workspace)`.
  var function: CFunction
  /// What stands for each parameter of `function`, in order.
  var arguments: [Argument]
  /// How many bytes of scratch memory it needs.
  var workspace: Dim = 0
  /// The headers of the runtime that it includes.
  var headers: [String] = []
}
