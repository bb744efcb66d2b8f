/* Calls the library of model.c rightly and wrongly. Linked with it into one program, so that the
 * sanitizers see both sides. Says what went wrong and exits with 1. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "burin.h"

static int failures;

static void check(int condition, int line, const char *what) {
  if (condition) return;
  fprintf(stderr, "line %d: %s (last error: %s)\n", line, what, burin_error());
  failures++;
}
#define CHECK(condition) check(condition, __LINE__, #condition)

/* Whether a call failed with this status and a message that contains this text. */
static int refused(int32_t status, int32_t expected, const char *text) {
  int right = status == expected && strstr(burin_error(), text) && !strchr(burin_error(), '\n');
  if (!right) fprintf(stderr, "status %d, expected %d: \"%s\"\n", status, expected, text);
  return right;
}

static struct burin_tensor ids64(int64_t *data, int64_t batch, int64_t seq) {
  return (struct burin_tensor){
      "input_ids", BURIN_I64, 2, {batch, seq}, data, (size_t)(8 * batch * seq)};
}

static struct burin_tensor ids32(int32_t *data, int64_t batch, int64_t seq) {
  return (struct burin_tensor){
      "input_ids", BURIN_I32, 2, {batch, seq}, data, (size_t)(4 * batch * seq)};
}

static void test_describe(void) {
  const struct burin_model *model = burin_describe();
  CHECK(model && model->size == sizeof *model && model->abi == BURIN_ABI && burin_abi() == 1);
  CHECK(!strcmp(model->name, "hand") && model->entry_count == 2 && model->has_states);
  CHECK(!strcmp(model->entries[0].inputs[1].name, "scale") && model->entries[0].inputs[1].optional);
  CHECK(model->symbols[1].maximum == 100);
}

static void test_forward(struct burin_session *session) {
  int64_t wide[6] = {1, 2, 3, 4, 5, 6};
  float scale[2] = {1, 10}, own[6];
  struct burin_tensor inputs[2] = {
      {"scale", BURIN_F32, 1, {2}, scale, sizeof scale}, ids64(wide, 2, 3)};
  struct burin_tensor outputs[2] = {{0}};
  CHECK(burin_run(session, "forward", inputs, 2, outputs, 2) == BURIN_OK);
  const float *embedded = outputs[0].data;
  CHECK(outputs[0].rank == 2 && outputs[0].extents[0] == 2 && outputs[0].extents[1] == 3);
  CHECK(embedded[0] == 2 && embedded[2] == 6 && embedded[3] == 80 && embedded[5] == 120);
  const int64_t *last = outputs[1].data;
  CHECK(!strcmp(outputs[1].name, "last") && outputs[1].bytes == 16 && last[0] == 3 && last[1] == 6);

  /* i32 ids at an odd address, no scale, one output by name into own memory. */
  char odd[1 + 24];
  int32_t narrow[6] = {1, 2, 3, 4, 5, 6};
  memcpy(odd + 1, narrow, 24);
  struct burin_tensor input = ids32(narrow, 2, 3);
  input.data = odd + 1;
  struct burin_tensor output = {.name = "embedded", .data = own, .bytes = sizeof own};
  CHECK(burin_run(session, "forward", &input, 1, &output, 1) == BURIN_OK);
  CHECK(output.data == own && own[0] == 2 && own[5] == 12);
  CHECK(burin_run(session, "forward", &input, 1, NULL, 0) == BURIN_OK);
}

