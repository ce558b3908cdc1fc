#pragma once
#include <map>
#include <string>
#include <vector>

#include "harness/export/recipe.h"
#include "harness/export/smallest_set.h"

namespace assay {

/// What goes into a library: of each kernel the variants that are built in, and what each CPU chose.
struct Contents {
  std::vector<KernelSet> sets;  ///< without plain C++ unless it was chosen

  /// Whether code is made at run time.
  bool has_generators() const;
  /// The variants of a set: plain C++ first, which runs where nothing else does.
  static std::vector<const Variant*> variants_of(const KernelSet& set);
};

/// include/assay/kernels.h: what a caller includes.
std::string interface_header(const Recipe& recipe, const Contents& contents);

/// src/kernels.c: the functions of that header, and the tables of variants, CPUs and choices that dispatch.c reads. Without a fleet (nullptr: a
/// library of all variants) the last ISA that runs and that Isa::unmeasured marks is taken.
std::string interface_source(const Recipe& recipe, const Contents& contents, const Fleet* fleet);

/// src/generators_table.c of the library of all variants: the generators, which generators.c finds by name.
std::string generators_source(const Recipe& recipe);

/// Text as a string literal of C.
std::string c_string(const std::string& text);

}  // namespace assay
