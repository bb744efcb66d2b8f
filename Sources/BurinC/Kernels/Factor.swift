import BurinIR

/// The right side of a product: panels of 32 columns, or a matrix as it is. Its element type chooses
/// the header of the runtime that has the micro-kernel.
struct Factor {
  private let element: ElementType
  /// The type of the left side.
  private let left: ElementType
  private let depth: Int
  private let columns: Int
  /// Elements from one row of a matrix to the next.
  private let stride: Int
  private let isPacked: Bool

  init(
    _ weight: Place, by left: ElementType, depth: Int, columns: Int, stride: Int? = nil
  ) throws {
    self.left = left
    element = weight.type.element
    self.depth = depth
    self.columns = columns
    self.stride = stride ?? columns
    isPacked = weight.shape.count > 2
    if isPacked, weight.shape[2] != 32 {
      throw IRError("linear: panels of \(weight.shape[2]) columns where the kernels read 32")
    }
    switch (left, element) {
    case (.f32, .f32): break
    case (.bf16, .bf16) where isPacked && depth % 2 == 0: break
    case (.f32, .bf16) where isPacked && depth % 2 == 0: break
    case (.f32, .f16) where isPacked: break
    case (.r8, .w8) where isPacked && depth % 32 == 0: break
    case (.r8, .w4) where isPacked && depth % 32 == 0: break
    default:
      throw IRError("no kernel multiplies \(depth) terms of \(left.rawValue) by \(weight.type)")
    }
  }

  /// The header that the product is in.
  var header: String { element == .f32 ? "tile.h" : "tile_\(element.rawValue).h" }

  /// The words that the types add to a name: none for f32, one for the same type twice.
  var words: [String] {
    left == element ? (left == .f32 ? [] : [left.rawValue]) : [left.rawValue, element.rawValue]
  }

  /// The shape, as a remark.
  var note: String {
    guard isPacked else { return "[\(depth), \(columns)]" }
    let panels = (columns + 31) / 32
    let group = element.termsPerGroup
    if element.isTurned {
      return "[\(panels), \(depth / 32)] blocks: 32 scales, then [\(32 / group), 32, 4]"
    }
    return group == 1
      ? "[\(panels), \(depth), 32]" : "[\(panels), \(depth / group), 32, \(group)]"
  }

  /// Elements of the weight's C type from one packed column to the next.
  private var columnSize: Int {
    element.isTurned ? depth / element.block * element.blockBytes : depth
  }

  /// Elements from one of several weights that lie side by side to the next.
  var size: Int { isPacked ? (columns + 31) / 32 * 32 * columnSize : columns }

  /// Fills `sums[height][32]` for the columns from `panel` on.
  func product(
    _ rows: CExpression, _ rowStride: CExpression, _ weights: CExpression
  ) -> [CStatement] {
    let sums = ("sums" as CExpression)[0]
    let panel: CExpression = "panel"
    let height: CExpression = "height"
    let tileProduct: CExpression = "tile_product"
    let tileRemainder: CExpression = "tile_remainder"
    let inner = CExpression.integer(depth)
    if element == .bf16, left == .bf16 {
      return ("tile_product_bf16" as CExpression)(
        height, 32, inner, rows, rowStride, weights + panel * inner, 32, sums, 32, "TILE_FROM_ZERO"
      ).statements
    }
    if element != .f32 {
      let bytes = CExpression.integer(columnSize)
      let product = CExpression.name(
        CIdentifier(cleaning: (["tile_product"] + words).joined(separator: "_")))
      return product(height, inner, rows, rowStride, weights + panel * bytes, sums).statements
    }
    if isPacked {
      return tileProduct(
        height, 32, inner, rows, rowStride, weights + panel * inner, 32, sums, 32, "TILE_FROM_ZERO"
      ).statements
    }
    let width = CExpression.integer(columns)
    let stride = CExpression.integer(self.stride)
    if columns % 32 == 0 {
      return tileProduct(
        height, 32, inner, rows, rowStride, weights + panel, stride, sums, 32, "TILE_FROM_ZERO"
      ).statements
    }
    // No padding behind the last column, so nothing may be read there.
    return CBlockBuilder.build {
      Declare(.int.const, "whole", (smaller(32, width - panel) / 16 * 16).cast(to: .int))
      tileProduct(
        height, "whole", inner, rows, rowStride, weights + panel, stride, sums, 32, "TILE_FROM_ZERO"
      )
      if columns % 16 != 0 {
        If(smaller(32, width - panel) > "whole") {
          tileRemainder(
            height, (width - panel - "whole").cast(to: .int), inner, rows, rowStride,
            weights + panel + "whole", stride, sums + "whole", 32, "TILE_FROM_ZERO")
        }
      }
    }
  }
}
