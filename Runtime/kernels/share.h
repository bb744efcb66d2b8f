// How the threads of a region share a long loop: each has a run of the items, from which it takes some
// at a time, and then helps where another is behind. So a thread that was kept from its processor for a
// while does not make the others wait. Which thread does what has no influence on any bit.
#ifndef BURIN_SHARE_H
#define BURIN_SHARE_H

#include "vectors.h"

#ifdef _OPENMP
int omp_get_num_threads(void);
int omp_get_thread_num(void);
#endif

/// How many threads share the loops of the region.
INLINE int64_t thread_count(void) {
#ifdef _OPENMP
  return omp_get_num_threads();
#else
  return 1;
#endif
}

/// Which of them this one is.
INLINE int64_t thread_number(void) {
#ifdef _OPENMP
  return omp_get_thread_num();
#else
  return 0;
#endif
}

enum { SHARE_THREADS = 64, SHARE_PIECES = 32 };

// How many items of each thread's run are taken, and how many threads have found that all are. Regions of
// several threads take turns, and between two loops there is a barrier, so one of each is enough; regions
// of one thread do not touch them.
static struct {
  int64_t count __attribute__((aligned(64)));
} share_taken[SHARE_THREADS] __attribute__((unused));
static int64_t share_finished __attribute__((aligned(64), unused));

/// A thread's way through a loop of `count` items.
typedef struct {
  int64_t first, end;  // the items to do now
  int64_t count;
  int64_t threads, thread;
  int64_t piece;  // items taken at a time; 0: one run for each thread
  int64_t run;    // the thread from whose items it takes some
} Share;

/// The beginning of a loop that is worth sharing in pieces if each thread has `least` items or more; in
/// shorter ones a thread's items are one run.
INLINE Share share_begin(int64_t count, int64_t least) {
  const int64_t threads = thread_count(), thread = thread_number();
  const int is_long = threads > 1 && threads <= SHARE_THREADS && count >= threads * least;
  return (Share){
      .count = count, .threads = threads, .thread = thread, .run = thread,
      .piece = is_long ? larger(1, count / (threads * SHARE_PIECES)) : 0};
}

/// Finds the next items; gives 0 if there are none. A barrier has to follow, before the next loop.
__attribute__((noinline, unused)) static int share_take(Share *share) {
  const int64_t threads = share->threads;
  if (share->piece == 0) {
    if (share->run < 0) return 0;
    share->first = share->count * share->thread / threads;
    share->end = share->count * (share->thread + 1) / threads;
    share->run = -1;
    return share->first < share->end;
  }
  for (int64_t tried = 0; tried < threads; tried++) {
    const int64_t taken =
        __atomic_fetch_add(&share_taken[share->run].count, share->piece, __ATOMIC_RELAXED);
    share->first = share->count * share->run / threads + taken;
    const int64_t last = share->count * (share->run + 1) / threads;
    share->end = smaller(share->first + share->piece, last);
    if (share->first < last) return 1;
    share->run = (share->run + 1) % threads;
  }
  // The last one to be here leaves everything as it was.
  if (__atomic_add_fetch(&share_finished, 1, __ATOMIC_ACQ_REL) == threads) {
    for (int64_t run = 0; run < threads; run++)
      __atomic_store_n(&share_taken[run].count, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&share_finished, 0, __ATOMIC_RELEASE);
  }
  return 0;
}

#endif
