// Blocks of 32 terms that share a scale, and the rows of i8 that multiply them.
//
// A block is turned before it is rounded: multiplied by the Hadamard matrix, whose rows are
// orthogonal, so that the product of two turned blocks is 32 times that of the blocks. What one term
// has more than the others is then shared by all, and the scale need not make room for it.
#ifndef BURIN_BLOCKS_H
#define BURIN_BLOCKS_H

#include <string.h>

#include "integers.h"

// A block of a row (`r8`): `f32` scale, `i32` start, `i8[32]`. Weights are multiplied as u8, 140 too
// large; the start is -140 times the sum of the block's terms, and makes up for it.
enum { BLOCK = 32, BLOCK_ZERO = 140, R8_START = 4, R8_TERMS = 8, R8_BLOCK = R8_TERMS + BLOCK };

/// Lanes whose numbers differ by 1, and by 2, change places.
INLINE f32x16 block_swap(f32x16 v) {
  return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
}
INLINE f32x16 block_swap_pairs(f32x16 v) {
  return __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

/// Every four lanes times the Hadamard matrix of 4: lanes whose numbers differ in one bit become
/// their sum and their difference, for each bit.
INLINE f32x16 block_turn_quads(f32x16 v) {
  const f32x16 signs[2] = {
      {1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1},
      {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1},
  };
  v = v * signs[0] + block_swap_pairs(v);
  return v * signs[1] + block_swap(v);
}

/// 16 lanes times the Hadamard matrix of 16.
INLINE f32x16 block_turn_half(f32x16 v) {
  const f32x16 signs[2] = {
      {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1},
      {1, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1},
  };
  v = v * signs[0] +
      __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  v = v * signs[1] +
      __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
  return block_turn_quads(v);
}

/// A block in two vectors times the Hadamard matrix of 32.
INLINE void block_turn(f32x16 *first, f32x16 *second) {
  f32x16 sum = *first + *second;
  *second = block_turn_half(*first - *second);
  *first = block_turn_half(sum);
}

/// The largest magnitude of all lanes; a NaN is larger than anything.
INLINE float block_largest(f32x16 first, f32x16 second) {
  i32x16 left = (i32x16)first & INT32_MAX, right = (i32x16)second & INT32_MAX;
  i32x16 v = __builtin_elementwise_max(left, right);
  i32x8 half = __builtin_elementwise_max(
      __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7),
      __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
  i32x4 four = __builtin_elementwise_max(
      __builtin_shufflevector(half, half, 0, 1, 2, 3),
      __builtin_shufflevector(half, half, 4, 5, 6, 7));
  four = __builtin_elementwise_max(four, __builtin_shufflevector(four, four, 2, 3, 0, 1));
  four = __builtin_elementwise_max(four, __builtin_shufflevector(four, four, 1, 0, 3, 2));
  float largest;
  int32_t bits = four[0];
  memcpy(&largest, &bits, sizeof largest);
  return largest;
}

/// The sum of the lanes, modulo 2^32.
INLINE uint32_t block_sum(i32x16 v) {
  i32x8 half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
               __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  i32x4 four = __builtin_shufflevector(half, half, 0, 1, 2, 3) +
               __builtin_shufflevector(half, half, 4, 5, 6, 7);
  four += __builtin_shufflevector(four, four, 2, 3, 0, 1);
  return (uint32_t)four[0] + (uint32_t)four[1];
}

/// The nearest integers, ties to even, of magnitudes below 2^22: they are the lowest bits of a sum
/// whose unit is 1.
INLINE i32x16 block_round(f32x16 v) {
  return (i32x16)(v + 0x1.8p23f) - (i32x16)vector_splat(0x1.8p23f);
}

/// The largest magnitude of a block that is rounded to multiples of 1/127 of it; `factor` takes the
/// block to those multiples.
INLINE float block_scale(f32x16 first, f32x16 second, float *factor) {
  float scale = block_largest(first, second) * (1.0f / 127);
  // What is smaller than any normal number is nothing.
  *factor = scale < 0x1p-126f ? 0 : 1 / scale;
  return scale;
}

#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
#define R8_FOURS
// Four blocks in one: lanes 4i to 4i + 3 of every vector belong to block i, quad by quad of its
// terms, so that maxima, sums and the packing of bytes are those of vectors and not of lanes.

/// Terms 4 and 8 apart of four blocks, of which each vector has 16 terms in order, become their sums
/// and differences: vector q of the result has terms 4q to 4q + 3 of each block.
INLINE void block_turn_across(const f32x16 block[4], f32x16 quad[4]) {
  f32x16 half[2][2];  // [terms from 8 on][pair of blocks]
  for (int pair = 0; pair < 2; pair++) {
    f32x16 left = block[2 * pair], right = block[2 * pair + 1];
    f32x16 low = __builtin_shufflevector(
        left, right, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    f32x16 high = __builtin_shufflevector(
        left, right, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    half[0][pair] = low + high;
    half[1][pair] = low - high;
  }
  for (int from = 0; from < 2; from++) {
    f32x16 left = half[from][0], right = half[from][1];
    f32x16 low = __builtin_shufflevector(
        left, right, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
    f32x16 high = __builtin_shufflevector(
        left, right, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    quad[2 * from] = low + high;
    quad[2 * from + 1] = low - high;
  }
}

/// The largest magnitude of each of four blocks, in all lanes of the block.
INLINE f32x16 block_largest_of_four(const f32x16 quad[8]) {
  i32x16 largest[8];
  for (int q = 0; q < 8; q++) largest[q] = (i32x16)quad[q] & INT32_MAX;
  for (int count = 4; count > 0; count /= 2)
    for (int q = 0; q < count; q++)
      largest[q] = __builtin_elementwise_max(largest[q], largest[q + count]);
  i32x16 v = largest[0];
  v = __builtin_elementwise_max(v, (i32x16)block_swap_pairs((f32x16)v));
  return (f32x16)__builtin_elementwise_max(v, (i32x16)block_swap((f32x16)v));
}

/// Stores four blocks of a row or of rows, whose terms lie `from_stride` numbers apart: turned, and
/// rounded to multiples of 1/127 of their largest magnitudes.
INLINE void r8_store_four(int8_t *to, int64_t to_stride, const float *from, int64_t from_stride) {
  f32x16 sum[4], difference[4], quad[8];
  for (int block = 0; block < 4; block++) {
    f32x16 first = vector_load(from + block * from_stride);
    f32x16 second = vector_load(from + block * from_stride + 16);
    sum[block] = first + second;
    difference[block] = first - second;
  }
  block_turn_across(sum, quad);
  block_turn_across(difference, quad + 4);
  for (int q = 0; q < 8; q++) quad[q] = block_turn_quads(quad[q]);
  f32x16 scale = block_largest_of_four(quad) * (1.0f / 127);
  // What is smaller than any normal number is nothing.
  f32x16 factor = vector_select(scale < 0x1p-126f, vector_splat(0), 1 / scale);
  // Beside 1.5 * 2^23 the lowest byte of a float is that of the nearest integer.
  __m512i terms[8];
  for (int q = 0; q < 8; q++) {
    quad[q] *= factor;
    quad[q] += 0x1.8p23f;
    terms[q] = (__m512i)((i32x16)quad[q] & 255);
  }
  for (int q = 0; q < 8; q += 2) terms[q] = _mm512_packus_epi32(terms[q], terms[q + 1]);
  __m512i left = _mm512_packus_epi16(terms[0], terms[2]);
  __m512i right = _mm512_packus_epi16(terms[4], terms[6]);
  __m512i ones = _mm512_set1_epi8(1);
  i32x16 sums = (i32x16)_mm512_dpbusd_epi32(
      _mm512_dpbusd_epi32(_mm512_setzero_si512(), ones, left), ones, right);
  sums += (i32x16)block_swap_pairs((f32x16)sums);
  sums += (i32x16)block_swap((f32x16)sums);
  i32x16 start = sums * -BLOCK_ZERO;
  // Scale and start of each block, side by side.
  f32x16 heads = __builtin_shufflevector(
      scale, (f32x16)start, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
  int64_t head[8];
  memcpy(head, &heads, sizeof head);
#define R8_STORE(block)                                             \
  memcpy(to + block * to_stride, head + 2 * block, sizeof head[0]); \
  _mm_storeu_si128(                                                 \
      (__m128i *)(void *)(to + block * to_stride + R8_TERMS),       \
      _mm512_extracti32x4_epi32(left, block));                      \
  _mm_storeu_si128(                                                 \
      (__m128i *)(void *)(to + block * to_stride + R8_TERMS + 16),  \
      _mm512_extracti32x4_epi32(right, block));
  R8_STORE(0) R8_STORE(1) R8_STORE(2) R8_STORE(3)
#undef R8_STORE
}
#else
/// Stores a block of a row: turned, and rounded to multiples of 1/127 of its largest magnitude.
INLINE void r8_store(int8_t *to, f32x16 first, f32x16 second) {
  block_turn(&first, &second);
  float factor, scale = block_scale(first, second, &factor);
  // Statements of their own: the product is rounded before the sum, with or without fused
  // instructions.
  first *= factor;
  second *= factor;
  i32x16 left = block_round(first), right = block_round(second);
  uint32_t start = -(uint32_t)BLOCK_ZERO * block_sum(left + right);
  memcpy(to, &scale, sizeof scale);
  memcpy(to + R8_START, &start, sizeof start);
  *(i8x16_in_memory *)(to + R8_TERMS) = __builtin_convertvector(left, i8x16);
  *(i8x16_in_memory *)(to + R8_TERMS + 16) = __builtin_convertvector(right, i8x16);
}
#endif

/// Stores `count` blocks of a row or of rows, whose terms lie `from_stride` numbers apart,
/// `to_stride` bytes apart; some may be stored twice.
INLINE void r8_store_blocks(
    int64_t count, int8_t *to, int64_t to_stride, const float *from, int64_t from_stride) {
#ifdef R8_FOURS
  if (count < 4) {
    for (int64_t block = 0; block < count; block++)
      r8_store_four(to + block * to_stride, 0, from + block * from_stride, 0);
    return;
  }
  for (int64_t next = 0; next < count; next += 4) {
    int64_t block = smaller(next, count - 4);
    r8_store_four(to + block * to_stride, to_stride, from + block * from_stride, from_stride);
  }
#else
  for (int64_t block = 0; block < count; block++) {
    const float *terms = from + block * from_stride;
    r8_store(to + block * to_stride, vector_load(terms), vector_load(terms + 16));
  }
#endif
}

/// The scale of a block of a row.
INLINE float r8_scale(const int8_t *block) {
  float scale;
  memcpy(&scale, block, sizeof scale);
  return scale;
}

/// Stores a block of weights as it was before it was turned.
INLINE void block_store_turned_back(float *to, f32x16 first, f32x16 second) {
  block_turn(&first, &second);
  vector_store(to, first);
  vector_store(to + 16, second);
}

#endif
