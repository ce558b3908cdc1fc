// What a compiler makes of the plain C++ for each level of x86-64, as a plug-in named for the compiler: so that other compilers than the
// one that builds assay are contestants, too. ci/compilers.cmake writes levels.inc: the variants auto_v2 .. auto_v4 of each kernel.
#include "harness/plugins/compilers/compiler.h"

extern "C" {
#define LEVEL(kernel, label, features, run) void run();
#define PACKED_LEVEL(kernel, label, features, run, pack, layout) void run(), pack();
#define CONTRACT(kernel) extern const assay_contract kernel##_contract;
#include "levels.inc"
#undef LEVEL
#undef PACKED_LEVEL
#undef CONTRACT
}

#define CONTRACT(kernel)
#define PACKED_LEVEL(kernel, label, features, run, pack, layout) \
  {#kernel, label, kernel##_contract.version, features, run, pack, layout, 0, nullptr, nullptr},
#define LEVEL(kernel, label, features, run) PACKED_LEVEL(kernel, label, features, run, nullptr, nullptr)

extern "C" const assay_plugin* assay_plugin_v1(const char*) {
  static const assay_variant variants[] = {
#include "levels.inc"
  };
  return compilers::plugin_named(ASSAY_COMPILER, variants);
}
