// The one micro-kernel: a few rows times a panel of 32 columns. Linear layers multiply by panels of
// weights with it, attention by pages of keys and of values.
#ifndef BURIN_TILE_H
#define BURIN_TILE_H

#include "vectors.h"

// What a tile keeps in registers is an array whose indices are constant once its loops are unrolled.
// clang 14 takes those loops for memset and memcpy before it unrolls them, and the array stays in memory:
// so every such loop says UNROLL (one that is inside of another need not), and its function IN_REGISTERS.
#if __has_feature(undefined_behavior_sanitizer)
#define UNROLL  // the checks of unrolled loops would take minutes to compile
#else
#define UNROLL _Pragma("clang loop unroll(full)")
#endif
#define IN_REGISTERS __attribute__((no_builtin("memset", "memcpy")))

// As many sums as the registers hold beside a row of the panel.
#ifdef __AVX512F__
enum { TILE_ROWS = 8, TILE_VECTORS = 2 };  // 16 of 32 registers, and each row of x read once
#else
enum { TILE_ROWS = 6, TILE_VECTORS = 1 };  // AVX2: 12 of 16 registers, NEON: 24 of 32
#endif
// One or two rows at a time are all of 32 columns: each sum waits for the one before it.
#define TILE_WIDTH(height) ((height) < 3 ? 2 : TILE_VECTORS)

/// One case for each height of a tile.
#ifdef __AVX512F__
#define TILE_HEIGHTS(DO, ...)                                                 \
  DO(1, __VA_ARGS__) DO(2, __VA_ARGS__) DO(3, __VA_ARGS__) DO(4, __VA_ARGS__) \
  DO(5, __VA_ARGS__) DO(6, __VA_ARGS__) DO(7, __VA_ARGS__) DO(8, __VA_ARGS__)
#else
#define TILE_HEIGHTS(DO, ...)                              \
  DO(1, __VA_ARGS__) DO(2, __VA_ARGS__) DO(3, __VA_ARGS__) \
  DO(4, __VA_ARGS__) DO(5, __VA_ARGS__) DO(6, __VA_ARGS__)
#endif

/// How high the tiles of so many rows are, the last one perhaps less, where as few as need be are to be
/// about equally high.
INLINE int64_t tile_step(int64_t rows) {
  int64_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
  return tiles < 2 ? TILE_ROWS : (rows + tiles - 1) / tiles;
}

/// How the sums of a tile begin: at zero, or where an earlier call left them.
typedef enum { TILE_FROM_ZERO, TILE_CONTINUE } TileStart;

/// The sums of a tile in registers, as they begin.
IN_REGISTERS INLINE void tile_begin(
    const int height, const int vectors, f32x16 sum[TILE_ROWS][2], const float *sums,
    int64_t sums_stride, TileStart start) {
  if (start == TILE_FROM_ZERO) {
    UNROLL
    for (int row = 0; row < height; row++)
      for (int v = 0; v < vectors; v++) sum[row][v] = (f32x16){0};
  } else {
    UNROLL
    for (int row = 0; row < height; row++)
      for (int v = 0; v < vectors; v++)
        sum[row][v] = vector_load(sums + row * sums_stride + 16 * v);
  }
}

/// The sums of a tile back to memory.
IN_REGISTERS INLINE void tile_end(
    const int height, const int vectors, f32x16 sum[TILE_ROWS][2], float *sums,
    int64_t sums_stride) {
  UNROLL
  for (int row = 0; row < height; row++)
    for (int v = 0; v < vectors; v++) vector_store(sums + row * sums_stride + 16 * v, sum[row][v]);
}

/// `tile_product` for a constant height and width, which is then all in registers.
IN_REGISTERS INLINE void tile_block(
    const int height, const int vectors, int64_t depth, const float *x, int64_t x_stride,
    const float *panel, int64_t panel_stride, float *sums, int64_t sums_stride,
    TileStart start) {
  f32x16 sum[TILE_ROWS][2];
  tile_begin(height, vectors, sum, sums, sums_stride, start);
#pragma clang loop unroll(disable)
  for (int64_t k = 0; k < depth; k++) {
    f32x16 column[2];
    UNROLL
    for (int v = 0; v < vectors; v++) column[v] = vector_load(panel + k * panel_stride + 16 * v);
    UNROLL
    for (int row = 0; row < height; row++)
      for (int v = 0; v < vectors; v++) sum[row][v] += x[row * x_stride + k] * column[v];
  }
  tile_end(height, vectors, sum, sums, sums_stride);
}

/// One case of `tile_product` and of its like, whose panel has some terms of a column side by side.
#define TILE_HEIGHT(height, block, terms)                                        \
  case height:                                                                   \
    for (int column = 0; column < columns; column += 16 * TILE_WIDTH(height))    \
      if (TILE_WIDTH(height) == 2 && columns == 32)                              \
        block(                                                                   \
            height, 2, depth, x, x_stride, panel + terms * column, panel_stride, \
            sums + column, sums_stride, start);                                  \
      else                                                                       \
        block(                                                                   \
            height, 1, depth, x, x_stride, panel + terms * column, panel_stride, \
            sums + column, sums_stride, start);                                  \
    break;

/// `sums[row][0 ..< columns] += sum over k of x[row][k] * panel[k][0 ..< columns]` for `height` rows
/// (at most `TILE_ROWS`) and 16 or 32 columns; strides in elements. The terms of each sum are added
/// in the order of k in one accumulator, whatever the height.
IN_REGISTERS __attribute__((noinline, unused)) static void tile_product(
    int height, int columns, int64_t depth, const float *x, int64_t x_stride, const float *panel,
    int64_t panel_stride, float *sums, int64_t sums_stride, TileStart start) {
  switch (height) { TILE_HEIGHTS(TILE_HEIGHT, tile_block, 1) }
}

/// Defines `product`, of rows of f32 with panels of a type that `block` widens as it multiplies, for a
/// constant height: `sums[row][0 ..< 32] = sum over k of x[row][k] * panel[k][0 ..< 32]` for `height`
/// rows (at most `TILE_ROWS`). The products are those of f32.
#define TILE_WIDENING_PRODUCT(product, block)                                             \
  IN_REGISTERS __attribute__((noinline, unused)) static void product(                     \
      int height, int64_t depth, const float *x, int64_t x_stride, const uint16_t *panel, \
      float *sums) {                                                                      \
    switch (height) { TILE_HEIGHTS(TILE_WIDENING_HEIGHT, block) }                         \
  }
/// One case of it.
#define TILE_WIDENING_HEIGHT(height, block)                                           \
  case height:                                                                        \
    for (int v = 0; v < 2; v += TILE_WIDTH(height))                                   \
      block(height, TILE_WIDTH(height), depth, x, x_stride, panel, v, sums + 16 * v); \
    break;

/// The sums of `tile_product` for fewer than 16 columns of a matrix without padding, behind which nothing is read.
__attribute__((noinline, unused)) static void tile_remainder(
    int height, int columns, int64_t depth, const float *x, int64_t x_stride, const float *matrix,
    int64_t matrix_stride, float *sums, int64_t sums_stride, TileStart start) {
  for (int row = 0; row < height; row++) {
    for (int column = 0; column < columns; column++) {
      float sum = start == TILE_FROM_ZERO ? 0 : sums[row * sums_stride + column];
      for (int64_t k = 0; k < depth; k++)
        sum += x[row * x_stride + k] * matrix[k * matrix_stride + column];
      sums[row * sums_stride + column] = sum;
    }
  }
}

#endif
