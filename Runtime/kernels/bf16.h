// bf16: the upper half of an f32, as its bits.
#ifndef BURIN_BF16_H
#define BURIN_BF16_H

#include <string.h>

#include "vectors.h"

/// The nearest bf16, ties to even; a NaN stays one. Subnormal numbers are kept.
INLINE uint16_t bf16_from_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  uint32_t quiet = bits | 0x400000;
  return (uint16_t)((value != value ? quiet : rounded) >> 16);
}

INLINE float float_from_bf16(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#endif
