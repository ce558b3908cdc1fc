#pragma once
#include <string>

namespace assay {

/// Replaces this process by the static build of assay on an emulated CPU of `ci/emulate.sh --list`, with this process's
/// own arguments less --cpu. Returns only by a MachineError: no static build, or no script.
[[noreturn]] void continue_on_emulated_cpu(const std::string& cpu);

}  // namespace assay
