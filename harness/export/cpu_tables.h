#pragma once
#include <cstdint>
#include <string>

#include "harness/export/fleet.h"
#include "harness/runtime/isa.h"

namespace assay {

/// What an ISA needs, as an export has sets of features: bits, in the order of feature_table.
uint64_t bits_of(const Isa& isa);

/// assay_feature_table and assay_cpus of src/kernels.c: the features that its variants may need, and the CPUs of the fleet; nullptr: none.
std::string feature_table();
std::string cpu_table(const Fleet* fleet);

}  // namespace assay
