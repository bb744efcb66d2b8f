// Products of integers of 8 and of 16 bits, added up within lanes of 32 bits.
#ifndef BURIN_INTEGERS_H
#define BURIN_INTEGERS_H

#include <string.h>

#include "vectors.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

typedef int32_t i32x8 __attribute__((vector_size(32)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef uint16_t u16x32 __attribute__((vector_size(64)));

/// 64 bytes, four in each lane.
INLINE i32x16 quads_load(const uint8_t *from) {
  return vector_load_i32((const int32_t *)(const void *)from);
}

/// The same four numbers of 8 bits in every lane.
INLINE i32x16 quad_splat(const int8_t *from) {
  int32_t quad;
  memcpy(&quad, from, sizeof quad);
  return vector_splat_i32(quad);
}

/// The same two numbers of 16 bits in every lane.
INLINE i32x16 pair_splat(const int16_t *from) {
  int32_t pair;
  memcpy(&pair, from, sizeof pair);
  return vector_splat_i32(pair);
}

#ifdef __AVX2__
INLINE __m256i lower_half(i32x16 v) {
  return (__m256i)__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
}
INLINE __m256i upper_half(i32x16 v) {
  return (__m256i)__builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
}
INLINE i32x16 both_halves(__m256i lower, __m256i upper) {
  return __builtin_shufflevector(
      (i32x8)lower, (i32x8)upper, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

// An instruction for 16 lanes, or for both halves of them.
#ifdef __AVX512BW__
#define INTEGER_PRODUCTS(name, left, right) \
  (i32x16) _mm512_##name((__m512i)(left), (__m512i)(right))
#else
#define INTEGER_PRODUCTS(name, left, right)               \
  both_halves(                                            \
      _mm256_##name(lower_half(left), lower_half(right)), \
      _mm256_##name(upper_half(left), upper_half(right)))
#endif

/// `left.first * right.first + left.second * right.second`, of i16.
INLINE i32x16 pair_products(i32x16 left, i32x16 right) {
  return INTEGER_PRODUCTS(madd_epi16, left, right);
}

/// Products of u8 with i8, two and two added up: pairs of i16, which a sum must fit into.
INLINE u16x32 quad_products(i32x16 left, i32x16 right) {
  return (u16x32)INTEGER_PRODUCTS(maddubs_epi16, left, right);
}
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define INTEGER_QUADS
/// `sum` and the products of four of u8 with four of i8.
INLINE i32x16 quad_multiply_add(i32x16 sum, i32x16 left, i32x16 right) {
#ifdef __AVX512VNNI__
  return (i32x16)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)left, (__m512i)right);
#else
  return both_halves(
      _mm256_dpbusd_avx_epi32(lower_half(sum), lower_half(left), lower_half(right)),
      _mm256_dpbusd_avx_epi32(upper_half(sum), upper_half(left), upper_half(right)));
#endif
}
#endif

#endif
