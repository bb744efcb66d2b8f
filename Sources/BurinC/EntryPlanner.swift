import BurinIR

/// Plans one entry: a walk over the graph that gives every value a location and every operation a
/// kernel, then an assignment of buffers to slots.
struct EntryPlanner {
  private let entry: Entry
  private var graph: Graph { entry.graph }
  var plan: MemoryPlan
  var entryPlan: EntryPlan
  private let isWeight: [Bool]
  private let isNeeded: [Bool]
  private var locations: [NodeID: [Location]] = [:]
  /// Dense copies, for all kernels that ask for one of the same values.
  private var copies: [Location: Location] = [:]
  /// The axes of an input or output, as `BURIN_MAX_RANK` says.
  private static let longestPort = 8

  init(_ entry: Entry, function: CIdentifier, plan: MemoryPlan) {
    self.entry = entry
    self.plan = plan
    entryPlan = EntryPlan(name: entry.name, function: function)
    isWeight = entry.graph.weightExpressions()
    // An input is part of the interface, whether or not anything reads it.
    isNeeded = entry.graph.reachable(
      from: entry.roots + entry.graph.ids.filter { entry.graph[$0].op.isInput },
      stoppingAt: isWeight)
  }

  mutating func run() throws {
    entryPlan.outputs = entry.outputs.map {
      .init(name: $0.name, type: graph.tensorType($0.value), bounds: 0...0)
    }
    for id in graph.ids where isNeeded[id.index] && !isWeight[id.index] { try place(id) }
    for (index, output) in entry.outputs.enumerated() { try store(output.value, asOutput: index) }
    try storeSuccessors()
    for port in entryPlan.inputs + entryPlan.outputs where port.type.rank > Self.longestPort {
      throw IRError(
        "\(port.name) is a \(port.type): inputs and outputs have at most \(Self.longestPort) axes")
    }
    assignSlots()
  }

  // Locations.

  private mutating func place(_ id: NodeID) throws {
    let node = graph[id]
    switch node.op {
    case .input(let name, let type, let fallback):
      entryPlan.inputs.append(
        .init(
          name: name, type: type, bounds: graph.bounds(ofInput: id),
          fallback: try fallback.map { try dense($0, for: id, noun: "default \(name)") },
          defaults: fallback.flatMap { type.extents(like: graph.tensorType($0)) } ?? []))
      locations[id] = [
        Location(base: .input(entryPlan.inputs.count - 1), place: Place(dense: type))
      ]
    case .state(let name, let type):
      guard let index = plan.states.firstIndex(where: { $0.name == name }) else { return }
      if let place = plan.states[index].pages, case .pages(_, let cache, _, _) = place.storage {
        locations[id] = [Location(base: .pages(cache), place: place)]
      } else {
        let plain = plan.states[..<index].count { $0.pages == nil }
        locations[id] = [Location(base: .state(plain), place: Place(dense: type))]
      }
    case .part(let tuple, let index):
      locations[id] = [try location(of: tuple, part: index, for: id)]
    case .append(let cache, let values, _, _):
      try proveDead(cache, before: id)
      let appended = graph.tensorType(values).shape[1]
      guard appended.symbol != nil, entryPlan.appended ?? appended == appended else {
        throw IRError("\(id) appends \(appended) positions, expected one symbol for all caches")
      }
      entryPlan.appended = appended
      let pages = try location(of: cache, for: id)
      try compute(id, results: [pages])
    case .cast(let x, let element)
    where element != .f32 && graph.tensorType(x).element == .f32 && isOnlyAppended(id):
      // The append rounds what it puts into the pages.
      locations[id] = [try location(of: x, for: id)]
    case .slice, .transpose, .broadcast, .reshape:
      let op = try node.op.map { try location(of: $0, for: id) }
      if let type = node.type.tensor, let view = Location.view(op, type: type) {
        locations[id] = [view]
      } else {
        try compute(id, results: try results(of: id))
      }
    default: try compute(id, results: try results(of: id))
    }
  }