static void test_bad_inputs(struct burin_session *s) {
  int64_t data[400] = {0};
  float scale[4] = {1, 1, 1, 1};
  struct burin_tensor in[3] = {ids64(data, 2, 3), {"scale", BURIN_F32, 1, {2}, scale, 8}};
  struct burin_tensor out[3];
  memset(out, 0, sizeof out);
  const struct burin_tensor good = in[0];
#define RUN(count) burin_run(s, "forward", in, count, out, 2)
#define REFUSED(count, text) CHECK(refused(RUN(count), BURIN_BAD_INPUT, text))
  CHECK(refused(burin_run(s, "nothing", in, 1, out, 2), BURIN_MISUSE, "no entry \"nothing\""));
  CHECK(refused(burin_run(s, NULL, in, 1, out, 2), BURIN_MISUSE, "entry is null"));
  CHECK(refused(burin_run(NULL, "forward", in, 1, out, 2), BURIN_MISUSE, "no session"));
  CHECK(refused(burin_run(s, "forward", NULL, 1, out, 2), BURIN_MISUSE, "null"));
  CHECK(refused(burin_run(s, "forward", in, -1, out, 2), BURIN_MISUSE, "fewer"));
  CHECK(refused(burin_run(s, "forward", in, 1, out, 3), BURIN_MISUSE, "forward has 2"));
  CHECK(refused(burin_run(s, "forward", in, 0, out, 2), BURIN_BAD_INPUT, "input_ids: forward needs"));
  in[1].name = "a\nb%n";
  REFUSED(2, "a?b%n: forward has no such input");
  in[1].name = "input_ids";
  REFUSED(2, "input_ids: given twice");
  in[1].name = NULL;
  REFUSED(2, "input 1 has no name");
  in[1].name = "scale";
  in[0].type = BURIN_F32;
  REFUSED(1, "type f32, expected i32 or i64");
  in[0].type = 77;
  REFUSED(1, "type ?");
  in[0] = good, in[1].type = BURIN_I32;
  REFUSED(2, "scale: type i32, expected f32");
  in[1].type = BURIN_F32, in[0].rank = 1;
  REFUSED(1, "input_ids: rank 1, expected 2");
  in[0].rank = 1000000;
  REFUSED(1, "rank 1000000");
  in[0] = good, in[1].extents[0] = 3;
  REFUSED(2, "scale: batch (extent 0) is 3, but 2 in input_ids");
  in[1].extents[0] = 2, in[0].extents[1] = 0;
  REFUSED(1, "extent 1 is 0, expected at least 1");
  in[0].extents[1] = -5;
  REFUSED(1, "extent 1 is -5");
  in[0].extents[1] = 101;
  REFUSED(1, "seq (extent 1) is 101, expected 1 to 100, the compiled maximum");
  in[0].extents[1] = INT64_MAX;
  REFUSED(1, "the compiled maximum");
  in[0] = good, in[0].extents[0] = 4;
  REFUSED(1, "batch (extent 0) is 4, expected 1 to 3, the session's maximum");
  in[0] = good, in[0].bytes = 47;
  REFUSED(1, "input_ids: 47 bytes of data, expected 48");
  in[0] = good, in[0].data = NULL;
  REFUSED(1, "input_ids: data is null");
  in[0] = good, data[4] = 10;
  REFUSED(1, "input_ids[1,1] is 10, expected 0 to 9");
  data[4] = -1;
  REFUSED(1, "input_ids[1,1] is -1");
  data[4] = (int64_t)1 << 40;
  REFUSED(1, "is 1099511627776");
  data[4] = 0;
  in[1] = (struct burin_tensor){"bias", BURIN_F32, 1, {2}, scale, 8};
  REFUSED(2, "bias: extent 0 is 2, expected 3");
  out[0].name = "logits";
  CHECK(refused(RUN(1), BURIN_MISUSE, "logits: forward has no such output"));
  out[0] = (struct burin_tensor){.name = "last", .data = scale, .bytes = 15};
  CHECK(refused(RUN(1), BURIN_MISUSE, "last: room for 15 bytes, but it takes 16"));
  out[0] = (struct burin_tensor){0};
  CHECK(RUN(1) == BURIN_OK);
}

static void test_options(void) {
  struct burin_session *session = (void *)1;
  struct burin_limit limit = {"nothing", 1};
  struct burin_options options = {sizeof options, 0, 1, &limit};
  CHECK(refused(burin_session_create(NULL, NULL), BURIN_MISUSE, "null"));
  CHECK(refused(burin_session_create(&options, &session), BURIN_MISUSE, "no symbol \"nothing\""));
  CHECK(session == NULL);
  limit = (struct burin_limit){"seq", 101};
  CHECK(refused(burin_session_create(&options, &session), BURIN_MISUSE, "limit of seq is 101"));
  limit.maximum = -1;
  CHECK(refused(burin_session_create(&options, &session), BURIN_MISUSE, "is -1"));
  options.threads = -1;
  CHECK(refused(burin_session_create(&options, &session), BURIN_MISUSE, "threads is -1"));
  options.size = 3;
  CHECK(refused(burin_session_create(&options, &session), BURIN_MISUSE, "size is 3"));
  burin_session_free(NULL);
}

/* Steps `batch` sequences by `count` ids of the value of `id`; returns the status. */
static int32_t step(
    struct burin_session *s, int64_t batch, int64_t count, int64_t id, int32_t *sums,
    int32_t *calls) {
  int64_t data[400];
  for (int i = 0; i < 400; i++) data[i] = id;
  struct burin_tensor in = ids64(data, batch, count);
  struct burin_tensor out[2] = {
      {"sums", 0, 0, {0}, sums, 16}, {"calls", 0, 0, {0}, calls, calls ? 16 : 0}};
  return burin_run(s, "step", &in, 1, out, calls ? 2 : 1);
}

