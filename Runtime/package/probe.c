/* probe.c: what this machine can do at most, for the shares that `bench` reports: multiply-adds
 * in registers, and bytes read from memory, on several threads at once.
 *
 * The loops are assembly where it matters: their speed must not depend on how this file is
 * compiled. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CBurin.h"

#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

/* Twelve chains hide the latency of a multiply-add behind the others. */
#define FMA(chain, wide) "vfmadd231ps %%" wide "mm14, %%" wide "mm15, %%" wide "mm" #chain "\n\t"
#define FMA_YMM(chain) FMA(chain, "y")
#define FMA_ZMM(chain) FMA(chain, "z")
#define PAIRS(chain) "vdpbf16ps %%zmm14, %%zmm15, %%zmm" #chain "\n\t"
#define FOURS(chain) "vpdpbusd %%zmm14, %%zmm15, %%zmm" #chain "\n\t"
/* Without it, two products of bytes in 16 bits, which another instruction adds up. */
#define TWOS(chain)                             \
  "vpmaddubsw %%ymm14, %%ymm15, %%ymm13\n\t"    \
  "vpaddw %%ymm13, %%ymm" #chain ", %%ymm" #chain "\n\t"
#define ZERO(register) "vxorps %%xmm" #register ", %%xmm" #register ", %%xmm" #register "\n\t"
#define CLOBBERS                                                                                \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",      \
      "xmm11", "xmm13", "xmm14", "xmm15", "cc", "memory"

/* Runs `steps` times an instruction for each chain. */
#define REPEAT(INSTRUCTION)                                                                         \
  do {                                                                                              \
    int64_t left = steps;                                                                           \
    __asm__ volatile(EACH(ZERO) ZERO(14) ZERO(15) "1:\n\t" EACH(INSTRUCTION)                         \
                     "dec %0\n\tjnz 1b\n\tvzeroupper"                                               \
                     : "+r"(left)                                                                   \
                     :                                                                              \
                     : CLOBBERS);                                                                   \
  } while (0)

/* Runs `steps` times twelve multiply-adds; gives how many operations that were. */
static double multiply_add(int64_t steps) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) {
    REPEAT(FMA_ZMM);
    return 2.0 * 16 * 12 * steps;
  }
  if (__builtin_cpu_supports("fma")) {
    REPEAT(FMA_YMM);
    return 2.0 * 8 * 12 * steps;
  }
#endif
  typedef float lanes __attribute__((vector_size(16)));
  lanes sums[12] = {{0}}, factor = {0}, term = {0};
  for (int64_t step = 0; step < steps; step++)
    for (int chain = 0; chain < 12; chain++) sums[chain] = sums[chain] * factor + term;
  __asm__ volatile("" : : "r"(sums) : "memory");
  return 2.0 * 4 * 12 * steps;
}

/* Runs `steps` times twelve multiply-adds of pairs of bf16, where the machine has them; gives how
 * many operations that were. */
static double multiply_add_bf16(int64_t steps) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) {
    REPEAT(PAIRS);
    return 2.0 * 32 * 12 * steps;
  }
#endif
  return multiply_add(steps);
}

/* Runs `steps` times twelve multiply-adds of fours or of twos of i8, where the machine has them; gives
 * how many operations that were. */
static double multiply_add_i8(int64_t steps) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512vnni")) {
    REPEAT(FOURS);
    return 2.0 * 64 * 12 * steps;
  }
  if (__builtin_cpu_supports("avx2")) {
    REPEAT(TWOS);
    return 2.0 * 32 * 12 * steps;
  }
#endif
  return multiply_add(steps);
}

#define LOAD(place, wide, bytes) "vmovups " #place "*" bytes "(%0), %%" wide "mm" #place "\n\t"
#define LOAD_YMM(place) LOAD(place, "y", "32")
#define LOAD_ZMM(place) LOAD(place, "z", "64")
#define EACH8(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

