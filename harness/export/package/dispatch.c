/* Which variant a call takes: decided for each kernel at its first call, and the same from then on. There are no constructors and no locks: what
 * two threads decide at once is the same. C11. */
#include "dispatch.h"

#include <cpuid.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay/kernels.h"

/* ---- the CPU ---- */

struct this_cpu {
  char vendor[13];
  unsigned family, model;
  assay_features features;
};

static uint64_t read_xcr0(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

/* Its family and model with the extended fields added in, as AMD's and Intel's manuals have them for CPUID 1. */
static struct this_cpu detect_cpu(void) {
  struct this_cpu cpu = {{0}, 0, 0, 0};
  unsigned a, b, c, d;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) {
    return cpu;
  }
  memcpy(cpu.vendor, &b, 4);
  memcpy(cpu.vendor + 4, &d, 4);
  memcpy(cpu.vendor + 8, &c, 4);
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) {
    return cpu;
  }
  const unsigned family = a >> 8 & 15;
  cpu.family = family == 15 ? family + (a >> 20 & 255) : family;
  cpu.model = (a >> 4 & 15) | (family >= 6 ? (a >> 16 & 15) << 4 : 0);
  const unsigned kOsxsave = 1u << 27;
  const uint64_t xcr0 = (c & kOsxsave) != 0 ? read_xcr0() : 0;
  for (size_t i = 0; i < assay_n_features; ++i) {
    const struct assay_feature* f = &assay_feature_table[i];
    unsigned regs[4];
    /* A leaf or subleaf that there is not may be read as another: their largest numbers say which there are. */
    if (f->subleaf > 0 &&
        (__get_cpuid_count(f->leaf, 0, &regs[0], &regs[1], &regs[2], &regs[3]) == 0 || regs[0] < f->subleaf)) {
      continue;
    }
    if (__get_cpuid_count(f->leaf, f->subleaf, &regs[0], &regs[1], &regs[2], &regs[3]) != 0 &&
        (regs[f->reg] >> f->bit & 1) != 0 && (xcr0 & f->xcr0) == f->xcr0) {
      cpu.features |= (assay_features)1 << i;
    }
  }
  return cpu;
}

static bool runs(const struct assay_candidate* candidate, assay_features features) {
  return (candidate->needs & ~features) == 0;
}

/* ---- what is decided ---- */

/* A state: one less is the number of a choice, with this bit of a candidate. What is a guess has the other bit too. */
enum { kCandidate = 1 << 16, kGuess = 1 << 17, kNumber = kCandidate - 1 };

static unsigned state_of_candidate(size_t i) { return ((unsigned)i | kCandidate) + 1; }

static bool is_this(const struct assay_cpu* member, const struct this_cpu* cpu) {
  return strcmp(member->vendor, cpu->vendor) == 0 && member->family == cpu->family && member->model == cpu->model &&
         member->features == cpu->features;
}

/* How unlike a CPU is to a member: of another vendor more than of another family, then of another model; then by features. */
static unsigned distance(const struct assay_cpu* member, const struct this_cpu* cpu) {
  unsigned different = 0;
  for (assay_features d = member->features ^ cpu->features; d != 0; d &= d - 1) {
    ++different;
  }
  const bool vendor = strcmp(member->vendor, cpu->vendor) == 0;
  const bool family = vendor && member->family == cpu->family;
  const bool model = family && member->model == cpu->model;
  return different + (vendor ? 0 : 400) + (family ? 0 : 200) + (model ? 0 : 100);
}

static bool choice_runs(const struct assay_kernel* kernel, const struct assay_choice* choice, assay_features features) {
  for (size_t i = 0; i < choice->n_sizes; ++i) {
    if (!runs(&kernel->candidates[choice->sizes[i].called], features) ||
        !runs(&kernel->candidates[choice->sizes[i].made], features)) {
      return false;
    }
  }
  return choice->n_sizes > 0;
}

/* A pattern of characters and '*'. */
static bool matches(const char* pattern, const char* end, const char* name) {
  if (pattern == end) {
    return *name == 0;
  }
  if (*pattern == '*') {
    return matches(pattern + 1, end, name) || (*name != 0 && matches(pattern, end, name + 1));
  }
  return *name == *pattern && matches(pattern + 1, end, name + 1);
}

