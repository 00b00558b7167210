// What ralibench.c asks of a runtime: ort.c and litert.c answer.
#ifndef RALIBENCH_ENGINE_H
#define RALIBENCH_ENGINE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

// What the command line says.
struct job {
  const char *library, *model, *out, *provider;
  int threads;
};

struct engine {
  const char *name;
  // Load the library; its version, or "unknown" where it does not tell.
  const char *(*start)(const struct job *job);
  // Load the model; the bytes of its input, which is uint8.
  size_t (*load)(const struct job *job);
  // Hand over the views, which stay where they are.
  void (*feed)(uint8_t *views, size_t size);
  // One inference: the score.
  float (*run)(void);
  void (*unload)(void);
  // Load the model anew, with a profile, and write "NAME":COUNT, comma-separated, for every provider: the kernels
  // that one inference really ran. The views are fed again.
  void (*nodes)(const struct job *job, uint8_t *views, size_t size, FILE *to);
};

extern const struct engine ort_engine, litert_engine;

// Say why on stderr, in one sentence, and end with 1.
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
// A whole file, with a zero byte behind it.
void *read_all(const char *path, size_t *size);

// Counts by name, at most eight names of at most 63 characters.
struct counts {
  char names[8][64];
  int counts[8], found;
};
void count_name(struct counts *counts, const char *name, size_t length);
void write_counts(const struct counts *counts, FILE *to);

#endif
