/// A JSON value (RFC 8259) whose strings are bytes and whose integers are exact.
public enum JSON: Sendable, Hashable {
  /// `null`.
  case null
  /// `true` or `false`.
  case bool(Bool)
  /// A number.
  case number(Number)
  /// A string's bytes, escapes resolved.
  case string(ByteString)
  /// The elements in order.
  case array([JSON])
  /// The members in the file's order.
  case object(JSONObject)

  /// A number: written without fraction or exponent and within 64 bits it stays an integer.
  public enum Number: Sendable, Hashable {
    /// An integer, exactly.
    case integer(Int64)
    /// Anything else, rounded to the nearest double; finite unless the reader was told otherwise.
    case real(Double)
  }
}

/// The members of a JSON object in the file's order, found by the bytes of their key in O(1).
public struct JSONObject: Sendable, Hashable, RandomAccessCollection {
  /// A key and its value.
  public struct Member: Sendable, Hashable {
    /// The key's bytes.
    public var key: ByteString
    /// The value.
    public var value: JSON

    /// A member of an object.
    public init(_ key: ByteString, _ value: JSON) {
      self.key = key
      self.value = value
    }
  }

  /// One reference, so that a `JSON` takes 16 bytes.
  private final class Storage: Sendable {
    let members: [Member]
    let index: KeyIndex

    init(members: [Member], index: KeyIndex) {
      self.members = members
      self.index = index
    }
  }

  private let storage: Storage

  /// The object of these members; of members with one key the last value counts, at the place of
  /// the first.
  public init(_ members: [Member]) {
    var (index, repeated) = KeyIndex.build(members.count) { members[$0].key }
    var kept = members
    if let repeated {
      kept = Array(members[..<repeated])
      var places = [ByteString: Int](uniqueKeysWithValues: kept.enumerated().map { ($1.key, $0) })
      for member in members[repeated...] {
        if let place = places[member.key] {
          kept[place].value = member.value
        } else {
          places[member.key] = kept.count
          kept.append(member)
        }
      }
      index = KeyIndex.build(kept.count) { kept[$0].key }.index
    }
    self.storage = Storage(members: kept, index: index)
  }

  /// Members that are known to have distinct keys, and their index.
  init(distinct members: [Member], index: KeyIndex) {
    self.storage = Storage(members: members, index: index)
  }

  /// The value of a key, or nil; compares bytes.
  public subscript(key: ByteString) -> JSON? {
    let members = storage.members
    let place = storage.index.find(key, among: members.count) { members[$0].key }
    return place.map { members[$0].value }
  }

  /// The members in order.
  public var members: [Member] { storage.members }

  /// The place of the first member: 0.
  public var startIndex: Int { 0 }

  /// The number of members.
  public var endIndex: Int { storage.members.count }

  /// The member at a place.
  public subscript(position: Int) -> Member { storage.members[position] }

  /// Whether both have the same members in the same order.
  public static func == (left: JSONObject, right: JSONObject) -> Bool {
    left.members == right.members
  }

  /// Feeds the members to a hasher.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(members)
  }
}

/// Where each key of an object stands: an open-addressed table, or nothing for a small object.
struct KeyIndex: Sendable {
  /// Objects up to this size are searched member by member.
  private static let small = 8

  /// Member number + 1 by hash; 0 is a free slot; the size is a power of two.
  private let slots: [UInt32]

  /// The index of `count` keys and the number of the first one that came before.
  static func build(
    _ count: Int, key: (Int) -> ByteString
  ) -> (index: KeyIndex, repeated: Int?) {
    if count <= small {
      for later in 0..<count {
        for earlier in 0..<later where key(earlier) == key(later) {
          return (KeyIndex(slots: []), later)
        }
      }
      return (KeyIndex(slots: []), nil)
    }
    var size = 32
    while size < count * 2 { size *= 2 }
    var slots = [UInt32](repeating: 0, count: size)
    for number in 0..<count {
      let name = key(number)
      var slot = name.hashValue & (size - 1)
      while slots[slot] != 0 {
        if key(Int(slots[slot]) - 1) == name { return (KeyIndex(slots: slots), number) }
        slot = (slot + 1) & (size - 1)
      }
      slots[slot] = UInt32(number + 1)
    }
    return (KeyIndex(slots: slots), nil)
  }

