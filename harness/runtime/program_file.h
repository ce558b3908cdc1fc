#pragma once
#include <string>

namespace assay {

/// The file of this program, with its whole path and no symbolic links; "" if the system does not tell.
std::string program_file();

/// Whether it runs without a dynamic loader.
bool is_static_program();

}  // namespace assay
