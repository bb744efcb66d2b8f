/* run.c: checks a call, copies its inputs, and runs the entry. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "library.h"

/* From libomp, if the code was compiled with it. Declared here, for its header belongs to one
 * compiler and may not suit another. */
__attribute__((weak)) extern void omp_set_num_threads(int);
__attribute__((weak)) extern int omp_get_max_threads(void);
__attribute__((weak)) extern void kmp_set_blocktime(int);

/* Several threads that each enter parallel regions get a team each and fight for the cores, so
 * sessions of more than one thread take turns. */
static pthread_mutex_t engine = PTHREAD_MUTEX_INITIALIZER;

static const char *type_name(int32_t type) {
  static const char *const names[] = {"?",  "f32", "f16",  "bf16", "i8",
                                      "u8", "bool", "i32", "i64"};
  return names[type >= BURIN_F32 && type <= BURIN_I64 ? type : 0];
}

static int is_integer(int32_t type) { return type >= BURIN_I8 && type <= BURIN_I64; }

static int64_t load_integer(const void *data, int32_t type, int64_t index) {
  /* The caller's data may stand at any address. */
  if (type == BURIN_I32) {
    int32_t value;
    memcpy(&value, (const char *)data + 4 * index, 4);
    return value;
  }
  int64_t value;
  memcpy(&value, (const char *)data + 8 * index, 8);
  return value;
}

static void store_integer(void *data, int32_t type, int64_t index, int64_t value) {
  if (type == BURIN_I64) ((int64_t *)data)[index] = value;
  else if (type == BURIN_I32) ((int32_t *)data)[index] = (int32_t)value;
  else ((int8_t *)data)[index] = (int8_t)value;
}

/* One call on its way through the checks. */
struct checked_call {
  struct burin_session *session;
  const struct burin_entry *entry;
  const struct burin_code *code;
  const struct burin_tensor **tensors; /* by port; NULL if left out */
  const int64_t *offsets;
};

/* Finds the tensor of every port. */
static int32_t match_inputs(
    struct checked_call *call, const struct burin_tensor *inputs, int32_t count) {
  const struct burin_entry *entry = call->entry;
  for (int32_t input = 0; input < count; input++) {
    const char *name = inputs[input].name;
    if (!name) return burin_fail(BURIN_BAD_INPUT, "input %d has no name", input);
    int32_t port = 0;
    while (port < entry->input_count && strcmp(entry->inputs[port].name, name)) port++;
    if (port == entry->input_count)
      return burin_fail(
          BURIN_BAD_INPUT, "%.200s: %s has no such input", name, entry->name);
    if (call->tensors[port])
      return burin_fail(BURIN_BAD_INPUT, "%s: given twice", name);
    call->tensors[port] = &inputs[input];
  }
  for (int32_t port = 0; port < entry->input_count; port++)
    if (!call->tensors[port] && !entry->inputs[port].optional)
      return burin_fail(
          BURIN_BAD_INPUT, "%s: %s needs this input", entry->inputs[port].name, entry->name);
  return BURIN_OK;
}

static int32_t check_extent(
    struct checked_call *call, const struct burin_port *port, int32_t axis, int64_t found,
    const struct burin_port **binders) {
  struct burin_session *session = call->session;
  const struct burin_extent *extent = &port->extents[axis];
  if (found < 1)
    return burin_fail(
        BURIN_BAD_INPUT, "%s: extent %d is %lld, expected at least 1", port->name, axis,
        (long long)found);
  if (extent->symbol == BURIN_COMPUTED) return BURIN_OK;
  if (extent->symbol == BURIN_FIXED) {
    if (found == extent->size) return BURIN_OK;
    return burin_fail(
        BURIN_BAD_INPUT, "%s: extent %d is %lld, expected %lld", port->name, axis,
        (long long)found, (long long)extent->size);
  }
  int32_t symbol = extent->symbol;
  const char *name = burin_program.symbols[symbol].name;
  if (binders[symbol] && session->call_symbols[symbol] != found)
    return burin_fail(
        BURIN_BAD_INPUT, "%s: %s (extent %d) is %lld, but %lld in %s", port->name, name, axis,
        (long long)found, (long long)session->call_symbols[symbol], binders[symbol]->name);
  if (found > session->symbols[symbol])
    return burin_fail(
        BURIN_BAD_INPUT, "%s: %s (extent %d) is %lld, expected 1 to %lld, the %s maximum",
        port->name, name, axis, (long long)found, (long long)session->symbols[symbol],
        session->symbols[symbol] < burin_program.symbols[symbol].maximum ? "session's"
                                                                         : "compiled");
  session->call_symbols[symbol] = found;
  binders[symbol] = port;
  return BURIN_OK;
}

