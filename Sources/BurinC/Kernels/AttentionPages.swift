import BurinIR

// Where attention finds its keys and values: in the pages of sequences, or in scratch pages that it
// fills first.

extension AttentionWriter {
  /// An operand whose rows are read where they lie.
  struct Rows {
    let pointer: CExpression
    let strides: [CExpression]

    init(
      _ place: Place, _ name: CIdentifier, _ operand: Int, note: String,
      _ parts: inout KernelParts
    ) throws {
      let axes: [String] = ["sequence", "position", "head"]
      strides = zip(place.strides, axes).map { stride, axis in
        parts.size(stride, CIdentifier(cleaning: "\(name)_\(axis)_stride"))
      }
      pointer = try parts.operand(operand, name, place.type.element, note: note)
    }

    func row(_ sequence: CExpression, _ position: CExpression, _ head: CExpression) -> CExpression {
      pointer + sequence * strides[0] + position * strides[1] + head * strides[2]
    }
  }

  /// Keys or values, by page: in the memory of sequences, or in scratch memory.
  struct Pages {
    let name: CIdentifier
    let rows: Rows?
    /// Bytes from a page's start, which differ from layer to layer, from page to page, and from head
    /// to head.
    let paged: (offset: CExpression, bytes: Int, head: Int)?
    /// What lies in the pages.
    let element: ElementType
    /// Elements of a scratch page; 0 for what is read where it lies.
    let page: Int
    /// The head of keys.
    let group: CExpression
    var isPaged: Bool { paged != nil }
    /// Whether rows are read where they lie, instead of being copied to scratch pages.
    var isInPlace: Bool { rows != nil && page == 0 }
    /// Whether the pages of sequences are widened to f32 before they are used.
    var isNarrow: Bool { isPaged && element != .f32 }
    /// Where they are then, `[CHUNK_PAGES][...]`.
    var widened: CExpression { .name(CIdentifier(cleaning: "wide_\(name)")) }
    var scratch: CExpression { .name(CIdentifier(cleaning: "\(name)_pages")) }

    init(
      _ place: Place, _ name: CIdentifier, _ operand: Int, note: String, page: Int,
      group: CIdentifier, _ parts: inout KernelParts
    ) throws {
      self.name = name
      self.page = page
      self.group = .name(group)
      element = place.type.element
      switch place.storage {
      case .memory:
        rows = try Rows(place, name, operand, note: note, &parts)
        paged = nil
      case .pages(let role, _, let offset, let bytes):
        guard element.isPaged, let width = place.shape.last?.constant else {
          throw IRError("attention: no pages of \(place.type)")
        }
        rows = nil
        let parameter = parts.parameter(
          .int64, name == "k" ? "key_offset" : "value_offset", .size(Dim(offset)),
          note: "bytes from a page's start")
        paged = (parameter, bytes, role.bytes(element, width: width))
      }
    }

    /// Where one head's part of page `page` of `sequence` begins, `size` elements for each head;
    /// `data` is where a page of a sequence's memory begins.
    func address(page: CExpression, size: Int) -> CExpression {
      if let rows, isInPlace { return rows.row("sequence", page * 64, group) }
      guard let paged else {
        let heads = CExpression.integer(self.page / size)
        return scratch + (("sequence" * heads + group) * "pages" + page) * .integer(size)
      }
      return (("data" as CExpression) + paged.offset + group * .integer(paged.head))
        .cast(to: element.cType.const.pointer)
    }
  }

  /// Floats of a row of values: the width in a sequence's pages, whole vectors elsewhere.
  func width(of values: Pages) -> Int {
    values.isPaged && !values.isNarrow ? valueWidth : padded
  }

  /// Whether a task of many rows copies its values to the stack: where their rows are a multiple of 4 KiB
  /// apart, and so compete for the same lines of the caches.
  func gathersValues(_ values: Pages) -> Bool {
    guard element == .f32, values.isInPlace, padded <= AttentionWriter.gathered,
      case .integer(let stride) = self.stride(of: values)
    else { return false }
    return stride % 1024 == 0
  }

  /// Floats from one row of values to the next.
  func stride(of values: Pages) -> CExpression {
    guard let rows = values.rows, values.isInPlace else { return .integer(width(of: values)) }
    return rows.strides[1]
  }

  /// Room for the pages of a chunk, of what is narrow.
  func wideRoom(_ keys: Pages, _ values: Pages) -> [CStatement] {
    CBlockBuilder.build {
      for (pages, floats) in [(keys, width * 64), (values, padded * 64)] where pages.isNarrow {
        Declare(
          .array(.array(.float, .integer(floats)), "CHUNK_PAGES"), pages.widened,
          attributes: [.aligned(64)])
      }
    }
  }

  /// Widens the pages of the chunk that hold keys of the rows.
  private func widen(_ keys: Pages, _ values: Pages) -> [CStatement] {
    let span: CExpression = "span"
    let first = ("start" as CExpression) + ("i" as CExpression) * 64
    func function(_ text: String, _ pages: Pages) -> CExpression {
      .name(CIdentifier(cleaning: "page_widen_\(text)_\(pages.element.rawValue)"))
    }
    return CBlockBuilder.build {
      If(first < span.member("last") && first + 64 > span.member("first")) {
        if keys.isNarrow {
          function("keys", keys)(
            keys.widened["i"], keys.address(page: "page", size: 0), .integer(width))
        }
        if values.isNarrow {
          function("values", values)(
            values.widened["i"], .integer(padded), values.address(page: "page", size: 0),
            .integer(valueWidth))
        }
      }
    }
  }

