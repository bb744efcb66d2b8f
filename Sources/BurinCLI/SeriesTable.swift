import Burin
import BurinHub

/// The columns of a CSV file as a forecaster takes them.
struct SeriesTable {
  /// When the first and the last step of the past were, and those of the future.
  struct Labels {
    var past: (first: String, last: String)
    var future: [String]
  }

  /// The names of the columns that are predicted.
  let columns: [String]
  /// Whether the file says when its rows were.
  let hasIndex: Bool
  private let table: CSVTable
  private let steps: Int
  /// Row by row of the whole file, each channel.
  private let channels: [[Float?]]
  private let known: [Int]
  /// Where the past begins, and where the future does.
  private let start, end: Int

  /// Chooses the columns, by name or by what is left.
  ///
  /// - Throws: `HubError` if they do not fit the model.
  init(
    _ table: CSVTable, columns names: [String], features: [String], _ series: SeriesDescription
  ) throws {
    self.table = table
    steps = series.past
    let known = try features.map { try table.column(named: $0) }
    guard known.count == series.known else {
      throw HubError(
        file: table.file, key: "--feature",
        expected: "\(series.known) columns that the model knows beforehand",
        found: "\(known.count)")
    }
    let index = table.index
    let others = table.header.indices.filter { $0 != index && !known.contains($0) }
    let chosen = names.isEmpty ? others : try names.map { try table.column(named: $0) }
    guard chosen.count == series.channels else {
      let left = chosen.map { "\(ByteString(table.header[$0]))" }.joined(separator: ", ")
      throw HubError(
        file: table.file, key: "--column",
        expected: "the model's \(series.channels) columns to predict",
        found: chosen.isEmpty ? "none" : "\(chosen.count): \(left)")
    }
    let channels = try chosen.map { try table.numbers(in: $0) }
    let last = table.rows.indices.last { row in channels.contains { $0[row] != nil } }
    let end = last.map { $0 + 1 } ?? 0
    guard end >= series.past else {
      throw HubError(
        file: table.file,
        expected: "at least the \(series.past) rows of values that the model sees",
        found: "\(end)")
    }
    self.columns = chosen.map { table.header[$0] }
    hasIndex = index != nil
    self.channels = channels
    self.known = known
    self.end = end
    start = end - series.past
  }

  /// The past that the model sees, row by row.
  var past: [Float?] { (start..<end).flatMap { row in channels.map { $0[row] } } }

  /// The past of one channel.
  func values(of channel: Int) -> [Float?] { Array(channels[channel][start..<end]) }

  /// As many steps as the model can, and as the features of the file reach.
  func defaultHorizon(_ series: SeriesDescription) throws -> Int {
    guard !known.isEmpty else { return series.horizon }
    guard end < table.rows.count else {
      throw HubError(
        file: table.file, expected: "rows at the end that hold features and no values",
        found: "none")
    }
    return min(series.horizon, table.rows.count - end)
  }

  /// The features of the past, and of so many steps of the future.
  func features(_ steps: Int) throws -> (past: [Float], future: [Float]) {
    guard !known.isEmpty else { return ([], []) }
    guard (1...table.rows.count).contains(end + steps) else {
      throw HubError(
        file: table.file, expected: "\(steps) rows at the end that hold features and no values",
        found: "\(table.rows.count - end)")
    }
    let columns = try known.map { try table.numbers(in: $0) }
    func rows(_ range: Range<Int>) throws -> [Float] {
      try range.flatMap { row in
        try zip(columns, known).map { values, column in
          guard let value = values[row] else {
            throw HubError(
              file: table.file,
              key: "line \(table.line(of: row)), column \(ByteString(table.header[column]))",
              expected: "a number: features are known", found: "nothing")
          }
          return value
        }
      }
    }
    return (try rows(start..<end), try rows(end..<end + steps))
  }

  /// What the steps are called: by the file's index, by its dates continued, or by their numbers.
  func labels(_ steps: Int) -> Labels {
    guard let index = table.index else {
      return Labels(past: ("-\(end - start - 1)", "0"), future: (1...steps).map { "+\($0)" })
    }
    let names = table.rows.map { $0[index] }
    let given = names[end...].prefix(steps)
    let dates = CalendarDay.continuing(
      Array(names[..<(end + given.count)]), by: steps - given.count)
    let others =
      dates ?? (0..<steps - given.count).map { "+\(given.count + $0 + 1)" }
    return Labels(past: (names[start], names[end - 1]), future: given + others)
  }
}

/// A day of the Gregorian calendar as ISO 8601 writes it, counted from 1970 on.
struct CalendarDay: Hashable {
  var number: Int

  /// Reads `2026-03-01`.
  init?(_ text: String) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.map(\.utf8.count) == [4, 2, 2],
      text.utf8.allSatisfy({ $0 == 45 || (48...57) ~= $0 }),
      let year = Int(parts[0]), let month = Int(parts[1]), let day = Int(parts[2]),
      (1...12).contains(month), (1...31).contains(day)
    else { return nil }
    number = CalendarDay.number(year, month, day)
    // A day that the month does not have counts as one of the next.
    guard description == text else { return nil }
  }

  private init(number: Int) { self.number = number }

  /// Days before a date of the proleptic calendar; years begin in March, so that leap days come last.
  private static func number(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let shifted = month > 2 ? year : year - 1
    let ofYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
    return 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + ofYear - 719_468
  }

  /// The date, for years 0 to 9999.
  var description: String {
    let days = number + 719_468
    var year = days * 400 / 146_097
    while CalendarDay.number(year + 1, 3, 1) <= number { year += 1 }
    while CalendarDay.number(year, 3, 1) > number { year -= 1 }
    let ofYear = number - CalendarDay.number(year, 3, 1)
    let place = (5 * ofYear + 2) / 153
    let month = place < 10 ? place + 3 : place - 9
    let day = ofYear - (153 * place + 2) / 5 + 1
    func padded(_ value: Int, _ width: Int) -> String {
      String(repeating: "0", count: max(0, width - "\(value)".utf8.count)) + "\(value)"
    }
    return padded(month <= 2 ? year + 1 : year, 4) + "-" + padded(month, 2) + "-" + padded(day, 2)
  }

  /// The dates after some that are evenly apart; `nil` if they are not, or no dates.
  static func continuing(_ names: [String], by count: Int) -> [String]? {
    let last = names.suffix(3).map { CalendarDay($0)?.number }
    guard last.count == 3, let first = last[0], let second = last[1], let third = last[2],
      second - first == third - second, third > second
    else { return nil }
    return (0..<count).map {
      CalendarDay(number: third + ($0 + 1) * (third - second)).description
    }
  }
}