  /// Where the results of a kernel go: into the caller's memory where they are an output, else into
  /// new buffers.
  private mutating func results(of id: NodeID) throws -> [Location] {
    let types: [TensorType] =
      switch graph[id].type {
      case .tensor(let type): [type]
      case .tuple(let types): types
      }
    if types.count == 1, let output = entry.outputs.firstIndex(where: { $0.value == id }) {
      return [Location(base: .output(output), place: Place(dense: types[0]))]
    }
    return types.map { buffer(graph[id].op.noun, $0) }
  }

  private mutating func buffer(_ noun: String, _ type: TensorType) -> Location {
    let step = entryPlan.steps.count
    entryPlan.buffers.append(Buffer(noun: noun, type: type, life: step...step))
    return Location(base: .buffer(entryPlan.buffers.count - 1), place: Place(dense: type))
  }

  /// The location of an operand; weights and literals get theirs at first use.
  private mutating func location(
    of id: NodeID, part: Int = 0, for user: NodeID
  ) throws -> Location {
    if let known = locations[id] { return known[part] }
    let type = graph.tensorType(id)
    if case .constant(let literal) = graph[id].op, literal.values.count <= 64 {
      let strides =
        literal.values.count == 1
        ? [Dim](repeating: 0, count: type.rank) : Place.denseStrides(type.shape)
      let known = plan.constants.firstIndex { $0.literal == literal }
      let index = known ?? plan.constants.count
      if known == nil {
        plan.constants.append(.init(literal, role: role(of: id, for: user)))
      }
      locations[id] = [Location(base: .constant(index), place: Place(type, strides: strides))]
    } else {
      // A view of a weight is the weight itself, elsewhere: store what the view shows.
      let scope = graph[user].scope
      let index = try plan.weights.add(id, of: graph, role: "\(scope) \(role(of: id, for: user))")
      locations[id] = [Location(base: .weight(index), place: Place(dense: type))]
    }
    return locations[id]![part]
  }

  /// What a weight or a constant is called: by what it is to the operation, else as the file calls
  /// it, without the path.
  private func role(of id: NodeID, for user: NodeID) -> String {
    let op = graph[user].op
    if let role = op.role(of: id) { return role }
    var id = id
    while graph[id].op.operands.count == 1 { id = graph[id].op.operands[0] }
    guard case .weight(let name, _) = graph[id].op else { return op.noun + " operand" }
    var words = name.split(separator: ".")
    let kind = words.last == "bias" ? "bias" : "weight"
    if words.last == "bias" || words.last == "weight" { words.removeLast() }
    return "\(words.last ?? "") \(kind)"
  }

  /// The location of a value as a dense tensor, copied if it is a view.
  private mutating func dense(
    _ id: NodeID, for user: NodeID, noun: String
  ) throws -> Location {
    let location = try location(of: id, for: user)
    return location.place.isDense
      ? location : try copy(location, noun: noun, scope: graph[id].scope)
  }

  private mutating func copy(
    _ location: Location, noun: String = "copied", scope: String
  ) throws -> Location {
    let result = buffer(noun, location.place.type)
    try copy(location, to: result, scope: scope)
    return result
  }

  private mutating func copy(_ location: Location, to result: Location, scope: String) throws {
    let kernel = try plan.kernels.kernel(
      for: .broadcast(location.place, location.place.shape), results: [result.place],
      note: "\(location.place.isOneValue ? "fill" : "copy")(\(location.place.type)) : "
        + "\(result.place.type)")
    append(kernel, [location], [result], scope: scope)
  }

  // Steps.

