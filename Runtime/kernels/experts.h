// How rows find their experts: the largest scores of a router, and rows sorted by what they chose.
#ifndef BURIN_EXPERTS_H
#define BURIN_EXPERTS_H

#include <string.h>

#include "vectors.h"

/// The `count` largest of `x[0 ..< columns]` and where they are, largest first; of equals the first
/// comes first, and a NaN last.
INLINE void top_k(
    const float *x, int64_t columns, int64_t count, float *values, int32_t *indices) {
  float bound = __builtin_inff();
  int64_t taken = -1;
  for (int64_t n = 0; n < count; n++) {
    float largest = -__builtin_inff();
    int64_t best = -1;
    for (int64_t column = 0; column < columns; column++) {
      float value = x[column] == x[column] ? x[column] : -__builtin_inff();
      int left = value < bound || (value == bound && column > taken);
      if (left && (best < 0 || value > largest)) {
        largest = value;
        best = column;
      }
    }
    values[n] = x[best];
    indices[n] = (int32_t)best;
    bound = largest;
    taken = best;
  }
}

/// What was chosen at a place, as an expert that there is: a model that computes it may be wrong.
INLINE int64_t expert_at(const int32_t *chosen, int64_t place, int64_t count) {
  return larger(0, smaller(chosen[place], count - 1));
}

/// Sorts places by what was chosen there: those of expert `e` become
/// `order[starts[e] ..< starts[e + 1]]`, ascending.
INLINE void experts_sort(
    int64_t places, int64_t count, const int32_t *chosen, int64_t *starts, int32_t *order) {
  for (int64_t expert = 0; expert <= count; expert++) starts[expert] = 0;
  for (int64_t place = 0; place < places; place++) starts[expert_at(chosen, place, count) + 1]++;
  for (int64_t expert = 0; expert < count; expert++) starts[expert + 1] += starts[expert];
  for (int64_t place = 0; place < places; place++)
    order[starts[expert_at(chosen, place, count)]++] = (int32_t)place;
  // Each start has moved on to the next one.
  for (int64_t expert = count; expert > 0; expert--) starts[expert] = starts[expert - 1];
  starts[0] = 0;
}

#endif
