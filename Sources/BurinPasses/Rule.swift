import BurinIR

/// A node as rules see it: cheap to pass around, equal to itself only.
///
/// Values live while rules look at their graph; a rule does not keep them.
public struct Value {
  unowned let subject: Subject
  /// Its place in the graph.
  public let id: NodeID

  /// The operation, with operands that can be looked at in turn.
  public var op: Op<Value> { subject.ops[id.index] }

  /// The type.
  ///
  /// - Requires: the node is a tensor, which the operand of every operation but `part` is.
  public var type: TensorType { subject.graph.tensorType(id) }

  /// How often the value is an operand or a root of its entry.
  public var uses: Int { subject.uses[id.index] }

  /// The nodes that have this one as an operand, in order, each once.
  public var users: [Value] {
    subject.users[id.index].map { Value(subject: subject, id: $0) }
  }

  /// Whether the value can be computed when the model is compiled: it depends on nothing but weights
  /// and constants, by operations that move elements or look at each alone.
  public var isWeightExpression: Bool { subject.isWeightExpression[id.index] }
}

extension Value: Hashable {
  /// Whether they are the same node.
  public static func == (left: Value, right: Value) -> Bool { left.id == right.id }

  /// Hashes the place.
  public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

/// What a rule puts in place of a node: values that are there and operations that are new.
///
/// Operations that occur twice are appended once, so an expression may repeat itself freely.
public indirect enum Expression {
  /// A value that is there.
  case old(Value)
  /// An operation on values that are there or new.
  case new(Op<Expression>)

  /// One new operation on values that are there.
  public static func node(_ op: Op<Value>) -> Expression { .new(op.map(Expression.old)) }
}

/// Why a rule left alone what it had all but matched.
public struct NearMiss: Error, CustomStringConvertible {
  /// The reason, a part of a sentence.
  public let description: String

  /// A near miss for this reason.
  public init(_ reason: String) { description = reason }
}

/// One equation between graphs, read from left to right.
///
/// The body is a ladder of `guard case`s that returns `nil` where the left side is not found. What
/// it throws instead of returning `nil` tells the reader of `inspect --fusion` why it did not fire.
public struct Rule: Sendable {
  /// A verb phrase: `merge-scales`.
  public let name: String
  let body: @Sendable (Value) throws(NearMiss) -> Expression?

  /// - Parameter body: gives what replaces the node, which must be of the same type; it may refer to
  ///   anything in the graph that does not depend on that node.
  public init(
    _ name: String, _ body: @escaping @Sendable (Value) throws(NearMiss) -> Expression?
  ) {
    self.name = name
    self.body = body
  }
}

/// What a rule did, or why it did nothing, for `inspect --fusion`.
public struct Note: Sendable, CustomStringConvertible {
  /// What became of a place that the rule looked at.
  public enum Outcome: Sendable, Equatable {
    /// It replaced the node.
    case fired
    /// It all but matched.
    case missed(reason: String)
  }

  /// The pass that the rule belongs to.
  public let pass: String
  /// The rule's name.
  public let rule: String
  /// The entry that it looked at.
  public let entry: String
  /// A near miss names the node in the program that the pass returned; a rule that fired, the node
  /// that it replaced, in a graph that is gone.
  public let node: NodeID
  /// Where in the model the node belongs.
  public let scope: String
  /// What became of the node.
  public let outcome: Outcome

  /// The note as one line.
  public var description: String {
    let place = scope.isEmpty ? entry : "\(entry), \(scope)"
    return switch outcome {
    case .fired: "\(pass): \(rule) in \(place)"
    case .missed(let reason): "\(pass): not \(rule) in \(place), \(node): \(reason)"
    }
  }
}
