import BurinHub

/// Turns texts into vectors, as sentence-transformers does.
public struct SentenceEmbedder {
  /// The model that reads the texts.
  public let model: TextModel
  /// What stands before every text: the prompt that the model's directory names as its default, often
  /// none, unless another is chosen.
  public var prompt: String
  /// How many columns of a vector are kept, those of the end being cut off; `nil` for all. Vectors that
  /// are cut are no longer of length 1 by themselves.
  public var dimensions: Int?
  /// Whether vectors are divided by their length in the end, whatever the model does.
  public var normalizes = false

  /// An embedder over a model without a task head.
  ///
  /// - Throws: `TaskError` if the library's model has another task.
  public init(_ model: TextModel) throws {
    let heads: [Head] = [.bare, .projection, .encoder]
    guard heads.contains(model.description.head) else {
      throw TaskError(
        "\(model.name): embed needs a model without a head, found one for "
          + model.description.head.rawValue)
    }
    self.model = model
    prompt = model.description.prompt
    dimensions = model.description.dimensions
  }

  /// Whether the model's directory says how vectors are made of the tokens' states; if not, their
  /// mean is taken, as sentence-transformers does.
  public var hasPooling: Bool { model.runner.inputs(of: "embed") != nil }

  /// A prompt of the model's directory, such as `query`; `query` and `document` are empty where it
  /// has none of these names.
  ///
  /// - Throws: `TaskError` that lists the names if it has none of this one.
  public func prompt(named name: String) throws -> String {
    let prompts = model.description.prompts.merging(["query": "", "document": ""]) { own, _ in own }
    guard let prompt = prompts[name] else {
      let known = prompts.keys.sorted().map { printable($0.utf8) }
      throw TaskError(
        .badOption,
        "prompt-name: expected one of \(known.joined(separator: ", ")), "
          + "found \(printable(name.utf8))")
    }
    return prompt
  }

  /// One vector for each text, in the order of the texts.
  ///
  /// Texts are put behind the prompt, stripped of white space at both ends, in lower case if the model
  /// wants it, and cut to the model's maximum length. A text's vector does not depend on the others'.
  ///
  /// - Throws: `TaskError` for a text without tokens, and for more `dimensions` than vectors have.
  public func callAsFunction(_ texts: [String]) throws -> [[Float]] {
    let encodings = try encode(texts.map { prompt + $0 })
    var vectors = [[Float]](repeating: [], count: texts.count)
    if hasPooling {
      try model.run(
        encodings, entry: "embed", outputs: ["sentence_embedding"], byPosition: false,
        promptLength: promptLength()
      ) { vectors[$0] = Array($1[0].values) }
    } else {
      try model.run(encodings, outputs: ["last_hidden_state"], byPosition: true) {
        vectors[$0] = Self.mean($1[0])
      }
    }
    return try vectors.map { try finished($0) }
  }

  private func encode(_ texts: [String]) throws -> [Encoding] {
    let limit = min(model.description.maximumTokens ?? .max, model.maximumLength)
    let prepared = texts.map { text in
      model.description.lowercases ? lowercased(stripped(text)) : stripped(text)
    }
    return try model.encode(prepared, cutTo: limit)
  }

  /// How many tokens the prompt is by itself, those before a text included, for a model that leaves
  /// them out; a special token at its end would stand behind the text.
  private func promptLength() throws -> Int {
    let ports = model.runner.inputs(of: "embed") ?? []
    guard !prompt.isEmpty, ports.contains(where: { $0.name == "prompt_length" }) else { return 0 }
    guard let encoding = try encode([prompt]).first, let last = encoding.ids.last else { return 0 }
    return encoding.count - (try model.specialIDs().contains(last) ? 1 : 0)
  }

  /// A vector as it is asked for: cut, then of length 1.
  private func finished(_ vector: [Float]) throws -> [Float] {
    var vector = vector
    if let dimensions {
      guard (1...max(vector.count, 1)).contains(dimensions) else {
        throw TaskError(
          .badOption,
          "truncate-dim: expected an integer from 1 to \(vector.count), found \(dimensions)")
      }
      vector.removeLast(vector.count - dimensions)
    }
    guard normalizes else { return vector }
    let length = vector.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
    return vector.map { Float(Double($0) / max(length, 1e-12)) }
  }

  /// The mean over the rows of `[positions, width]`.
  private static func mean(_ hidden: TextOutput) -> [Float] {
    let width = hidden.shape[1]
    var sum = [Double](repeating: 0, count: width)
    for row in stride(from: hidden.values.startIndex, to: hidden.values.endIndex, by: width) {
      for column in 0..<width { sum[column] += Double(hidden.values[row + column]) }
    }
    return sum.map { Float($0 / Double(hidden.shape[0])) }
  }
}

/// A text without the white space at its ends, by Python's idea of white space.
func stripped(_ text: String) -> String {
  let scalars = text.unicodeScalars
  guard let first = scalars.firstIndex(where: { !$0.isPythonSpace }),
    let last = scalars.lastIndex(where: { !$0.isPythonSpace })
  else { return "" }
  return String(scalars[first...last])
}

/// A text in lower case, by Python's idea of it: Unicode's mappings, and the other small sigma at the
/// end of a word.
func lowercased(_ text: String) -> String {
  let scalars = Array(text.unicodeScalars)
  func isCased(_ places: some Sequence<Int>) -> Bool {
    let next = places.first { !scalars[$0].properties.isCaseIgnorable }
    return next.map { scalars[$0].properties.isCased } ?? false
  }
  var result = ""
  for (place, scalar) in scalars.enumerated() {
    if scalar == "\u{3A3}", isCased((0..<place).reversed()), !isCased(place + 1..<scalars.count) {
      result.unicodeScalars.append("\u{3C2}")
    } else {
      result.unicodeScalars.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
    }
  }
  return result
}
