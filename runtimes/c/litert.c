// LiteRT's half of ralibench: the compiled-model API of libLiteRt.so, 2.2 or later.
//
// The few declarations that it needs stand here, so that no headers are wanted: handles are pointers, and the layout of
// a tensor's type is one that LiteRT calls stable (litert/c/litert_model_types.h, litert_layout.h). The profiler's event
// is not: its names are read alone, and only where they are names.
#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define FLOAT32 1
#define UINT8 3
#define CPU 1
#define GPU 2
#define NPU 4
#define LOCK_READ 0
#define LOCK_WRITE 1
#define OPERATOR_EVENT 2
#define XNNPACK_EVENT 8
#define MOST_EVENTS 4096

typedef void *handle;
typedef int status;

struct tensor_type {
  int element;
  unsigned int rank : 7, has_strides : 1;
  int32_t dimensions[8];
  uint32_t strides[8];
};

struct event {
  const char *tag;
  int type;
  uint64_t start_us, elapsed_us;
  size_t memory[6];
  uint64_t metadata[2];
  int source;
};

// clang-format off
#define FUNCTIONS(X) \
  X(status, CreateEnvironment, (int count, const void *options, handle *environment)) \
  X(status, CreateModelFromFile, (handle environment, const char *path, handle *model)) \
  X(status, CreateOptions, (handle *options)) \
  X(status, SetOptionsHardwareAccelerators, (handle options, int accelerators)) \
  X(status, CreateOpaqueOptions, (const char *name, void *text, void (*release)(void *), handle *opaque)) \
  X(status, AddOpaqueOptions, (handle options, handle opaque)) \
  X(status, CreateCompiledModel, (handle environment, handle model, handle options, handle *compiled)) \
  X(void, DestroyCompiledModel, (handle compiled)) \
  X(status, GetModelSignature, (handle model, size_t index, handle *signature)) \
  X(status, GetNumSignatureInputs, (handle signature, size_t *count)) \
  X(status, GetNumSignatureOutputs, (handle signature, size_t *count)) \
  X(status, GetSignatureOutputName, (handle signature, size_t index, const char **name)) \
  X(status, GetSignatureInputTensorByIndex, (handle signature, size_t index, handle *tensor)) \
  X(status, GetSignatureOutputTensorByIndex, (handle signature, size_t index, handle *tensor)) \
  X(status, GetRankedTensorType, (handle tensor, struct tensor_type *type)) \
  X(status, GetCompiledModelInputBufferRequirements, (handle compiled, size_t signature, size_t index, handle *wanted)) \
  X(status, GetCompiledModelOutputBufferRequirements, (handle compiled, size_t signature, size_t index, handle *wanted)) \
  X(status, CreateManagedTensorBufferFromRequirements, (handle environment, const struct tensor_type *type, handle wanted, handle *buffer)) \
  X(void, DestroyTensorBuffer, (handle buffer)) \
  X(status, LockTensorBuffer, (handle buffer, void **memory, int mode)) \
  X(status, UnlockTensorBuffer, (handle buffer)) \
  X(status, RunCompiledModel, (handle compiled, size_t signature, size_t inputs, handle *in, size_t outputs, handle *out)) \
  X(status, CompiledModelGetProfiler, (handle compiled, handle *profiler)) \
  X(status, StartProfiler, (handle profiler)) \
  X(status, StopProfiler, (handle profiler)) \
  X(status, GetNumProfilerEvents, (handle profiler, int *count)) \
  X(status, GetProfilerEvents, (handle profiler, int count, struct event *events))
// clang-format on
#define DECLARE(result, name, arguments) static result(*name) arguments;
FUNCTIONS(DECLARE)

#define MOST_OUTPUTS 8
static handle environment, model, compiled, in, out[MOST_OUTPUTS];
static size_t outputs, score;

static void must(status code, const char *what) {
  if (code) fail("%s: LiteRT says %d", what, code);
}