  private mutating func compute(_ id: NodeID, results: [Location]) throws {
    let node = graph[id]
    var operands = try node.op.operands.map { try location(of: $0, for: id) }
    func placed(_ operands: [Location]) -> Op<Place> {
      var next = operands.makeIterator()
      return node.op.map { _ in next.next()!.place }
    }
    for index in operands.indices
    where !requirement(of: placed(operands), operand: index).isMet(by: operands[index].place) {
      let copied = try copies[operands[index]] ?? copy(operands[index], scope: node.scope)
      copies[operands[index]] = copied
      operands[index] = copied
    }
    let kernel = try plan.kernels.kernel(
      for: placed(operands), results: results.map(\.place),
      note: graph.line(id))
    // Results made before the copies are written only now.
    append(kernel, operands, results, scope: node.scope)
    locations[id] = results
  }

  private mutating func append(
    _ kernel: Kernel, _ operands: [Location], _ results: [Location], scope: String
  ) {
    let step = entryPlan.steps.count
    for location in operands { touch(location, at: step) }
    for location in results { touch(location, at: step) }
    var workspace: Int?
    if kernel.workspace != 0 {
      workspace = entryPlan.buffers.count
      entryPlan.buffers.append(
        Buffer(
          noun: "scratch", type: TensorType(.u8, [kernel.workspace]), isScratch: true,
          life: step...step))
    }
    entryPlan.steps.append(
      Step(
        kernel: kernel, operands: operands, results: results, workspace: workspace, scope: scope))
  }

  /// Keeps what a step uses alive until then.
  private mutating func touch(_ location: Location, at step: Int) {
    switch location.base {
    case .buffer(let index):
      let start = min(entryPlan.buffers[index].life.lowerBound, step)
      entryPlan.buffers[index].life = start...max(entryPlan.buffers[index].life.upperBound, step)
    case .input(let index):
      if let fallback = entryPlan.inputs[index].fallback { touch(fallback, at: step) }
    default: break
    }
  }

  // Outputs and states.

  private mutating func store(_ id: NodeID, asOutput index: Int) throws {
    let location = try location(of: id, for: id)
    let target = Location(
      base: .output(index), place: Place(dense: graph.tensorType(id)))
    if location != target { try copy(location, to: target, scope: "outputs") }
  }

  /// Plain states get their successors at the very end, when nothing reads the old values any more,
  /// but for what shows another state, or the same one moved: that is put aside before any is written.
  /// Pages have theirs already.
  private mutating func storeSuccessors() throws {
    var stores: [(from: Location, to: Location)] = []
    for successor in entry.successors {
      let location = try location(of: successor.value, for: successor.value)
      guard let index = plan.states.firstIndex(where: { $0.name == successor.state }) else {
        continue
      }
      if let pages = plan.states[index].pages {
        guard location.place == pages else {
          throw IRError("the successor of the cache \(successor.state) is not an append to it")
        }
        continue
      }
      let plain = plan.states[..<index].count { $0.pages == nil }
      let target = Location(
        base: .state(plain), place: Place(dense: plan.states[index].type))
      guard location != target else { continue }
      stores.append((location.showsState ? try copy(location, scope: "states") : location, target))
    }
    for store in stores { try copy(store.from, to: store.to, scope: "states") }
  }

  /// Whether nothing but appends to caches uses the value.
  private func isOnlyAppended(_ id: NodeID) -> Bool {
    !entry.roots.contains(id)
      && graph.ids.allSatisfy { user in
        guard isNeeded[user.index], graph[user].op.operands.contains(id) else { return true }
        if case .append(let cache, id, _, _) = graph[user].op { return cache != id }
        return false
      }
  }

  /// Appending writes in place, so nothing may read the old cache afterwards.
  private func proveDead(_ cache: NodeID, before append: NodeID) throws {
    for id in graph.ids where isNeeded[id.index] && id != append {
      guard !graph[id].op.operands.contains(cache) else {
        throw IRError("\(append) overwrites \(cache), which \(id) reads")
      }
    }
    guard !entry.outputs.contains(where: { $0.value == cache }) else {
      throw IRError("\(append) overwrites \(cache), which is an output")
    }
  }

