import BurinHub

/// Turns texts into vectors, as sentence-transformers does.
public struct SentenceEmbedder {
  /// The model that reads the texts.
  public let model: TextModel

  /// An embedder over a model without a task head.
  ///
  /// - Throws: `TaskError` if the library's model has another task.
  public init(_ model: TextModel) throws {
    guard model.description.head == .bare || model.description.head == .projection else {
      throw TaskError(
        "\(model.name): embed needs a model without a head, found one for "
          + model.description.head.rawValue)
    }
    self.model = model
  }

  /// Whether the model's directory says how vectors are made of the tokens' states; if not, their
  /// mean is taken, as sentence-transformers does.
  public var hasPooling: Bool { model.runner.inputs(of: "embed") != nil }

  /// One vector for each text, in the order of the texts.
  ///
  /// Texts are stripped of white space at both ends, put behind the model's prompt, in lower case if
  /// the model wants it, and cut to the model's maximum length. A text's vector does not depend on
  /// the others'.
  public func callAsFunction(_ texts: [String]) throws -> [[Float]] {
    let description = model.description
    let limit = min(description.maximumTokens ?? .max, model.maximumLength)
    let prepared = texts.map { text in
      let text = stripped(description.prompt + text)
      return description.lowercases ? lowercased(text) : text
    }
    let encodings = try model.encode(prepared, cutTo: limit)
    var vectors = [[Float]](repeating: [], count: texts.count)
    if hasPooling {
      try model.run(
        encodings, entry: "embed", outputs: ["sentence_embedding"], byPosition: false
      ) { vectors[$0] = Array($1[0].values) }
    } else {
      try model.run(encodings, outputs: ["last_hidden_state"], byPosition: true) {
        vectors[$0] = Self.mean($1[0])
      }
    }
    return vectors
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
