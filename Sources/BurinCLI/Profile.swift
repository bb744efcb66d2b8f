import Burin
import BurinHub

/// Where the time of a measurement went, kernel by kernel, the slowest first.
struct Profile {
  let laps: [ProfiledModel.Lap]
  private let seconds: Double

  /// `nil` without laps.
  init?(_ laps: [ProfiledModel.Lap]?) {
    guard let laps else { return nil }
    self.laps = laps.filter { $0.calls > 0 }.sorted { $0.seconds > $1.seconds }
    seconds = laps.reduce(0) { $0 + $1.seconds }
  }

  /// A table for people.
  ///
  /// - Parameter calls: of the entry, while the laps were counted.
  func text(calls: Int) -> String {
    var rows = [["kernel", "share", "ms a call", "times"]]
    for lap in laps {
      rows.append([
        lap.kernel, decimal(100 * lap.seconds / seconds, 1) + " %",
        decimal(lap.seconds * 1e3 / Double(max(calls, 1)), 3),
        decimal(Double(lap.calls) / Double(max(calls, 1)), 0),
      ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].utf8.count }.max() ?? 0 }
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.utf8.count)
        return column == 0 ? cell + space : space + cell
      }
      return cells.joined(separator: "  ") + "\n"
    }.joined()
  }

  /// For `--json`.
  var json: JSON {
    .array(
      laps.map { lap in
        [
          "kernel": JSON(lap.kernel), "calls": JSON(lap.calls), "ms": .score(lap.seconds * 1e3),
          "share": .score(lap.seconds / seconds),
        ]
      })
  }
}
