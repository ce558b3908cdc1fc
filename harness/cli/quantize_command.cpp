#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/cli/commands.h"
#include "harness/runtime/dispatch.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "kernels/formats/format.h"
#include "kernels/quantize_q1_0/kernel.h"
#include "runner/gguf.h"
#include "runner/gguf_writer.h"
#include "runner/linear.h"

namespace assay {
namespace {

// general.file_type: LLAMA_FTYPE_MOSTLY_F16 and LLAMA_FTYPE_MOSTLY_Q1_0 of llama.cpp.
constexpr uint32_t kMostlyF16 = 1, kMostlyQ1 = 40;

bool same_file(const std::string& a, const std::string& b) {
  struct stat sa {};
  struct stat sb {};
  return stat(a.c_str(), &sa) == 0 && stat(b.c_str(), &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/// Which type a tensor gets: matrices of the blocks are quantized; embeddings (which are looked up, and tied to the
/// output) only become F16, vectors stay.
TensorType new_type(const Tensor& t, TensorType wanted) {
  const bool matrix = t.n_dims == 2 && (t.type == TensorType::f32 || t.type == TensorType::f16);
  if (!matrix) {
    return t.type;
  }
  if (wanted == TensorType::q1_0) {
    return t.name.starts_with("blk.") && t.ne[0] % 128 == 0 ? TensorType::q1_0 : t.type;
  }
  return wanted;
}

/// No model means NaN or an infinity, and one of them is in every answer.
void expect_finite(const std::string& file, const Tensor& t, std::span<const float> values, const char* remedy) {
  const auto bad = std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  if (bad != values.end()) {
    const auto i = static_cast<uint64_t>(bad - values.begin());
    throw InputError(fmt::format("{}: tensor {}: element {} (row {}, column {}) is {} in {}; {}", file, quote(t.name),
                                 i, i / t.ne[0], i % t.ne[0], *bad, tensor_type_info(t.type).name, remedy));
  }
}

std::vector<std::byte> convert(const Tensor& t, std::span<const float> values, TensorType type, Dispatch& dispatch) {
  std::vector<std::byte> out(tensor_bytes(type, t.shape()));
  if (type == TensorType::f16) {
    for (size_t i = 0; i < values.size(); ++i) {
      const uint16_t half = float_to_half(values[i]);
      std::memcpy(out.data() + 2 * i, &half, sizeof half);
    }
  } else {
    const size_t n = t.ne[0];
    const auto quantize = dispatch.get<quantize_q1_0_fn>("quantize_q1_0", {n});
    for (size_t row = 0; row < t.n_elements / n; ++row) {
      quantize(out.data() + row * (n / 128 * 18), values.data() + row * n, n);
    }
  }
  return out;
}

int quantize(const std::string& in, const std::string& out, const std::string& type_name, const std::string& force) {
  const TensorType wanted = type_name == "f16" ? TensorType::f16 : TensorType::q1_0;
  if (same_file(in, out)) {
    throw InputError(fmt::format("{}: input and output are the same file: name another output", out));
  }
  Dispatch::Options options;
  options.force = force;
  Dispatch dispatch(detect_cpu(), options);
  const GgufFile file = GgufFile::open(in);
  std::vector<GgufKeyValue> metadata = file.metadata();
  for (auto& [key, value] : metadata) {
    if (key == "general.file_type") {
      value = wanted == TensorType::f16 ? kMostlyF16 : kMostlyQ1;
    }
  }
  std::vector<GgufTensorInfo> infos;
  size_t converted = 0;
  for (const Tensor& t : file.tensors()) {
    infos.push_back({t.name, new_type(t, wanted), {t.ne.begin(), t.ne.begin() + t.n_dims}});
    converted += infos.back().type != t.type;
  }
  if (converted == 0) {
    throw InputError(
        fmt::format("{}: no tensor can become {}: it needs F32 or F16 matrices{}", in, type_name,
                    wanted == TensorType::q1_0 ? " of blocks (blk.*) with rows that are multiples of 128" : ""));
  }
  GgufWriter writer(out, metadata, infos);
  size_t before = 0;
  size_t after = 0;
  for (size_t i = 0; i < infos.size(); ++i) {
    const Tensor& t = file.tensors()[i];
    before += t.data.size();
    after += tensor_bytes(infos[i].type, t.shape());
    const std::vector<float> values = tensor_floats(t, dispatch);
    expect_finite(in, t, values, "re-convert the model");
    if (infos[i].type == t.type) {
      writer.write(t.data);
      continue;
    }
    const std::vector<std::byte> made = convert(t, values, infos[i].type, dispatch);
    Tensor read_back = t;
    read_back.type = infos[i].type;
    read_back.data = made;
    expect_finite(in, read_back, tensor_floats(read_back, dispatch),
                  "the weight is too large for this type: use another");
    writer.write(made);
  }
  writer.finish();
  fmt::print("{}: {} of {} tensors became {}; {} -> {} bytes of weights\n", out, converted, infos.size(), type_name,
             before, after);
  return 0;
}

}  // namespace

void add_quantize_command(CLI::App& app, int& status) {
  struct Arguments {
    std::string in, out, type, force;
  };
  auto a = std::make_shared<Arguments>();
  auto* command = app.add_subcommand("quantize", "write a model file with smaller weights");
  command->add_option("IN", a->in, "GGUF file")->required();
  command->add_option("OUT", a->out, "file to write, whole or not at all")->required();
  command->add_option("--type", a->type, "q1_0 (matrices of the blocks) or f16 (all matrices)")
      ->required()
      ->check(CLI::IsMember({"q1_0", "f16"}));
  command->add_option("--force", a->force, "kernel=variant,... for the quantizer");
  command->callback([a, &status] { status = quantize(a->in, a->out, a->type, a->force); });
}

}  // namespace assay
