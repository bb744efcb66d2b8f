import BurinHub

/// One thing that somebody says in a conversation.
public struct ChatMessage: Hashable, Sendable {
  /// Who says it: `system`, `user` or `assistant`, unless the model's template knows others.
  public var role: String
  /// What is said.
  public var content: String

  /// What somebody in this role says.
  public init(role: String, content: String) {
    self.role = role
    self.content = content
  }

  /// What the assistant is told before all else.
  public static func system(_ content: String) -> ChatMessage {
    ChatMessage(role: "system", content: content)
  }

  /// What the user says.
  public static func user(_ content: String) -> ChatMessage {
    ChatMessage(role: "user", content: content)
  }

  /// What the model has answered.
  public static func assistant(_ content: String) -> ChatMessage {
    ChatMessage(role: "assistant", content: content)
  }

  fileprivate var json: JSON { ["role": JSON(role), "content": JSON(content)] }
}

/// A conversation with a decoder, by the chat template of the model's own files.
///
/// What a turn has in common with the one before is not computed again.
public struct Chat {
  /// The decoder.
  public let generator: Generator
  /// What has been said.
  public var messages: [ChatMessage]

  private let template: ChatTemplate
  private let tokens: JSONObject

  /// New tokens of an answer where the options do not say how many, at most.
  private static let answer = 512

  /// A conversation that begins with these messages.
  ///
  /// - Throws: `TaskError` if the model cannot generate or has no template; `HubError` for a template
  ///   that cannot be read.
  public init(_ model: TextModel, messages: [ChatMessage] = []) throws {
    generator = try Generator(model)
    guard let definition = model.description.chat else {
      throw TaskError("\(model.name): expected a chat template, found none")
    }
    template = try definition.template(file: model.name)
    tokens = definition.tokens
    self.messages = messages
  }

  /// The text of the conversation up to where the assistant speaks.
  ///
  /// - Throws: `HubError` that names the template's line, also if the template refuses what was said.
  public func text() throws -> String {
    try template.text(of: messages.map(\.json), variables: tokens)
  }

  /// The ids of `text()`; the template has written all special tokens.
  public func encode() throws -> [Int32] {
    try generator.model.tokenizer().encode(text(), addSpecialTokens: false).ids
  }

  /// Answers what has been said; the answer, however it ended, is then a part of the conversation.
  ///
  /// - Parameters: as for `Generator`; without a number of new tokens an answer takes at most 512, or
  ///   what the context has room for.
  public mutating func answer(
    _ options: GenerationOptions = GenerationOptions(),
    receive: (String) throws -> Bool = { _ in true }, isCancelled: () -> Bool = { false }
  ) throws -> Generation {
    let ids = try encode()
    var options = options
    if options.maximumNewTokens == nil {
      let model = generator.model
      let room = (model.runner.maximum(of: "context") ?? model.maximumLength) - ids.count + 1
      if room > 0 { options.maximumNewTokens = min(Self.answer, room) }
    }
    let result = try generator(ids, options, receive: receive, isCancelled: isCancelled)
    messages.append(.assistant(result.text ?? ""))
    return result
  }

  /// Says something as the user and answers it; if that fails, it has not been said.
  public mutating func answer(
    to text: String, _ options: GenerationOptions = GenerationOptions(),
    receive: (String) throws -> Bool = { _ in true }, isCancelled: () -> Bool = { false }
  ) throws -> Generation {
    let before = messages
    messages.append(.user(text))
    do {
      return try answer(options, receive: receive, isCancelled: isCancelled)
    } catch {
      messages = before
      throw error
    }
  }
}

extension CompiledModel {
  /// Answers a conversation; the text comes piece by piece, in whole characters.
  ///
  /// Leaving the loop, or cancelling the task, ends the answer before its next token.
  public func chat(
    _ messages: [ChatMessage], _ options: GenerationOptions = GenerationOptions()
  ) -> AsyncThrowingStream<String, any Error> {
    pieces { receive, isCancelled in
      var chat = try Chat(TextModel(self), messages: messages)
      _ = try chat.answer(options, receive: receive, isCancelled: isCancelled)
    }
  }
}
