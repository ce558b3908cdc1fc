#pragma once
#include <CLI/CLI.hpp>

#include "harness/runtime/dispatch.h"
#include "runner/sampler.h"

namespace assay {

/// --temp, --top-k, --top-p, --min-p, --typical, --repeat-penalty, --repeat-last-n, --presence-penalty,
/// --frequency-penalty and --seed of the command. check_options says whether
/// their values are in range.
void add_sampler_flags(CLI::App& command, SamplerOptions& options);

/// The softmax of a Sampler over `n_vocab` logits, through the chosen variants. `dispatch` must outlive it.
SoftmaxFn softmax_of(Dispatch& dispatch, size_t n_vocab);

}  // namespace assay
