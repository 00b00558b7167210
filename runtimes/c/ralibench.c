// Times one exported .onnx file on the machine it runs on, through ONNX Runtime's C API, and writes what it
// measured as one JSON object. `ralikit bench android` pushes and starts it; README.md says how it is built.
//
//   ralibench LIBRARY MODEL VIEWS OUT PROVIDER THREADS WARMUPS QUERIES SECONDS
//
// LIBRARY: libonnxruntime.so. VIEWS: the input's bytes, uint8. PROVIDER: cpu, xnnpack or nnapi. At least QUERIES
// inferences and at least SECONDS of them are measured. Exit 0, or 1 with one sentence on stderr.
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "onnxruntime_c_api.h"

#define MOST_QUERIES 100000
#define MOST_DIMS 8

static const OrtApi *ort;

static void fail(const char *format, ...) {
  va_list words;
  va_start(words, format);
  fprintf(stderr, "ralibench: ");
  vfprintf(stderr, format, words);
  fputc('\n', stderr);
  va_end(words);
  exit(1);
}

static void must(OrtStatus *status, const char *what) {
  if (status) fail("%s: %s", what, ort->GetErrorMessage(status));
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *read_all(const char *path, size_t *size) {
  FILE *stream = fopen(path, "rb");
  if (!stream) fail("cannot open %s", path);
  fseek(stream, 0, SEEK_END);
  long length = ftell(stream);
  rewind(stream);
  char *bytes = length < 0 ? NULL : malloc((size_t)length + 1);
  if (!bytes || fread(bytes, 1, (size_t)length, stream) != (size_t)length) fail("cannot read %s", path);
  bytes[length] = 0;
  fclose(stream);
  *size = (size_t)length;
  return bytes;
}

static OrtSessionOptions *options_for(void *library, const char *provider, int threads) {
  OrtSessionOptions *options;
  must(ort->CreateSessionOptions(&options), "session options");
  must(ort->SetIntraOpNumThreads(options, threads), "threads");
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
    fail("provider %s: cpu, xnnpack or nnapi is expected", provider);
  }
  return options;
}

static float run(OrtSession *session, OrtValue *input, const char *in, const char *out) {
  OrtValue *output = NULL;
  must(ort->Run(session, NULL, &in, (const OrtValue *const *)&input, 1, &out, 1, &output), "inference");
  float *values;
  must(ort->GetTensorMutableData(output, (void **)&values), "output");
  float first = values[0];
  ort->ReleaseValue(output);
  return first;
}

// Kernels that one inference ran, by provider, from ONNX Runtime's own profile: what really ran, not what was asked.
static void write_nodes(FILE *to, const char *profile) {
  char names[8][64];
  int counts[8], found = 0;
  size_t size;
  char *text = read_all(profile, &size);
  const char *key = "\"provider\" : \"", *other = "\"provider\":\"";
  for (char *at = text; *at;) {
    size_t skip = strncmp(at, key, strlen(key)) == 0 ? strlen(key) : strncmp(at, other, strlen(other)) == 0 ? strlen(other) : 0;
    if (!skip) {
      at++;
      continue;
    }
    at += skip;
    size_t length = strcspn(at, "\"");
    if (!length || length >= sizeof names[0]) continue;
    int i = 0;
    while (i < found && (strlen(names[i]) != length || strncmp(names[i], at, length))) i++;
    if (i == 8) continue;
    if (i == found) {
      memcpy(names[i], at, length);
      names[i][length] = 0;
      counts[found++] = 0;
    }
    counts[i]++;
    at += length;
  }
  for (int i = 0; i < found; i++) fprintf(to, "%s\"%s\":%d", i ? "," : "", names[i], counts[i]);
  free(text);
}

static long kilobytes(const char *name) {
  char line[256];
  long value = 0;
  FILE *stream = fopen("/proc/self/status", "r");
  while (stream && fgets(line, sizeof line, stream))
    if (!strncmp(line, name, strlen(name))) value = atol(line + strlen(name) + 1);
  if (stream) fclose(stream);
  return value;
}

