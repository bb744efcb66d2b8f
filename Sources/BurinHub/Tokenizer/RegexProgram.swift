/// A compiled regular expression: leftmost match, first choice first, in bounded time.
///
/// A backtracking machine whose steps are counted; a pattern that needs more than a fixed number of
/// steps for each byte of the text is given up with an error instead of running away.
struct RegexProgram: Sendable {
  private enum Instruction: Sendable {
    case set(Int)
    case run(Int, min: Int, max: Int, isPossessive: Bool)
    case split(first: Int, second: Int)
    case jump(Int)
    case look(end: Int, isAhead: Bool, isNegative: Bool, width: Int)
    case assertion(RegexAssertion)
    case atomicStart
    case atomicEnd
    case match
  }

  private var code: [Instruction] = []
  private var sets: [ScalarSet] = []
  /// Scalars that a match can begin with, or nil when it may be empty.
  private var starters: ScalarSet?

  /// Compiles a pattern.
  init(_ pattern: [UInt8]) throws(RegexError) {
    var parser = RegexParser(pattern)
    let node = try parser.parse()
    try emit(node)
    code.append(.match)
    starters = RegexProgram.starters(of: node)
  }

  /// All matches from left to right; an empty match does not directly follow another match.
  ///
  /// - Parameter bytes: valid UTF-8.
  /// - Parameter report: called with the first byte of each match and the one after its last.
  func forEachMatch(
    in bytes: UnsafeBufferPointer<UInt8>, _ report: (Int, Int) -> Void
  ) throws(RegexError) {
    guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
    var machine = Machine(
      text: base, count: bytes.count, budget: (bytes.count + 1000) * 200, tables: .shared)
    var start = 0
    var lastEnd = -1
    while start <= bytes.count {
      if let starters {
        guard start < bytes.count else { break }
        let (scalar, length) = UTF8Text.decode(base, at: start)
        if !starters.contains(scalar, machine.tables) {
          start += length
          continue
        }
      }
      let end = run(from: 0, at: start, &machine)
      if machine.budget < 0 {
        throw RegexError(message: "a pattern that matches in time linear in the text")
      }
      if let end, end > start || end != lastEnd {
        report(start, end)
        lastEnd = end
        if end > start {
          start = end
          continue
        }
      }
      start += start < bytes.count ? UTF8Text.length(of: base[start]) : 1
    }
  }

  // MARK: Running

  private struct Machine {
    let text: UnsafePointer<UInt8>
    let count: Int
    var budget: Int
    let tables: UnicodeTables
    /// Where to go on after a failure: pc, place and, for a run, how far it may shrink; a pc of -1
    /// is the beginning of an atomic group.
    var stack: [(pc: Int, place: Int, least: Int)] = []
  }

  /// The end of the match that begins at a place, or nil.
  private func run(from entry: Int, at start: Int, _ machine: inout Machine) -> Int? {
    let text = machine.text
    let count = machine.count
    let floor = machine.stack.count
    var pc = entry
    var place = start
    while true {
      machine.budget -= 1
      if machine.budget < 0 { break }
      var isFailure = false
      switch code[pc] {
      case .set(let number):
        isFailure = true
        if place < count {
          let (scalar, length) = UTF8Text.decode(text, at: place)
          if sets[number].contains(scalar, machine.tables) {
            place += length
            pc += 1
            isFailure = false
          }
        }
      case .run(let number, let min, let max, let isPossessive):
        var taken = 0
        var least = place
        var end = place
        while end < count, taken < max {
          let (scalar, length) = UTF8Text.decode(text, at: end)
          if !sets[number].contains(scalar, machine.tables) { break }
          end += length
          taken += 1
          if taken == min { least = end }
        }
        machine.budget -= taken
        if taken < min {
          isFailure = true
        } else {
          pc += 1
          place = end
          if !isPossessive, end > least { machine.stack.append((pc, end, least)) }
        }
      case .split(let first, let second):
        machine.stack.append((second, place, place))
        pc = first
      case .jump(let target):
        pc = target
      case .look(let end, let isAhead, let isNegative, let width):
        var from: Int? = place
        if !isAhead {
          for _ in 0..<width {
            guard let here = from, here > 0 else {
              from = nil
              break
            }
            var before = here - 1
            while text[before] & 0xC0 == 0x80 { before -= 1 }
            from = before
          }
        }
        let isFound = from.map { run(from: pc + 1, at: $0, &machine) != nil } ?? false
        if isFound == isNegative { isFailure = true } else { pc = end }
      case .assertion(let assertion):
        if holds(assertion, at: place, machine) { pc += 1 } else { isFailure = true }
      case .atomicStart:
        machine.stack.append((-1, place, place))
        pc += 1
      case .atomicEnd:
        while let top = machine.stack.popLast(), top.pc != -1 {}
        pc += 1
      case .match:
        machine.stack.removeSubrange(floor...)
        return place
      }
      guard isFailure else { continue }
      var resumed = false
      while machine.stack.count > floor {
        let top = machine.stack[machine.stack.count - 1]
        if top.place > top.least {
          var shorter = top.place - 1
          while text[shorter] & 0xC0 == 0x80 { shorter -= 1 }
          machine.stack[machine.stack.count - 1].place = shorter
          if shorter == top.least { machine.stack.removeLast() }
          (pc, place) = (top.pc, shorter)
          resumed = true
          break
        }
        machine.stack.removeLast()
        if top.pc >= 0 {
          (pc, place) = (top.pc, top.place)
          resumed = true
          break
        }
      }
      if !resumed { break }
    }
    machine.stack.removeSubrange(floor...)
    return nil
  }

