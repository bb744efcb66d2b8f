import BurinHub
import Testing

/// Chat templates against what transformers makes of them (`Tests/Fixtures/chat`).
@Suite struct ChatTemplateTests {
  @Test func textsAreThoseOfTransformers() throws {
    let bytes = try RegularFile(path: fixture("chat/chat.json")).contents(limit: 1 << 24)
    let recorded = try JSONField(JSON.parse(bytes), file: "chat.json")
    let gpt2 = try RegularFile(path: fixture("models/gpt2-lm/tokenizer.json"))
    let tokenizer = try Tokenizer(
      JSONField(JSON.parse(gpt2.contents(limit: 1 << 24)), file: "tokenizer.json"))
    let tokens = try #require(recorded["tokens"].value?.object).members
    for item in try recorded["cases"].array() {
      let source = try recorded["templates"][item["template"].string()].string()
      let conversation = recorded["conversations"][try item["conversation"].string()]
      let more = try #require(conversation["variables"].value?.object).members
      let template = try ChatTemplate(source.utf8String, file: "template")
      let text = try? template.text(
        of: #require(conversation["messages"].value?.array),
        addsGenerationPrompt: item["adds_generation_prompt"].bool(),
        variables: JSONObject(tokens + more), now: recorded["now"].int())
      #expect(text.map { ByteString($0) } == item["text"].value?.string, "\(item.path)")
      guard let text else { continue }
      let ids = try tokenizer.encode(text, addSpecialTokens: false).ids
      #expect(try ids.map(Int.init) == item["ids"].array().map { try $0.int() }, "\(item.path)")
    }
  }

  /// Recursive loops, parts and groups of lists, and `format`, against Jinja's own texts
  /// (`chat/record_jinja.py`).
  @Test func textsAreThoseOfJinja() throws {
    let bytes = try RegularFile(path: fixture("chat/jinja.json")).contents(limit: 1 << 24)
    let recorded = try JSONField(JSON.parse(bytes), file: "jinja.json")
    let variables = try #require(recorded["variables"].value?.object)
    func expect(_ source: String, _ text: JSON?) {
      let found = Result {
        try ChatTemplate(source, file: "t").text(of: [], variables: variables)
      }
      let written = try? found.get()
      #expect(written.map { ByteString($0) } == text?.string, "\(source): \(found)")
    }
    for item in try recorded["cases"].array() {
      expect(try item["source"].string().utf8String, item["text"].value)
    }
    let specifications = try recorded["specifications"].array().map { try $0.string().utf8String }
    for format in try recorded["formats"].array() {
      let value = try format["value"].string().utf8String
      for (specification, text) in zip(specifications, try format["texts"].array()) {
        expect("{{ '{:\(specification)}'.format(\(value)) }}", text.value)
      }
    }
  }

  /// What a template writes, or why it does not.
  private func text(_ source: String) -> String {
    do {
      return try ChatTemplate(source, file: "t").text(
        of: [["role": "user", "content": "hi"]], variables: JSONObject([.init("s", "Hello")]))
    } catch {
      return "\(error)"
    }
  }

  @Test(arguments: [
    ("{{ 1", "line 1: expected }}, found the end of the template"),
    ("a\n{% if x %}\nb", "line 3: expected {% elif or else or endif %}"),
    ("{% for a in [1] %}{{ loop(a) }}{% endfor %}", "expected a loop that is recursive"),
    ("{{ '{1}'.format(1) }}", "expected a value for the field {1}, found 1 values"),
    ("{{ '{} {0}'.format(1) }}", "expected all fields with numbers, or none, at the field {0}"),
    ("{{ '{:,d}'.format(s) }}", "expected a format for a string, found \",d\""),
    ("{{ '{'.format(1) }}", "expected fields in braces, found a \"{\" that stands alone"),
    ("{{ [1] | slice(0) }}", "expected a number for slice"),
    ("\n\n{% include 'x' %}", "line 3: expected if, for, set, macro"),
    ("{# c", "line 1: expected #} at the end of the comment"),
    ("{% raw %}", "line 1: expected {% endraw %}"),
    ("{{ 'a }}", "line 1: expected a string that ends"),
    ("{{ (1] }}", "line 1: expected a bracket that was opened, found \"]\""),
    ("{{ 99999999999999999999 }}", "expected a number of 64 bits"),
    ("{{ $ }}", "expected an expression, found \"$\""),
    ("{{ a b }}", "expected }}, found \"b\""),
    ("\n{{ raise_exception('no ' ~ s) }}", "line 2: expected a conversation that the template"),
    ("{{ nobody.said }}", "found \"nobody\", which nothing sets"),
    ("{{ s.nothing() }}", "expected something to call, found \"nothing\" of a string"),
    ("{{ s | sing }}", "expected a filter that Burin knows, found \"sing\""),
    ("{{ s is sung }}", "expected a test that Burin knows, found \"sung\""),
    ("{{ s + 1 }}", "expected values that + takes, found a string and an integer"),
    ("{{ [].append(1) }}", "expected a method that changes nothing"),
    ("{{ 1 // 0 }}", "expected a divisor, found 0"),
    ("{{ s | upper(1) }}", "expected the arguments that upper takes"),
    ("{% set s.x = 1 %}", "expected a namespace before .x, found a string"),
    ("{% for a, b in [1] %}{% endfor %}", "expected 2 values"),
    ("{% break %}", "expected break and continue inside a loop"),
  ])
  func mistakesNameTheirLine(source: String, expected: String) {
    let text = text(source)
    #expect(text.hasPrefix("t: line ") && text.contains(expected), "\(text)")
    #expect(!text.contains("\n"))
  }

