/// A table of text: a header and rows of as many fields (RFC 4180), with commas, semicolons or tabs
/// between the fields, whichever the header has first.
public struct CSVTable: Sendable {
  /// The file's path, for messages.
  public let file: String
  /// The names of the columns.
  public let header: [String]
  /// The fields, row by row.
  public let rows: [[String]]
  private let lines: [Int]

  /// Reads a file of at most 1 GiB; empty lines are passed over.
  ///
  /// - Throws: `HubError` that names the line, and what was expected and found there.
  public init(path: String) throws(HubError) {
    try self.init(RegularFile(path: path).contents(limit: 1 << 30), file: path)
  }

  /// Reads a table from memory.
  public init(_ bytes: [UInt8], file: String) throws(HubError) {
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    var reader = CSVReader(bytes: bytes, place: start, file: file)
    guard let first = try reader.row() else {
      throw HubError(file: file, expected: "a header and rows", found: "nothing")
    }
    var seen: Set<ByteString> = []
    for name in first.fields where !seen.insert(ByteString(name)).inserted {
      throw HubError(
        file: file, key: "line \(first.line)", expected: "columns of different names",
        found: "\(ByteString(name)) twice")
    }
    var rows: [[String]] = []
    var lines: [Int] = []
    while let row = try reader.row() {
      guard row.fields.count == first.fields.count else {
        throw HubError(
          file: file, key: "line \(row.line)",
          expected: "\(first.fields.count) fields, as in the header", found: "\(row.fields.count)")
      }
      rows.append(row.fields)
      lines.append(row.line)
    }
    self.file = file
    header = first.fields
    self.rows = rows
    self.lines = lines
  }

  /// The place of a column.
  public func column(named name: String) throws(HubError) -> Int {
    guard let place = header.firstIndex(where: { $0.utf8.elementsEqual(name.utf8) }) else {
      throw HubError(
        file: file, key: "column \(ByteString(name))",
        expected: "one of " + header.map { "\(ByteString($0))" }.joined(separator: ", "),
        found: "none of this name")
    }
    return place
  }

  /// The line of the file on which a row begins, counted from 1.
  public func line(of row: Int) -> Int { lines[row] }

  /// A column's numbers; `nil` where nothing stands, or `NA`, `NaN` or `null`.
  public func numbers(in column: Int) throws(HubError) -> [Float?] {
    var numbers: [Float?] = []
    numbers.reserveCapacity(rows.count)
    for (row, line) in zip(rows, lines) {
      let text = trimmed(row[column])
      if text.isEmpty || ["na", "nan", "null"].contains(text.lowercased()) {
        numbers.append(nil)
        continue
      }
      guard let value = number(text), Float(value).isFinite else {
        throw HubError(
          file: file, key: "line \(line), column \(ByteString(header[column]))",
          expected: "a number that f32 can hold, or nothing", found: "\(ByteString(row[column]))")
      }
      numbers.append(Float(value))
    }
    return numbers
  }

  /// The column that says when each row was: the first one, if its name says so or it does not begin
  /// with a number.
  public var index: Int? {
    let names = ["", "date", "day", "time", "datetime", "timestamp", "index"]
    let isNamed = names.contains(trimmed(header[0]).lowercased())
    let first = rows.first.map { trimmed($0[0]) } ?? ""
    return isNamed || (!first.isEmpty && number(first) == nil) ? 0 : nil
  }

  /// A decimal number with a point; neither hexadecimal nor infinite ones, which Swift reads too.
  private func number(_ text: String) -> Double? {
    guard text.utf8.allSatisfy({ (48...57).contains($0) || [43, 45, 46, 69, 101].contains($0) })
    else { return nil }
    return Double(text)
  }

  private func trimmed(_ text: String) -> String {
    let isSpace = { (byte: UInt8) in byte == 32 || byte == 9 }
    let front = text.utf8.drop(while: isSpace)
    let count = front.count - front.reversed().prefix(while: isSpace).count
    return String(decoding: front.prefix(count), as: UTF8.self)
  }
}

/// A place in a file that is read row by row.
private struct CSVReader {
  let bytes: [UInt8]
  var place: Int
  let file: String
  private var line = 1
  private var separator: UInt8?

  init(bytes: [UInt8], place: Int, file: String) {
    self.bytes = bytes
    self.place = place
    self.file = file
  }

  /// The next row that is not empty, and the line on which it begins; `nil` at the end.
  mutating func row() throws(HubError) -> (fields: [String], line: Int)? {
    while place < bytes.count, endOfLine() {}
    guard place < bytes.count else { return nil }
    let first = line
    var fields: [String] = []
    while true {
      fields.append(try field())
      guard place < bytes.count, !endOfLine() else { return (fields, first) }
      place += 1
    }
  }

  /// Goes over an end of line, if one is here.
  private mutating func endOfLine() -> Bool {
    let isPair = bytes[place] == 13 && place + 1 < bytes.count && bytes[place + 1] == 10
    guard isPair || bytes[place] == 10 else { return false }
    place += isPair ? 2 : 1
    line += 1
    return true
  }

  /// Whether a field ends here; the first separator of the file is the one for all.
  private mutating func endsField() -> Bool {
    guard place < bytes.count else { return true }
    let byte = bytes[place]
    if separator == nil, [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")].contains(byte) {
      separator = byte
    }
    if byte == separator || byte == 10 { return true }
    return byte == 13 && place + 1 < bytes.count && bytes[place + 1] == 10
  }

  private mutating func field() throws(HubError) -> String {
    guard place < bytes.count, bytes[place] == UInt8(ascii: "\"") else {
      let start = place
      while !endsField() { place += 1 }
      return try text(Array(bytes[start..<place]))
    }
    let opening = line
    var content: [UInt8] = []
    place += 1
    while true {
      guard place < bytes.count else {
        throw error("line \(opening)", "a closing quote", "the end of the file")
      }
      let byte = bytes[place]
      place += 1
      if byte == UInt8(ascii: "\"") {
        guard place < bytes.count, bytes[place] == byte else { break }
        place += 1
      } else if byte == 10 {
        line += 1
      }
      content.append(byte)
    }
    guard endsField() else {
      throw error("line \(line)", "the end of a field after a quote", "more text")
    }
    return try text(content)
  }

  private func text(_ content: [UInt8]) throws(HubError) -> String {
    guard let text = String(validating: content, as: UTF8.self) else {
      throw error("line \(line)", "UTF-8", "\(ByteString(content))")
    }
    return text
  }

  private func error(_ key: String, _ expected: String, _ found: String) -> HubError {
    HubError(file: file, key: key, expected: expected, found: found)
  }
}
