/* The vector of a sentence, from a compiled sentence-transformers model, in C. From the repository:
 *
 *   burin compile MODEL -o sentence.so
 *   clang -I Runtime/include -I. Samples/c/sentence.c -L. -l:sentence.so \
 *       -Wl,-rpath,'$ORIGIN' -o sentence
 *   ./sentence $(burin tokenize sentence.so --text "Hello world")
 *
 * sentence.h is the header that `compile` writes beside the library. The arguments are token ids.
 * Nothing but the library and libomp is needed to run it. */
#include <stdio.h>
#include <stdlib.h>

#include "burin.h"
#include "sentence.h"

int main(int count, char **arguments) {
  int64_t ids[512];
  int64_t length = count - 1;
  if (length < 1 || length > 512) {
    fprintf(stderr, "usage: sentence ID... (at most 512)\n");
    return 64;
  }
  for (int64_t place = 0; place < length; place++) ids[place] = atoll(arguments[place + 1]);

  struct burin_tensor input = {
      .name = SENTENCE_EMBED_INPUT_IDS, .type = BURIN_I64, .rank = 2, .extents = {1, length},
      .data = ids, .bytes = (size_t)length * sizeof ids[0]};
  struct burin_tensor output = {.name = SENTENCE_EMBED_SENTENCE_EMBEDDING};
  struct burin_session *session = NULL;
  int32_t status = burin_session_create(NULL, &session);
  if (status == BURIN_OK) status = burin_run(session, SENTENCE_EMBED, &input, 1, &output, 1);
  if (status == BURIN_OK) {
    const float *vector = output.data;
    for (int64_t place = 0; place < 8 && place < output.extents[1]; place++)
      printf("%.7f\n", vector[place]);
  } else {
    fprintf(stderr, "%s\n", burin_error());
  }
  burin_session_free(session);
  return status;
}