  /// Declares the parts of the workspace and says how many bytes it has.
  func scratch(_ keys: Pages, _ values: Pages, batch: CExpression) -> ([CStatement], Dim) {
    var statements: [CStatement] = []
    var bytes: Dim = 0
    var next: (place: CExpression, type: CType) = ("workspace", .char)
    let pages = (key.shape[1] + 63) / 64
    func take(
      _ name: CIdentifier, _ type: CType, _ size: Dim, _ text: CExpression, _ note: String
    ) {
      let place = next.type == type ? next.place : next.place.cast(to: type.pointer)
      statements += Declare(type.pointer, .name(name), place).note(note)
      next = (.name(name) + text, type)
      bytes = bytes + size
    }
    let elements = Dim(element.bytes)
    if !keys.isPaged {
      take(
        "k_pages", element.cType, query.shape[0] * pages * Dim(keys.page) * elements,
        batch * "pages" * .integer(keys.page),
        "[batch, \(groups), pages, \(element == .f32 ? "\(width), 64" : "\(width / 2), 64, 2")]")
    }
    if values.page > 0 && !values.isPaged {
      take(
        "v_pages", element.cType, query.shape[0] * pages * Dim(values.page) * elements,
        batch * "pages" * .integer(values.page),
        "[batch, \(groups), pages, \(element == .f32 ? "64, \(padded)" : "32, \(padded), 2")]")
    }
    if splits {
      let chunks = (key.shape[1] + 255) / 256
      let share = groups * AttentionWriter.few * (padded + 16)
      take(
        "shares", .float, query.shape[0] * chunks * Dim(share * 4), 0,
        "[batch, \(groups), splits, \(AttentionWriter.few), \(padded) values + maximum + sum]")
    }
    return (statements, bytes)
  }

  func fillPages(
    _ keys: Pages, _ values: Pages, batch: CExpression, keys count: CExpression
  ) -> [CStatement] {
    let pageKeys = CExpression.name(typed("page_keys"))
    let pageValues = CExpression.name(typed("page_values"))
    let first: CExpression = "page" * 64
    return CBlockBuilder.build {
      Pragma("omp for collapse(3) schedule(static)")
      For("sequence", to: batch) { sequence in
        For("page", to: "pages") { page in
          For(group, to: .integer(groups)) { group in
            if let rows = keys.rows {
              pageKeys(
                keys.address(page: page, size: width * 64),
                rows.row(sequence, first, group), rows.strides[1], count - first, .integer(width))
            }
            if let rows = values.rows, !values.isInPlace {
              pageValues(
                values.address(page: page, size: padded * 64), .integer(padded),
                rows.row(sequence, first, group), rows.strides[1], count - first,
                .integer(valueWidth))
            }
          }
        }
      }
    }
  }

  /// Declares `chunk` and finds its pages.
  func fillChunk(
    _ rules: AttentionScores, _ keyPages: Pages, _ valuePages: Pages, keys: CExpression
  ) -> [CStatement] {
    let chunk: CExpression = "chunk"
    return CBlockBuilder.build {
      Declare(chunkType, chunk)
      chunk.member("start").assign("start")
      For("i", to: "CHUNK_PAGES", type: .int) { i in
        Declare(.int64.const, "page", smaller("start" / 64 + i, "pages" - 1))
        if let bytes = (keyPages.paged ?? valuePages.paged)?.bytes {
          Declare(
            .char.const.pointer, "data",
            ("pool" as CExpression) + ("table" as CExpression)["sequence" * "table_stride" + "page"]
              .cast(to: .int64) * .integer(bytes))
        }
        chunk.member("keys")[i].assign(
          keyPages.isNarrow
            ? keyPages.widened[i] : keyPages.address(page: "page", size: width * 64))
        chunk.member("values")[i].assign(
          valuePages.isNarrow
            ? valuePages.widened[i]
            : valuePages.address(page: "page", size: width(of: valuePages) * 64))
        if keyPages.isNarrow || valuePages.isNarrow { widen(keyPages, valuePages) }
      }
      if element == .f32 {
        chunk.member("value_width").assign(.integer(width(of: valuePages)))
        chunk.member("value_run").assign(
          valuePages.isPaged && !valuePages.isNarrow ? "PAGE" : "CHUNK")
        chunk.member("value_stride").assign(stride(of: valuePages))
        chunk.member("value_panel").assign(32)
        if gathersValues(valuePages) {
          If("count" > 4 * "TILE_ROWS") {
            ("attention_gather_values" as CExpression)(
              chunk.address, "span", ("value_rows" as CExpression)[0][0])
          }
        }
      }
      if let padding = rules.padding {
        chunk.member("has_gaps").assign("has_gaps")
        If("has_gaps") {
          For("i", to: "CHUNK", type: .int) { i in
            chunk.member("counts")[i].assign(
              (("start" as CExpression) + i < keys).then(
                padding.mask["sequence" * padding.stride + "start" + i], else: 0))
          }
        }
      }
    }
  }
}
