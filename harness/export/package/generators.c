/* Generators by name, for those who choose themselves. C11. */
#include "assay/generators.h"

#include <string.h>

#include "assay/kernels.h"
#include "dispatch.h"

/* Of src/generators_table.c: kernels whose candidates are generators. */
extern struct assay_kernel* const assay_generators[];
extern const size_t assay_n_generators;

static bool runs_here(const struct assay_candidate* candidate) {
  for (size_t i = 0; i < assay_n_features; ++i) {
    if ((candidate->needs >> i & 1) != 0 && !assay_cpu_has(assay_feature_table[i].name)) {
      return false;
    }
  }
  return true;
}

assay_any_fn assay_generate(const char* kernel, const char* label, const size_t* shape, const size_t* parameters) {
  for (size_t k = 0; k < assay_n_generators; ++k) {
    const struct assay_kernel* found = assay_generators[k];
    for (size_t i = 0; strcmp(found->name, kernel) == 0 && i < found->n_candidates; ++i) {
      const struct assay_candidate* candidate = &found->candidates[i];
      if (strcmp(candidate->label, label) == 0) {
        return runs_here(candidate) ? assay_generated(found, candidate, shape, parameters) : NULL;
      }
    }
  }
  return NULL;
}
