// f16: IEEE binary16, as its bits.
#ifndef BURIN_F16_H
#define BURIN_F16_H

#include <string.h>

#include "vectors.h"

#if defined __AVX512F__ || defined __F16C__
#include <immintrin.h>
#endif

/// 16 numbers of f16 as f32, which has all of them.
///
/// By their bits: exponent and fraction move to their place in a f32, which is then 2^-112 of the
/// number, subnormal ones included; infinity and NaN get the exponent that they had. A machine's own
/// instruction does the same.
INLINE f32x16 f16_widen(u16x16 halves) {
#if defined __AVX512F__
  return (f32x16)_mm512_cvtph_ps((__m256i)halves);
#elif defined __F16C__
  union {
    f32x16 all;
    __m256 parts[2];
  } wide;
  __m256i bits = (__m256i)halves;
  wide.parts[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(bits));
  wide.parts[1] = _mm256_cvtph_ps(_mm256_extractf128_si256(bits, 1));
  return wide.all;
#else
  u32x16 bits = __builtin_convertvector(halves, u32x16);
  u32x16 magnitude = (bits & 0x7fff) << 13;
  u32x16 number = (u32x16)((f32x16)magnitude * 0x1p112f);
  u32x16 is_special = (u32x16)(magnitude >= 0x0f800000);
  u32x16 special = magnitude | 0x7f800000;
  return (f32x16)((special & is_special) | (number & ~is_special) | (bits & 0x8000) << 16);
#endif
}

INLINE f32x16 f16_load(const uint16_t *from) {
  return f16_widen(*(const u16x16_in_memory *)from);
}

INLINE float float_from_f16(uint16_t half) {
  uint32_t magnitude = (half & 0x7fffu) << 13;
  float number;
  memcpy(&number, &magnitude, sizeof number);
  number *= 0x1p112f;
  uint32_t bits;
  memcpy(&bits, &number, sizeof bits);
  if (magnitude >= 0x0f800000) bits = magnitude | 0x7f800000;
  bits |= (half & 0x8000u) << 16;
  memcpy(&number, &bits, sizeof number);
  return number;
}

#endif
