#pragma once
#include <string>
#include <vector>

namespace assay {

/// Replaces this process by the same program on an emulated CPU of `ci/emulate.sh --list`, with this process's own
/// arguments less --cpu. `inputs`: files that it reads there, or folders of such; `outputs`: files that it writes. Returns
/// only by a MachineError: no script.
[[noreturn]] void continue_on_emulated_cpu(const std::string& cpu, const std::vector<std::string>& inputs,
                                           const std::vector<std::string>& outputs);

}  // namespace assay
