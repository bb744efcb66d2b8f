// bf16: the upper half of an f32, as its bits.
#ifndef BURIN_BF16_H
#define BURIN_BF16_H

#include <string.h>

#include "vectors.h"

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

/// The nearest bf16, ties to even; a NaN stays one. Subnormal numbers are kept.
INLINE uint16_t bf16_from_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  uint32_t quiet = bits | 0x400000;
  return (uint16_t)((value != value ? quiet : rounded) >> 16);
}

/// The nearest bf16 of 16 floats; where the machine has an instruction for it, subnormal numbers
/// become 0.
INLINE u16x16 bf16_from_floats(f32x16 values) {
#ifdef __AVX512BF16__
  return (u16x16)_mm512_cvtneps_pbh((__m512)values);
#else
  u32x16 bits = (u32x16)values, is_nan = (u32x16)(values != values);
  u32x16 rounded = bits + 0x7fff + (bits >> 16 & 1), quiet = bits | 0x400000;
  return __builtin_convertvector(((quiet & is_nan) | (rounded & ~is_nan)) >> 16, u16x16);
#endif
}

INLINE void bf16_store(uint16_t *to, f32x16 values) {
  *(u16x16_in_memory *)to = bf16_from_floats(values);
}

/// Stores the first `count` lanes, or all of them if there are fewer.
INLINE void bf16_store_first(uint16_t *to, f32x16 values, int64_t count) {
  if (count >= 16) {
    bf16_store(to, values);
    return;
  }
  u16x16 halves = bf16_from_floats(values);
  for (int64_t lane = 0; lane < count; lane++) to[lane] = halves[lane];
}

INLINE float float_from_bf16(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// 16 pairs of terms, each the bits of two bf16, the first one in the lower half.
typedef u32x16 bf16x2x16;

INLINE f32x16 bf16_first(bf16x2x16 pairs) { return (f32x16)(pairs << 16); }
INLINE f32x16 bf16_second(bf16x2x16 pairs) { return (f32x16)(pairs & 0xffff0000); }

INLINE bf16x2x16 bf16_load_pairs(const uint16_t *from) {
  return (bf16x2x16)vector_load_i32((const int32_t *)from);
}

#endif