  private func holds(_ assertion: RegexAssertion, at place: Int, _ machine: Machine) -> Bool {
    let text = machine.text
    func isWord(_ index: Int) -> Bool {
      guard index >= 0, index < machine.count else { return false }
      var start = index
      while start > 0, text[start] & 0xC0 == 0x80 { start -= 1 }
      return machine.tables[UTF8Text.decode(text, at: start).0].contains(.regexWord)
    }
    let isEnd = place == machine.count
    switch assertion {
    case .textStart: return place == 0
    case .textEnd: return isEnd
    case .lineStart: return place == 0 || !isEnd && text[place - 1] == 10
    case .lineEnd: return isEnd || text[place] == 10
    case .textEndOrNewline: return isEnd || place == machine.count - 1 && text[place] == 10
    case .wordBoundary: return isWord(place - 1) != isWord(place)
    case .noWordBoundary: return isWord(place - 1) == isWord(place)
    }
  }

  // MARK: Compiling

  private mutating func emit(_ node: RegexNode) throws(RegexError) {
    guard code.count < 20_000 else { throw RegexError(message: "a shorter pattern") }
    switch node {
    case .set(let set):
      sets.append(set)
      code.append(.set(sets.count - 1))
    case .sequence(let parts):
      for part in parts { try emit(part) }
    case .choice(let branches):
      var jumps: [Int] = []
      for (number, branch) in branches.enumerated() {
        guard number < branches.count - 1 else {
          try emit(branch)
          break
        }
        let split = code.count
        code.append(.match)
        try emit(branch)
        jumps.append(code.count)
        code.append(.match)
        code[split] = .split(first: split + 1, second: code.count)
      }
      for jump in jumps { code[jump] = .jump(code.count) }
    case .repetition(let body, let min, let max, let greed):
      try emit(body, min: min, max: max, greed)
    case .look(let body, let isAhead, let isNegative):
      let width = isAhead ? 0 : try RegexProgram.width(of: body)
      let start = code.count
      code.append(.match)
      try emit(body)
      code.append(.match)
      code[start] = .look(
        end: code.count, isAhead: isAhead, isNegative: isNegative, width: width)
    case .atomic(let body):
      code.append(.atomicStart)
      try emit(body)
      code.append(.atomicEnd)
    case .assertion(let assertion):
      code.append(.assertion(assertion))
    }
  }

  private mutating func emit(
    _ body: RegexNode, min: Int, max: Int?, _ greed: RegexGreed
  ) throws(RegexError) {
    if case .set(let set) = body, greed != .lazy {
      sets.append(set)
      code.append(
        .run(sets.count - 1, min: min, max: max ?? .max, isPossessive: greed == .possessive))
      return
    }
    if greed == .possessive {
      code.append(.atomicStart)
      try emit(body, min: min, max: max, .greedy)
      code.append(.atomicEnd)
      return
    }
    for _ in 0..<min { try emit(body) }
    var splits: [Int] = []
    if let max {
      for _ in min..<max {
        splits.append(code.count)
        code.append(.match)
        try emit(body)
      }
    } else {
      splits.append(code.count)
      code.append(.match)
      try emit(body)
      code.append(.jump(splits[0]))
    }
    for split in splits {
      code[split] =
        greed == .greedy
        ? .split(first: split + 1, second: code.count)
        : .split(first: code.count, second: split + 1)
    }
  }

  /// How many scalars a node matches, which looking behind has to know.
  private static func width(of node: RegexNode) throws(RegexError) -> Int {
    switch node {
    case .set: return 1
    case .sequence(let parts):
      var sum = 0
      for part in parts { sum += try width(of: part) }
      return sum
    case .choice(let branches):
      let first = try width(of: branches[0])
      for branch in branches where try width(of: branch) != first {
        throw RegexError(message: "branches of one width where it looks behind")
      }
      return first
    case .repetition(let body, let min, let max, _):
      guard min == max else { throw RegexError(message: "a fixed width where it looks behind") }
      return min * (try width(of: body))
    case .look, .assertion: return 0
    case .atomic(let body): return try width(of: body)
    }
  }

  private static func starters(of node: RegexNode) -> ScalarSet? {
    switch node {
    case .set(let set): return set
    case .sequence(let parts):
      var result = ScalarSet.empty
      for part in parts {
        if case .assertion = part { return nil }
        if case .look = part { return nil }
        if !part.isNullable {
          guard let set = starters(of: part) else { return nil }
          return result.union(set)
        }
        // What may be absent may also come first.
        guard case .repetition(let body, _, _, _) = part, let set = starters(of: body) else {
          return nil
        }
        result = result.union(set)
      }
      return nil
    case .choice(let branches):
      var result = ScalarSet.empty
      for branch in branches {
        guard let set = starters(of: branch) else { return nil }
        result = result.union(set)
      }
      return result
    case .repetition(let body, let min, _, _): return min > 0 ? starters(of: body) : nil
    case .atomic(let body): return starters(of: body)
    case .look, .assertion: return nil
    }
  }
}