int main(int count, char **words) {
  if (count != 10) fail("usage: ralibench LIBRARY MODEL VIEWS OUT PROVIDER THREADS WARMUPS QUERIES SECONDS");
  const char *model = words[2], *out = words[4], *provider = words[5];
  int threads = atoi(words[6]), warmups = atoi(words[7]), queries = atoi(words[8]);
  double least = atof(words[9]);
  if (threads < 1 || warmups < 0 || queries < 1 || queries > MOST_QUERIES) fail("threads, warm-ups or queries out of range");

  void *library = dlopen(words[1], RTLD_NOW);
  if (!library) fail("cannot load %s: %s", words[1], dlerror());
  const OrtApiBase *(*base)(void);
  *(void **)&base = dlsym(library, "OrtGetApiBase");
  if (!base) fail("%s is no ONNX Runtime", words[1]);
  ort = base()->GetApi(17);  // 1.17's; every later version has it
  if (!ort) fail("ONNX Runtime %s is too old: 1.17 or later is needed", base()->GetVersionString());

  OrtEnv *env;
  must(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "ralibench", &env), "environment");
  OrtSessionOptions *options = options_for(library, provider, threads);
  OrtSession *session;
  double began = seconds_now();
  must(ort->CreateSession(env, model, options, &session), "the model");
  double load = seconds_now() - began;

  OrtAllocator *allocator;
  must(ort->GetAllocatorWithDefaultOptions(&allocator), "allocator");
  char *in, *score;
  must(ort->SessionGetInputName(session, 0, allocator, &in), "input's name");
  must(ort->SessionGetOutputName(session, 0, allocator, &score), "output's name");
  OrtTypeInfo *type;
  const OrtTensorTypeAndShapeInfo *tensor;
  ONNXTensorElementDataType element;
  int64_t shape[MOST_DIMS];
  size_t rank, size, elements = 1;
  must(ort->SessionGetInputTypeInfo(session, 0, &type), "input");
  must(ort->CastTypeInfoToTensorInfo(type, &tensor), "input");
  if (!tensor) fail("the input is no tensor");
  must(ort->GetTensorElementType(tensor, &element), "input");
  must(ort->GetDimensionsCount(tensor, &rank), "input");
  if (rank > MOST_DIMS) fail("the input has %zu dimensions", rank);
  must(ort->GetDimensions(tensor, shape, rank), "input");
  for (size_t i = 0; i < rank; i++) {
    if (shape[i] < 1) fail("the input's shape is not fixed: export the file anew");
    elements *= (size_t)shape[i];
  }
  uint8_t *views = read_all(words[3], &size);
  if (element != ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8) fail("the input must be uint8");
  if (size != elements) fail("the views have %zu bytes, the model takes %zu", size, elements);
  OrtMemoryInfo *memory;
  OrtValue *input;
  must(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory), "memory");
  must(ort->CreateTensorWithDataAsOrtValue(memory, views, size, shape, rank, element, &input), "input");

  began = seconds_now();
  float value = run(session, input, in, score);
  double first = seconds_now() - began;
  for (int i = 0; i < warmups; i++) run(session, input, in, score);
  double *samples = malloc(sizeof(double) * MOST_QUERIES), total = 0;
  if (!samples) fail("no memory for samples");
  int done = 0;
  while (done < MOST_QUERIES && (done < queries || total < least)) {
    began = seconds_now();
    run(session, input, in, score);
    samples[done] = seconds_now() - began;
    total += samples[done++];
  }
  long peak = kilobytes("VmHWM:"), steady = kilobytes("VmRSS:");
  ort->ReleaseSession(session);

  // A second session, profiled, so that profiling costs no sample anything.
  char prefix[4096], *profile;
  snprintf(prefix, sizeof prefix, "%s.profile", out);
  must(ort->EnableProfiling(options, prefix), "profile");
  must(ort->CreateSession(env, model, options, &session), "the model");
  run(session, input, in, score);
  must(ort->SessionEndProfiling(session, allocator, &profile), "profile");

  struct utsname machine;
  uname(&machine);
  FILE *to = fopen(out, "w");
  if (!to) fail("cannot write %s", out);
  fprintf(to, "{\"version\":\"%s\",\"machine\":\"%s\",\"load_s\":%.9f,\"first_s\":%.9f,\"score\":%.9g,", base()->GetVersionString(),
          machine.machine, load, first, (double)value);
  fprintf(to, "\"peak_bytes\":%lld,\"steady_bytes\":%lld,\"nodes\":{", peak * 1024LL, steady * 1024LL);
  write_nodes(to, profile);
  fprintf(to, "},\"inference_s\":[");
  for (int i = 0; i < done; i++) fprintf(to, "%s%.9f", i ? "," : "", samples[i]);
  fprintf(to, "]}\n");
  if (fclose(to)) fail("cannot write %s", out);
  return 0;
}
