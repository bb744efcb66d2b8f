// The micro-kernel of `tile_w8.h` for panels of 4 bits: blocks of 32 terms with a scale of f16.
#ifndef BURIN_TILE_W4_H
#define BURIN_TILE_W4_H

#include "blocks.h"

// A block of a panel: `f16[32]` scales, then `u8[4][32][4]`, eight terms of a column side by side:
// the first four are the lower halves of the bytes, each 8 too large.
enum { W4_TERMS = 2 * 32, W4_BLOCK = W4_TERMS + 16 * BLOCK };

/// 16 scales times a factor, which is 2^112 for the scales themselves: f16 to f32 by its bits.
INLINE f32x16 w4_scales(const uint8_t *from, float factor) {
  u32x16 bits = __builtin_convertvector(*(const u16x16_in_memory *)(const void *)from, u32x16);
  return (f32x16)((bits & 0x8000) << 16 | (bits & 0x7fff) << 13) * factor;
}

/// `tile_product_r8_w4` for a constant height; the sums of a block are all in registers.
IN_REGISTERS INLINE void tile_block_r8_w4(
    const int height, int64_t depth, const int8_t *x, int64_t x_stride, const uint8_t *panel,
    int part, float *sums) {
  f32x16 sum[R8_ROWS][TILE_VECTORS];
  tile_begin(height, TILE_VECTORS, sum, sums, 32, TILE_FROM_ZERO);
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k += BLOCK, panel += W4_BLOCK, x += R8_BLOCK) {
    const uint8_t *columns = panel + W4_TERMS + 64 * part;
    r8_product product[R8_ROWS][TILE_VECTORS];
    r8_begin(height, product, x, x_stride);
#ifdef __AVX512VNNI__
    // Upper halves of bytes: the terms count 16 times, 8 too many are 128, and 12 are missing.
    const float factor = 0x1p112f / 32 / 16;
#pragma clang loop unroll(disable)
    for (int eight = 0; eight < BLOCK; eight += 8) {
      i32x16 first[TILE_VECTORS], second[TILE_VECTORS];
      UNROLL
      for (int v = 0; v < TILE_VECTORS; v++) {
        i32x16 pairs =
            vector_load_i32((const int32_t *)(const void *)(columns + eight * 16 + 64 * v));
        first[v] = (pairs << 4 & (int32_t)0xf0f0f0f0) | 0x0c0c0c0c;
        second[v] = (pairs & (int32_t)0xf0f0f0f0) | 0x0c0c0c0c;
      }
      UNROLL
      for (int row = 0; row < height; row++) {
        const int8_t *terms = x + row * x_stride + R8_TERMS + eight;
        UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
          product[row][v] = r8_multiply_add(product[row][v], terms, first[v]);
        UNROLL
        for (int v = 0; v < TILE_VECTORS; v++)
          product[row][v] = r8_multiply_add(product[row][v], terms + 4, second[v]);
      }
    }
#else
    const float factor = 0x1p112f / 32;
    float terms[R8_ROWS][BLOCK];
    r8_widen(height, x, x_stride, terms);
#pragma clang loop unroll(disable)
    for (int term = 0; term < BLOCK; term++) {
      int shift = term % 4 * 8 + term / 4 % 2 * 4;
      f32x16 column[TILE_VECTORS];
      UNROLL
      for (int v = 0; v < TILE_VECTORS; v++) {
        i32x16 eights = vector_load_i32(
            (const int32_t *)(const void *)(columns + term / 8 * 128 + 64 * v));
        column[v] = __builtin_convertvector((eights >> shift & 15) - 8, f32x16);
      }
      UNROLL
      for (int row = 0; row < height; row++)
        for (int v = 0; v < TILE_VECTORS; v++) product[row][v] += terms[row][term] * column[v];
    }
#endif
    UNROLL
    for (int v = 0; v < TILE_VECTORS; v++) {
      f32x16 scale = w4_scales(panel + 32 * (part + v), factor);
      r8_add(height, v, sum, product, scale, x, x_stride);
    }
  }
  tile_end(height, TILE_VECTORS, sum, sums, 32);
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
