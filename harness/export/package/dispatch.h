/* How a call finds its variant: what src/kernels.c, which `assay export` writes, fills in, and dispatch.c reads. C11. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assay/contract.h"
#include "assay/plugin.h"

/** What a variant may execute and the operating system must save: a set of features, by their order in assay_feature_table. */
typedef uint64_t assay_features;

/** A bit of CPUID, and the bits of XCR0 without which it does not count. */
struct assay_feature {
  const char* name;
  unsigned leaf, subleaf, reg, bit; /**< reg: 0 to 3, EAX to EDX */
  uint64_t xcr0;
};

/** A variant that was built in. */
struct assay_candidate {
  const char* label;    /**< "avx2" */
  const char* features; /**< of assay_variant: "v3,avx_vnni", or NULL */
  assay_features needs; /**< the same as a set */
  assay_any_fn run;     /**< the kernel, or its generator */
  assay_pack_fn* pack;  /**< of a product with packed weights; else NULL */
  unsigned layout;      /**< of its packed weights: a number that is another for each */
  bool is_generator;
  bool may_be_unmeasured; /**< where nothing was measured, the last such that runs is taken */
};

/** At sizes near these, this variant. */
struct assay_size {
  size_t shape[assay_most_dims];
  uint16_t called;          /**< candidate for a call */
  uint16_t made;            /**< candidate for assay_<kernel>_for: it may be generated code */
  const size_t* parameters; /**< of `made`, where it is a generator; NULL: the contract's */
};

/** Of a kernel with one size: up to this one, this candidate for a call. */
struct assay_limit {
  size_t most;
  uint16_t called;
};

/** What one CPU of the fleet chose for a kernel. */
struct assay_choice {
  const struct assay_size* sizes;
  size_t n_sizes;
  /** Of a kernel with one size, the last of most SIZE_MAX: for lengths that are multiples of 64, and for others. */
  const struct assay_limit *whole, *ragged;
  const char *measured, *guess; /**< what assay_chosen says of it, on this CPU and on others */
};

struct assay_cpu {
  char vendor[13];
  unsigned family, model;
  assay_features features;
  const char* name;
};

struct assay_kernel {
  const char* name;
  const struct assay_contract* contract;
  const struct assay_candidate* candidates; /**< the first is plain C++, which runs everywhere */
  size_t n_candidates;
  const struct assay_choice* choices; /**< one for each of assay_cpus */
  unsigned state; /**< 0: nothing is decided yet; see dispatch.c. Read and written as an atomic variable */
};

/* Of src/kernels.c. The first two are for plugin.c too, wherever it is. */
__attribute__((visibility("default"))) extern struct assay_kernel* const assay_kernels[];
__attribute__((visibility("default"))) extern const size_t assay_n_kernels;
extern const struct assay_feature assay_feature_table[];
extern const size_t assay_n_features;
extern const struct assay_cpu assay_cpus[]; /**< the fleet */
extern const size_t assay_n_cpus;

/** What is decided of a kernel: never 0. */
unsigned assay_state_of(struct assay_kernel* kernel);
/** The candidate that a state has for a call, or for generated code, at a shape. */
const struct assay_candidate* assay_candidate_at(const struct assay_kernel* kernel, unsigned state, const size_t* shape,
                                                 bool made, const size_t** parameters);
/** The function to call at a shape. */
static inline assay_any_fn assay_run_at(struct assay_kernel* kernel, const size_t* shape) {
  return assay_candidate_at(kernel, assay_state_of(kernel), shape, false, NULL)->run;
}
/** The same, made for the shape where that was chosen; where it cannot be made, that for a call. */
assay_any_fn assay_run_for(struct assay_kernel* kernel, unsigned state, const size_t* shape);
/** What packs the weights in a state. */
assay_pack_fn* assay_pack_of(const struct assay_kernel* kernel, unsigned state);
/** generate.c: the code that a generator makes, kept while the process lives; NULL where no memory may be executable. */
typedef assay_any_fn assay_generated_fn(const struct assay_kernel* kernel, const struct assay_candidate* candidate,
                                        const size_t* shape, const size_t* parameters);
assay_generated_fn assay_generated;
/** Of src/kernels.c: that function, or NULL where no candidate is a generator, for then generate.c is not built in. */
extern assay_generated_fn* const assay_code_maker;
