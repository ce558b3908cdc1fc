#pragma once
#include <string>

namespace assay {

struct Cpu;

/// The name of a CPU's design, by vendor, family, model and stepping: "Haswell", "Zen 4". "" for one that is not in the table: a guess
/// by what looks nearest would be wrong for every CPU that is newer than the table.
std::string codename_of(const Cpu& cpu);

/// What archspec calls the design: "haswell", "zen4". It goes by vendor, family, model and stepping, where archspec itself goes by
/// features, of which a hypervisor hides some. For a CPU whose name is not known, the best level of x86-64 that it runs, in archspec's
/// spelling: "x86_64_v3". A label for people and for other tools; never what a CPU is known by.
std::string archspec_of(const Cpu& cpu);

}  // namespace assay