static const char *start(const struct job *job) {
  void *library = dlopen(job->library, RTLD_NOW);
  if (!library) fail("cannot load %s: %s", job->library, dlerror());
#define FIND(result, name, arguments) \
  *(void **)&name = dlsym(library, "LiteRt" #name); \
  if (!name) fail("%s is no LiteRT, or one before 2.2: it has no LiteRt" #name, job->library);
  FUNCTIONS(FIND)
  must(CreateEnvironment(0, NULL, &environment), "environment");
  return "unknown";  // the library does not tell
}

static int accelerators(const char *provider) {
  // What an accelerator does not take, the processor runs: the profile says which.
  if (!strcmp(provider, "cpu")) return CPU;
  if (!strcmp(provider, "gpu")) return GPU | CPU;
  if (!strcmp(provider, "npu")) return NPU | CPU;
  fail("provider %s: LiteRT has cpu, gpu or npu", provider);
}

static void add_text(handle options, const char *name, const char *text) {
  handle opaque;
  must(CreateOpaqueOptions(name, strdup(text), free, &opaque), name);
  must(AddOpaqueOptions(options, opaque), name);
}

static handle buffer_for(handle tensor, handle wanted, int element, size_t *elements) {
  struct tensor_type type;
  handle buffer;
  must(GetRankedTensorType(tensor, &type), "a tensor's type");
  if (element && type.element != element) fail("the input must be uint8 and the score float32");
  *elements = 1;
  for (unsigned int i = 0; i < type.rank; i++) {
    if (type.dimensions[i] < 1) fail("a tensor's shape is not fixed: export the file anew");
    *elements *= (size_t)type.dimensions[i];
  }
  must(CreateManagedTensorBufferFromRequirements(environment, &type, wanted, &buffer), "a tensor's memory");
  return buffer;
}

static size_t compile(const struct job *job, bool profiled) {
  handle options, signature, tensor, wanted;
  char threads[32];
  must(CreateModelFromFile(environment, job->model, &model), "the model");
  must(CreateOptions(&options), "options");
  must(SetOptionsHardwareAccelerators(options, accelerators(job->provider)), "accelerator");
  snprintf(threads, sizeof threads, "num_threads = %d\n", job->threads);
  add_text(options, "xnnpack", threads);
  if (profiled) add_text(options, "runtime_options_string", "enable_profiling = true\n");
  must(CreateCompiledModel(environment, model, options, &compiled), "the model");

  size_t inputs, elements, ignored;
  must(GetModelSignature(model, 0, &signature), "signature");
  must(GetNumSignatureInputs(signature, &inputs), "inputs");
  must(GetNumSignatureOutputs(signature, &outputs), "outputs");
  if (inputs != 1 || outputs < 1 || outputs > MOST_OUTPUTS) fail("the model has %zu inputs and %zu outputs", inputs, outputs);
  must(GetSignatureInputTensorByIndex(signature, 0, &tensor), "input");
  must(GetCompiledModelInputBufferRequirements(compiled, 0, 0, &wanted), "input");
  in = buffer_for(tensor, wanted, UINT8, &elements);
  score = outputs;
  for (size_t i = 0; i < outputs; i++) {
    const char *name;
    must(GetSignatureOutputName(signature, i, &name), "an output's name");
    if (!strcmp(name, "score")) score = i;
    must(GetSignatureOutputTensorByIndex(signature, i, &tensor), "an output");
    must(GetCompiledModelOutputBufferRequirements(compiled, 0, i, &wanted), "an output");
    out[i] = buffer_for(tensor, wanted, score == i ? FLOAT32 : 0, &ignored);
  }
  if (score == outputs) fail("the model has no output named score");
  return elements;
}

static size_t load(const struct job *job) { return compile(job, false); }

static void feed(uint8_t *views, size_t size) {
  void *memory;
  must(LockTensorBuffer(in, &memory, LOCK_WRITE), "input");
  memcpy(memory, views, size);
  must(UnlockTensorBuffer(in), "input");
}

static float run(void) {
  void *memory;
  must(RunCompiledModel(compiled, 0, 1, &in, outputs, out), "inference");
  // Reading waits for an accelerator's end.
  must(LockTensorBuffer(out[score], &memory, LOCK_READ), "output");
  float value = *(float *)memory;
  must(UnlockTensorBuffer(out[score]), "output");
  return value;
}

static void unload(void) {
  DestroyTensorBuffer(in);
  for (size_t i = 0; i < outputs; i++) DestroyTensorBuffer(out[i]);
  DestroyCompiledModel(compiled);
}

// XNNPACK tells of each of its kernels; another delegate is one operator under its own name, an NPU's is DISPATCH_OP; the
// rest are operators of the interpreter's own, on the processor.
static void count_event(struct counts *counts, const struct event *event) {
  const char *tag = event->tag;
  if (event->type == XNNPACK_EVENT) {
    count_name(counts, "xnnpack", 7);
  } else if (event->type == OPERATOR_EVENT && !strcmp(tag, "DISPATCH_OP")) {
    count_name(counts, "npu", 3);
  } else if (event->type == OPERATOR_EVENT && (strstr(tag, "Delegate") || strstr(tag, "LITERT"))) {
    count_name(counts, tag, strspn(tag, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"));
  } else if (event->type == OPERATOR_EVENT) {
    count_name(counts, "cpu", 3);
  }
}

// From LiteRT's own profile: the operators of the plan that one inference ran.
static void nodes(const struct job *job, uint8_t *views, size_t size, FILE *to) {
  handle profiler;
  int found;
  compile(job, true);
  feed(views, size);
  must(CompiledModelGetProfiler(compiled, &profiler), "profiler");
  must(StartProfiler(profiler), "profiler");
  run();
  must(StopProfiler(profiler), "profiler");
  must(GetNumProfilerEvents(profiler, &found), "profile");
  struct event *events = calloc(MOST_EVENTS, sizeof *events);
  if (!events || found > MOST_EVENTS) fail("the profile has %d events", found);
  must(GetProfilerEvents(profiler, found, events), "profile");
  struct counts counts = {.found = 0};
  for (int i = 0; i < found; i++) count_event(&counts, &events[i]);
  free(events);
  write_counts(&counts, to);
}

const struct engine litert_engine = {"litert", start, load, feed, run, unload, nodes};
