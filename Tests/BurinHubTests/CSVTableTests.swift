import BurinHub
import Testing

@Suite struct CSVTableTests {
  private func table(_ text: String) throws(HubError) -> CSVTable {
    try CSVTable(Array(text.utf8), file: "t.csv")
  }

  @Test(arguments: [
    "a,b\n1,2\n3,4\n", "a,b\r\n1,2\r\n3,4", "a;b\n1;2\n\n3;4\n", "a\tb\n1\t2\n3\t4\n",
    "\u{FEFF}a,b\n\"1\",\"2\"\n3,4\n",
  ])
  func readsTheUsualForms(text: String) throws {
    let table = try table(text)
    #expect(table.header == ["a", "b"])
    #expect(try table.numbers(in: 0) == [1, 3])
    #expect(try table.numbers(in: table.column(named: "b")) == [2, 4])
    #expect(table.index == nil)
  }

  @Test func readsQuotesAndTextAsItStands() throws {
    let table = try table("when,\"a \"\"b\"\"\nc\",é\n2026-01-01,-1.5e3, 7 \n\"x,y\",,NA\n")
    #expect(table.header == ["when", "a \"b\"\nc", "é"])
    #expect(table.rows[1] == ["x,y", "", "NA"])
    #expect(table.index == 0, "the first value is no number")
    #expect(try table.numbers(in: 1) == [-1500, nil])
    #expect(try table.numbers(in: 2) == [7, nil])
    #expect(table.line(of: 0) == 3)
  }

  @Test(arguments: [("date", true), ("", true), ("Index", true), ("level", false)])
  func findsTheIndexByItsName(name: String, isIndex: Bool) throws {
    #expect(try table("\(name),b\n1,2\n").index == (isIndex ? 0 : nil))
  }

  @Test(arguments: [
    ("", "t.csv: expected a header and rows, found nothing"),
    ("\n\n", "t.csv: expected a header and rows, found nothing"),
    ("a,a\n", "t.csv: line 1: expected columns of different names, found \"a\" twice"),
    ("a,b\n1,2\n\n3\n", "t.csv: line 4: expected 2 fields, as in the header, found 1"),
    ("a,b\n1,2,3\n", "t.csv: line 2: expected 2 fields, as in the header, found 3"),
    ("a\n\"1\n2", "t.csv: line 2: expected a closing quote, found the end of the file"),
    ("a\n\"1\"2\n", "t.csv: line 2: expected the end of a field after a quote, found more text"),
  ])
  func refuses(text: String, message: String) {
    #expect(throws: HubError.self) { try table(text) }
    do { _ = try table(text) } catch { #expect(error.description == message) }
  }

  @Test(arguments: ["x", "1,5", "0x10", "inf", "1e400", "1e39", "--1", "1 2"])
  func refusesWhatIsNoNumber(field: String) throws {
    let table = try table("a;b\n1;2\n3;\(field)\n")
    do {
      _ = try table.numbers(in: 1)
      Issue.record("\(field) was taken")
    } catch {
      #expect(error.key == "line 3, column \"b\"")
      #expect(error.expected == "a number that f32 can hold, or nothing")
      #expect(error.found == "\"\(field)\"")
    }
  }

  @Test func refusesBytesThatAreNotUTF8() {
    #expect(throws: HubError.self) { try CSVTable([0x61, 0x0A, 0xFF, 0x0A], file: "t.csv") }
  }

  @Test func namesTheColumnsThatThereAre() throws {
    let table = try table("rain,flow\n1,2\n")
    do { _ = try table.column(named: "snow") } catch {
      #expect(
        error.description
          == "t.csv: column \"snow\": expected one of \"rain\", \"flow\", found none of this name")
    }
  }

  /// Random bytes end in a table or an error.
  @Test func takesAnyBytes() {
    var random = SmallRandom(seed: 5)
    let letters: [UInt8] = Array("ab,;\t\"\r\n1.é".utf8)
    for _ in 0..<2000 {
      let bytes = (0..<Int(random.next() % 40)).map { _ in
        letters[Int(random.next() % UInt64(letters.count))]
      }
      if let table = try? CSVTable(bytes, file: "t.csv") {
        #expect(table.rows.allSatisfy { $0.count == table.header.count })
        for column in table.header.indices { _ = try? table.numbers(in: column) }
      }
    }
  }
}
