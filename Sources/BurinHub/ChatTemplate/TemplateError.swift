/// Why a chat template cannot be read or followed: in which line, what was expected and what found.
struct TemplateError: Error, Hashable, Sendable {
  /// The template's line, counted from 1.
  var line: Int
  var expected: String
  var found: String

  init(_ line: Int, expected: String, found: String) {
    self.line = line
    self.expected = expected
    self.found = found
  }

  /// The same about a file in which the template stands.
  func inFile(_ file: String, key: String) -> HubError {
    HubError(
      file: file, key: (key.isEmpty ? "" : key + ", ") + "line \(line)", expected: expected,
      found: found)
  }
}

/// What a template may take, whoever wrote it.
enum TemplateLimits {
  /// Bytes of a template.
  static let source = 1 << 20
  /// Levels of statements and expressions inside each other, in the text and while it runs.
  static let depth = 120
  /// Elements that are looked at or made: values, characters, members.
  static let work = 10_000_000
  /// Characters of a text, and elements of a list.
  static let size = 1 << 22
}
