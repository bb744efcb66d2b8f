// Pages of 64 positions, in which attention finds keys and values. Keys are turned: [width][64], values
// are not: [64][width]. Narrow types are widened page by page before they are multiplied:
//
//   bf16  keys [width / 2][64][2], values [32][width][2]: terms in pairs, as products of bf16 want them
//   q8    f32 scales, one for 32 columns of a position: keys [width / 32][64], values [64][width / 32];
//         behind them i8: keys [width][64], values [64][width]
//
// A last pair or block of columns may be short.
#ifndef BURIN_PAGES_H
#define BURIN_PAGES_H

#include "bf16.h"
#include "vectors.h"

enum { PAGE = 64, PAGE_BLOCK = 32 };

/// Rows become columns: lane j of vector i is exchanged with lane i of vector j.
INLINE void vector_transpose(f32x16 v[16]) {
  f32x16 t[16], u[16];
  // Pairs of rows, then pairs of pairs, within every fourth of a vector ...
  for (int i = 0; i < 16; i += 2) {
    t[i] = __builtin_shufflevector(
        v[i], v[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
    t[i + 1] = __builtin_shufflevector(
        v[i], v[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int half = 0; half < 2; half++) {
      u[i + 2 * half] = __builtin_shufflevector(
          t[i + half], t[i + half + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
      u[i + 2 * half + 1] = __builtin_shufflevector(
          t[i + half], t[i + half + 2], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    }
  }
  // ... then the fourths themselves.
  for (int j = 0; j < 4; j++) {
    const f32x16 a = __builtin_shufflevector(
        u[j], u[j + 4], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const f32x16 b = __builtin_shufflevector(
        u[j], u[j + 4], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const f32x16 c = __builtin_shufflevector(
        u[j + 8], u[j + 12], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const f32x16 d = __builtin_shufflevector(
        u[j + 8], u[j + 12], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    v[j] = __builtin_shufflevector(a, c, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    v[j + 4] =
        __builtin_shufflevector(a, c, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    v[j + 8] =
        __builtin_shufflevector(b, d, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    v[j + 12] =
        __builtin_shufflevector(b, d, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
}

/// Fills a page `[width][64]` with the first `count` (at most 64 are taken) of `keys[...][width]`,
/// `stride` elements apart; zeros behind them.
__attribute__((noinline, unused)) static void page_keys(
    float *page, const float *keys, int64_t stride, int64_t count, int64_t width) {
  for (int64_t first = 0; first < PAGE; first += 16) {
    for (int64_t column = 0; column < width; column += 16) {
      const float *from = keys + first * stride + column;
      float *to = page + column * PAGE + first;
      f32x16 block[16];
      if (first + 16 <= count && column + 16 <= width) {
        for (int i = 0; i < 16; i++) block[i] = vector_load(from + i * stride);
        vector_transpose(block);
        for (int i = 0; i < 16; i++) vector_store(to + i * PAGE, block[i]);
      } else {
        float rows[16][16] __attribute__((aligned(64))) = {{0}};
        for (int i = 0; i < 16 && first + i < count; i++)
          for (int j = 0; j < 16 && column + j < width; j++) rows[j][i] = from[i * stride + j];
        for (int j = 0; j < 16 && column + j < width; j++)
          vector_store(to + j * PAGE, vector_load(rows[j]));
      }
    }
  }
}

/// Fills a page `[64][page_width]` with the first `count` (at most 64 are taken) of
/// `values[...][width]`, `stride` elements apart.
__attribute__((unused)) static void page_values(
    float *page, int64_t page_width, const float *values, int64_t stride, int64_t count,
    int64_t width) {
  for (int64_t row = 0; row < smaller(count, PAGE); row++)
    for (int64_t column = 0; column < width; column += 16) {
      const f32x16 value = vector_load_first(values + row * stride + column, width - column);
      vector_store_first(page + row * page_width + column, value, page_width - column);
    }
}

/// The first `count` (at most 16 are taken) of some numbers of bf16, zeros behind them.
INLINE u16x16 page_load_halves(const uint16_t *from, int64_t count) {
  u16x16 halves = {0};
  if (count >= 16)
    memcpy(&halves, from, sizeof halves);
  else
    for (int64_t lane = 0; lane < count; lane++) halves[lane] = from[lane];
  return halves;
}

/// Fills a page of bf16 with the first `count` (at most 64 are taken) of `keys[...][width]`, `stride`
/// elements apart; zeros behind them. The width is even.
__attribute__((noinline, unused)) static void page_keys_bf16(
    uint16_t *page, const uint16_t *keys, int64_t stride, int64_t count, int64_t width) {
  for (int64_t first = 0; first < PAGE; first += 16) {
    for (int64_t column = 0; column < width; column += 32) {
      f32x16 block[16];  // sixteen pairs each
      for (int64_t i = 0; i < 16; i++) {
        const uint16_t *from = keys + (first + i) * stride + column;
        const int64_t there = first + i < count ? width - column : 0;
        block[i] = (f32x16)__builtin_shufflevector(
            page_load_halves(from, there), page_load_halves(from + 16, there - 16), 0, 1, 2, 3, 4,
            5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27,
            28, 29, 30, 31);
      }
      vector_transpose(block);
      for (int64_t i = 0; i < smaller(16, (width - column) / 2); i++)
        vector_store((float *)(void *)page + (column / 2 + i) * PAGE + first, block[i]);
    }
  }
}

/// Fills a page of bf16 `[32][page_width][2]` with the first `count` (at most 64 are taken) of
/// `values[...][width]`, `stride` elements apart; zeros behind them.
__attribute__((noinline, unused)) static void page_values_bf16(
    uint16_t *page, int64_t page_width, const uint16_t *values, int64_t stride, int64_t count,
    int64_t width) {
  for (int64_t row = 0; row < PAGE; row += 2) {
    for (int64_t column = 0; column < page_width; column += 16) {
      const uint16_t *from = values + row * stride + column;
      const u16x16 first = page_load_halves(from, row < count ? width - column : 0);
      const u16x16 second = page_load_halves(from + stride, row + 1 < count ? width - column : 0);
      const u32x16 pairs = __builtin_convertvector(first, u32x16) |
                           __builtin_convertvector(second, u32x16) << 16;
      vector_store((float *)(void *)page + row / 2 * page_width + column, (f32x16)pairs);
    }
  }
}

/// One key into a page `[width][64]` at position `at`.
INLINE void page_put_key(float *page, int64_t at, const float *key, int64_t width) {
  for (int64_t column = 0; column < width; column++) page[column * PAGE + at] = key[column];
}

/// One row of values into a page `[64][width]` at position `at`.
INLINE void page_put_value(float *page, int64_t at, const float *value, int64_t width) {
  for (int64_t column = 0; column < width; column++) page[at * width + column] = value[column];
}

/// One key into a page of bf16.
__attribute__((unused)) static void page_put_key_bf16(
    uint16_t *page, int64_t at, const float *key, int64_t width) {
  for (int64_t column = 0; column < width; column++)
    page[(column / 2 * PAGE + at) * 2 + column % 2] = bf16_from_float(key[column]);
  if (width % 2) page[(width / 2 * PAGE + at) * 2 + 1] = 0;
}

/// One row of values into a page of bf16.
__attribute__((unused)) static void page_put_value_bf16(
    uint16_t *page, int64_t at, const float *value, int64_t width) {
  for (int64_t column = 0; column < width; column++)
    page[(at / 2 * width + column) * 2 + at % 2] = bf16_from_float(value[column]);
}

/// Rounds `count` (at most 32) numbers to multiples of a scale, `step` elements apart, and gives the
/// scale: 1/127 of the largest magnitude, or NaN if there is one, so that none is lost.
INLINE float page_round_block(int8_t *to, int64_t step, const float *from, int64_t count) {
  float largest = 0;
  for (int64_t i = 0; i < count; i++) {
    const float magnitude = __builtin_fabsf(from[i]);
    if (magnitude > largest || magnitude != magnitude) largest = magnitude;
  }
  const float scale = (float)(largest / 127.0);
  const int is_number = scale > 0 && scale < __builtin_inff();
  for (int64_t i = 0; i < count; i++) {
    // Whatever multiplies NaN or infinity is NaN when it is widened.
    double multiple = is_number ? __builtin_rint(from[i] / (double)scale) : 0;
    multiple = multiple > 127 ? 127 : multiple < -127 ? -127 : multiple;
    to[i * step] = (int8_t)multiple;
  }
  return scale;
}

/// One key into a page of q8.
__attribute__((unused)) static void page_put_key_q8(
    int8_t *page, int64_t at, const float *key, int64_t width) {
  float *scales = (float *)(void *)page;
  int8_t *rows = page + (width + PAGE_BLOCK - 1) / PAGE_BLOCK * PAGE * 4;
  for (int64_t column = 0; column < width; column += PAGE_BLOCK)
    scales[column / PAGE_BLOCK * PAGE + at] = page_round_block(
        rows + column * PAGE + at, PAGE, key + column, smaller(PAGE_BLOCK, width - column));
}

/// One row of values into a page of q8.
__attribute__((unused)) static void page_put_value_q8(
    int8_t *page, int64_t at, const float *value, int64_t width) {
  const int64_t blocks = (width + PAGE_BLOCK - 1) / PAGE_BLOCK;
  float *scales = (float *)(void *)page;
  int8_t *row = page + blocks * PAGE * 4 + at * width;
  for (int64_t column = 0; column < width; column += PAGE_BLOCK)
    scales[at * blocks + column / PAGE_BLOCK] = page_round_block(
        row + column, 1, value + column, smaller(PAGE_BLOCK, width - column));
}

/// 16 pairs of bf16 of which `count` are there, zeros behind them.
INLINE u32x16 page_load_pairs(const uint16_t *from, int64_t count) {
  u32x16 pairs = {0};
  memcpy(&pairs, from, count < 16 ? (size_t)count * 4 : sizeof pairs);
  return pairs;
}

/// A page of keys of bf16 as f32, `[width][64]`.
__attribute__((noinline, unused)) static void page_widen_keys_bf16(
    float *to, const uint16_t *page, int64_t width) {
  for (int64_t column = 0; column < width; column += 2)
    for (int64_t at = 0; at < PAGE; at += 16) {
      const u32x16 pairs = page_load_pairs(page + column * PAGE + 2 * at, 16);
      vector_store(to + column * PAGE + at, (f32x16)(pairs << 16));
      if (column + 1 < width)
        vector_store(to + (column + 1) * PAGE + at, (f32x16)(pairs & 0xffff0000));
    }
}

/// A page of values of bf16 as f32, `[64][stride]`, zeros behind the width.
__attribute__((noinline, unused)) static void page_widen_values_bf16(
    float *to, int64_t stride, const uint16_t *page, int64_t width) {
  for (int64_t at = 0; at < PAGE; at += 2)
    for (int64_t column = 0; column < stride; column += 16) {
      const u32x16 pairs =
          page_load_pairs(page + (at / 2 * width + column) * 2, width - column);
      vector_store(to + at * stride + column, (f32x16)(pairs << 16));
      vector_store(to + (at + 1) * stride + column, (f32x16)(pairs & 0xffff0000));
    }
}

/// A page of keys of q8 as f32, `[width][64]`.
__attribute__((noinline, unused)) static void page_widen_keys_q8(
    float *to, const int8_t *page, int64_t width) {
  const float *scales = (const float *)(const void *)page;
  const int8_t *rows = page + (width + PAGE_BLOCK - 1) / PAGE_BLOCK * PAGE * 4;
  for (int64_t column = 0; column < width; column++)
    for (int64_t at = 0; at < PAGE; at += 16)
      vector_store(
          to + column * PAGE + at,
          vector_load_i8(rows + column * PAGE + at)
              * vector_load(scales + column / PAGE_BLOCK * PAGE + at));
}

/// A page of values of q8 as f32, `[64][stride]`, zeros behind the width.
__attribute__((noinline, unused)) static void page_widen_values_q8(
    float *to, int64_t stride, const int8_t *page, int64_t width) {
  const int64_t blocks = (width + PAGE_BLOCK - 1) / PAGE_BLOCK;
  const float *scales = (const float *)(const void *)page;
  const int8_t *rows = page + blocks * PAGE * 4;
  for (int64_t at = 0; at < PAGE; at++)
    for (int64_t column = 0; column < stride; column += 16) {
      const int8_t *from = rows + at * width + column;
      const f32x16 multiples =
          column + 16 <= width ? vector_load_i8(from) : vector_load_first_i8(from, width - column);
      const float scale = column < width ? scales[at * blocks + column / PAGE_BLOCK] : 0;
      vector_store(to + at * stride + column, multiples * scale);
    }
}

#endif
