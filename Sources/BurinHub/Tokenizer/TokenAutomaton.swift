/// Finds all of many tokens in one pass over a text (Aho and Corasick, 1975).
///
/// A state is the longest end of the text so far that a token begins with; each byte moves from
/// state to state, and every state knows the tokens that end there. The time does not depend on how
/// long the tokens are.
struct TokenAutomaton: Sendable {
  /// What a state knows; the root is state 0.
  private struct Node: Sendable {
    /// How many bytes lead here.
    var depth: Int32 = 0
    /// The state of the longest proper suffix.
    var failure: Int32 = 0
    /// The longest token that ends here, or -1.
    var output: Int32 = -1
  }

  private var nodes = [Node()]
  /// Children by parent and byte in an open-addressed table: the parent's number and the byte in
  /// the high half, the child in the low one; 0 is free.
  private var slots = [UInt64](repeating: 0, count: 64)
  /// The children of the root, 0 for none, where nearly all text falls through.
  private var roots = [Int32](repeating: 0, count: 256)
  /// By token: its length in bytes and the longest other token that ends where it does, or -1.
  private var tokens: [(length: Int32, suffix: Int32)] = []

  /// Tokens have fewer bytes than this altogether: a state and a byte fit in 32 bits.
  static let limit = 1 << 24

  /// Whether nothing can be found.
  var isEmpty: Bool { nodes.count == 1 }

  /// Adds a token, unless it is empty; of equal ones the last counts when `replaces`, else the
  /// first.
  ///
  /// - Parameter token: its number; numbers are to be small, for they index a table.
  mutating func insert(
    _ bytes: some RandomAccessCollection<UInt8>, _ token: Int32, replaces: Bool = false
  ) {
    precondition(nodes.count + bytes.count <= TokenAutomaton.limit)
    guard !bytes.isEmpty else { return }
    var node: Int32 = 0
    for byte in bytes {
      var child = self.child(node, byte)
      if child == 0 {
        child = Int32(nodes.count)
        nodes.append(Node(depth: nodes[Int(node)].depth + 1))
        if node == 0 { roots[Int(byte)] = child }
        if nodes.count * 2 > slots.count { grow() }
        TokenAutomaton.insert(
          UInt64(TokenAutomaton.key(node, byte)) << 32 | UInt64(UInt32(bitPattern: child)),
          &slots)
      }
      node = child
    }
    guard nodes[Int(node)].output < 0 || replaces else { return }
    nodes[Int(node)].output = token
    while tokens.count <= Int(token) { tokens.append((0, -1)) }
    tokens[Int(token)].length = Int32(bytes.count)
  }

  /// Makes the links by which a search goes on after a byte that fits no child; call it once, after
  /// the last insertion.
  mutating func link() {
    // Parents before children: a state's failure is less deep than the state.
    var byDepth = slots.filter { $0 != 0 }
    byDepth.sort { nodes[Int($0 & 0xFFFF_FFFF)].depth < nodes[Int($1 & 0xFFFF_FFFF)].depth }
    for slot in byDepth {
      let child = Int(slot & 0xFFFF_FFFF)
      let parent = nodes[Int(slot >> 40)]
      if parent.depth > 0 {
        nodes[child].failure = step(parent.failure, UInt8(truncatingIfNeeded: slot >> 32))
      }
      let longest = nodes[Int(nodes[child].failure)].output
      if nodes[child].output < 0 {
        nodes[child].output = longest
      } else {
        tokens[Int(nodes[child].output)].suffix = longest
      }
    }
  }

  // MARK: Searching

  /// The state that a byte leads to.
  @inline(__always)
  func step(_ state: Int32, _ byte: UInt8) -> Int32 {
    var node = state
    while node != 0 {
      let child = child(node, byte)
      if child != 0 { return child }
      node = nodes[Int(node)].failure
    }
    return roots[Int(byte)]
  }

  /// Whether a byte leads on from the root.
  @inline(__always)
  func begins(_ byte: UInt8) -> Bool { roots[Int(byte)] != 0 }

  /// How many bytes of the text a state is about.
  @inline(__always)
  func depth(_ state: Int32) -> Int { Int(nodes[Int(state)].depth) }

  /// The longest token that ends in a state, or -1.
  @inline(__always)
  func token(_ state: Int32) -> Int32 { nodes[Int(state)].output }

  /// The next shorter token that ends where a token does, or -1.
  @inline(__always)
  func shorter(_ token: Int32) -> Int32 { tokens[Int(token)].suffix }

  /// A token's length in bytes.
  @inline(__always)
  func length(_ token: Int32) -> Int { Int(tokens[Int(token)].length) }

  // MARK: Children

  @inline(__always)
  private static func key(_ node: Int32, _ byte: UInt8) -> UInt32 {
    UInt32(bitPattern: node) << 8 | UInt32(byte)
  }

  @inline(__always)
  private static func place(_ key: UInt32, _ count: Int) -> Int {
    Int(truncatingIfNeeded: (UInt64(key) &* 0x9E37_79B9_7F4A_7C15) >> 24) & (count - 1)
  }

  @inline(__always)
  private func child(_ node: Int32, _ byte: UInt8) -> Int32 {
    let key = TokenAutomaton.key(node, byte)
    var place = TokenAutomaton.place(key, slots.count)
    while slots[place] != 0 {
      if slots[place] >> 32 == UInt64(key) {
        return Int32(truncatingIfNeeded: slots[place] & 0xFFFF_FFFF)
      }
      place = (place + 1) & (slots.count - 1)
    }
    return 0
  }

  private static func insert(_ slot: UInt64, _ slots: inout [UInt64]) {
    var place = place(UInt32(slot >> 32), slots.count)
    while slots[place] != 0 { place = (place + 1) & (slots.count - 1) }
    slots[place] = slot
  }

  private mutating func grow() {
    var larger = [UInt64](repeating: 0, count: slots.count * 2)
    for slot in slots where slot != 0 { TokenAutomaton.insert(slot, &larger) }
    slots = larger
  }
}
