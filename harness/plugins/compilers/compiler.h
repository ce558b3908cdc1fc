// What the plug-ins that are named for a compiler have in common.
#pragma once
#include <cstddef>

#include "assay/contract.h"
#include "assay/plugin.h"

namespace compilers {

/// A plug-in of these variants by the compiler that compiles this, with what the build says of it.
template <size_t count>
const assay_plugin* plugin_named(const char* name, const assay_variant (&variants)[count]) {
  static const assay_plugin plugin = {assay_plugin_abi, sizeof plugin, name,   ASSAY_COMPILER_VERSION, "MIT",
                                      variants,         count,         nullptr};
  return &plugin;
}

}  // namespace compilers
