// The micro-kernel of `tile.h` for panels of i8 in blocks of 32 terms, each with a scale per column,
// and rows of i8 in such blocks: products are integers and exact, blocks are added up in f32.
#ifndef BURIN_TILE_W8_H
#define BURIN_TILE_W8_H

#include "bf16.h"
#include "blocks.h"

// A block of a panel: `bf16[16][2]` scales, of columns 16 apart, then `u8[8][32][4]`, four terms of a
// column side by side, each 140 too large. Both factors are turned, so the scales are 1/32 of the
// terms' own.
enum { W8_TERMS = 2 * 32, W8_BLOCK = W8_TERMS + 32 * BLOCK };

/// 16 terms, as floats.
__attribute__((unused)) INLINE f32x16 w8_load(const uint8_t *from) {
  return __builtin_convertvector(*(const u8x16_in_memory *)from, f32x16) - BLOCK_ZERO;
}

/// Four terms of 16 columns, as floats: `u8[16][4]` to `f32[4][16]`.
__attribute__((unused)) INLINE void w8_widen(const uint8_t *from, f32x16 terms[4]) {
  i32x16 fours = vector_load_i32((const int32_t *)(const void *)from);
  UNROLL
  for (int term = 0; term < 4; term++)
    terms[term] = __builtin_convertvector((fours >> 8 * term & 255) - BLOCK_ZERO, f32x16);
}

/// `tile_product_r8_w8` for a constant height; the sums of a block are all in registers.
IN_REGISTERS INLINE void tile_block_r8_w8(
    const int height, int64_t depth, const int8_t *x, int64_t x_stride, const uint8_t *panel,
    int part, float *sums) {
  f32x16 sum[R8_ROWS][TILE_VECTORS];
  tile_begin(height, TILE_VECTORS, sum, sums, 32, TILE_FROM_ZERO);
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k += BLOCK, panel += W8_BLOCK, x += R8_BLOCK) {
    const uint8_t *columns = panel + W8_TERMS + 64 * part;
    r8_product product[R8_ROWS][TILE_VECTORS];
    r8_begin(height, product, x, x_stride);
#ifdef __AVX512VNNI__
#pragma clang loop unroll(full)
    for (int four = 0; four < BLOCK; four += 4) {
      i32x16 column[TILE_VECTORS];
      UNROLL
      for (int v = 0; v < TILE_VECTORS; v++)
        column[v] = vector_load_i32((const int32_t *)(const void *)(columns + four * 32 + 64 * v));
      UNROLL
      for (int row = 0; row < height; row++)
        for (int v = 0; v < TILE_VECTORS; v++)
          product[row][v] = r8_multiply_add(
              product[row][v], x + row * x_stride + R8_TERMS + four, column[v]);
    }
#else
    float terms[R8_ROWS][BLOCK];
    r8_widen(height, x, x_stride, terms);
#pragma clang loop unroll(disable)
    for (int four = 0; four < BLOCK; four += 4) {
      f32x16 column[TILE_VECTORS][4];
      UNROLL
      for (int v = 0; v < TILE_VECTORS; v++) w8_widen(columns + four * 32 + 64 * v, column[v]);
      UNROLL
      for (int term = 0; term < 4; term++)
        for (int row = 0; row < height; row++)
          for (int v = 0; v < TILE_VECTORS; v++)
            product[row][v] += terms[row][four + term] * column[v][term];
    }
#endif
    bf16x2x16 scales = bf16_load_pairs((const uint16_t *)(const void *)panel);
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
      f32x16 scale = part + v == 0 ? bf16_first(scales) : bf16_second(scales);
      r8_add(height, v, sum, product, scale, x, x_stride);
    }
  }
  tile_end(height, TILE_VECTORS, sum, sums, 32);
}

R8_TILE_PRODUCT(tile_product_r8_w8, tile_block_r8_w8)

/// Column `column` (0 to 31) of a panel.
__attribute__((unused)) INLINE void w8_column(
    float *to, const uint8_t *panel, int64_t column, int64_t depth) {
  for (int64_t k = 0; k < depth; k += BLOCK, panel += W8_BLOCK) {
    uint16_t half;
    memcpy(&half, panel + 4 * (column % 16) + 2 * (column / 16), sizeof half);
    float scale = float_from_bf16(half);
    uint8_t terms[BLOCK];
    for (int64_t four = 0; four < BLOCK; four += 4)
      memcpy(terms + four, panel + W8_TERMS + four * 32 + column * 4, 4);
    block_store_turned_back(
        to + k, w8_load(terms) * scale, w8_load(terms + 16) * scale);
  }
}

#endif