/* Gives the symbols of absent inputs the values of those that they default to. */
static int32_t bind_defaults(struct checked_call *call, const struct burin_port **binders) {
  struct burin_session *session = call->session;
  for (int32_t index = 0; index < call->code->default_count; index++) {
    const struct burin_default *given = &call->code->defaults[index];
    if (call->tensors[given->input]) continue;
    const struct burin_port *port = &call->entry->inputs[given->input];
    int64_t value = session->call_symbols[given->other];
    const char *name = burin_program.symbols[given->symbol].name;
    if (binders[given->symbol] && session->call_symbols[given->symbol] != value)
      return burin_fail(
          BURIN_BAD_INPUT, "%s: where it is left out, %s must be %lld, but is %lld in %s",
          port->name, name, (long long)value, (long long)session->call_symbols[given->symbol],
          binders[given->symbol]->name);
    if (value > session->symbols[given->symbol])
      return burin_fail(
          BURIN_BAD_INPUT, "%s: where it is left out, %s is %lld, expected 1 to %lld", port->name,
          name, (long long)value, (long long)session->symbols[given->symbol]);
    session->call_symbols[given->symbol] = value;
  }
  return BURIN_OK;
}

/* Checks types and shapes and finds the value of every symbol. */
static int32_t bind_symbols(struct checked_call *call) {
  struct burin_session *session = call->session;
  const struct burin_port *binders[burin_program.symbol_count + 1];
  for (int32_t symbol = 0; symbol < burin_program.symbol_count; symbol++) {
    binders[symbol] = NULL;
    session->call_symbols[symbol] = session->symbols[symbol];
  }
  for (int32_t index = 0; index < call->entry->input_count; index++) {
    const struct burin_port *port = &call->entry->inputs[index];
    const struct burin_tensor *tensor = call->tensors[index];
    if (!tensor) continue;
    if (is_integer(port->type) ? tensor->type != BURIN_I32 && tensor->type != BURIN_I64
                               : tensor->type != port->type)
      return burin_fail(
          BURIN_BAD_INPUT, "%s: type %s, expected %s", port->name, type_name(tensor->type),
          is_integer(port->type) ? "i32 or i64" : type_name(port->type));
    if (tensor->rank != port->rank)
      return burin_fail(
          BURIN_BAD_INPUT, "%s: rank %d, expected %d", port->name, tensor->rank, port->rank);
    for (int32_t axis = 0; axis < port->rank; axis++) {
      int32_t status = check_extent(call, port, axis, tensor->extents[axis], binders);
      if (status) return status;
    }
  }
  return bind_defaults(call, binders);
}

/* Compares all shapes with those that the symbols imply, and sizes with the shapes. */
static int32_t check_shapes(struct checked_call *call) {
  const int64_t *extents = call->session->extents;
  for (int32_t index = 0; index < call->entry->input_count; index++) {
    const struct burin_port *port = &call->entry->inputs[index];
    const struct burin_tensor *tensor = call->tensors[index];
    for (int32_t axis = 0; tensor && axis < port->rank; axis++)
      if (tensor->extents[axis] != extents[axis])
        return burin_fail(
            BURIN_BAD_INPUT, "%s: extent %d is %lld, expected %lld", port->name, axis,
            (long long)tensor->extents[axis], (long long)extents[axis]);
    if (tensor) {
      int64_t width = burin_element_bytes(port->type);
      int64_t bytes =
          burin_port_bytes(port, extents) / width * burin_element_bytes(tensor->type);
      if (!tensor->data)
        return burin_fail(BURIN_BAD_INPUT, "%s: data is null", port->name);
      if (tensor->bytes != (size_t)bytes)
        return burin_fail(
            BURIN_BAD_INPUT, "%s: %zu bytes of data, expected %lld", port->name, tensor->bytes,
            (long long)bytes);
    }
    extents += port->rank;
  }
  return BURIN_OK;
}

