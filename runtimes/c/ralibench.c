// Times one exported file on the machine it runs on, through ONNX Runtime's C API (.onnx) or LiteRT's (.tflite), and
// writes what it measured as one JSON object. `ralikit bench android` pushes and starts it; README.md says how it is
// built.
//
//   ralibench LIBRARY MODEL VIEWS OUT PROVIDER THREADS WARMUPS QUERIES SECONDS
//
// LIBRARY: libonnxruntime.so or libLiteRt.so. VIEWS: the input's bytes, uint8. PROVIDER: cpu, xnnpack or nnapi of ONNX
// Runtime; cpu, gpu or npu of LiteRT. At least QUERIES inferences and at least SECONDS of them are measured. Exit 0, or
// 1 with one sentence on stderr.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

#define MOST_QUERIES 100000

void fail(const char *format, ...) {
  va_list words;
  va_start(words, format);
  fprintf(stderr, "ralibench: ");
  vfprintf(stderr, format, words);
  fputc('\n', stderr);
  va_end(words);
  exit(1);
}

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void *read_all(const char *path, size_t *size) {
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

void count_name(struct counts *counts, const char *name, size_t length) {
  if (!length || length >= sizeof counts->names[0]) return;
  int i = 0;
  while (i < counts->found && (strlen(counts->names[i]) != length || strncmp(counts->names[i], name, length))) i++;
  if (i == 8) return;
  if (i == counts->found) {
    memcpy(counts->names[i], name, length);
    counts->names[i][length] = 0;
    counts->counts[counts->found++] = 0;
  }
  counts->counts[i]++;
}

void write_counts(const struct counts *counts, FILE *to) {
  for (int i = 0; i < counts->found; i++) fprintf(to, "%s\"%s\":%d", i ? "," : "", counts->names[i], counts->counts[i]);
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
  struct job job = {.library = words[1], .model = words[2], .out = words[4], .provider = words[5], .threads = atoi(words[6])};
  int warmups = atoi(words[7]), queries = atoi(words[8]);
  double least = atof(words[9]);
  if (job.threads < 1 || warmups < 0 || queries < 1 || queries > MOST_QUERIES) fail("threads, warm-ups or queries out of range");
  size_t length = strlen(job.model);
  int tflite = length > 7 && !strcmp(job.model + length - 7, ".tflite");
  const struct engine *engine = tflite ? &litert_engine : &ort_engine;

  const char *version = engine->start(&job);
  double began = seconds_now();
  size_t size, wanted = engine->load(&job);
  double load = seconds_now() - began;
  uint8_t *views = read_all(words[3], &size);
  if (size != wanted) fail("the views have %zu bytes, the model takes %zu", size, wanted);
  engine->feed(views, size);

  began = seconds_now();
  float value = engine->run();
  double first = seconds_now() - began;
  for (int i = 0; i < warmups; i++) engine->run();
  double *samples = malloc(sizeof(double) * MOST_QUERIES), total = 0;
  if (!samples) fail("no memory for samples");
  int done = 0;
  while (done < MOST_QUERIES && (done < queries || total < least)) {
    began = seconds_now();
    engine->run();
    samples[done] = seconds_now() - began;
    total += samples[done++];
  }
  long peak = kilobytes("VmHWM:"), steady = kilobytes("VmRSS:");
  engine->unload();

  struct utsname machine;
  uname(&machine);
  FILE *to = fopen(job.out, "w");
  if (!to) fail("cannot write %s", job.out);
  fprintf(to, "{\"runtime\":\"%s\",\"version\":\"%s\",\"machine\":\"%s\",\"load_s\":%.9f,\"first_s\":%.9f,\"score\":%.9g,",
          engine->name, version, machine.machine, load, first, (double)value);
  fprintf(to, "\"peak_bytes\":%lld,\"steady_bytes\":%lld,\"nodes\":{", peak * 1024LL, steady * 1024LL);
  // A second session, profiled, so that profiling costs no sample anything.
  engine->nodes(&job, views, size, to);
  fprintf(to, "},\"inference_s\":[");
  for (int i = 0; i < done; i++) fprintf(to, "%s%.9f", i ? "," : "", samples[i]);
  fprintf(to, "]}\n");
  if (fclose(to)) fail("cannot write %s", job.out);
  return 0;
}
