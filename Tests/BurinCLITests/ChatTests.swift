import BurinHub
import Glibc
import Testing

/// `generate --chat`: one turn, and a conversation.
@Suite struct ChatTests {
  private static let template =
    "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}"
    + "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

  /// GPT-2's fixture with a template.
  private func library(_ template: String = template) throws -> (library: String, errors: String) {
    try Burin.compiled(
      Burin.altered("gpt2-lm", files: ["chat_template.json": ["chat_template": JSON(template)]]))
  }

  private func generate(_ arguments: [String], input: String? = nil) throws -> Outcome {
    try Burin.run(["generate"] + arguments, input: input)
  }

  @Test("answers one turn as if the template's text were the prompt")
  func oneTurn() throws {
    let (library, errors) = try library()
    #expect(!errors.contains("warning"))
    func json(_ arguments: String...) throws -> JSONField {
      let outcome = try generate([library, "--max-new-tokens", "6", "--json"] + arguments)
      try #require(outcome.status == 0, "\(outcome.errors)")
      return try outcome.json()
    }
    let chat = try json("--chat", "--system", "-x", "--prompt", "joy")
    let text =
      "<|im_start|>system\n-x<|im_end|>\n<|im_start|>user\njoy<|im_end|>\n<|im_start|>assistant\n"
    let plain = try json("--prompt", text)
    #expect(
      try chat["tokens"].array().map { try $0.int() }
        == plain["tokens"].array().map { try $0.int() })
    #expect(try chat["prompt_tokens"].int() == plain["prompt_tokens"].int())
  }

  @Test("keeps a conversation's history, and ends with its input")
  func conversation() throws {
    let (library, _) = try library("{% for m in messages %}{{ m.content }}\n{% endfor %}")
    let typed = try generate(
      [library, "--chat", "--max-new-tokens", "4", "--ignore-eos"], input: "Vienna\n\njoy\n")
    #expect(typed.status == 0 && typed.errors.isEmpty, "\(typed.errors)")
    func answer(_ prompt: String) throws -> String {
      try generate(
        [library, "--prompt", prompt, "--max-new-tokens", "4", "--ignore-eos", "--json"]
      ).json()["text"].string().utf8String
    }
    let first = try answer("Vienna\n")
    let second = try answer("Vienna\n\(first)\njoy\n")
    #expect(typed.text == "\(first)\n\(second)\n")
  }

  @Test("says what is wrong")
  func mistakes() throws {
    let (library, _) = try library()
    let bare = try Burin.library("gpt2-lm")
    for (status, mention, arguments) in [
      (64, "--system needs --chat", [library, "--prompt", "a", "--system", "b"]),
      (64, "exclude", [library, "--chat", "--input-ids", "1"]),
      (64, "--json with --chat needs --prompt", [library, "--chat", "--json"]),
      (65, "chat template", [bare, "--chat", "--prompt", "a"]),
    ] as [(Int32, String, [String])] {
      let outcome = try generate(arguments)
      #expect(outcome.status == status && outcome.errors.contains(mention), "\(outcome.errors)")
      #expect(outcome.output.isEmpty && outcome.errors.filter { $0 == "\n" }.count == 1)
    }
    let refusing = try self.library("\n{{ raise_exception('only\nsongs') }}").library
    let refused = try generate([refusing, "--chat", "--prompt", "a"])
    #expect(refused.status == 65 && refused.errors.contains("line 2"), "\(refused.errors)")
    let broken = try self.library("{% if %}")
    #expect(broken.errors.contains("warning") && broken.errors.contains("line 1"))
    #expect(try generate([broken.library, "--chat", "--prompt", "a"]).status == 65)
    #expect(try generate([broken.library, "--prompt", "a"]).status == 0)
  }
}
