// What the micro-kernels for blocks of i8 and of 4 bits share: rows of `r8` times panels of blocks, of
// which the products within a block are integers, and exact, and blocks are added up in f32.
#ifndef BURIN_TILE_R8_H
#define BURIN_TILE_R8_H

#include "blocks.h"
#include "tile.h"

/// Sums of a block and of all blocks share the registers: half as many rows as otherwise.
enum { R8_ROWS = TILE_ROWS / 2 };
#ifdef __AVX512F__
#define R8_HEIGHTS(block)     \
  R8_HEIGHT(block, 1, case 1) \
  R8_HEIGHT(block, 2, case 2) R8_HEIGHT(block, 3, case 3) R8_HEIGHT(block, 4, default)
#else
#define R8_HEIGHTS(block) \
  R8_HEIGHT(block, 1, case 1) R8_HEIGHT(block, 2, case 2) R8_HEIGHT(block, 3, default)
#endif

/// Defines `product`, of rows with the panels that `block` multiplies for a constant height:
/// `sums[row][0 ..< 32] = sum over blocks of scales * (sum over k of x[row][k] * panel[k])` for
/// `height` rows (at most `TILE_ROWS`), `x_stride` bytes apart, and a `depth` of whole blocks. The
/// blocks of a sum are added in the order of k in one accumulator, whatever the height.
#define R8_TILE_PRODUCT(product, block)                                                            \
  IN_REGISTERS __attribute__((noinline, unused)) static void product(                              \
      int height, int64_t depth, const int8_t *x, int64_t x_stride, const uint8_t *panel,          \
      float *sums) {                                                                               \
    for (int row = 0; row < height; row += R8_ROWS, x += R8_ROWS * x_stride, sums += R8_ROWS * 32) \
      switch (height - row) { R8_HEIGHTS(block) }                                                  \
  }
/// One case of it.
#define R8_HEIGHT(block, some, label)             \
  label:                                          \
    block(some, depth, x, x_stride, panel, sums); \
    break;

/// The sums of a block, of 16 columns: integers, or floats, in which products of such integers are
/// exact.
#ifdef __AVX2__
typedef i32x16 r8_product;
#else
typedef f32x16 r8_product;
#endif

/// A block of some rows, in the form in which it is multiplied.
typedef struct {
  const int8_t *x;
  int64_t x_stride;
#if defined(INTEGER_QUADS)
#elif defined(__AVX2__)
  // Of each four terms the first and third, and the second and fourth, as pairs of i16.
  int16_t pairs[R8_ROWS][2][BLOCK / 2] __attribute__((aligned(32)));
#else
  float terms[R8_ROWS][BLOCK];
#endif
} R8Rows;

#if defined(INTEGER_QUADS)
INLINE void r8_widen(const int height, R8Rows *rows) { (void)height, (void)rows; }
#elif defined(__AVX2__)
/// Not inlined: what the compiler keeps in registers it spreads by shuffles, and not by loads.
__attribute__((noinline, unused)) static void r8_widen(const int height, R8Rows *rows) {
  typedef int16_t i16x16 __attribute__((vector_size(32)));
  for (int row = 0; row < height; row++) {
    i16x16 terms;
    memcpy(&terms, rows->x + row * rows->x_stride + R8_TERMS, sizeof terms);
    *(i16x16 *)rows->pairs[row][0] = terms << 8 >> 8;
    *(i16x16 *)rows->pairs[row][1] = terms >> 8;
  }
}
#else
INLINE void r8_widen(const int height, R8Rows *rows) {
  for (int row = 0; row < height; row++)
    for (int term = 0; term < BLOCK; term++)
      rows->terms[row][term] = (float)rows->x[row * rows->x_stride + R8_TERMS + term];
}
#endif

/// Where the sums of a block of a row begin: integers make up for weights that are `BLOCK_ZERO` too
/// large.
INLINE r8_product r8_start(const int8_t *block) {
#ifdef __AVX2__
  int32_t start;
  memcpy(&start, block + R8_START, sizeof start);
  return vector_splat_i32(start);
#else
  (void)block;
  return (f32x16){0};
#endif
}

/// The sums of a block of some rows, as they begin.
IN_REGISTERS INLINE void r8_begin_block(
    const int height, r8_product product[R8_ROWS][TILE_VECTORS], const R8Rows *rows) {
  UNROLL
  for (int row = 0; row < height; row++)
    for (int v = 0; v < TILE_VECTORS; v++)
      product[row][v] = r8_start(rows->x + row * rows->x_stride);
}

/// The sums of a tile, as they begin.
IN_REGISTERS INLINE void r8_begin(const int height, f32x16 sum[R8_ROWS][2]) {
  UNROLL
  for (int row = 0; row < height; row++)
    for (int v = 0; v < 2; v++) sum[row][v] = (f32x16){0};
}

/// Adds the sums of a block from column `16 * part` on, times its rows' scales and its columns'.
IN_REGISTERS INLINE void r8_add(
    const int height, const int part, f32x16 sum[R8_ROWS][2],
    r8_product product[R8_ROWS][TILE_VECTORS], const f32x16 scales[2], const R8Rows *rows) {
  UNROLL
  for (int v = 0; v < TILE_VECTORS; v++)
    for (int row = 0; row < height; row++)
      sum[row][part + v] += __builtin_convertvector(product[row][v], f32x16) *
                            (scales[part + v] * r8_scale(rows->x + row * rows->x_stride));
}

/// The sums of a tile to memory.
IN_REGISTERS INLINE void r8_end(const int height, f32x16 sum[R8_ROWS][2], float *sums) {
  UNROLL
  for (int row = 0; row < height; row++)
    for (int v = 0; v < 2; v++) vector_store(sums + row * 32 + 16 * v, sum[row][v]);
}

#endif
