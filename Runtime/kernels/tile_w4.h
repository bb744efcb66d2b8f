// The micro-kernel of `tile_w8.h` for panels of 4 bits: blocks of 32 terms with a scale of f16.
#ifndef BURIN_TILE_W4_H
#define BURIN_TILE_W4_H

#include "tile_r8.h"

// A block of a panel: `f16[32]` scales, then `u8[4][32][4]`, eight terms of a column side by side:
// the first four are the lower halves of the bytes, each 8 too large.
enum { W4_TERMS = 2 * 32, W4_BLOCK = W4_TERMS + 16 * BLOCK };

/// 16 scales times a factor, which is 2^112 for the scales themselves: f16 to f32 by its bits.
INLINE f32x16 w4_scales(const uint8_t *from, float factor) {
  u32x16 bits = __builtin_convertvector(*(const u16x16_in_memory *)(const void *)from, u32x16);
  return (f32x16)((bits & 0x8000) << 16 | (bits & 0x7fff) << 13) * factor;
}

#if !defined(INTEGER_QUADS) && defined(__AVX2__)
/// Where the sums of a block of a row begin, if its weights are 8 too large: -8 times the sum of its
/// terms, of which `r8_start` is -140 times that. 35 divides it, modulo 2^32 by multiplication.
INLINE i32x16 w4_start(const int8_t *block) {
  const uint32_t over_35 = 0x8af8af8b;
  return (i32x16)((u32x16)r8_start(block) * over_35 * 2);
}
#endif

/// The sums of a block of some rows and of `TILE_VECTORS` times 16 columns, over `W4_FACTOR`.
#if defined(INTEGER_QUADS)
// Upper halves of bytes: the terms count 16 times, 8 too many are 128, and 12 are missing.
#define W4_FACTOR (0x1p112f / 32 / 16)
IN_REGISTERS INLINE void w4_multiply(
    const int height, r8_product product[R8_ROWS][TILE_VECTORS], const R8Rows *rows,
    const uint8_t *columns) {
  r8_begin_block(height, product, rows);
#pragma clang loop unroll(disable)
  for (int eight = 0; eight < BLOCK; eight += 8) {
    i32x16 first[TILE_VECTORS], second[TILE_VECTORS];
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
      i32x16 eights = quads_load(columns + eight * 16 + 64 * v);
      first[v] = (eights << 4 & (int32_t)0xf0f0f0f0) | 0x0c0c0c0c;
      second[v] = (eights & (int32_t)0xf0f0f0f0) | 0x0c0c0c0c;
    }
    UNROLL
    for (int row = 0; row < height; row++) {
      const int8_t *terms = rows->x + row * rows->x_stride + R8_TERMS + eight;
      UNROLL
      for (int v = 0; v < TILE_VECTORS; v++)
        product[row][v] = quad_multiply_add(product[row][v], first[v], quad_splat(terms));
      UNROLL
      for (int v = 0; v < TILE_VECTORS; v++)
        product[row][v] = quad_multiply_add(product[row][v], second[v], quad_splat(terms + 4));
    }
  }
}
#elif defined(__AVX2__)
#define W4_FACTOR (0x1p112f / 32)
/// 16 terms of 15 times 127 at most fit into an i16, so a block is added up in them.
IN_REGISTERS INLINE void w4_multiply(
    const int height, r8_product product[R8_ROWS][TILE_VECTORS], const R8Rows *rows,
    const uint8_t *columns) {
  u16x32 sum[R8_ROWS][TILE_VECTORS];
  UNROLL
  for (int row = 0; row < height; row++)
    for (int v = 0; v < TILE_VECTORS; v++) sum[row][v] = (u16x32){0};
#pragma clang loop unroll(disable)
  for (int eight = 0; eight < BLOCK; eight += 8) {
    i32x16 first[TILE_VECTORS], second[TILE_VECTORS];
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
      i32x16 eights = quads_load(columns + eight * 16 + 64 * v);
      first[v] = eights & 0x0f0f0f0f;
      second[v] = (i32x16)((u16x32)eights >> 4) & 0x0f0f0f0f;
    }
    UNROLL
    for (int row = 0; row < height; row++) {
      const int8_t *terms = rows->x + row * rows->x_stride + R8_TERMS + eight;
      UNROLL
      for (int v = 0; v < TILE_VECTORS; v++) {
        sum[row][v] += quad_products(first[v], quad_splat(terms));
        sum[row][v] += quad_products(second[v], quad_splat(terms + 4));
      }
    }
  }
  const int16_t ones[2] = {1, 1};
  UNROLL
  for (int row = 0; row < height; row++)
    for (int v = 0; v < TILE_VECTORS; v++)
      product[row][v] = w4_start(rows->x + row * rows->x_stride) +
                        pair_products((i32x16)sum[row][v], pair_splat(ones));
}
#else
#define W4_FACTOR (0x1p112f / 32)
IN_REGISTERS INLINE void w4_multiply(
    const int height, r8_product product[R8_ROWS][TILE_VECTORS], const R8Rows *rows,
    const uint8_t *columns) {
  r8_begin_block(height, product, rows);
#pragma clang loop unroll(disable)
  for (int term = 0; term < BLOCK; term++) {
    int shift = term % 4 * 8 + term / 4 % 2 * 4;
    f32x16 column[TILE_VECTORS];
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
      i32x16 eights = quads_load(columns + term / 8 * 128 + 64 * v);
      column[v] = __builtin_convertvector((eights >> shift & 15) - 8, f32x16);
    }
    UNROLL
    for (int row = 0; row < height; row++)
      for (int v = 0; v < TILE_VECTORS; v++)
        product[row][v] += rows->terms[row][term] * column[v];
  }
}
#endif

/// `tile_product_r8_w4` for a constant height.
IN_REGISTERS INLINE void tile_block_r8_w4(
    const int height, int64_t depth, const int8_t *x, int64_t x_stride, const uint8_t *panel,
    float *sums) {
  f32x16 sum[R8_ROWS][2];
  r8_begin(height, sum);
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k += BLOCK, panel += W4_BLOCK, x += R8_BLOCK) {
    R8Rows rows = {.x = x, .x_stride = x_stride};
#ifndef __AVX2__
    r8_widen(height, &rows);
#endif
    f32x16 scales[2] = {w4_scales(panel, W4_FACTOR), w4_scales(panel + 32, W4_FACTOR)};
    UNROLL
    for (int part = 0; part < 2; part += TILE_VECTORS) {
      r8_product product[R8_ROWS][TILE_VECTORS];
      w4_multiply(height, product, &rows, panel + W4_TERMS + 64 * part);
      r8_add(height, part, sum, product, scales, &rows);
    }
  }
  r8_end(height, sum, sums);
}

R8_TILE_PRODUCT(tile_product_r8_w4, tile_block_r8_w4)

/// Column `column` (0 to 31) of a panel.
__attribute__((unused)) INLINE void w4_column(
    float *to, const uint8_t *panel, int64_t column, int64_t depth) {
  for (int64_t k = 0; k < depth; k += BLOCK, panel += W4_BLOCK) {
    float scale = w4_scales(panel + column / 16 * 32, 0x1p112f / 32)[column % 16];
    for (int64_t term = 0; term < BLOCK; term++) {
      int pair = panel[W4_TERMS + term / 8 * 128 + column * 4 + term % 4];
      to[k + term] = scale * ((pair >> term / 4 % 2 * 4 & 15) - 8);
    }
    block_store_turned_back(to + k, vector_load(to + k), vector_load(to + k + 16));
  }
}

#endif