  @Test(arguments: [
    "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
    "{{ 'a' * 9000000000000000000 }}", "{{ range(100001) }}",
    "{% set ns = namespace(x='a' * 1000) %}{% for i in range(99) %}{% set ns.x = ns.x * 9 %}{% endfor %}",
    "{% set ns = namespace(x=[]) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ 'a' * 100000 | replace('', 'b' * 100000) }}", "{{ '%s' * 9000000 % ('a',) }}",
    "{% set ns = namespace(n=2) %}{% for i in range(99) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    "{{ '{:9000000000000000000}'.format(1) }}", "{{ '{:.9000000}'.format(1.5) }}",
    "{{ '{:999999}{0}'.format('a' * 4000000) }}", "{{ [1] | batch(9000000000000000, 2) | list }}",
    "{{ [1] | slice(9000000000000000) | list }}", "{{ '{0}'.format('{' * 4000000) * 99 }}",
    "{% for x in [[1]] recursive %}{{ loop([x]) }}{% endfor %}",
    "{% for x in range(99) recursive %}{{ loop(range(99)) }}{% endfor %}",
    String(repeating: "(", count: 5000), "{{ " + String(repeating: "(", count: 5000),
    "{{ " + String(repeating: "not ", count: 5000) + "1 }}",
    "{{ " + String(repeating: "[", count: 5000),
    String(repeating: "{% if 1 %}", count: 5000),
    "{{ 1" + String(repeating: " if 1 else 1", count: 5000) + " }}",
  ])
  func everythingIsBounded(source: String) {
    let text = text(source)
    #expect(text.hasPrefix("t: line ") || text == source, "\(text.prefix(200))")
  }

  @Test(
    "writes what Jinja 3.1 writes",
    arguments: [
      (#"{{ 'a\r\nb\x0bc\u2028'.splitlines() }}"#, "['a', 'b', 'c']"),
      (#"{{ 'a\rb\n\nc'.splitlines(true) }}"#, #"['a\r', 'b\n', '\n', 'c']"#),
      (#"{{ 'a\r\nb\n' | indent(2) }}"#, "a\n  b\n"), ("{{ 'Aaß'.casefold() }}", "aass"),
      ("{{ s.rindex('l') }}{{ '12'.isdecimal() }}{{ '½'.isnumeric() }}", "3TrueTrue"),
      ("{{ '11' | int(base=2) }} {{ '0x1A' | int(0, 16) }} {{ '1_0' | int }}", "3 26 10"),
      ("{{ 2.675 | round(2) }} {{ 1234.5 | round(-2) }} {{ 25 | round(-1) }}", "2.67 1200.0 20"),
      ("{{ {true: 2} }}{{ {true: 2} | tojson }}", #"{True: 2}{"true": 2}"#),
      ("{{ {1: 'a', true: 'b'} }}", "{1: 'b'}"), ("{{ {'k': 1} | attr('k') }}|", "|"),
      (
        "{{ '%5.1f|%-4s|%+d|%03d|%x|%s' % (1.25, 'é', 3, 5, 255, none) }}",
        "  1.2|é   |+3|005|ff|None"
      ),
      ("{{ '%s|' % nobody }}{{ '%-5.1e|' | format(12345.678) }}", "|1.2e+04|"),
      (
        "{% for a in [1] %}{% for b in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{% endfor %}",
        "10"
      ),
    ])
  func writesWhatJinjaWrites(source: String, expected: String) {
    #expect(text(source).unicodeScalars.elementsEqual(expected.unicodeScalars), "\(text(source))")
  }

  @Test func randomChangesNeverTrap() throws {
    let bytes = try RegularFile(path: fixture("chat/chat.json")).contents(limit: 1 << 24)
    let templates = try JSONField(JSON.parse(bytes), file: "chat.json")["templates"].members()
    var random = SmallRandom(seed: 5)
    for (_, template) in templates {
      let source = try template.string().bytes
      for _ in 0..<60 {
        var changed = source
        for _ in 0..<3 { changed = random.mutate(changed) }
        #expect(!text(String(decoding: changed, as: UTF8.self)).contains("\u{0}never"))
      }
    }
  }

  @Test func definitionsComeFromTheirFiles() throws {
    let directory = TemporaryDirectory()
    func definition() throws -> ChatDefinition? {
      try ChatDefinition(ModelDirectory(directory.path))
    }
    #expect(try definition() == nil)
    directory.write(#"{"chat_template":"old"}"#, to: "chat_template.json")
    #expect(try definition()?.templates["default"] == "old")
    directory.write(
      #"{"bos_token":"<s>","chat_template":[{"name":"tool_use","template":"t"},"#
        + #"{"name":"default","template":"d"}]}"#, to: "tokenizer_config.json")
    let named = try #require(try definition())
    #expect(named.templates["tool_use"] == "t" && named.tokens["bos_token"] == "<s>")
    #expect(try named.template(file: "f").text(of: []) == "d")
    #expect(try ChatDefinition(JSONField(named.json, file: "f")) == named)
    directory.write("{{ bos_token }}!\n", to: "chat_template.jinja")
    let file = try #require(try definition())
    #expect(try file.template(file: "f").text(of: [], variables: file.tokens) == "<s>!")
    directory.write("{\"chat_template\":7}", to: "tokenizer_config.json")
    directory.write("{{", to: "chat_template.jinja")
    let broken = try #require(try definition())
    #expect(message { _ = try broken.template(file: "f") }.hasPrefix("f: chat_template, line 1"))
  }
}
