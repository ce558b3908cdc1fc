#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "harness/cli/commands.h"
#include "harness/cli/model_writing.h"
#include "harness/runtime/dispatch.h"
#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"
#include "runner/gguf.h"
#include "runner/gguf_writer.h"
#include "runner/linear.h"
#include "runner/thread_pool.h"

namespace assay {
namespace {

/// What --type may be: the formats of most matrices, and llama.cpp's mixes of them.
struct Mix {
  const char* name;
  const char* format;      ///< of most matrices
  uint32_t file_type;      ///< general.file_type: LLAMA_FTYPE_MOSTLY_... of llama.cpp
  bool has_finer = false;  ///< some matrices get a format of more bits: see finer_format
};
constexpr Mix kMixes[] = {{"f16", "f16", 1},
                          {"bf16", "bf16", 32},
                          {"q8_0", "q8_0", 7},
                          {"q5_1", "q5_1", 9},
                          {"q5_0", "q5_0", 8},
                          {"q4_1", "q4_1", 3},
                          {"q4_0", "q4_0", 2},
                          {"iq4_nl", "iq4_nl", 25},
                          {"mxfp4", "mxfp4", 38},
                          {"q6_k", "q6_k", 18},
                          {"q5_k_m", "q5_k", 17, true},
                          {"q5_k_s", "q5_k", 16},
                          {"q4_k_m", "q4_k", 15, true},
                          {"q4_k_s", "q4_k", 14, true},
                          {"q3_k", "q3_k", 11},
                          {"q2_k", "q2_k", 10},
                          {"iq4_xs", "iq4_xs", 30},
                          {"q2_0", "q2_0", 41},
                          {"pq2_0", "pq2_0", 128},
                          {"q1_0", "q1_0", 40},
                          {"tq1_0", "tq1_0", 36},
                          {"tq2_0", "tq2_0", 37}};

/// The number of the block that a tensor is of ("blk.7.attn_v.weight": 7), or -1.
int block_of(std::string_view name) {
  int block = -1;
  if (name.starts_with("blk.")) {
    std::from_chars(name.data() + 4, name.data() + name.size(), block);
  }
  return block;
}

/// What llama.cpp gives some matrices, of which an error is felt most: the output, and in some blocks the values and the way down.
std::string finer_format(const Mix& mix, const std::string& name, int blocks, bool is_output) {
  const std::string_view mix_name = mix.name;
  const auto is = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  const int block = block_of(name);
  if (is_output) {
    return "q6_k";
  }
  if (mix_name == "q4_k_s") {
    return (is("attn_v.") && block < 4) || (is("ffn_down.") && block < blocks / 8) ? "q5_k" : mix.format;
  }
  if (is("attn_qkv.")) {
    return mix_name == "q4_k_m" ? "q5_k" : "q6_k";
  }
  const bool more = block < blocks / 8 || block >= 7 * blocks / 8 || (block - blocks / 8) % 3 == 2;
  return more && (is("attn_v.") || is("ffn_down.")) ? "q6_k" : mix.format;
}

/// For rows that are no whole blocks of the format, as llama.cpp has it.
const weight_format& fitting_format(const std::string& name, uint64_t cols) {
  static const std::map<std::string, std::string> kOthers = {
      {"q2_k", "iq4_nl"}, {"q3_k", "iq4_nl"}, {"iq4_xs", "iq4_nl"}, {"q4_k", "q5_0"},
      {"q5_k", "q5_1"},   {"q6_k", "q8_0"},   {"tq1_0", "q4_0"},    {"tq2_0", "q4_0"}};
  const weight_format* format = &find_format(name);
  if (const auto other = kOthers.find(name); cols % format->elements != 0 && other != kOthers.end()) {
    format = &find_format(other->second);
  }
  return cols % format->elements == 0 ? *format : find_format("f16");
}

/// Which type a tensor gets. Vectors and positions stay. Q1_0 is for the matrices of the blocks alone: embeddings, which are looked up and
/// may be tied to the output, stay as they are.
TensorType new_type(const GgufFile& file, const Tensor& t, const Mix& mix, int blocks) {
  const bool matrix =
      t.n_dims == 2 && (t.type == TensorType::f32 || t.type == TensorType::f16 || t.type == TensorType::bf16);
  const std::string name(t.name);
  const std::string_view format = mix.format;
  if (!matrix || (name.starts_with("position_embd.") && format != "f16" && format != "bf16")) {
    return t.type;
  }
  if (format == "q1_0") {
    return block_of(name) >= 0 && t.ne[0] % 128 == 0 ? TensorType::q1_0 : t.type;
  }
  const bool tied = file.find_tensor("output.weight") == nullptr;
  const bool is_output = name == "output.weight" || (tied && name == "token_embd.weight");
  const bool coarse = format != "f16" && format != "bf16" && format != "q8_0";
  const std::string wanted =
      mix.has_finer || (is_output && coarse) ? finer_format(mix, name, blocks, is_output) : std::string(format);
  return static_cast<TensorType>(fitting_format(wanted, t.ne[0]).gguf_type);
}

int quantize(const std::string& in, const std::string& out, const std::string& type_name, const std::string& force) {
  const Mix& mix = *std::ranges::find(kMixes, type_name, &Mix::name);
  expect_other_file(in, out);
  Dispatch::Options options;
  options.force = force;
  Dispatch dispatch(detect_cpu(), options);
  const GgufFile file = GgufFile::open(in);
  std::vector<GgufKeyValue> metadata = file.metadata();
  for (auto& [key, value] : metadata) {
    if (key == "general.file_type") {
      value = mix.file_type;
    }
  }
  std::erase_if(metadata,
                [](const GgufKeyValue& entry) { return entry.key.starts_with("split."); });  // it is one file now
  int blocks = 0;
  for (const Tensor& t : file.tensors()) {
    blocks = std::max(blocks, block_of(t.name) + 1);
  }
  std::vector<GgufTensorInfo> infos;
  size_t converted = 0;
  for (const Tensor& t : file.tensors()) {
    infos.push_back({t.name, new_type(file, t, mix, blocks), {t.ne.begin(), t.ne.begin() + t.n_dims}});
    converted += infos.back().type != t.type;
  }
  if (converted == 0) {
    throw InputError(fmt::format("{}: no tensor can become {}: it needs F32, F16 or BF16 matrices{}{}", in, type_name,
                                 type_name == "q1_0" ? " of blocks (blk.*) with rows that are multiples of 128" : "",
                                 file.notes().empty() ? "" : "; of a file of 2023 `assay convert` makes them"));
  }
  GgufWriter writer(out, metadata, infos);
  ThreadPool pool(0);
  size_t before = 0;
  size_t after = 0;
  for (size_t i = 0; i < infos.size(); ++i) {
    const Tensor& t = file.tensors()[i];
    before += t.data.size();
    after += tensor_bytes(infos[i].type, t.shape());
    const std::vector<float> values = tensor_floats(t, dispatch);
    expect_finite(in, t, values);
    if (infos[i].type == t.type) {
      writer.write(t.data);
      writer.write(t.tail);
      continue;
    }
    writer.write(encode_tensor(in, t, values, infos[i].type, dispatch, pool));
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
  std::vector<std::string> types;
  for (const Mix& mix : kMixes) {
    types.emplace_back(mix.name);
  }
  command->add_option("--type", a->type, "format of the matrices, or a mix; q1_0: of the blocks' matrices alone")
      ->required()
      ->check(CLI::IsMember(types));
  command->add_option("--force", a->force, "kernel=variant,... for the quantizer");
  command->callback([a, &status] { status = quantize(a->in, a->out, a->type, a->force); });
}

}  // namespace assay
