/* blocks.c: packs weights into the panels of blocks that tile_w8.h and tile_w4.h read. */

/* What is multiplied is rounded before it is added, on every machine. */
#pragma STDC FP_CONTRACT OFF

#include "../kernels/tile_w4.h"
#include "../kernels/tile_w8.h"
#include "CBurin.h"

/* The nearest f16, ties to even, as its bits; what is too large becomes the largest. */
INLINE uint16_t f16_from_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  bits &= 0x7fffffff;
  if (bits >= 0x477fefff) return sign | 0x7bff;
  if (bits < 0x38800000) {
    /* Multiples of 2^-24: the lowest bits of a sum whose unit that is. */
    float magnitude;
    memcpy(&magnitude, &bits, sizeof magnitude);
    magnitude += 0.5f;
    memcpy(&bits, &magnitude, sizeof bits);
    return sign | (uint16_t)(bits - 0x3f000000);
  }
  return sign | (uint16_t)((bits + 0xfff + (bits >> 13 & 1) - 0x38000000) >> 13);
}

INLINE float float_from_f16(uint16_t half) {
  return w4_scales((const uint8_t *)(const uint16_t[16]){half}, 0x1p112f)[0];
}

/* A turned block and how it is rounded. */
struct rounded {
  float scale;
  i32x16 first, second;
};

/* A positive number with something added to its bits, and the lower half of them cut off. */
INLINE float bf16_above(float value, uint32_t more) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bits = (bits + more) & 0xffff0000;
  memcpy(&value, &bits, sizeof bits);
  return value;
}

/* The least bf16 that is not less than a positive number. */
INLINE float rounded_up_to_bf16(float value) { return bf16_above(value, 0xffff); }

/* The least bf16 that is larger than a positive one. */
INLINE float next_bf16(float value) { return bf16_above(value, 0x10000); }

/* What rounding takes off a turned block, squared. */
INLINE float square_loss(struct rounded block, f32x16 first, f32x16 second) {
  f32x16 left = __builtin_convertvector(block.first, f32x16) * block.scale - first;
  f32x16 right = __builtin_convertvector(block.second, f32x16) * block.scale - second;
  f32x16 squares = left * left, others = right * right;
  return vector_sum(squares + others);
}

/* -140 to 115 times the scale, which is negative where the terms reach farther above zero than below,
 * so that these have the longer side. Of the eight smallest scales that reach all terms, the one that
 * loses least. */
INLINE struct rounded round_to_8_bits(f32x16 first, f32x16 second) {
  const float below = BLOCK_ZERO, above = 255 - BLOCK_ZERO;
  float least = vector_largest(vector_maximum(-first, -second));
  float most = vector_largest(vector_maximum(first, second));
  float longer = (least < most ? most : least) / below;
  float shorter = (least < most ? least : most) / above;
  float scale = rounded_up_to_bf16(longer < shorter ? shorter : longer);
  struct rounded result = {0};
  /* What a bf16 cannot hold is nothing: products take 1/32 of the scale. */
  if (scale < 0x1p-120f) return result;
  float best = __builtin_inff();
  for (int step = 0; step < 8; step++) {
    struct rounded tried = {.scale = least < most ? -scale : scale};
    float factor = 1 / tried.scale;
    tried.first = block_round(first * factor);
    tried.second = block_round(second * factor);
    float loss = square_loss(tried, first, second);
    if (loss < best) {
      best = loss;
      result = tried;
    }
    scale = next_bf16(scale);
  }
  return result;
}

/* -8 to 7. */
INLINE f32x16 within_4_bits(f32x16 v) {
  v = __builtin_convertvector(block_round(v), f32x16);
  v = vector_select(v < -8, vector_splat(-8), v);
  return vector_select(v > 7, vector_splat(7), v);
}

/* The scale that loses least of those tried: the term of largest magnitude is 5.5 to 9 times it, or
 * the negative of that. For the multiples that it gives, the best scale is then the projection. */