static void test_sequences(struct burin_session *s) {
  int32_t sums[4], calls[4];
  int64_t length = -1;
  CHECK(step(s, 2, 70, 1, sums, calls) == BURIN_OK && sums[0] == 70 && calls[1] == 1);
  CHECK(step(s, 1, 50, 2, sums, calls) == BURIN_OK && sums[0] == 170 && calls[0] == 2);
  CHECK(burin_length(s, 0, &length) == BURIN_OK && length == 120);
  CHECK(burin_length(s, 1, &length) == BURIN_OK && length == 70);
  CHECK(refused(step(s, 2, 81, 1, sums, NULL), BURIN_FULL, "sequence 0 holds 120 positions: 81"));
  CHECK(step(s, 1, 80, 0, sums, calls) == BURIN_OK && sums[0] == 170);
  CHECK(refused(step(s, 1, 1, 0, sums, calls), BURIN_FULL, "exceed the context of 200"));
  CHECK(burin_truncate(s, 0, 100) == BURIN_OK && burin_length(s, 0, &length) == 0 && length == 100);
  CHECK(step(s, 1, 1, 9, sums, calls) == BURIN_OK && sums[0] == 70 + 60 + 9);

  /* A fork shares pages, then differs. */
  CHECK(burin_fork(s, 0, 2) == BURIN_OK);
  CHECK(step(s, 3, 30, 3, sums, calls) == BURIN_OK);
  CHECK(sums[0] == 229 && sums[1] == 160 && sums[2] == 229 && calls[2] == calls[0]);
  CHECK(step(s, 1, 30, 5, sums, calls) == BURIN_OK && sums[0] == 379);
  CHECK(step(s, 3, 1, 0, sums, calls) == BURIN_OK);
  CHECK(sums[0] == 379 && sums[1] == 160 && sums[2] == 229);
  CHECK(burin_fork(s, 1, 1) == BURIN_OK);
  const int64_t order[3] = {1, 2, 1};
  CHECK(burin_reorder(s, order, 3) == BURIN_OK);
  CHECK(step(s, 3, 1, 1, sums, calls) == BURIN_OK);
  CHECK(sums[0] == 161 && sums[1] == 230 && sums[2] == 161);

  for (int64_t b = 0; b < 3; b++) CHECK(burin_truncate(s, b, 0) == BURIN_OK);
  CHECK(step(s, 3, 1, 4, sums, calls) == BURIN_OK && sums[0] == 4 && sums[2] == 4);
  CHECK(calls[0] == 1 && calls[1] == 1);

  /* Many beams for a long time: pages come back. */
  for (int round = 0; round < 500; round++) {
    const int64_t beams[3] = {round % 3, (round / 3) % 3, round % 2};
    burin_length(s, 0, &length);
    if (length == 200)
      for (int64_t b = 0; b < 3; b++) {
        CHECK(refused(burin_truncate(s, b, 63), BURIN_MISUSE, "has left the window of 70"));
        CHECK(burin_truncate(s, b, 199) == BURIN_OK && burin_truncate(s, b, 0) == BURIN_OK);
      }
    CHECK(step(s, 3, 1, 1, sums, NULL) == BURIN_OK);
    CHECK(sums[0] == sums[1] && burin_reorder(s, beams, 3) == BURIN_OK);
  }

  CHECK(refused(burin_length(s, 3, &length), BURIN_MISUSE, "sequence 3, expected 0 to 2"));
  CHECK(refused(burin_length(s, 0, NULL), BURIN_MISUSE, "null"));
  CHECK(refused(burin_truncate(s, -1, 0), BURIN_MISUSE, "sequence -1"));
  CHECK(refused(burin_truncate(s, 0, 201), BURIN_MISUSE, "length 201"));
  CHECK(refused(burin_truncate(s, 0, -1), BURIN_MISUSE, "length -1"));
  CHECK(refused(burin_fork(s, 0, 3), BURIN_MISUSE, "sequence 3"));
  CHECK(refused(burin_fork(NULL, 0, 1), BURIN_MISUSE, "no session"));
  CHECK(refused(burin_reorder(s, NULL, 2), BURIN_MISUSE, "null"));
  CHECK(refused(burin_reorder(s, (const int64_t[]){7, 0}, 2), BURIN_MISUSE, "sequence 7"));
}

static void *run_many(void *session) {
  int64_t data[6] = {1, 2, 3, 4, 5, 6};
  for (int round = 0; round < 200; round++) {
    float own[6] = {0};
    struct burin_tensor in = ids64(data, 2, 3), out = {.data = own, .bytes = sizeof own};
    if (burin_run(session, "forward", &in, 1, &out, 1) || own[5] != 12) return session;
  }
  return NULL;
}

/* Bad input 75. */
static void test_threads(struct burin_session *session) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, run_many, session);
  for (int i = 0; i < 4; i++) {
    void *failed = NULL;
    pthread_join(threads[i], &failed);
    CHECK(!failed);
  }
}

static long resident_kilobytes(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
  if (file) fclose(file);
  return pages * 4;
}

/* Bad input 76. */
static void test_growth(void) {
  long before = 0;
  for (int round = 0; round < 10000; round++) {
    struct burin_session *session = NULL;
    CHECK(burin_session_create(NULL, &session) == BURIN_OK);
    burin_session_free(session);
    if (round == 5000) before = resident_kilobytes();
  }
  CHECK(resident_kilobytes() <= before + 1024);
}

int main(int count, char **arguments) {
  (void)arguments;
  struct burin_limit limits[2] = {{"batch", 3}, {"seq", 0}};
  struct burin_options options = {sizeof options, 2, 2, limits};
  struct burin_session *session = NULL;
  test_describe();
  test_options();
  CHECK(burin_session_create(&options, &session) == BURIN_OK);
  if (!session) return 1;
  test_forward(session);
  test_bad_inputs(session);
  test_sequences(session);
  test_threads(session);
  burin_session_free(session);
  /* A sanitizer keeps freed memory for a while, so its run skips this with an argument. */
  if (count == 1) test_growth();
  if (!failures) puts("ok");
  return failures != 0;
}