  /// The number of a key among the `count` that the index was built of.
  func find(_ name: ByteString, among count: Int, key: (Int) -> ByteString) -> Int? {
    if slots.isEmpty { return (0..<count).first { key($0) == name } }
    var slot = name.hashValue & (slots.count - 1)
    while slots[slot] != 0 {
      let number = Int(slots[slot]) - 1
      if key(number) == name { return number }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }
}

// MARK: - Looking inside

extension JSON {
  /// The members when this is an object.
  public var object: JSONObject? {
    guard case .object(let object) = self else { return nil }
    return object
  }

  /// The elements when this is an array.
  public var array: [JSON]? {
    guard case .array(let elements) = self else { return nil }
    return elements
  }

  /// The bytes when this is a string.
  public var string: ByteString? {
    guard case .string(let string) = self else { return nil }
    return string
  }

  /// The truth value when this is one.
  public var bool: Bool? {
    guard case .bool(let bool) = self else { return nil }
    return bool
  }

  /// The integer when this is a number written as one that fits 64 bits.
  public var int: Int? {
    guard case .number(.integer(let integer)) = self else { return nil }
    return Int(integer)
  }

  /// The number, an integer rounded to the nearest double.
  public var double: Double? {
    switch self {
    case .number(.integer(let integer)): Double(integer)
    case .number(.real(let real)): real
    default: nil
    }
  }

  /// Whether this is `null`.
  public var isNull: Bool {
    if case .null = self { true } else { false }
  }

  /// The value of a key when this is an object that has it.
  public subscript(key: ByteString) -> JSON? {
    object?[key]
  }

  /// What this is, for a message: short, one line.
  public var summary: String {
    switch self {
    case .null: "null"
    case .bool(let bool): bool ? "true" : "false"
    case .number(.integer(let integer)): String(integer)
    case .number(.real(let real)): "\(real)"
    case .string(let string): string.description
    case .array(let elements): "an array of \(elements.count)"
    case .object(let object): "an object of \(object.count) keys"
    }
  }
}

// MARK: - Building

extension JSON: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  /// `null`.
  public init(nilLiteral: ()) { self = .null }

  /// `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }

  /// An integer.
  public init(integerLiteral value: Int64) { self = .number(.integer(value)) }

  /// A double.
  public init(floatLiteral value: Double) { self = .number(.real(value)) }

  /// A string.
  public init(stringLiteral value: StaticString) {
    self = .string(ByteString(stringLiteral: value))
  }

  /// An array of these values.
  public init(arrayLiteral elements: JSON...) { self = .array(elements) }

  /// An object with these members, in this order.
  public init(dictionaryLiteral elements: (ByteString, JSON)...) {
    self = .object(JSONObject(elements.map { JSONObject.Member($0, $1) }))
  }

  /// An integer.
  public init(_ value: Int) { self = .number(.integer(Int64(value))) }

  /// A double.
  public init(_ value: Double) { self = .number(.real(value)) }

  /// A float by its shortest decimal, so that it is written with at most nine digits.
  public init(_ value: Float) {
    self = .number(.real(value.isFinite ? Double("\(value)") ?? Double(value) : Double(value)))
  }

  /// A string's UTF-8 bytes.
  public init(_ value: String) { self = .string(ByteString(value)) }

  /// A truth value.
  public init(_ value: Bool) { self = .bool(value) }

  /// The value, or null for nil.
  public init(_ value: JSON?) { self = value ?? .null }
}