INLINE struct rounded round_to_4_bits(f32x16 first, f32x16 second) {
  float terms[BLOCK], largest = 0, best = -1;
  vector_store(terms, first);
  vector_store(terms + 16, second);
  for (int term = 0; term < BLOCK; term++)
    if (__builtin_fabsf(terms[term]) > __builtin_fabsf(largest)) largest = terms[term];
  struct rounded result = {0};
  if (largest == 0) return result;
  for (int step = 0; step < 30; step++) {
    float multiple = (float)(22 + step / 2) / 4;
    float factor = (step % 2 ? -multiple : multiple) / largest;
    f32x16 left = first * factor, right = second * factor;
    left = within_4_bits(left);
    right = within_4_bits(right);
    f32x16 projections = left * first, lengths = left * left;
    f32x16 others = right * second, squares = right * right;
    float projection = vector_sum(projections + others), length = vector_sum(lengths + squares);
    float square = projection * projection;
    float score = length == 0 ? 0 : square / length;
    if (score <= best) continue;
    best = score;
    result.scale = length == 0 ? 0 : projection / length;
    result.first = __builtin_convertvector(left, i32x16);
    result.second = __builtin_convertvector(right, i32x16);
  }
  result.scale = float_from_f16(f16_from_float(result.scale));
  return result;
}

INLINE struct burin_loss pack_blocks(
    enum burin_blocks kind, const float *rows, int32_t columns, int64_t depth,
    unsigned char *panel) {
  struct burin_loss total = {0, 0};
  for (int64_t k = 0; k < depth; k += BLOCK, panel += kind == BURIN_W8 ? W8_BLOCK : W4_BLOCK) {
    for (int column = 0; column < 32; column++) {
      f32x16 first = {0}, second = {0};
      if (column < columns) {
        first = vector_load(rows + column * depth + k);
        second = vector_load(rows + column * depth + k + 16);
      }
      block_turn(&first, &second);
      struct rounded block = kind == BURIN_W8 ? round_to_8_bits(first, second) : round_to_4_bits(first, second);
      total.error += (double)square_loss(block, first, second) / BLOCK;
      total.weights += (double)vector_sum(first * first + second * second) / BLOCK;
      int32_t terms[BLOCK];
      *(i32x16_in_memory *)terms = block.first;
      *(i32x16_in_memory *)(terms + 16) = block.second;
      if (kind == BURIN_W8) {
        uint16_t scale = bf16_from_float(block.scale / BLOCK);
        memcpy(panel + 4 * (column % 16) + 2 * (column / 16), &scale, sizeof scale);
        for (int term = 0; term < BLOCK; term++)
          panel[W8_TERMS + term / 4 * 128 + column * 4 + term % 4] =
              (unsigned char)(terms[term] + BLOCK_ZERO);
      } else {
        uint16_t scale = f16_from_float(block.scale);
        memcpy(panel + 2 * column, &scale, sizeof scale);
        for (int term = 0; term < BLOCK; term++) {
          unsigned char *pair = panel + W4_TERMS + term / 8 * 128 + column * 4 + term % 4;
          unsigned half = (unsigned)(terms[term] + 8) & 15;
          *pair = (unsigned char)(term / 4 % 2 ? *pair | half << 4 : half);
        }
      }
    }
  }
  return total;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static struct burin_loss pack_blocks_avx2(
    enum burin_blocks kind, const float *rows, int32_t columns, int64_t depth,
    unsigned char *panel) {
  return pack_blocks(kind, rows, columns, depth, panel);
}
#endif

struct burin_loss burin_pack_blocks(
    enum burin_blocks kind, const float *rows, int32_t columns, int64_t depth,
    unsigned char *panel) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return pack_blocks_avx2(kind, rows, columns, depth, panel);
#endif
  return pack_blocks(kind, rows, columns, depth, panel);
}
