/* softmax.c: what a search asks of every word of a vocabulary at each step. */

/* What is multiplied is rounded before it is added, on every machine. */
#pragma STDC FP_CONTRACT OFF

#include <math.h>

#include "../kernels/vector_math.h"
#include "CBurin.h"

/* So many exponentials that their sum in f32 loses nothing that an f32 of its logarithm would show. */
enum { PART = 512 };

INLINE void log_softmax(const float *logits, size_t count, float *out) {
  f32x16 greatests = vector_splat(-__builtin_inff()), sums;
  size_t place = 0;
  for (; place + 16 <= count; place += 16)
    greatests = vector_maximum(greatests, vector_load(logits + place));
  float greatest = vector_largest(greatests);
  for (; place < count; place++) greatest = logits[place] > greatest ? logits[place] : greatest;
  double sum = 0;
  for (size_t start = 0; start < count; start += PART) {
    const size_t end = count - start < PART ? count : start + PART;
    sums = (f32x16){0};
    for (place = start; place + 16 <= end; place += 16)
      sums += vector_exp(vector_load(logits + place) - greatest);
    for (; place < end; place++) sum += vector_exp(vector_splat(logits[place] - greatest))[0];
    for (int lane = 0; lane < 16; lane++) sum += sums[lane];
  }
  const float logarithm = (float)log(sum);
  for (place = 0; place < count; place++) out[place] = logits[place] - greatest - logarithm;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void log_softmax_avx2(
    const float *logits, size_t count, float *out) {
  log_softmax(logits, count, out);
}
#endif

void burin_log_softmax(const float *logits, size_t count, float *out) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    log_softmax_avx2(logits, count, out);
    return;
  }
#endif
  log_softmax(logits, count, out);
}