static int32_t fail_value(
    const struct burin_port *port, const struct burin_tensor *tensor, int64_t index,
    int64_t value) {
  char position[BURIN_MAX_RANK * 21 + 1] = "";
  for (int32_t axis = port->rank - 1; axis >= 0; axis--) {
    char rest[sizeof position];
    strcpy(rest, position);
    int64_t coordinate = index % tensor->extents[axis];
    index /= tensor->extents[axis];
    snprintf(position, sizeof position, "%lld%s%s", (long long)coordinate, *rest ? "," : "", rest);
  }
  return burin_fail(
      BURIN_BAD_INPUT, "%s[%s] is %lld, expected %lld to %lld", port->name, position,
      (long long)value, (long long)port->lower, (long long)port->upper);
}

/* Copies the inputs into the session, converted and checked. The copies are what is checked, for
 * the caller's memory may change at any time. */
static int32_t copy_inputs(struct checked_call *call) {
  struct burin_session *session = call->session;
  for (int32_t index = 0; index < call->entry->input_count; index++) {
    const struct burin_port *port = &call->entry->inputs[index];
    const struct burin_tensor *tensor = call->tensors[index];
    char *copy = session->memory + call->offsets[index];
    session->pointers[index] = tensor ? copy : NULL;
    if (!tensor) continue;
    if (!is_integer(port->type)) {
      memcpy(copy, tensor->data, tensor->bytes);
      continue;
    }
    int64_t count = (int64_t)tensor->bytes / burin_element_bytes(tensor->type);
    for (int64_t element = 0; element < count; element++) {
      int64_t value = load_integer(tensor->data, tensor->type, element);
      if (value < port->lower || value > port->upper)
        return fail_value(port, tensor, element, value);
      store_integer(copy, port->type, element, value);
    }
  }
  return BURIN_OK;
}

/* The output that the caller's `index`-th structure asks for, or -1. */
static int32_t find_output(
    const struct burin_entry *entry, const struct burin_tensor *output, int32_t index) {
  if (!output->name) return index < entry->output_count ? index : -1;
  for (int32_t port = 0; port < entry->output_count; port++)
    if (!strcmp(entry->outputs[port].name, output->name)) return port;
  return -1;
}

/* The extents of output `port` in the session's list of extents. */
static const int64_t *output_extents(const struct checked_call *call, int32_t port) {
  const int64_t *extents = call->session->extents;
  for (int32_t input = 0; input < call->entry->input_count; input++)
    extents += call->entry->inputs[input].rank;
  for (int32_t output = 0; output < port; output++) extents += call->entry->outputs[output].rank;
  return extents;
}

/* Checks before anything runs that every output can be delivered. */
static int32_t check_outputs(
    struct checked_call *call, const struct burin_tensor *outputs, int32_t count) {
  for (int32_t index = 0; index < count; index++) {
    int32_t port = find_output(call->entry, &outputs[index], index);
    if (port < 0 && outputs[index].name)
      return burin_fail(
          BURIN_MISUSE, "%.200s: %s has no such output", outputs[index].name, call->entry->name);
    if (port < 0)
      return burin_fail(
          BURIN_MISUSE, "%d outputs were asked for: %s has %d", count, call->entry->name,
          call->entry->output_count);
    const struct burin_port *output = &call->entry->outputs[port];
    int64_t bytes = burin_port_bytes(output, output_extents(call, port));
    if (outputs[index].data && outputs[index].bytes < (size_t)bytes)
      return burin_fail(
          BURIN_MISUSE, "%s: room for %zu bytes, but it takes %lld", output->name,
          outputs[index].bytes, (long long)bytes);
  }
  return BURIN_OK;
}

static void deliver_outputs(
    const struct checked_call *call, struct burin_tensor *outputs, int32_t count) {
  for (int32_t index = 0; index < count; index++) {
    int32_t port = find_output(call->entry, &outputs[index], index);
    const struct burin_port *output = &call->entry->outputs[port];
    const int64_t *extents = output_extents(call, port);
    void *data = call->session->pointers[call->entry->input_count + port];
    struct burin_tensor *result = &outputs[index];
    result->name = output->name;
    result->type = output->type;
    result->rank = output->rank;
    memset(result->extents, 0, sizeof result->extents);
    memcpy(result->extents, extents, (size_t)output->rank * sizeof *extents);
    result->bytes = (size_t)burin_port_bytes(output, extents);
    if (result->data) memcpy(result->data, data, result->bytes);
    else result->data = data;
  }
}

