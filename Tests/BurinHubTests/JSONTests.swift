import BurinHub
import Testing

@Suite struct JSONTests {
  static func parse(_ text: String, _ options: JSON.Options = JSON.Options()) throws -> JSON {
    try JSON.parse(Array(text.utf8), options: options)
  }

  @Test func valuesOfEveryKind() throws {
    let json = try Self.parse(
      #" { "a" : [ 1 , -2.5e1, true, false, null ], "b": {}, "c": [], "d": "x" } "#)
    #expect(json == ["a": [1, -25.0, true, false, nil], "b": [:], "c": [], "d": "x"])
    #expect(json["a"]?.array?.count == 5)
    #expect(json.object?.members.map(\.key) == ["a", "b", "c", "d"])
    #expect(json["e"] == nil)
  }

  @Test func integersAreExact() throws {
    #expect(try Self.parse("9007199254740993").int == 9_007_199_254_740_993)
    #expect(try Self.parse("-9223372036854775808").int == Int.min)
    #expect(try Self.parse("9223372036854775807").int == Int.max)
    #expect(try Self.parse("-0").int == 0)
    // What does not fit 64 bits is still a number, never an integer.
    for text in [
      "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1.0", "1e3",
    ] {
      let json = try Self.parse(text)
      #expect(json.int == nil && json.double != nil, "\(text)")
    }
    #expect(
      try Self.parse("1000000000000000019884624838656").double
        == 1_000_000_000_000_000_019_884_624_838_656)
  }

  @Test func doublesAreNearest() throws {
    for text in ["0.1", "-12.345678710937500", "2.2250738585072014e-308", "5e-324", "1e308"] {
      #expect(try Self.parse(text).double == Double(text))
    }
    #expect(try Self.parse("1e-400").double == 0)
  }

  @Test("tells a flag that is null, and so false, from one that is absent")
  func flags() throws {
    let field = JSONField(["null": nil, "true": true, "text": "x"], file: "config.json")
    #expect(try !field["null"].flag(default: true))
    #expect(try field["absent"].flag(default: true))
    #expect(try field["true"].flag(default: false))
    #expect(throws: HubError.self) { try field["text"].flag(default: true) }
  }

  @Test(arguments: [
    ("", "end of the text", 0), ("  ", "end of the text", 2), ("nul", "'n'", 0),
    ("[1,]", "']'", 3), ("{\"a\":1,}", "'}'", 7), ("{a:1}", "'a'", 1), ("[1 2]", "'2'", 3),
    ("1 1", "'1'", 2), ("01", "'1'", 1), ("-", "end of the text", 1), ("1.", "end of the text", 2),
    (".5", "'.'", 0), ("+1", "'+'", 0), ("1e", "end of the text", 2), ("0x10", "'x'", 1),
    ("NaN", "'N'", 0), ("-Infinity", "'I'", 1), ("1e400", "1e400", 0), ("-1e400", "-1e400", 0),
    ("\"abc", "end of the text", 0), ("\"a\nb\"", "byte 0x0a", 2), ("\"\\x\"", "'x'", 2),
    ("\"\\u12g4\"", "'g'", 5), ("\"\\ud800\"", "\\ud800", 1), ("\"\\ud800\\u0041\"", "\\ud800", 1),
    ("\"\\udc00\"", "\\udc00", 1), ("{\"a\":1 \"b\":2}", "'\"'", 7), ("{\"a\"}", "'}'", 4),
    ("[1}", "'}'", 2), ("\u{FEFF}1", "byte 0xef", 0), ("// c\n1", "'/'", 0), ("'a'", "'''", 0),
  ])
  func whatIsNotJSONIsRefused(text: String, found: String, offset: Int) {
    let error = #expect(throws: JSONError.self) { try Self.parse(text) }
    #expect(error?.found.contains(found) == true, "\(text): \(String(describing: error))")
    #expect(error?.offset == offset, "\(text): \(String(describing: error))")
  }

