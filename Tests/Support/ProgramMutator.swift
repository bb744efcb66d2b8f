import BurinIR

/// Changes the text of a program here and there: what comes out is often refused, and where it is not,
/// it is a program that nobody would write.
public struct ProgramMutator: Sendable {
  private let lines: [[String]]
  /// Pieces of each kind, to put in place of others.
  private var pool: [Kind: [String]] = [:]

  private enum Kind: Hashable { case node, number, element, operation, word, other }

  /// - Parameter text: a program as the writer writes it, a node a line.
  public init(_ text: String) {
    lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      .map { Self.pieces(Self.withoutDerivedType(String($0))) }
    pool[.element] = ElementType.allCases.map(\.rawValue)
    pool[.number] = [
      "0", "1", "2", "3", "7", "31", "32", "33", "64", "256", "300", "4097", "65536",
      "1099511627776",
      "36028797018963968", "72057594037927936", "0.5", "1e300", "1e-40",
    ]
    pool[.operation] = Unary.allCases.map(\.rawValue) + Binary.allCases.map(\.rawValue)
    pool[.word] = ["inf", "nan", "cast", "scale", "gate", "bias", "residual", "gelu", "not"]
    for line in lines {
      for (index, piece) in line.enumerated() {
        let own = kind(line, index)
        if own != .other, own != .number { pool[own, default: []].append(piece) }
      }
    }
  }

  /// The text with a few changes.
  public func mutated(_ random: inout TestRandom) -> String {
    var lines = lines
    for _ in 0..<random.int(in: 1...2) {
      let place = random.int(in: 0...lines.count - 1)
      switch random.int(in: 0...19) {
      case 0: if lines.count > 1 { lines.remove(at: place) }
      case 1: lines.insert(lines[place], at: random.int(in: 0...lines.count))
      case 2: lines.swapAt(place, random.int(in: 0...lines.count - 1))
      case 3: if !lines[place].isEmpty { lines[place].remove(at: anywhere(lines[place], &random)) }
      case 4:
        guard !lines[place].isEmpty else { continue }
        let (from, to) = (anywhere(lines[place], &random), anywhere(lines[place], &random))
        lines[place].insert(lines[place][from], at: to)
      default: replace(&lines[place], &random)
      }
    }
    return lines.map { $0.joined() }.joined(separator: "\n")
  }

  private func anywhere(_ line: [String], _ random: inout TestRandom) -> Int {
    random.int(in: 0...line.count - 1)
  }

  /// Puts another piece of its kind in place of one.
  private func replace(_ line: inout [String], _ random: inout TestRandom) {
    let candidates = line.indices.filter { kind(line, $0) != .other }
    guard !candidates.isEmpty else { return }
    let index = random.pick(candidates)
    let wanted = kind(line, index)
    if wanted == .number, let number = Int(line[index]), random.int(in: 0...1) == 0 {
      line[index] = String(number + random.int(in: -1...1))
    } else {
      line[index] = random.pick(pool[wanted] ?? [line[index]])
    }
  }

  private func kind(_ line: [String], _ index: Int) -> Kind {
    let piece = line[index]
    guard let first = piece.utf8.first else { return .other }
    switch first {
    case UInt8(ascii: "%"): return .node
    case UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
      if ElementType(rawValue: piece) != nil { return .element }
      return index + 1 < line.count && line[index + 1] == "(" ? .operation : .word
    default: return .other
    }
  }

  /// The line without a type that follows from the operands, so that a change goes on to those after it.
  private static func withoutDerivedType(_ line: String) -> String {
    let declared = [
      "input(", "weight(", "state(", "constant(", "iota(", "reshape(", "broadcast(", "mask(",
    ]
    guard line.contains("%"), !declared.contains(where: line.contains) else { return line }
    let parts = line.split(separator: ") : ", maxSplits: 1)
    if parts.count == 2 { return parts[0] + ")" }
    return line
  }

  /// Names in quotation marks, words with their numbers, and single characters.
  private static func pieces(_ line: String) -> [String] {
    var pieces: [String] = []
    var isQuoted = false
    var isWord = false
    for scalar in line.unicodeScalars {
      let belongs =
        scalar.properties.isAlphabetic || "0123456789_%.".unicodeScalars.contains(scalar)
      if isQuoted || (belongs && isWord && scalar != "%") {
        pieces[pieces.count - 1].unicodeScalars.append(scalar)
      } else {
        pieces.append(String(scalar))
      }
      if scalar == "\"" { isQuoted.toggle() }
      isWord = belongs
    }
    return pieces
  }
}
