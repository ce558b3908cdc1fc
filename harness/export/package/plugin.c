/* The variants of this library on trial: `assay check --plugin` of it checks what your compiler has made of them. C11. */
#include "assay/plugin.h"

#include <stdio.h>
#include <stdlib.h>

#include "dispatch.h"

const struct assay_plugin* assay_plugin_v1(const char* argument) {
  (void)argument;
  static struct assay_plugin plugin = {assay_plugin_abi, sizeof plugin, "built", "1.0", "MIT", NULL, 0, NULL};
  size_t count = 0;
  for (size_t k = 0; k < assay_n_kernels; ++k) {
    count += assay_kernels[k]->n_candidates;
  }
  struct assay_variant* variants = calloc(count, sizeof *variants);
  char(*layouts)[16] = calloc(count, sizeof *layouts);
  if (variants == NULL || layouts == NULL) {
    fprintf(stderr, "there is no memory\n");
    return NULL;
  }
  size_t n = 0;
  for (size_t k = 0; k < assay_n_kernels; ++k) {
    for (size_t i = 0; i < assay_kernels[k]->n_candidates; ++i, ++n) {
      const struct assay_candidate* c = &assay_kernels[k]->candidates[i];
      snprintf(layouts[n], sizeof layouts[n], "layout%u", c->layout);
      variants[n] = (struct assay_variant){.kernel = assay_kernels[k]->name,
                                           .label = c->label,
                                           .contract = assay_kernels[k]->contract->version,
                                           .features = c->features,
                                           .run = c->run,
                                           .pack = (assay_any_fn)c->pack,
                                           .layout = c->pack != NULL ? layouts[n] : NULL,
                                           .flags = c->is_generator ? assay_is_generator : 0};
    }
  }
  plugin.variants = variants;
  plugin.count = count;
  return &plugin;
}