/* Enters the emitted code, with the caller's floating-point and OpenMP settings put aside. */
static void run_code(struct checked_call *call) {
  struct burin_session *session = call->session;
  void **outputs = session->pointers + call->entry->input_count;
  char **slots = (char **)(outputs + call->entry->output_count);
  for (int32_t index = 0; index < call->entry->output_count + call->code->slot_count; index++)
    outputs[index] = session->memory + call->offsets[call->entry->input_count + index];
  struct burin_call inner = {
      .symbols = session->call_symbols,
      .slots = slots,
      .weights = burin_weights(),
      .inputs = (const void *const *)session->pointers,
      .outputs = outputs,
      .states = session->states,
      .pools = session->sequences.pools,
      .tables = session->sequences.tables,
      .table_stride = session->sequences.pages_per_sequence,
  };

  int single = session->threads == 1 || !omp_set_num_threads;
  int threads_before = 0;
  if (!single) pthread_mutex_lock(&engine);
  if (omp_set_num_threads && omp_get_max_threads && session->threads) {
    threads_before = omp_get_max_threads();
    omp_set_num_threads(session->threads);
  }
  /* Waiting threads would otherwise keep their cores busy for 200 ms after every call. */
  if (kmp_set_blocktime) kmp_set_blocktime(1);
#if defined(__SSE__)
  /* Results must not depend on what the caller does with rounding and denormal numbers. */
  unsigned int control = _mm_getcsr();
  _mm_setcsr(0x1F80);
#endif
  call->code->run(&inner);
#if defined(__SSE__)
  _mm_setcsr(control);
#endif
  if (threads_before) omp_set_num_threads(threads_before);
  if (!single) pthread_mutex_unlock(&engine);
}

static int32_t check_and_run(
    struct checked_call *call, const struct burin_tensor *inputs, int32_t input_count,
    struct burin_tensor *outputs, int32_t output_count) {
  struct burin_session *session = call->session;
  int32_t status = match_inputs(call, inputs, input_count);
  if (!status) status = bind_symbols(call);
  if (status) return status;
  call->code->extents(session->call_symbols, session->extents);
  status = check_shapes(call);
  if (!status) status = check_outputs(call, outputs, output_count);
  if (!status) status = copy_inputs(call);
  if (!status && call->code->appended >= 0 && burin_program.cache_count)
    status = burin_sequences_extend(
        &session->sequences, session->call_symbols[burin_program.batch],
        session->call_symbols[call->code->appended]);
  if (status) return status;
  session->used = 1;
  run_code(call);
  deliver_outputs(call, outputs, output_count);
  return BURIN_OK;
}

BURIN_EXPORT int32_t burin_run(
    struct burin_session *session, const char *name, const struct burin_tensor *inputs,
    int32_t input_count, struct burin_tensor *outputs, int32_t output_count) {
  if (!session) return burin_fail(BURIN_MISUSE, "no session was given");
  if (!name) return burin_fail(BURIN_MISUSE, "burin_run: entry is null");
  if (input_count < 0 || output_count < 0 || (input_count && !inputs) ||
      (output_count && !outputs))
    return burin_fail(BURIN_MISUSE, "burin_run: inputs or outputs are null or fewer than none");

  const int64_t *offsets = session->offsets;
  for (int32_t index = 0; index < burin_program.entry_count; index++) {
    const struct burin_entry *entry = &burin_program.entries[index];
    const struct burin_code *code = &burin_program.code[index];
    if (!strcmp(entry->name, name)) {
      const struct burin_tensor *tensors[entry->input_count + 1];
      memset(tensors, 0, sizeof tensors);
      struct checked_call call = {session, entry, code, tensors, offsets};
      pthread_mutex_lock(&session->lock);
      int32_t status =
          check_and_run(&call, inputs, input_count, outputs, output_count);
      pthread_mutex_unlock(&session->lock);
      return status;
    }
    offsets += entry->input_count + entry->output_count + code->slot_count;
  }
  return burin_fail(
      BURIN_MISUSE, "%s has no entry \"%.200s\"", burin_program.name, name);
}
