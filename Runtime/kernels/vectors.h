// Vectors of 16 elements, the unit of every kernel: one register with AVX-512, two with AVX2, four
// with NEON. Only clang's vector extensions, so the arithmetic is the same on all of them.
#ifndef BURIN_VECTORS_H
#define BURIN_VECTORS_H

#include <stddef.h>
#include <stdint.h>

// A vector argument that is wider than the machine's registers draws a warning about the calling
// convention; every function that has one is inlined, so there is no call.
#pragma clang diagnostic ignored "-Wpsabi"

// Without -fopenmp everything runs on one thread, and that is not worth a warning per loop.
#ifndef _OPENMP
#pragma clang diagnostic ignored "-Wsource-uses-openmp"
#pragma clang diagnostic ignored "-Wunknown-pragmas"
#endif

#define INLINE static inline __attribute__((always_inline))

typedef float f32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef uint16_t u16x16 __attribute__((vector_size(32)));
typedef double f64x16 __attribute__((vector_size(128)));

typedef f32x16 f32x16_in_memory __attribute__((aligned(4), may_alias));
typedef i32x16 i32x16_in_memory __attribute__((aligned(4), may_alias));
typedef i8x16 i8x16_in_memory __attribute__((aligned(1), may_alias));
typedef u8x16 u8x16_in_memory __attribute__((aligned(1), may_alias));
typedef u16x16 u16x16_in_memory __attribute__((aligned(2), may_alias));

INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

INLINE f32x16 vector_load(const float *from) { return *(const f32x16_in_memory *)from; }

INLINE void vector_store(float *to, f32x16 value) { *(f32x16_in_memory *)to = value; }

INLINE i32x16 vector_load_i32(const int32_t *from) { return *(const i32x16_in_memory *)from; }

/// 16 numbers of i8, as f32.
INLINE f32x16 vector_load_i8(const int8_t *from) {
  return __builtin_convertvector(*(const i8x16_in_memory *)from, f32x16);
}

/// 0, 1, ... 15.
INLINE i32x16 vector_lanes(void) {
  return (i32x16){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

INLINE f32x16 vector_splat(float value) { return (f32x16){0} + value; }

INLINE i32x16 vector_splat_i32(int32_t value) { return (i32x16){0} + value; }

/// `mask ? then : otherwise`, lane by lane; a mask's lane is 0 or -1, as comparisons give it.
INLINE f32x16 vector_select(i32x16 mask, f32x16 then, f32x16 otherwise) {
  return (f32x16)(((i32x16)then & mask) | ((i32x16)otherwise & ~mask));
}

/// A NaN in `right` stays, one in `left` does not.
INLINE f32x16 vector_maximum(f32x16 left, f32x16 right) {
  return vector_select(left > right, left, right);
}

INLINE f32x16 vector_minimum(f32x16 left, f32x16 right) {
  return vector_select(left < right, left, right);
}

/// The first `count` (0 to 16) elements, zeros behind them; touches no memory beyond.
INLINE f32x16 vector_load_first(const float *from, int64_t count) {
  if (count >= 16) return vector_load(from);
  float lanes[16] __attribute__((aligned(64))) = {0};
  for (int64_t lane = 0; lane < count; lane++) lanes[lane] = from[lane];
  return vector_load(lanes);
}

/// The first `count` (at most 16) numbers of i8 as f32, zeros behind them.
INLINE f32x16 vector_load_first_i8(const int8_t *from, int64_t count) {
  int8_t lanes[16] = {0};
  for (int64_t lane = 0; lane < count; lane++) lanes[lane] = from[lane];
  return vector_load_i8(lanes);
}

/// Stores the first `count` (0 to 16) elements.
INLINE void vector_store_first(float *to, f32x16 value, int64_t count) {
  if (count >= 16) {
    vector_store(to, value);
    return;
  }
  float lanes[16] __attribute__((aligned(64)));
  vector_store(lanes, value);
  for (int64_t lane = 0; lane < count; lane++) to[lane] = lanes[lane];
}

INLINE void copy_row(float *to, const float *from, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = from[i];
}

INLINE void copy_row_bf16(uint16_t *to, const uint16_t *from, int64_t count) {
  for (int64_t i = 0; i < count; i++) to[i] = from[i];
}

/// The sum of the lanes, always by the same tree: halves onto each other, 8, 4, 2, 1.
INLINE float vector_sum(f32x16 v) {
  v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1);
  return v[0] + v[1];
}

/// The largest lane; NaN lanes may be passed over.
INLINE float vector_largest(f32x16 v) {
  f32x16 other =
      __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  v = vector_maximum(other, v);
  other = __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3);
  v = vector_maximum(other, v);
  other = __builtin_shufflevector(v, v, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1);
  v = vector_maximum(other, v);
  return v[0] > v[1] ? v[0] : v[1];
}

#endif
