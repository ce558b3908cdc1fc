#pragma once
#include <string>

namespace assay {

/// The model that adds numbers: of an installed program in its share/assay/models, else among the sources.
std::string shipped_model();

/// The folder with assay/plugin.h or include/assay/plugin.h, and kernels/: beside an installed program, else that of the sources.
/// Throws MachineError if neither is there.
std::string include_folder();

/// That this program was built from; it need not be there.
std::string source_folder();

}  // namespace assay
