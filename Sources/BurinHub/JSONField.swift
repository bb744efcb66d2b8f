/// A place in a JSON file that knows its name: reading it wrongly says which file and which key.
///
/// `null` counts as absent, as it does in the files that transformers writes.
public struct JSONField: Sendable {
  /// The file's path, for messages.
  public let file: String
  /// The way from the root, such as `rope_scaling.factor` or `layers[3]`; empty at the root.
  public let path: String
  /// What stands there, or nil when nothing or `null` does.
  public let value: JSON?

  /// The root of a file's value.
  public init(_ value: JSON, file: String, path: String = "") {
    self.init(file: file, path: path, value: value)
  }

  private init(file: String, path: String, value: JSON?) {
    self.file = file
    self.path = path
    self.value = value == .null ? nil : value
    isNull = value == .null
  }

  /// Whether something other than `null` stands here.
  public var exists: Bool { value != nil }

  /// Whether `null` stands here, which some keys tell from being absent.
  public let isNull: Bool

  /// The member of an object; absent when this is absent or no object.
  public subscript(key: ByteString) -> JSONField {
    let name = printable(key.bytes)
    return JSONField(
      file: file, path: path.isEmpty ? name : path + "." + name, value: value?[key])
  }

  /// The element of an array; absent when this is no array or shorter.
  public subscript(index: Int) -> JSONField {
    let elements = value?.array ?? []
    return JSONField(
      file: file, path: "\(path)[\(index)]",
      value: elements.indices.contains(index) ? elements[index] : nil)
  }

  /// An error that says what this place should have held.
  public func error(expected: String) -> HubError {
    HubError(file: file, key: path, expected: expected, found: value?.summary ?? "nothing")
  }

  // MARK: Typed access

  /// An integer within bounds.
  public func int(in range: ClosedRange<Int> = Int.min...Int.max) throws(HubError) -> Int {
    guard let int = value?.int, range.contains(int) else {
      let bounds =
        range == Int.min...Int.max ? "" : " from \(range.lowerBound) to \(range.upperBound)"
      throw error(expected: "an integer" + bounds)
    }
    return int
  }

  /// An integer within bounds, or `absent` when nothing stands here.
  public func int(
    in range: ClosedRange<Int> = Int.min...Int.max, default absent: Int
  ) throws(HubError) -> Int {
    exists ? try int(in: range) : absent
  }

  /// A finite number within closed bounds.
  public func double(
    in range: ClosedRange<Double> =
      -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
  ) throws(HubError) -> Double {
    guard let double = value?.double, range.contains(double) else {
      let all = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
      let bounds = range == all ? "" : " from \(range.lowerBound) to \(range.upperBound)"
      throw error(expected: "a finite number" + bounds)
    }
    return double
  }

  /// A finite number within closed bounds, or `absent` when nothing stands here.
  public func double(
    in range: ClosedRange<Double> =
      -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude,
    default absent: Double
  ) throws(HubError) -> Double {
    exists ? try double(in: range) : absent
  }

  /// A finite number greater than `bound`.
  public func double(above bound: Double) throws(HubError) -> Double {
    guard let double = value?.double, double > bound, double.isFinite else {
      throw error(expected: "a finite number above \(bound)")
    }
    return double
  }

  /// A finite number greater than `bound`, or `absent` when nothing stands here.
  public func double(above bound: Double, default absent: Double) throws(HubError) -> Double {
    exists ? try double(above: bound) : absent
  }

  /// `true` or `false`.
  public func bool() throws(HubError) -> Bool {
    guard let bool = value?.bool else { throw error(expected: "true or false") }
    return bool
  }

  /// `true` or `false`, or `absent` when nothing stands here.
  public func bool(default absent: Bool) throws(HubError) -> Bool {
    exists ? try bool() : absent
  }

  /// `true` or `false`, or `absent` when nothing stands here; `null` is false, as `None` is to Python.
  public func flag(default absent: Bool) throws(HubError) -> Bool {
    isNull ? false : try bool(default: absent)
  }

  /// A string's bytes.
  public func string() throws(HubError) -> ByteString {
    guard let string = value?.string else { throw error(expected: "a string") }
    return string
  }

  /// A string's bytes, or `absent` when nothing stands here.
  public func string(default absent: ByteString) throws(HubError) -> ByteString {
    exists ? try string() : absent
  }

  /// One of the strings listed, or an error that lists them.
  public func string(oneOf known: [ByteString]) throws(HubError) -> ByteString {
    guard let string = value?.string, known.contains(string) else {
      throw error(expected: "one of " + known.map(\.description).joined(separator: ", "))
    }
    return string
  }

  /// The elements of an array.
  public func array() throws(HubError) -> [JSONField] {
    guard let elements = value?.array else { throw error(expected: "an array") }
    return elements.enumerated().map { number, element in
      JSONField(file: file, path: "\(path)[\(number)]", value: element)
    }
  }

  /// The members of an object in order; those that are `null` count as absent fields.
  public func members() throws(HubError) -> [(key: ByteString, field: JSONField)] {
    guard let object = value?.object else { throw error(expected: "an object") }
    return object.map { member in
      let name = printable(member.key.bytes)
      return (
        member.key,
        JSONField(file: file, path: path.isEmpty ? name : path + "." + name, value: member.value)
      )
    }
  }
}
