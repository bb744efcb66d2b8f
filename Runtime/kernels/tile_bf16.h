// The micro-kernel of `tile.h` for panels of bf16: terms lie in pairs, sums are f32.
#ifndef BURIN_TILE_BF16_H
#define BURIN_TILE_BF16_H

#include "bf16.h"
#include "tile.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

/// 16 pairs of terms, each the bits of two bf16, the first one in the lower half.
typedef u32x16 bf16x2x16;

INLINE f32x16 bf16_first(bf16x2x16 pairs) { return (f32x16)(pairs << 16); }
INLINE f32x16 bf16_second(bf16x2x16 pairs) { return (f32x16)(pairs & 0xffff0000); }

/// `sum + x.second * y.second + x.first * y.first`, lane by lane.
INLINE f32x16 bf16_multiply_add(f32x16 sum, bf16x2x16 x, bf16x2x16 y) {
#ifdef __AVX512BF16__
  return (f32x16)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)y);
#else
  sum += bf16_second(x) * bf16_second(y);
  return sum + bf16_first(x) * bf16_first(y);
#endif
}

/// The same pair in every lane.
INLINE bf16x2x16 bf16_splat_pair(const uint16_t *from) {
  uint32_t pair;
  memcpy(&pair, from, sizeof pair);
  return (bf16x2x16){0} + pair;
}

INLINE bf16x2x16 bf16_load_pairs(const uint16_t *from) {
  return (bf16x2x16)vector_load_i32((const int32_t *)from);
}

/// `tile_product_bf16` for a constant height and width, which is then all in registers.
IN_REGISTERS INLINE void tile_block_bf16(
    const int height, const int vectors, int64_t depth, const uint16_t *x, int64_t x_stride,
    const uint16_t *panel, int64_t panel_stride, float *sums, int64_t sums_stride,
    TileStart start) {
  f32x16 sum[TILE_ROWS][TILE_VECTORS];
  tile_begin(height, vectors, sum, sums, sums_stride, start);
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k += 2) {
    bf16x2x16 column[TILE_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++)
      column[v] = bf16_load_pairs(panel + k * panel_stride + 32 * v);
    UNROLL
    for (int row = 0; row < height; row++) {
      bf16x2x16 pair = bf16_splat_pair(x + row * x_stride + k);
      UNROLL
      for (int v = 0; v < vectors; v++)
        sum[row][v] = bf16_multiply_add(sum[row][v], pair, column[v]);
    }
  }
  tile_end(height, vectors, sum, sums, sums_stride);
}

/// `tile_product_f32_bf16` for a constant height, which is then all in registers.
IN_REGISTERS INLINE void tile_block_f32_bf16(
    const int height, int64_t depth, const float *x, int64_t x_stride, const uint16_t *panel,
    float *sums) {
  f32x16 sum[TILE_ROWS][TILE_VECTORS];
  UNROLL
  for (int row = 0; row < height; row++)
    for (int v = 0; v < TILE_VECTORS; v++) sum[row][v] = (f32x16){0};
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k += 2) {
    f32x16 first[TILE_VECTORS], second[TILE_VECTORS];
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
      bf16x2x16 pairs = bf16_load_pairs(panel + k * 32 + 32 * v);
      first[v] = bf16_first(pairs);
      second[v] = bf16_second(pairs);
    }
    UNROLL
    for (int row = 0; row < height; row++)
      for (int v = 0; v < TILE_VECTORS; v++) sum[row][v] += x[row * x_stride + k] * first[v];
    UNROLL
    for (int row = 0; row < height; row++)
      for (int v = 0; v < TILE_VECTORS; v++) sum[row][v] += x[row * x_stride + k + 1] * second[v];
  }
  UNROLL
  for (int row = 0; row < height; row++)
    for (int v = 0; v < TILE_VECTORS; v++) vector_store(sums + row * 32 + 16 * v, sum[row][v]);
}

/// `tile_product` of pairs: `panel[k / 2][0 ..< columns][k % 2]`, its rows of pairs `panel_stride`
/// pairs apart, and an even `depth`. The pairs of each sum are added in the order of k in one
/// accumulator, whatever the height.
IN_REGISTERS __attribute__((noinline, unused)) static void tile_product_bf16(
    int height, int columns, int64_t depth, const uint16_t *x, int64_t x_stride,
    const uint16_t *panel, int64_t panel_stride, float *sums, int64_t sums_stride,
    TileStart start) {
  for (int column = 0; column < columns; column += 16 * TILE_VECTORS) {
    const uint16_t *part = panel + 2 * column;
    float *to = sums + column;
    const int vectors = TILE_VECTORS == 2 && columns == 32 ? 2 : 1;
#define TILE_HEIGHT(height)                                                                      \
  case height:                                                                                   \
    if (vectors == 2)                                                                            \
      tile_block_bf16(                                                                           \
          height, TILE_VECTORS, depth, x, x_stride, part, panel_stride, to, sums_stride, start); \
    else                                                                                         \
      tile_block_bf16(                                                                           \
          height, 1, depth, x, x_stride, part, panel_stride, to, sums_stride, start);            \
    break;
    switch (height) {
      TILE_HEIGHTS(TILE_HEIGHT)
    }
#undef TILE_HEIGHT
  }
}

/// `sums[row][0 ..< 32] = sum over k of x[row][k] * panel[k / 2][0 ..< 32][k % 2]` for `height` rows
/// of f32 (at most `TILE_ROWS`) and an even `depth`: the products are those of f32.
IN_REGISTERS __attribute__((noinline, unused)) static void tile_product_f32_bf16(
    int height, int64_t depth, const float *x, int64_t x_stride, const uint16_t *panel,
    float *sums) {
  for (int v = 0; v < 2; v += TILE_VECTORS) switch (height) {
#define TILE_HEIGHT(height)                                                         \
  case height:                                                                      \
    tile_block_f32_bf16(height, depth, x, x_stride, panel + 32 * v, sums + 16 * v); \
    break;
      TILE_HEIGHTS(TILE_HEIGHT)
#undef TILE_HEIGHT
    }
}

#endif
