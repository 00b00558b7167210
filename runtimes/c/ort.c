// ONNX Runtime's half of ralibench.
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "onnxruntime_c_api.h"

#define MOST_DIMS 8

static const OrtApi *ort;
static void *library;
static OrtEnv *env;
static OrtSessionOptions *options;
static OrtSession *session;
static OrtAllocator *allocator;
static OrtValue *input;
static char *in, *score;
static int64_t shape[MOST_DIMS];
static size_t rank;

static void must(OrtStatus *status, const char *what) {
  if (status) fail("%s: %s", what, ort->GetErrorMessage(status));
}

static const char *start(const struct job *job) {
  library = dlopen(job->library, RTLD_NOW);
  if (!library) fail("cannot load %s: %s", job->library, dlerror());
  const OrtApiBase *(*base)(void);
  *(void **)&base = dlsym(library, "OrtGetApiBase");
  if (!base) fail("%s is no ONNX Runtime", job->library);
  ort = base()->GetApi(17);  // 1.17's; every later version has it
  if (!ort) fail("ONNX Runtime %s is too old: 1.17 or later is needed", base()->GetVersionString());
  must(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "ralibench", &env), "environment");
  must(ort->GetAllocatorWithDefaultOptions(&allocator), "allocator");
  return base()->GetVersionString();
}

static void append_provider(const char *provider, int threads) {
  if (!strcmp(provider, "xnnpack")) {
    char count[12];
    snprintf(count, sizeof count, "%d", threads);
    const char *keys[] = {"intra_op_num_threads"}, *values[] = {count};
    must(ort->SessionOptionsAppendExecutionProvider(options, "XNNPACK", keys, values, 1), "XNNPACK");
  } else if (!strcmp(provider, "nnapi")) {
    OrtStatus *(*append)(OrtSessionOptions *, uint32_t);
    *(void **)&append = dlsym(library, "OrtSessionOptionsAppendExecutionProvider_Nnapi");
    if (!append) fail("this libonnxruntime.so is built without NNAPI");
    must(append(options, 0), "NNAPI");
  } else if (strcmp(provider, "cpu")) {
    fail("provider %s: ONNX Runtime has cpu, xnnpack or nnapi", provider);
  }
}

static size_t input_elements(void) {
  OrtTypeInfo *type;
  const OrtTensorTypeAndShapeInfo *tensor;
  ONNXTensorElementDataType element;
  size_t elements = 1;
  must(ort->SessionGetInputTypeInfo(session, 0, &type), "input");
  must(ort->CastTypeInfoToTensorInfo(type, &tensor), "input");
  if (!tensor) fail("the input is no tensor");
  must(ort->GetTensorElementType(tensor, &element), "input");
  if (element != ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8) fail("the input must be uint8");
  must(ort->GetDimensionsCount(tensor, &rank), "input");
  if (rank > MOST_DIMS) fail("the input has %zu dimensions", rank);
  must(ort->GetDimensions(tensor, shape, rank), "input");
  for (size_t i = 0; i < rank; i++) {
    if (shape[i] < 1) fail("the input's shape is not fixed: export the file anew");
    elements *= (size_t)shape[i];
  }
  ort->ReleaseTypeInfo(type);
  return elements;
}

static size_t load(const struct job *job) {
  must(ort->CreateSessionOptions(&options), "session options");
  must(ort->SetIntraOpNumThreads(options, job->threads), "threads");
  append_provider(job->provider, job->threads);
  must(ort->CreateSession(env, job->model, options, &session), "the model");
  must(ort->SessionGetInputName(session, 0, allocator, &in), "input's name");
  must(ort->SessionGetOutputName(session, 0, allocator, &score), "output's name");
  return input_elements();
}

static void feed(uint8_t *views, size_t size) {
  OrtMemoryInfo *memory;
  must(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory), "memory");
  must(ort->CreateTensorWithDataAsOrtValue(memory, views, size, shape, rank, ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, &input), "input");
  ort->ReleaseMemoryInfo(memory);
}

static float run(void) {
  OrtValue *output = NULL;
  const char *inputs = in, *outputs = score;
  must(ort->Run(session, NULL, &inputs, (const OrtValue *const *)&input, 1, &outputs, 1, &output), "inference");
  float *values;
  must(ort->GetTensorMutableData(output, (void **)&values), "output");
  float first = values[0];
  ort->ReleaseValue(output);
  return first;
}

static void unload(void) { ort->ReleaseSession(session); }

// From ONNX Runtime's own profile: what really ran, not what was asked.
static void nodes(const struct job *job, uint8_t *views, size_t size, FILE *to) {
  (void)views, (void)size;  // the input of the first session is fed still
  char prefix[4096], *profile;
  snprintf(prefix, sizeof prefix, "%s.profile", job->out);
  must(ort->EnableProfiling(options, prefix), "profile");
  must(ort->CreateSession(env, job->model, options, &session), "the model");
  run();
  must(ort->SessionEndProfiling(session, allocator, &profile), "profile");

  struct counts counts = {.found = 0};
  size_t length;
  char *text = read_all(profile, &length);
  const char *keys[] = {"\"provider\" : \"", "\"provider\":\""};
  for (char *at = text; *at; at++) {
    for (int i = 0; i < 2; i++) {
      size_t skip = strlen(keys[i]);
      if (!strncmp(at, keys[i], skip)) count_name(&counts, at + skip, strcspn(at + skip, "\""));
    }
  }
  free(text);
  write_counts(&counts, to);
}

const struct engine ort_engine = {"onnxruntime", start, load, feed, run, unload, nodes};
