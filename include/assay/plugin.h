#pragma once
/* What a shared library offers to have its own kernels on trial: `assay check --plugin FILE[:ARGUMENT]`. C11; from any language with a C
 * interface. Beside this header its author needs the kernel.h of the kernels that he writes, which has each one's contract. The smallest:
 *
 *   #include "assay/plugin.h"
 *   #include "kernels/dot_f32/kernel.h"
 *   static float dot(const float* x, const float* y, size_t n) { ... }
 *   ASSAY_PLUGIN("mine", "1.0", "MIT", ASSAY_VARIANT("dot_f32", "fast", 2, "avx2,fma", dot))
 *
 * offers dot_f32/mine:fast. */
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  assay_plugin_abi = 1,
  assay_most_variants = 4096, /**< of one plug-in */
  assay_is_generator = 1,     /**< of assay_variant.flags: run makes code, as <kernel>_gen in kernel.h says */
};

/** A function of another type: of that which the kernel's kernel.h names. */
typedef void (*assay_any_fn)(void);

struct assay_variant {
  const char* kernel; /**< "dot_f32" */
  /** Tells it from the plug-in's other variants of the kernel: up to 64 of A-Z a-z 0-9 _ . + - */
  const char* label;
  unsigned
      contract; /**< the version of the kernel's contract that it keeps: assay_contract.version, `assay list --json` */
  /** What it may execute beyond x86-64's first level, separated by commas: names of `assay cpu --json`, which stand for what no CPU has
   * them without, or levels of x86-64: "avx2,fma", "v3". NULL: nothing. */
  const char* features;
  /** The kernel, or its generator. A kernel makes no system call while it runs, unless its claim says "reentrant": false. */
  assay_any_fn run;
  assay_any_fn pack; /**< an assay_pack_fn where the contract names a format of weights; else NULL */
  /** Variants of one kernel and one layout share packed weights. NULL: a layout of its own. */
  const char* layout;
  uint32_t flags;
  /** JSON of what it does not keep of the contract, each with the reason, for example
   * {"bound_factor": {"value": 2, "because": "8 partial sums: https://..."}}; README.md lists them. NULL: it keeps it. */
  const char* claim;
  /** NULL, or called once in each process before its run or pack: for what cannot be ready in every process, such as a library that
   * chooses its code when it is loaded. Returns NULL, or why the variant cannot run here. */
  const char* (*prepare)(void);
};

struct assay_plugin {
  uint32_t abi;                         /**< assay_plugin_abi */
  uint32_t size;                        /**< sizeof(struct assay_plugin) */
  const char *name, *version, *license; /**< the name: as a label */
  const struct assay_variant* variants;
  size_t count;
  /** Paths of other files that its variants are made of, NULL behind the last: a verdict holds for these files. NULL: none. */
  const char* const* files;
};

/** The function that the library exports. `argument`: what stands behind the colon, or "". NULL: it can offer nothing, and has written
 * why to stderr. What it returns stays as it is while the process lives. */
#ifdef __GNUC__
__attribute__((visibility("default")))
#endif
const struct assay_plugin*
assay_plugin_v1(const char* argument);

#define ASSAY_VARIANT(kernel, label, contract, features, run) \
  { kernel, label, contract, features, (assay_any_fn)(run), NULL, NULL, 0, NULL, NULL }
#define ASSAY_PACKED_VARIANT(kernel, label, contract, features, run, pack) \
  { kernel, label, contract, features, (assay_any_fn)(run), (assay_any_fn)(pack), NULL, 0, NULL, NULL }
/** With a claim. */
#define ASSAY_CLAIMED_VARIANT(kernel, label, contract, features, run, claim) \
  { kernel, label, contract, features, (assay_any_fn)(run), NULL, NULL, 0, claim, NULL }
#define ASSAY_GENERATOR(kernel, label, contract, features, generate) \
  { kernel, label, contract, features, (assay_any_fn)(generate), NULL, NULL, assay_is_generator, NULL, NULL }

/** Defines assay_plugin_v1; behind the licence the variants. */
#define ASSAY_PLUGIN(name, version, license, ...)                                                                     \
  const struct assay_plugin* assay_plugin_v1(const char* argument) {                                                  \
    static const struct assay_variant variants[] = {__VA_ARGS__};                                                     \
    static const struct assay_plugin plugin = {                                                                       \
        assay_plugin_abi, sizeof plugin, name, version, license, variants, sizeof variants / sizeof *variants, NULL}; \
    (void)argument;                                                                                                   \
    return &plugin;                                                                                                   \
  }

#ifdef __cplusplus
}
#endif
