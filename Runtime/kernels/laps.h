// Times the kernels of a profiled library; no other one includes this.
#ifndef BURIN_LAPS_H
#define BURIN_LAPS_H

#include <stdint.h>
#include <time.h>

#ifdef _OPENMP
int omp_get_thread_num(void);
#endif

/// How often a kernel ran, and for how long until its last thread was done.
struct lap {
  const char *kernel;
  int64_t calls;
  double seconds;
};

/// When the last lap ended, by the first thread's clock.
static double lap_end;

/// Ends a lap, or begins the first one; only the first thread looks at the clock. Kernels end with a
/// barrier, so the others have finished too.
static inline void lap(struct lap *lap) {
#ifdef _OPENMP
  if (omp_get_thread_num() != 0) return;
#endif
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  const double now = (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
  if (lap) {
    lap->calls++;
    lap->seconds += now - lap_end;
  }
  lap_end = now;
}

#endif
