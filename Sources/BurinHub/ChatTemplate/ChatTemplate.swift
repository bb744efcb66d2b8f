import Glibc

/// A model's chat template: it turns a conversation into the text that the model was trained to
/// continue.
///
/// Templates are Jinja, as transformers 4.57 runs it: in a sandbox where nothing changes but
/// namespaces, with `trim_blocks`, `lstrip_blocks`, `raise_exception`, `strftime_now` and Python's
/// `json.dumps` behind `tojson`. What a template may do is bounded, whoever wrote it.
public struct ChatTemplate {
  /// Where it stands, for messages.
  private let file: String
  private let key: String
  private let statements: [TemplateStatement]

  /// Reads a template.
  ///
  /// - Throws: `HubError` that names the line.
  public init(_ source: String, file: String, key: String = "") throws(HubError) {
    self.file = file
    self.key = key
    do throws(TemplateError) { statements = try TemplateParser.statements(of: source) } catch {
      throw error.inFile(file, key: key)
    }
  }

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - messages: objects with `role` and `content`, and whatever else the template looks at.
  ///   - addsGenerationPrompt: whether the text goes on to where the assistant speaks.
  ///   - variables: what else the template sees: special tokens such as `bos_token`, `tools`,
  ///     `documents`, and its own switches.
  ///   - now: the time that `strftime_now` writes, in seconds since 1970.
  /// - Throws: `HubError` that names the line, also if the template refuses the conversation.
  public func text(
    of messages: [JSON], addsGenerationPrompt: Bool = true, variables: JSONObject = JSONObject([]),
    now: Int = time(nil)
  ) throws(HubError) -> String {
    var values: [(String, TemplateValue)] = [("tools", .none), ("documents", .none)]
    for member in variables { values.append((member.key.utf8String, TemplateValue(member.value))) }
    values.append(("messages", .list(messages.map { TemplateValue($0) })))
    values.append(("add_generation_prompt", .bool(addsGenerationPrompt)))
    do throws(TemplateError) {
      return try TemplateRun.text(of: statements, values, now: now)
    } catch {
      throw error.inFile(file, key: key)
    }
  }
}

/// What a model's files say about conversations: its templates by name, and the special tokens that
/// they may write.
public struct ChatDefinition: Sendable, Hashable {
  /// The templates by name; one that stands alone is called `default`.
  public var templates: JSONObject
  /// Texts by name, such as `bos_token`.
  public var tokens: JSONObject

  /// What a library's description says; nil for `null`.
  public init?(_ field: JSONField) throws(HubError) {
    guard field.exists else { return nil }
    for (_, template) in try field["templates"].members() { _ = try template.string() }
    guard let templates = field["templates"].value?.object else { return nil }
    self.templates = templates
    tokens = field["special_tokens"].value?.object ?? JSONObject([])
  }

  /// The definition as it stands in a library's description.
  public var json: JSON {
    ["templates": .object(templates), "special_tokens": .object(tokens)]
  }

  /// Reads a directory: `chat_template.jinja`, else the `chat_template` of `tokenizer_config.json`,
  /// else `chat_template.json`; nil without any.
  ///
  /// - Throws: `HubError` for a file that is wrong; the templates themselves are not looked at.
  public init?(_ directory: ModelDirectory) throws(HubError) {
    var found: [JSONObject.Member] = []
    func add(_ field: JSONField) throws(HubError) {
      guard field.value?.array != nil else {
        return found.append(.init("default", .string(try field.string())))
      }
      for item in try field.array() {
        found.append(.init(try item["name"].string(), .string(try item["template"].string())))
      }
    }
    let config = try directory.json("tokenizer_config.json")
    if let bytes = try directory.bytes("chat_template.jinja") {
      found.append(.init("default", .string(ByteString(bytes))))
    } else if let field = config?["chat_template"], field.exists {
      try add(field)
    } else if let field = try directory.json("chat_template.json")?["chat_template"], field.exists {
      try add(field)
    }
    guard !found.isEmpty else { return nil }
    templates = JSONObject(found)
    tokens = try TokenizerDefinition.specialTokens(in: directory)
  }

  /// The template that a conversation takes: `default`, or the only one.
  ///
  /// - Throws: `HubError` if none is called so.
  public func template(file: String) throws(HubError) -> ChatTemplate {
    let only = templates.count == 1 ? templates.members.first?.value : nil
    guard let source = (templates["default"] ?? only)?.string else {
      let names = templates.map { printable($0.key.bytes) }.joined(separator: ", ")
      throw HubError(
        file: file, key: "chat_template", expected: "one that is called default", found: names)
    }
    return try ChatTemplate(source.utf8String, file: file, key: "chat_template")
  }
}
