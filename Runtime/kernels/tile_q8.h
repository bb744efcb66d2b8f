// The micro-kernel of `tile.h` for panels of i8 in blocks of 32 terms, each with a scale per column;
// products and sums are f32.
#ifndef BURIN_TILE_Q8_H
#define BURIN_TILE_Q8_H

#include <string.h>

#include "tile.h"

// A block of a panel: `f32[32]` scales, then `i8[8][32][4]`, four terms of a column side by side.
enum { Q8_TERMS = 32, Q8_SCALES = 4 * 32, Q8_BLOCK = Q8_SCALES + 32 * Q8_TERMS };

/// Four terms of 16 columns, as floats: `i8[16][4]` to `f32[4][16]`.
INLINE void q8_widen(const int8_t *from, f32x16 terms[4]) {
  i32x16 fours = vector_load_i32((const int32_t *)from);
  terms[0] = __builtin_convertvector(fours << 24 >> 24, f32x16);
  terms[1] = __builtin_convertvector(fours << 16 >> 24, f32x16);
  terms[2] = __builtin_convertvector(fours << 8 >> 24, f32x16);
  terms[3] = __builtin_convertvector(fours >> 24, f32x16);
}

/// `tile_product_f32_q8` for a constant height; the sums of one block are all in registers.
INLINE void tile_block_f32_q8(
    const int height, int64_t depth, const float *x, int64_t x_stride, const int8_t *panel,
    int part, float *sums) {
  for (int row = 0; row < height; row++)
    for (int v = 0; v < TILE_VECTORS; v++) vector_store(sums + row * 32 + 16 * v, (f32x16){0});
  for (int64_t k = 0; k < depth; k += Q8_TERMS, panel += Q8_BLOCK) {
    f32x16 sum[TILE_ROWS][TILE_VECTORS];
    for (int row = 0; row < height; row++)
      for (int v = 0; v < TILE_VECTORS; v++) sum[row][v] = (f32x16){0};
#pragma clang loop unroll(disable)
    for (int four = 0; four < Q8_TERMS; four += 4) {
      f32x16 column[TILE_VECTORS][4];
      for (int v = 0; v < TILE_VECTORS; v++)
        q8_widen(panel + Q8_SCALES + four * 32 + 64 * (part + v), column[v]);
      for (int term = 0; term < 4; term++)
        for (int row = 0; row < height; row++)
          for (int v = 0; v < TILE_VECTORS; v++)
            sum[row][v] += x[row * x_stride + k + four + term] * column[v][term];
    }
    for (int v = 0; v < TILE_VECTORS; v++) {
      f32x16 scale = vector_load((const float *)(const void *)panel + 16 * (part + v));
      for (int row = 0; row < height; row++) {
        float *to = sums + row * 32 + 16 * v;
        vector_store(to, vector_load(to) + sum[row][v] * scale);
      }
    }
  }
}

/// `sums[row][0 ..< 32] = sum over blocks of scale * (sum over k of x[row][k] * panel[k])` for
/// `height` rows (at most `TILE_ROWS`) and a `depth` of whole blocks; `x_stride` in elements. The
/// terms of a block and the blocks of a sum are added in the order of k, whatever the height.
__attribute__((noinline, unused)) static void tile_product_f32_q8(
    int height, int64_t depth, const float *x, int64_t x_stride, const int8_t *panel,
    float *sums) {
  for (int v = 0; v < 2; v += TILE_VECTORS) switch (height) {
#define TILE_HEIGHT(height)                                                     \
  case height:                                                                  \
    tile_block_f32_q8(height, depth, x, x_stride, panel, v, sums + 16 * v);     \
    break;
      TILE_HEIGHTS(TILE_HEIGHT)
#undef TILE_HEIGHT
    }
}

/// Column `column` (0 to 31) of a panel.
__attribute__((unused)) INLINE void q8_column(
    float *to, const int8_t *panel, int64_t column, int64_t depth) {
  for (int64_t k = 0; k < depth; k += Q8_TERMS, panel += Q8_BLOCK) {
    float scale;
    memcpy(&scale, panel + 4 * column, sizeof scale);
    for (int64_t term = 0; term < Q8_TERMS; term++)
      to[k + term] = scale * panel[Q8_SCALES + term / 4 * 128 + column * 4 + term % 4];
  }
}

#endif
