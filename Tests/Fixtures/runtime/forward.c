/* Runs `forward` of a library on tensors from files, for machines on which Swift does not run:
 *
 *   forward X.so {NAME TYPE FILE RANK EXTENT...}...
 *
 * Says the name and the number of elements of every output of f32, then its elements. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "burin.h"

static void *contents(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) exit(74);
  *bytes = (size_t)ftell(file);
  rewind(file);
  void *data = malloc(*bytes + 1);
  if (!data || fread(data, 1, *bytes, file) != *bytes) exit(74);
  fclose(file);
  return data;
}

int main(int count, char **arguments) {
  void *library = count > 1 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!library) {
    fprintf(stderr, "%s\n", count > 1 ? dlerror() : "usage");
    return 64;
  }
  const char *(*error)(void) = (const char *(*)(void))dlsym(library, "burin_error");
  int32_t (*create)(const struct burin_options *, struct burin_session **) =
      (int32_t(*)(const struct burin_options *, struct burin_session **))dlsym(
          library, "burin_session_create");
  int32_t (*run)(
      struct burin_session *, const char *, const struct burin_tensor *, int32_t,
      struct burin_tensor *, int32_t) =
      (int32_t(*)(
          struct burin_session *, const char *, const struct burin_tensor *, int32_t,
          struct burin_tensor *, int32_t))dlsym(library, "burin_run");

  struct burin_tensor inputs[16] = {0}, outputs[16] = {0};
  int32_t given = 0;
  for (int at = 2; at + 4 <= count && given < 16; given++) {
    struct burin_tensor *input = &inputs[given];
    input->name = arguments[at];
    input->type = atoi(arguments[at + 1]);
    input->data = contents(arguments[at + 2], &input->bytes);
    input->rank = atoi(arguments[at + 3]);
    at += 4;
    for (int32_t axis = 0; axis < input->rank && at < count; axis++)
      input->extents[axis] = atoll(arguments[at++]);
  }

  struct burin_session *session = NULL;
  int32_t status = create(NULL, &session);
  int32_t wanted = 0;
  const struct burin_model *model =
      ((const struct burin_model *(*)(void))dlsym(library, "burin_describe"))();
  if (model) wanted = model->entries[0].output_count;
  if (!status) status = run(session, "forward", inputs, given, outputs, wanted);
  if (status) {
    fprintf(stderr, "%s\n", error());
    return status;
  }
  for (int32_t output = 0; output < wanted; output++) {
    const float *values = outputs[output].data;
    size_t elements = outputs[output].bytes / sizeof *values;
    printf("%s %zu\n", outputs[output].name, elements);
    for (size_t place = 0; place < elements; place++) printf("%.9g\n", values[place]);
  }
  return 0;
}
