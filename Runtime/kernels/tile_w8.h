// The micro-kernel of `tile.h` for panels of i8 in blocks of 32 terms, each with a scale per column,
// and rows of i8 in such blocks: products are integers and exact, blocks are added up in f32.
#ifndef BURIN_TILE_W8_H
#define BURIN_TILE_W8_H

#include "bf16.h"
#include "tile_r8.h"

// A block of a panel: `bf16[16][2]` scales, of columns 16 apart, then `u8[8][32][4]`, four terms of a
// column side by side, each 140 too large. Both factors are turned, so the scales are 1/32 of the
// terms' own.
enum { W8_TERMS = 2 * 32, W8_BLOCK = W8_TERMS + 32 * BLOCK };

/// 16 terms, as floats.
__attribute__((unused)) INLINE f32x16 w8_load(const uint8_t *from) {
  return __builtin_convertvector(*(const u8x16_in_memory *)from, f32x16) - BLOCK_ZERO;
}

/// The sums of a block of some rows and of `TILE_VECTORS` times 16 columns.
#if defined(INTEGER_QUADS)
IN_REGISTERS INLINE void w8_multiply(
    const int height, r8_product product[R8_ROWS][TILE_VECTORS], const R8Rows *rows,
    const uint8_t *columns) {
  r8_begin_block(height, product, rows);
#pragma clang loop unroll(full)
  for (int four = 0; four < BLOCK; four += 4) {
    i32x16 column[TILE_VECTORS];
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) column[v] = quads_load(columns + four * 32 + 64 * v);
    UNROLL
    for (int row = 0; row < height; row++) {
      i32x16 quad = quad_splat(rows->x + row * rows->x_stride + R8_TERMS + four);
      UNROLL
      for (int v = 0; v < TILE_VECTORS; v++)
        product[row][v] = quad_multiply_add(product[row][v], column[v], quad);
    }
  }
}
#elif defined(__AVX2__)
IN_REGISTERS INLINE void w8_multiply(
    const int height, r8_product product[R8_ROWS][TILE_VECTORS], const R8Rows *rows,
    const uint8_t *columns) {
  r8_begin_block(height, product, rows);
#pragma clang loop unroll(disable)
  for (int four = 0; four < BLOCK; four += 4) {
    i32x16 even[TILE_VECTORS], odd[TILE_VECTORS];
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
      i32x16 quads = quads_load(columns + four * 32 + 64 * v);
      even[v] = quads & 0x00ff00ff;
      odd[v] = (i32x16)((u16x32)quads >> 8);
    }
    UNROLL
    for (int row = 0; row < height; row++) {
      i32x16 first = pair_splat(rows->pairs[row][0] + four / 2);
      i32x16 second = pair_splat(rows->pairs[row][1] + four / 2);
      UNROLL
      for (int v = 0; v < TILE_VECTORS; v++) {
        product[row][v] += pair_products(even[v], first);
        product[row][v] += pair_products(odd[v], second);
      }
    }
  }
}
#else
IN_REGISTERS INLINE void w8_multiply(
    const int height, r8_product product[R8_ROWS][TILE_VECTORS], const R8Rows *rows,
    const uint8_t *columns) {
  r8_begin_block(height, product, rows);
#pragma clang loop unroll(disable)
  for (int four = 0; four < BLOCK; four += 4) {
    f32x16 column[TILE_VECTORS][4];
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
      i32x16 quads = quads_load(columns + four * 32 + 64 * v);
      UNROLL
      for (int term = 0; term < 4; term++)
        column[v][term] = __builtin_convertvector((quads >> 8 * term & 255) - BLOCK_ZERO, f32x16);
    }
    UNROLL
    for (int term = 0; term < 4; term++)
      for (int row = 0; row < height; row++)
        for (int v = 0; v < TILE_VECTORS; v++)
          product[row][v] += rows->terms[row][four + term] * column[v][term];
  }
}
#endif

/// `tile_product_r8_w8` for a constant height.
IN_REGISTERS INLINE void tile_block_r8_w8(
    const int height, int64_t depth, const int8_t *x, int64_t x_stride, const uint8_t *panel,
    float *sums) {
  f32x16 sum[R8_ROWS][2];
  r8_begin(height, sum);
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k += BLOCK, panel += W8_BLOCK, x += R8_BLOCK) {
    R8Rows rows = {.x = x, .x_stride = x_stride};
    r8_widen(height, &rows);
    bf16x2x16 pairs = bf16_load_pairs((const uint16_t *)(const void *)panel);
    f32x16 scales[2] = {bf16_first(pairs), bf16_second(pairs)};
    UNROLL
    for (int part = 0; part < 2; part += TILE_VECTORS) {
      r8_product product[R8_ROWS][TILE_VECTORS];
      w8_multiply(height, product, &rows, panel + W8_TERMS + 64 * part);
      r8_add(height, part, sum, product, scales, &rows);
    }
  }
  r8_end(height, sum, sums);
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
