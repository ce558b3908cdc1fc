#include "assay/plugin.h"
#include "kernels.h"

ASSAY_PLUGIN("downstream", "1.0", "MIT", ASSAY_VARIANT("add_f32", "add", 1, "v2", downstream_add),
             ASSAY_VARIANT("dot_f32", "dot", 2, "v2", downstream_dot))