  // Slots.

  /// Gives every buffer the free slot that fits it best at the largest sizes, or a new one.
  private mutating func assignSlots() {
    var ends: [Int] = []
    var sizes: [Int] = []
    let order = entryPlan.buffers.indices.sorted {
      let (a, b) = (entryPlan.buffers[$0].life, entryPlan.buffers[$1].life)
      return a.lowerBound != b.lowerBound ? a.lowerBound < b.lowerBound : $0 < $1
    }
    for index in order {
      let life = entryPlan.buffers[index].life
      let bytes = entryPlan.buffers[index].type.bytes
      let size = bytes.maximum
      let free = ends.indices.filter { ends[$0] < life.lowerBound }
      let fitting = free.filter { sizes[$0] >= size }.min { sizes[$0] < sizes[$1] }
      let slot = fitting ?? free.max { sizes[$0] < sizes[$1] } ?? ends.count
      if slot == ends.count {
        ends.append(0)
        sizes.append(0)
        entryPlan.slots.append([])
      }
      ends[slot] = life.upperBound
      sizes[slot] = max(sizes[slot], size)
      entryPlan.slots[slot].keepLargest(with: bytes)
      entryPlan.buffers[index].slot = slot
    }
  }
}

extension [Dim] {
  /// Adds a size, and keeps only those that are not always smaller than another.
  fileprivate mutating func keepLargest(with size: Dim) {
    if contains(where: size.isNeverAbove) { return }
    removeAll { $0.isNeverAbove(size) }
    append(size)
  }
}

extension Dim {
  /// Whether it is at most as large as another size for all values of the symbols, as far as that can
  /// be seen of the terms.
  fileprivate func isNeverAbove(_ other: Dim) -> Bool {
    if (other - self).minimum >= 0 { return true }
    guard terms.count == 1, other.terms.count == 1,
      terms[0].coefficient <= other.terms[0].coefficient
    else { return false }
    // What the other is multiplied by besides must not make it smaller.
    var more = other.terms[0].factors
    for factor in terms[0].factors {
      guard let place = more.firstIndex(of: factor) else { return false }
      more.remove(at: place)
    }
    return more.allSatisfy { factor in
      switch factor {
      case .symbol: true
      case .quotient(let dividend, let divisor): dividend.minimum >= divisor
      }
    }
  }
}

extension Op {
  fileprivate var isInput: Bool { if case .input = self { true } else { false } }
}

extension Graph {
  /// For every node, whether a root needs it; what lies behind a node in `boundary` is not asked.
  fileprivate func reachable(from roots: [NodeID], stoppingAt boundary: [Bool]) -> [Bool] {
    var result = [Bool](repeating: false, count: nodes.count)
    for root in roots { result[root.index] = true }
    for id in ids.reversed() where result[id.index] && !boundary[id.index] {
      for operand in self[id].op.operands { result[operand.index] = true }
    }
    return result
  }

  /// The values that an integer input may have: the rows of every table that it chooses from.
  fileprivate func bounds(ofInput input: NodeID) -> ClosedRange<Int> {
    var views: Set<NodeID> = [input]
    var (lower, upper) = tensorType(input).element.portLimits
    for id in ids {
      switch self[id].op {
      case .reshape(let x, _), .slice(let x, _, _, _), .transpose(let x, _), .broadcast(let x, _):
        if views.contains(x) { views.insert(id) }
      case .embedding(_, let indices, let rows) where views.contains(indices):
        upper = min(upper, rows - 1)
        lower = 0
      case .experts(_, let chosen, _, let count, _, _, _) where views.contains(chosen):
        upper = min(upper, count - 1)
        lower = 0
      default: break
      }
    }
    return lower...upper
  }

  /// One node for a comment: the IR's line with types in place of operands.
  fileprivate func line(_ id: NodeID) -> String {
    "\(self[id].op.map { self[$0].type }.text) : \(self[id].type)"
  }
}