static const struct assay_candidate* find_candidate(const struct assay_kernel* kernel, const char* label,
                                                    size_t length) {
  for (size_t i = 0; i < kernel->n_candidates; ++i) {
    if (strlen(kernel->candidates[i].label) == length && memcmp(kernel->candidates[i].label, label, length) == 0) {
      return &kernel->candidates[i];
    }
  }
  return NULL;
}

/* A variable that forces nothing must not pass for one that does. */
static void refuse_force(const char* item, int length, const char* why) {
  fprintf(stderr, "ASSAY_FORCE: %.*s: %s; it takes kernel=variant, separated by commas, kernels may have a '*'\n",
          length, item, why);
  abort();
}

/* The candidate that ASSAY_FORCE names for the kernel, or NULL: the last item that does. Every item must name a kernel and a variant that is here. */
static const struct assay_candidate* forced(const struct assay_kernel* kernel, assay_features features) {
  const char* item = getenv("ASSAY_FORCE");
  const struct assay_candidate* found = NULL;
  while (item != NULL && *item != 0) {
    const char* end = strchr(item, ',') != NULL ? strchr(item, ',') : item + strlen(item);
    const int length = (int)(end - item);
    const char* equals = (const char*)memchr(item, '=', (size_t)length);
    if (equals == NULL) {
      refuse_force(item, length, "there is no '='");
    }
    bool known = false;
    for (size_t i = 0; i < assay_n_kernels; ++i) {
      const struct assay_candidate* candidate =
          matches(item, equals, assay_kernels[i]->name)
              ? find_candidate(assay_kernels[i], equals + 1, (size_t)(end - equals - 1))
              : NULL;
      known = known || candidate != NULL;
      if (candidate != NULL && assay_kernels[i] == kernel) {
        if (!runs(candidate, features)) {
          refuse_force(item, length, "this CPU cannot run it");
        }
        found = candidate;
      }
    }
    if (!known) {
      refuse_force(item, length, "there is no such kernel and variant here");
    }
    item = *end == ',' ? end + 1 : end;
  }
  return found;
}

static unsigned decide(const struct assay_kernel* kernel) {
  const struct this_cpu cpu = detect_cpu();
  const struct assay_candidate* candidate = forced(kernel, cpu.features);
  if (candidate != NULL) {
    return state_of_candidate((size_t)(candidate - kernel->candidates));
  }
  size_t best = assay_n_cpus;
  unsigned least = 0;
  for (size_t i = 0; i < assay_n_cpus; ++i) {
    if (!choice_runs(kernel, &kernel->choices[i], cpu.features)) {
      continue;
    }
    if (is_this(&assay_cpus[i], &cpu)) {
      return (unsigned)i + 1;
    }
    const unsigned far = distance(&assay_cpus[i], &cpu);
    if (best == assay_n_cpus || far < least) {
      best = i;
      least = far;
    }
  }
  if (best < assay_n_cpus) {
    return ((unsigned)best | kGuess) + 1;
  }
  size_t last = 0;
  for (size_t i = 0; i < kernel->n_candidates; ++i) {
    if (assay_n_cpus == 0 && kernel->candidates[i].may_be_unmeasured && runs(&kernel->candidates[i], cpu.features)) {
      last = i;
    }
  }
  return state_of_candidate(last);
}

unsigned assay_state_of(struct assay_kernel* kernel) {
  unsigned state = __atomic_load_n(&kernel->state, __ATOMIC_RELAXED);
  if (state == 0) {
    state = decide(kernel);
    __atomic_store_n(&kernel->state, state, __ATOMIC_RELAXED);
  }
  return state;
}

/* ---- what follows for a shape ---- */

/* The product of the ratios of the sizes: the nearest shape is that of the least. */
static double ratio_of_shapes(const size_t* a, const size_t* b, const char* const* dims) {
  double product = 1;
  for (size_t i = 0; dims[i] != NULL; ++i) {
    const double x = (double)a[i] + 1, y = (double)b[i] + 1;
    product *= x > y ? x / y : y / x;
  }
  return product;
}

