// What this machine can do at most: f32 multiply-adds in registers, on every thread, for a moment.
// Prints GFLOP/s. Build: clang -O2 -march=native -fopenmp ceiling.c -o ceiling
#include <stdio.h>
#include <time.h>

#if defined(__AVX512F__)
typedef float vector __attribute__((vector_size(64)));
#else
typedef float vector __attribute__((vector_size(32)));
#endif
enum { lanes = sizeof(vector) / sizeof(float), chains = 12, steps = 1 << 19 };

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

// Twelve independent chains: enough to hide the latency of one multiply-add behind the others.
static float burst(float seed) {
  vector sum[chains], factor, term;
  for (int lane = 0; lane < lanes; ++lane) factor[lane] = 0.5f, term[lane] = seed;
  for (int chain = 0; chain < chains; ++chain) sum[chain] = term + (float)chain;
  for (int step = 0; step < steps; ++step)
#pragma clang loop unroll(full)
    for (int chain = 0; chain < chains; ++chain) sum[chain] = sum[chain] * factor + term;
  float total = 0;
  for (int chain = 0; chain < chains; ++chain) total += sum[chain][0];
  return total;
}

int main(void) {
  double best = 0, check = 0;
  for (int trial = 0; trial < 12; ++trial) {
    int threads = 0;
    double start = seconds();
#pragma omp parallel reduction(+ : threads, check)
    {
      threads += 1;
      for (int repeat = 0; repeat < 4; ++repeat) check += burst(1.0f + repeat);
    }
    double rate = 4.0 * threads * 2.0 * steps * chains * lanes / (seconds() - start) * 1e-9;
    if (rate > best) best = rate;
  }
  printf("%.1f\n", best);
  return check == 0;
}
