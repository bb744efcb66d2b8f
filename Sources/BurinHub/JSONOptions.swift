/// Where and why some bytes are not JSON.
public struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
  /// What was expected.
  public var expected: String
  /// What was found.
  public var found: String
  /// The byte at which it was found, counted from 0.
  public var offset: Int
  /// The key that it is about when the text is JSON but not what it should say.
  public var key = ""

  /// `PLACE: expected WHAT, found WHAT`, where the place is the key, if it has one, or the byte.
  public var description: String {
    "\(key.isEmpty ? "at byte \(offset)" : key): expected \(expected), found \(found)"
  }

  /// The same about a file in which the text begins at byte `start`.
  public func inFile(_ file: String, from start: Int = 0) -> HubError {
    HubError(
      file: file, key: key.isEmpty ? "byte \(start + offset)" : key, expected: expected,
      found: found)
  }
}

extension JSON {
  /// What the reader lets pass beyond RFC 8259.
  public struct Options: Sendable {
    /// What to do with a key that occurs twice in one object.
    public enum Duplicates: Sendable {
      /// An error.
      case reject
      /// The last value counts, at the place of the first, as in Python's json.
      case keepLast
    }

    /// What to do with half of a surrogate pair, such as `\ud800`.
    public enum LoneSurrogates: Sendable {
      /// An error, as in the Rust readers of tokenizer.json.
      case reject
      /// U+FFFD in its place: such a string can be held, though never be matched by text.
      case replace
    }

    /// Keys that occur twice; rejected unless told otherwise.
    public var duplicates = Duplicates.reject
    /// Halves of surrogate pairs; rejected unless told otherwise.
    public var loneSurrogates = LoneSurrogates.reject
    /// Whether `NaN`, `Infinity` and `-Infinity`, which Python's json writes, are numbers.
    public var allowsNonFinite = false
    /// How many arrays and objects may stand inside each other.
    public var depth = 512

    /// RFC 8259 without duplicate keys.
    public init() {}

    /// What transformers writes and reads: Python's NaN and Infinity are numbers.
    public static var python: Options {
      var options = Options()
      options.duplicates = .keepLast
      options.loneSurrogates = .replace
      options.allowsNonFinite = true
      return options
    }
  }

  /// Reads one JSON text; throws with the offset of the first byte that is wrong.
  public static func parse(_ bytes: [UInt8], options: Options = Options()) throws(JSONError) -> JSON
  {
    try bytes.withUnsafeBufferPointer { buffer throws(JSONError) in
      try parse(UnsafeRawBufferPointer(buffer), options: options)
    }
  }

  /// Reads one JSON text out of memory that someone else owns.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer, options: Options = Options()
  ) throws(JSONError) -> JSON {
    var parser = JSONParser(bytes, options: options)
    return try parser.document()
  }
}
