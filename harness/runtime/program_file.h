#pragma once
#include <string>

namespace assay {

/// The file of this program, with its whole path and no symbolic links; "" if the system does not tell.
std::string program_file();

}  // namespace assay
