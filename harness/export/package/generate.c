/* Code that is made at run time: kept for each shape that it was made for, while the process lives. C11 and POSIX. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dispatch.h"

typedef size_t generator_fn(void* code, size_t capacity, const size_t* key);

struct generated {
  struct generated* next;
  const struct assay_candidate* candidate;
  size_t key[assay_most_dims + assay_most_parameters];
  assay_any_fn code; /* NULL: it could not be made */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct generated* all;

/* The sizes that the contract names as the key, then the parameters. */
static void write_key(const struct assay_contract* contract, const size_t* shape, const size_t* parameters,
                      size_t* key) {
  size_t n = 0;
  for (size_t i = 0; contract->key[i] != NULL; ++i) {
    for (size_t d = 0; contract->dims[d] != NULL; ++d) {
      if (strcmp(contract->key[i], contract->dims[d]) == 0) {
        key[n++] = shape[d];
      }
    }
  }
  for (size_t i = 0; contract->parameters[i].name != NULL; ++i) {
    key[n++] = parameters != NULL ? parameters[i] : contract->parameters[i].value;
  }
}

/* Written first, then made executable and never writable again. */
static assay_any_fn make(generator_fn* generator, const size_t* key) {
  enum { kLeast = 1 << 16, kMost = 1 << 24 };
  for (size_t capacity = kLeast; capacity <= kMost; capacity *= 4) {
    void* memory = mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      return NULL;
    }
    const size_t bytes = generator(memory, capacity, key);
    if (bytes != 0 && mprotect(memory, capacity, PROT_READ | PROT_EXEC) == 0) {
      assay_any_fn code;
      memcpy(&code, &memory, sizeof code);
      return code;
    }
    munmap(memory, capacity);
    if (bytes != 0) {
      return NULL; /* this system lets no memory become executable */
    }
  }
  return NULL;
}

assay_any_fn assay_generated(const struct assay_kernel* kernel, const struct assay_candidate* candidate,
                             const size_t* shape, const size_t* parameters) {
  size_t key[assay_most_dims + assay_most_parameters] = {0};
  write_key(kernel->contract, shape, parameters, key);
  pthread_mutex_lock(&mutex);
  struct generated* found = all;
  while (found != NULL && (found->candidate != candidate || memcmp(found->key, key, sizeof key) != 0)) {
    found = found->next;
  }
  if (found == NULL && (found = (struct generated*)malloc(sizeof *found)) != NULL) {
    found->candidate = candidate;
    memcpy(found->key, key, sizeof key);
    found->code = make((generator_fn*)candidate->run, key);
    found->next = all;
    all = found;
  }
  const assay_any_fn code = found != NULL ? found->code : NULL;
  pthread_mutex_unlock(&mutex);
  return code;
}
