// The micro-kernel of `tile.h` for panels of bf16: terms lie in pairs, sums are f32.
#ifndef BURIN_TILE_BF16_H
#define BURIN_TILE_BF16_H

#include "bf16.h"
#include "tile.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

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

/// `tile_product_bf16` for a constant height and width, which is then all in registers.
IN_REGISTERS INLINE void tile_block_bf16(
    const int height, const int vectors, int64_t depth, const uint16_t *x, int64_t x_stride,
    const uint16_t *panel, int64_t panel_stride, float *sums, int64_t sums_stride,
    TileStart start) {
  f32x16 sum[TILE_ROWS][2];
  tile_begin(height, vectors, sum, sums, sums_stride, start);
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k += 2) {
    bf16x2x16 column[2];
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

/// `tile_product_f32_bf16` for a constant height, which is then all in registers; an even `depth`.
IN_REGISTERS INLINE void tile_block_f32_bf16(
    const int height, const int vectors, int64_t depth, const float *x, int64_t x_stride,
    const uint16_t *panel, int part, float *sums) {
  f32x16 sum[TILE_ROWS][2];
  tile_begin(height, vectors, sum, sums, 32, TILE_FROM_ZERO);
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k += 2) {
    bf16x2x16 pairs[2];
    UNROLL
    for (int v = 0; v < vectors; v++) pairs[v] = bf16_load_pairs(panel + k * 32 + 32 * (part + v));
    UNROLL
    for (int row = 0; row < height; row++)
      for (int v = 0; v < vectors; v++)
        sum[row][v] += x[row * x_stride + k] * bf16_first(pairs[v]);
    UNROLL
    for (int row = 0; row < height; row++)
      for (int v = 0; v < vectors; v++)
        sum[row][v] += x[row * x_stride + k + 1] * bf16_second(pairs[v]);
  }
  tile_end(height, vectors, sum, sums, 32);
}

TILE_WIDENING_PRODUCT(tile_product_f32_bf16, tile_block_f32_bf16)

/// `tile_product` of pairs: `panel[k / 2][0 ..< columns][k % 2]`, its rows of pairs `panel_stride`
/// pairs apart, and an even `depth`. The pairs of each sum are added in the order of k in one
/// accumulator, whatever the height.
IN_REGISTERS __attribute__((noinline, unused)) static void tile_product_bf16(
    int height, int columns, int64_t depth, const uint16_t *x, int64_t x_stride,
    const uint16_t *panel, int64_t panel_stride, float *sums, int64_t sums_stride,
    TileStart start) {
  switch (height) { TILE_HEIGHTS(TILE_HEIGHT, tile_block_bf16, 2) }
}

#endif
