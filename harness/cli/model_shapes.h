#pragma once
#include <map>
#include <string>
#include <vector>

#include "harness/runtime/cpu.h"
#include "harness/runtime/registry.h"
#include "runner/model.h"

namespace assay {

/// Lets the model ask its dispatch for the shapes of a prompt and of generation: evaluates a batch, and then one token from the beginning.
void evaluate_usual_shapes(Model& model);

/// kernel -> the shapes that `assay run` calls it at with this model: for one token and for a batch of a prompt, at the beginning
/// of the context, in its middle and at its end. Throws InputError for what is no model file that `run` takes.
std::map<std::string, std::vector<Shape>> shapes_of_model(const Cpu& cpu, const std::string& path);

}  // namespace assay
