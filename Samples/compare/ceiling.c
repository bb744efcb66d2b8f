// What this machine can do at most: multiply-adds in registers, on every thread, for a moment, of
// f32, pairs of bf16, and fours of i8 or else twos (ceiling [f32|bf16|int8]). Prints 10^9 operations a second.
// `ceiling memory` reads memory instead, and prints 10^9 bytes a second.
// Build: clang -O2 -march=native -fopenmp ceiling.c -o ceiling
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
typedef float vector __attribute__((vector_size(64)));
#else
typedef float vector __attribute__((vector_size(32)));
#endif
// A line of the cache.
typedef int vector_i32 __attribute__((vector_size(64)));
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

// The same for instructions that clang has no operator for; without them, f32 is the ceiling.
#ifdef __AVX512BF16__
static float burst_bf16(float seed) {
  __m512 sum[chains];
  __m512bh factor = (__m512bh)_mm512_set1_epi32(seed != 0);
  for (int chain = 0; chain < chains; ++chain) sum[chain] = _mm512_set1_ps(seed + (float)chain);
  for (int step = 0; step < steps; ++step)
#pragma clang loop unroll(full)
    for (int chain = 0; chain < chains; ++chain)
      sum[chain] = _mm512_dpbf16_ps(sum[chain], factor, factor);
  float total = 0;
  for (int chain = 0; chain < chains; ++chain) total += sum[chain][0];
  return total;
}
enum { pairs = 2 };
#else
#define burst_bf16 burst
enum { pairs = 1 };
#endif

#ifdef __AVX512VNNI__
static float burst_int8(float seed) {
  __m512i sum[chains], factor = _mm512_set1_epi32(seed != 0);
  for (int chain = 0; chain < chains; ++chain) sum[chain] = _mm512_set1_epi32((int)seed + chain);
  for (int step = 0; step < steps; ++step)
#pragma clang loop unroll(full)
    for (int chain = 0; chain < chains; ++chain) {
      sum[chain] = _mm512_dpbusd_epi32(sum[chain], factor, factor);
      // Sums of integers would be foreseen.
      __asm__ volatile("" : "+v"(sum[chain]));
    }
  float total = 0;
  for (int chain = 0; chain < chains; ++chain)
    total += (float)_mm_cvtsi128_si32(_mm512_castsi512_si128(sum[chain]));
  return total;
}
enum { fours = 4 };
#elif defined(__AVX2__)
static float burst_int8(float seed) {
  __m256i sum[chains], factor = _mm256_set1_epi32(seed != 0);
  for (int chain = 0; chain < chains; ++chain) sum[chain] = _mm256_set1_epi16((short)(seed + (float)chain));
  for (int step = 0; step < steps; ++step)
#pragma clang loop unroll(full)
    for (int chain = 0; chain < chains; ++chain) {
      // Products of the same numbers would be made once.
      __asm__ volatile("" : "+x"(factor));
      sum[chain] = _mm256_add_epi16(sum[chain], _mm256_maddubs_epi16(factor, factor));
      __asm__ volatile("" : "+x"(sum[chain]));
    }
  float total = 0;
  for (int chain = 0; chain < chains; ++chain)
    total += (float)_mm_cvtsi128_si32(_mm256_castsi256_si128(sum[chain]));
  return total;
}
enum { fours = 4 };
#else
#define burst_int8 burst
enum { fours = 1 };
#endif

// Sums memory that no cache holds, every thread its own part.
static int memory(void) {
  const size_t count = (size_t)512 << 20 >> 6;
  vector_i32 *data = aligned_alloc(64, count << 6);
  if (!data) return 1;
  double best = 0;
  int check = 0;
#pragma omp parallel for schedule(static)
  for (size_t place = 0; place < count; ++place) data[place] = (vector_i32){(int)place};
  for (int trial = 0; trial < 4; ++trial) {
    double start = seconds();
#pragma omp parallel reduction(+ : check)
    {
      vector_i32 sum[4] = {0};
#pragma omp for schedule(static)
      for (size_t place = 0; place < count / 4; ++place)
        for (int chain = 0; chain < 4; ++chain) sum[chain] += data[4 * place + chain];
      for (int chain = 0; chain < 4; ++chain) check += sum[chain][0];
    }
    double rate = (double)(count << 6) / (seconds() - start) * 1e-9;
    if (rate > best) best = rate;
  }
  printf("%.1f\n", best);
  free(data);
  return check == 1;
}

int main(int count, char **arguments) {
  const char *type = count > 1 ? arguments[1] : "f32";
  if (!strcmp(type, "memory")) return memory();
  float (*run)(float) = burst;
  int terms = 1;
  if (!strcmp(type, "bf16")) run = burst_bf16, terms = pairs;
  if (!strcmp(type, "int8")) run = burst_int8, terms = fours;
  double best = 0, check = 0;
  for (int trial = 0; trial < 12; ++trial) {
    int threads = 0;
    double start = seconds();
#pragma omp parallel reduction(+ : threads, check)
    {
      threads += 1;
      for (int repeat = 0; repeat < 4; ++repeat) check += run(1.0f + repeat);
    }
    double rate = 4.0 * threads * 2.0 * steps * chains * lanes * terms / (seconds() - start) * 1e-9;
    if (rate > best) best = rate;
  }
  printf("%.1f\n", best);
  return check == 0;
}
