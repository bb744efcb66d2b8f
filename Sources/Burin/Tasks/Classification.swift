import BurinHub
import Glibc

/// A label and how sure the model is of it.
public struct LabelScore: Hashable, Sendable {
  /// The label as the configuration calls it; `LABEL_` and its number where it does not.
  public var label: String
  /// A probability; for a regression, the number itself.
  public var score: Double
}

/// Gives texts labels, as transformers' `TextClassificationPipeline` does.
public struct TextClassifier {
  /// The model that reads the texts.
  public let model: TextModel

  /// A classifier over a model with a sequence classification head.
  ///
  /// - Throws: `TaskError` if the library's model has another task.
  public init(_ model: TextModel) throws {
    try model.require(.sequenceClassification, for: "classify")
    self.model = model
  }

  /// For each text every label with its score, the highest score first; labels of equal scores in
  /// the model's order.
  public func callAsFunction(_ texts: [String]) throws -> [[LabelScore]] {
    let encodings = try model.encode(texts)
    var results = [[LabelScore]](repeating: [], count: texts.count)
    try model.run(encodings, outputs: ["logits"], byPosition: false) { place, outputs in
      results[place] = model.description.scores(of: outputs[0].values)
    }
    return results
  }
}

extension ModelDescription {
  /// The labels with what a row of logits says of them, the highest score first; labels of equal
  /// scores in their own order.
  ///
  /// - Parameter labels: instead of the model's own.
  func scores(of logits: some Collection<Float>, labels: [String]? = nil) -> [LabelScore] {
    let logits = logits.map(Double.init)
    let scores =
      switch problem {
      case .regression: logits
      case .single where logits.count > 1 || labels != nil: softmax(logits)
      case .single, .multiple: logits.map { 1 / (1 + exp(-$0)) }
      }
    return scores.enumerated()
      .sorted { ($1.element, $0.offset) < ($0.element, $1.offset) }
      .map { LabelScore(label: labels?[$0.offset] ?? label($0.offset), score: $0.element) }
  }
}

extension TextModel {
  /// Refuses a library whose model has another head.
  func require(_ head: Head, for task: String) throws {
    guard description.head == head else {
      throw TaskError(
        "\(name): \(task) needs a model for \(head.rawValue), found one for "
          + (description.head == .bare ? "no task" : description.head.rawValue))
    }
  }
}

extension ModelDescription {
  /// The name of a label.
  func label(_ index: Int) -> String {
    labels.indices.contains(index) ? labels[index] : "LABEL_\(index)"
  }
}

/// The exponentials, divided by their sum.
func softmax(_ logits: [Double]) -> [Double] {
  let greatest = logits.max() ?? 0
  let powers = logits.map { exp($0 - greatest) }
  let sum = powers.reduce(0, +)
  return powers.map { $0 / sum }
}
