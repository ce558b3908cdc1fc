#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "runner/sampler.h"

namespace assay {

/// --temp, --top-k, --top-p, --min-p, --typical, --repeat-penalty, --repeat-last-n, --presence-penalty,
/// --frequency-penalty and --seed of the command. check_options says whether
/// their values are in range.
void add_sampler_flags(CLI::App& command, SamplerOptions& options);

/// -n, of which `otherwise` is the default in words, and -r.
void add_answer_flags(CLI::App& command, std::optional<int64_t>& n, const std::string& otherwise,
                      std::vector<std::string>& stops);

/// The softmax of a Sampler over `n_vocab` logits, through the chosen variants. `dispatch` must outlive it.
SoftmaxFn softmax_of(Dispatch& dispatch, size_t n_vocab);

}  // namespace assay
