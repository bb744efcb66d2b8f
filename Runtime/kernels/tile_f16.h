// The micro-kernel of `tile.h` for panels of f16, which are widened as they are multiplied.
#ifndef BURIN_TILE_F16_H
#define BURIN_TILE_F16_H

#include "f16.h"
#include "tile.h"

/// `tile_product_f32_f16` for a constant height, which is then all in registers.
IN_REGISTERS INLINE void tile_block_f32_f16(
    const int height, const int vectors, int64_t depth, const float *x, int64_t x_stride,
    const uint16_t *panel, int part, float *sums) {
  f32x16 sum[TILE_ROWS][2];
  tile_begin(height, vectors, sum, sums, 32, TILE_FROM_ZERO);
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k++) {
    f32x16 column[2];
    UNROLL
    for (int v = 0; v < vectors; v++) column[v] = f16_load(panel + k * 32 + 16 * (part + v));
    UNROLL
    for (int row = 0; row < height; row++)
      for (int v = 0; v < vectors; v++) sum[row][v] += x[row * x_stride + k] * column[v];
  }
  tile_end(height, vectors, sum, sums, 32);
}

TILE_WIDENING_PRODUCT(tile_product_f32_f16, tile_block_f32_f16)

#endif