static bool is_ragged(const size_t* shape, const char* const* dims) { return dims[1] == NULL && shape[0] % 64 != 0; }

static const struct assay_size* nearest(const struct assay_kernel* kernel, const struct assay_choice* choice,
                                        const size_t* shape) {
  const char* const* dims = kernel->contract->dims;
  const struct assay_size* best = choice->sizes;
  double least = 0;
  for (size_t i = 0; i < choice->n_sizes; ++i) {
    const struct assay_size* size = &choice->sizes[i];
    double far = ratio_of_shapes(size->shape, shape, dims);
    if (is_ragged(size->shape, dims) != is_ragged(shape, dims)) {
      far *= 2; /* what is left behind the last vector tells as much as twice the length */
    }
    if (i == 0 || far < least) {
      best = size;
      least = far;
    }
  }
  return best;
}

const struct assay_candidate* assay_candidate_at(const struct assay_kernel* kernel, unsigned state, const size_t* shape,
                                                 bool made, const size_t** parameters) {
  const unsigned number = (state - 1) & kNumber;
  if (((state - 1) & kCandidate) != 0) {
    return &kernel->candidates[number];
  }
  const struct assay_choice* choice = &kernel->choices[number];
  if (made) {
    const struct assay_size* size = nearest(kernel, choice, shape);
    *parameters = size->parameters;
    return &kernel->candidates[size->made];
  }
  if (choice->whole == NULL) {
    return &kernel->candidates[nearest(kernel, choice, shape)->called];
  }
  const struct assay_limit* limit = shape[0] % 64 == 0 ? choice->whole : choice->ragged;
  while (shape[0] > limit->most) {
    ++limit;
  }
  return &kernel->candidates[limit->called];
}

assay_pack_fn* assay_pack_of(const struct assay_kernel* kernel, unsigned state) {
  const unsigned number = (state - 1) & kNumber;
  const bool one = ((state - 1) & kCandidate) != 0;
  return kernel->candidates[one ? number : kernel->choices[number].sizes[0].called].pack;
}

assay_any_fn assay_run_for(struct assay_kernel* kernel, unsigned state, const size_t* shape) {
  const size_t* parameters = NULL;
  const struct assay_candidate* candidate = assay_candidate_at(kernel, state, shape, true, &parameters);
  if (candidate->is_generator) {
    const assay_any_fn generated = assay_code_maker(kernel, candidate, shape, parameters);
    if (generated != NULL) {
      return generated;
    }
    candidate = assay_candidate_at(kernel, state, shape, false, NULL);
  }
  return candidate->run;
}

/* ---- for people ---- */

static struct assay_kernel* find_kernel(const char* name) {
  for (size_t i = 0; i < assay_n_kernels; ++i) {
    if (strcmp(assay_kernels[i]->name, name) == 0) {
      return assay_kernels[i];
    }
  }
  return NULL;
}

const char* assay_chosen(const char* name) {
  struct assay_kernel* kernel = find_kernel(name);
  if (kernel == NULL) {
    return NULL;
  }
  const unsigned state = assay_state_of(kernel);
  const unsigned number = (state - 1) & kNumber;
  if (((state - 1) & kCandidate) != 0) {
    return kernel->candidates[number].label;
  }
  return ((state - 1) & kGuess) != 0 ? kernel->choices[number].guess : kernel->choices[number].measured;
}

const char* assay_cpu_name(void) {
  const struct this_cpu cpu = detect_cpu();
  for (size_t i = 0; i < assay_n_cpus; ++i) {
    if (is_this(&assay_cpus[i], &cpu)) {
      return assay_cpus[i].name;
    }
  }
  return NULL;
}

bool assay_cpu_has(const char* feature) {
  const struct this_cpu cpu = detect_cpu();
  for (size_t i = 0; i < assay_n_features; ++i) {
    if (strcmp(assay_feature_table[i].name, feature) == 0) {
      return (cpu.features >> i & 1) != 0;
    }
  }
  return false;
}