  @Test(arguments: [
    [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80],
    [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE4, 0xB8],
    [0xFF],
  ])
  func stringsThatAreNotUTF8AreRefused(bytes: [UInt8]) {
    let error = #expect(throws: JSONError.self) {
      try JSON.parse([UInt8(ascii: "\"")] + bytes + [UInt8(ascii: "\"")])
    }
    #expect(error?.expected == "UTF-8" && error?.offset == 1)
  }

  @Test func escapesAndScalars() throws {
    let json = try Self.parse(#""\"\\\/\b\f\n\r\t\u0000\u00e9\u4e2d\ud83d\ude00é中😀""#)
    #expect(json.string == ByteString("\"\\/\u{8}\u{C}\n\r\t\0é中😀é中😀"))
    #expect(try Self.parse(#""\\a""#).string == "\\a")
  }

  @Test func loneSurrogatesAndPythonsNumbers() throws {
    let json = try Self.parse(
      #"["\ud800", "\ud83dx", "\udc00\ud800\u0041", NaN, Infinity, -Infinity]"#, .python)
    let values = try #require(json.array)
    #expect(values[0].string == "\u{FFFD}")
    #expect(values[1].string == "\u{FFFD}x")
    #expect(values[2].string == "\u{FFFD}\u{FFFD}A")
    #expect(values[3].double?.isNaN == true)
    #expect(values[4].double == .infinity && values[5].double == -.infinity)
  }

  @Test func nestingHasALimit() throws {
    let most = String(repeating: "[", count: 512) + String(repeating: "]", count: 512)
    #expect(throws: Never.self) { try Self.parse(most) }
    let error = #expect(throws: JSONError.self) {
      try Self.parse(String(repeating: "[", count: 100_000))
    }
    #expect(error?.expected == "at most 512 levels of nesting")
    #expect(throws: JSONError.self) {
      try Self.parse(String(repeating: "{\"a\":", count: 100_000))
    }
  }

  @Test func keysAreBytes() throws {
    let json = try Self.parse("{\"\u{e9}\": 1, \"e\u{301}\": 2}")
    #expect(json.object?.count == 2)
    #expect(json["\u{e9}"]?.int == 1)
    #expect(json["e\u{301}"]?.int == 2)
    #expect(ByteString("\u{e9}") != ByteString("e\u{301}"))
  }

  @Test(arguments: [2, 8, 9, 100, 5000])
  func keysAreFoundAndRepeatsSeen(count: Int) throws {
    let members = (0..<count).map { "\"key \($0)\": \($0)" }
    let json = try Self.parse("{" + members.joined(separator: ",") + "}")
    for number in 0..<count { #expect(json[ByteString("key \(number)")]?.int == number) }
    #expect(json["key"] == nil)

    let repeated = "{" + (members + ["\"key 1\": -1"]).joined(separator: ",") + "}"
    let error = #expect(throws: JSONError.self) { try Self.parse(repeated) }
    #expect(error?.found == "\"key 1\" again")
    let last = try Self.parse(repeated, .python)
    #expect(last.object?.count == count)
    #expect(last["key 1"]?.int == -1)
    #expect(last.object?[1].value.int == -1)
  }

  @Test func whatIsWrittenReadsBack() throws {
    let json: JSON = [
      "text": "a \"quote\" \\ \n\t\r and é中😀", "numbers": [0, -1, 0.5, 1e300, 1e-7],
      "nothing": nil, "yes": true, "no": false, "empty": [[], [:]],
    ]
    #expect(try Self.parse(json.text) == json)
    #expect(JSON.string(ByteString([1, 0x7F, 0xFF])).text == #""\u0001\u007f"# + "\u{FFFD}\"")
    #expect(JSON(Double.nan).text == "null")
    #expect(JSON(Float(0.1)).text == "0.1")
    #expect((["b": 1, "a": [true, nil]] as JSON).text == #"{"b":1,"a":[true,null]}"#)
  }

  @Test func randomChangesNeverTrap() throws {
    let seed = #"{"a": [1, -2.5e-3, "x\u00e9\ud83d\ude00é中", {"b": null}], "c": true, "d": {}}"#
    var random = SmallRandom(seed: 7)
    var accepted = 0
    for _ in 0..<20_000 {
      let bytes = random.mutate(Array(seed.utf8))
      if let json = try? JSON.parse(bytes, options: .python) {
        accepted += 1
        _ = json.text
      }
    }
    #expect(accepted > 0)
  }
}

@Suite struct JSONFieldTests {
  let config = JSONField(
    [
      "size": 768, "eps": 1e-12, "nan": JSON(Double.nan), "name": "bert", "none": nil, "on": true,
      "rope": ["factor": "8", "ranges": [1, 2]],
    ], file: "m/config.json")

  @Test func valuesAreRead() throws {
    #expect(try config["size"].int(in: 1...1024) == 768)
    #expect(try config["absent"].int(default: 5) == 5)
    #expect(try config["none"].int(default: 5) == 5)
    #expect(try config["eps"].double(above: 0) == 1e-12)
    #expect(try config["size"].double() == 768)
    #expect(try config["name"].string(oneOf: ["gpt2", "bert"]) == "bert")
    #expect(try config["on"].bool())
    #expect(try config["rope"]["ranges"].array().map { try $0.int() } == [1, 2])
    #expect(try config["rope"].members().map(\.key) == ["factor", "ranges"])
    #expect(config["rope"]["ranges"][2].exists == false)
  }

  @Test func errorsNameFileKeyExpectedAndFound() {
    func message(_ read: () throws -> Void) -> String {
      do {
        try read()
        return "nothing was thrown"
      } catch { return "\(error)" }
    }
    #expect(
      message { _ = try config["size"].int(in: 1...512) }
        == "m/config.json: size: expected an integer from 1 to 512, found 768")
    #expect(
      message { _ = try config["rope"]["factor"].double(above: 0) }
        == "m/config.json: rope.factor: expected a finite number above 0.0, found \"8\"")
    #expect(
      message { _ = try config["nan"].double(above: 0) }.hasSuffix("found nan"))
    #expect(
      message { _ = try config["absent"].string() }
        == "m/config.json: absent: expected a string, found nothing")
    #expect(
      message { _ = try config["rope"]["ranges"][1].bool() }
        == "m/config.json: rope.ranges[1]: expected true or false, found 2")
    #expect(
      message { _ = try config["name"].string(oneOf: ["gpt2"]) }
        == "m/config.json: name: expected one of \"gpt2\", found \"bert\"")
    #expect(
      message { _ = try config["a\nb"].int() }
        == "m/config.json: a\\nb: expected an integer, found nothing")
  }
}