/* Reads `bytes` bytes, a multiple of 512. */
static void read_memory(const char *data, size_t bytes) {
#if defined(__x86_64__)
  const char *end = data + bytes;
  if (__builtin_cpu_supports("avx512f")) {
    __asm__ volatile("1:\n\t" EACH8(LOAD_ZMM) "add $512, %0\n\tcmp %1, %0\n\tjb 1b\n\tvzeroupper"
                     : "+r"(data)
                     : "r"(end)
                     : CLOBBERS);
    return;
  }
  if (__builtin_cpu_supports("avx")) {
    __asm__ volatile("1:\n\t" EACH8(LOAD_YMM) "add $256, %0\n\tcmp %1, %0\n\tjb 1b\n\tvzeroupper"
                     : "+r"(data)
                     : "r"(end)
                     : CLOBBERS);
    return;
  }
#endif
  uint64_t sum = 0;
  for (size_t at = 0; at < bytes; at += 8) {
    uint64_t word;
    memcpy(&word, data + at, 8);
    sum += word;
  }
  __asm__ volatile("" : : "r"(sum));
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

/* How the threads start together: each says that it is there and waits for the word. */
struct start {
  atomic_int present, word;
};
enum { WAIT, GO, QUIT };

/* One thread's part. */
struct part {
  struct start *together;
  const char *data; /* to read, or NULL to compute */
  size_t bytes;
  enum burin_factors factors;
  double start, end, done;
};

static void *run_part(void *argument) {
  struct part *part = argument;
  int word;
  atomic_fetch_add(&part->together->present, 1);
  while ((word = atomic_load(&part->together->word)) == WAIT) sched_yield();
  if (word == QUIT) return NULL;
  part->start = now();
  /* A few milliseconds: long enough to be measured, short enough to be repeated. */
  if (part->data) {
    read_memory(part->data, part->bytes);
    part->done = (double)part->bytes;
  } else {
    double (*const run[])(int64_t) = {multiply_add, multiply_add_bf16, multiply_add_i8};
    part->done = run[part->factors](1 << 18);
  }
  part->end = now();
  return NULL;
}

/* Runs all parts at once; gives what they did in a second. */
static double run_parts(struct part *parts, int32_t count) {
  pthread_t threads[BURIN_PROBE_THREADS];
  struct start together = {0, WAIT};
  int32_t started = 1;
  for (int32_t index = 0; index < count; index++) parts[index].together = &together;
  for (; started < count; started++)
    if (pthread_create(&threads[started], NULL, run_part, &parts[started])) break;
  while (atomic_load(&together.present) < started - 1) sched_yield();
  atomic_store(&together.word, started == count ? GO : QUIT);
  run_part(&parts[0]);
  for (int32_t index = 1; index < started; index++) pthread_join(threads[index], NULL);
  if (started < count) return 0;
  double start = parts[0].start, end = parts[0].end, done = parts[0].done;
  for (int32_t index = 1; index < count; index++) {
    if (parts[index].start < start) start = parts[index].start;
    if (parts[index].end > end) end = parts[index].end;
    done += parts[index].done;
  }
  return end > start ? done / (end - start) : 0;
}

static int32_t within_bounds(int32_t threads) {
  return threads < 1 ? 1 : threads > BURIN_PROBE_THREADS ? BURIN_PROBE_THREADS : threads;
}

double burin_probe_arithmetic(int32_t threads, enum burin_factors factors) {
  struct part parts[BURIN_PROBE_THREADS] = {{0}};
  threads = within_bounds(threads);
  for (int32_t index = 0; index < threads; index++) parts[index].factors = factors;
  return run_parts(parts, threads);
}

double burin_probe_memory(int32_t threads, void *data, size_t bytes) {
  struct part parts[BURIN_PROBE_THREADS] = {{0}};
  threads = within_bounds(threads);
  size_t share = bytes / (size_t)threads / 512 * 512;
  if (!share) return 0;
  for (int32_t index = 0; index < threads; index++) {
    parts[index].data = (const char *)data + share * (size_t)index;
    parts[index].bytes = share;
  }
  return run_parts(parts, threads);
}
