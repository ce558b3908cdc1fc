#include "harness/cli/model_shapes.h"

#include <algorithm>

#include "harness/runtime/dispatch.h"
#include "kernels/softmax_f32/kernel.h"

namespace assay {

void evaluate_usual_shapes(Model& model) {
  const std::vector<int32_t> batch(std::min(model.sizes().n_ctx, Model::kBatch), 0);
  model.eval(batch);
  model.reset();
  model.eval(std::span(batch).first(1));
}

std::map<std::string, std::vector<Shape>> shapes_of_model(const Cpu& cpu, const std::string& path) {
  Dispatch dispatch(cpu, std::map<std::string, std::string>());
  const GgufFile file = GgufFile::open(path);
  Model model(file, dispatch, 0);
  const size_t n_ctx = model.sizes().n_ctx;
  evaluate_usual_shapes(model);
  dispatch.get<softmax_f32_fn>("softmax_f32", {model.sizes().n_vocab});

  std::map<std::string, std::vector<Shape>> shapes;
  for (const Decision& decision : dispatch.decisions()) {
    auto& of_kernel = shapes[decision.kernel];
    of_kernel.push_back(decision.shape);
    if (decision.kernel.starts_with("attention_")) {  // {queries, keys before them, size of a head}
      const size_t queries = decision.shape[0];
      for (const size_t past : {n_ctx / 2, n_ctx - queries}) {
        Shape shape = decision.shape;  // what it has behind them stays
        shape[1] = std::min(past, n_ctx - queries);
        of_kernel.push_back(shape);
      }
    }
  }
  for (auto& [kernel, of_kernel] : shapes) {
    std::ranges::sort(of_kernel);
    of_kernel.erase(std::ranges::unique(of_kernel).begin(), of_kernel.end());
  }
  return shapes;
}

}  // namespace assay
