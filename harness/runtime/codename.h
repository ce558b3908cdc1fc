#pragma once
#include <string>

namespace assay {

struct Cpu;

/// The name of a CPU's design, by vendor, family, model and stepping: "Haswell", "Zen 4". "" for one that is not in the table: a guess
/// by what looks nearest would be wrong for every CPU that is newer than the table.
std::string codename_of(const Cpu& cpu);

}  // namespace assay
