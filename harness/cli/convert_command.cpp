// A GGUF file of a LLaMA of 2023.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "harness/cli/commands.h"
#include "harness/cli/model_writing.h"
#include "harness/runtime/dispatch.h"
#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"
#include "kernels/formats/format.h"
#include "runner/gguf.h"
#include "runner/gguf_writer.h"
#include "runner/thread_pool.h"
#include "runner/weights.h"

namespace assay {
namespace {

struct ConvertArguments {
  std::string in, out, type, force;
};

/// general.file_type of a file whose matrices are of one type, as llama.cpp numbers them.
uint32_t file_type_of(const std::string& type) { return type == "f32" ? 0 : type == "f16" ? 1 : 7; }

/// A type that only the files of 2023 have and its like of today, with the same codes and scales of fp16.
TensorType like_of_today(TensorType type) {
  const auto number = static_cast<uint32_t>(type);
  return static_cast<TensorType>(number >= only_in_2023(0) ? number - only_in_2023(0) : number);
}

TensorType converted_type(const Tensor& t, const std::string& wanted) {
  if (t.n_dims != 2 || wanted.empty()) {
    return like_of_today(t.type);
  }
  const weight_format& format = find_format(wanted);
  return t.ne[0] % format.elements == 0 ? static_cast<TensorType>(format.gguf_type) : TensorType::f16;
}

/// One block of the format of 2023 as its like of today: its values are the codes, less 8 in Q4_0.
void write_block_of_today(uint8_t* to, const weight_format& old, const uint8_t* block) {
  int8_t values[32];
  old.values(values, block);
  const auto put_half = [&](size_t from) {
    write_u16(to, float_to_half(number_of_block(&old, block + from)));
    to += 2;
  };
  put_half(old.d_at);
  if (old.m_at != NOWHERE) {
    put_half(old.m_at);
  }
  if (old.code_bits == 8) {
    std::copy(values, values + 32, reinterpret_cast<int8_t*>(to));
    return;
  }
  const int zero = old.m_at == NOWHERE ? 8 : 0;
  for (size_t i = 0; i < 16; ++i) {
    to[i] = static_cast<uint8_t>((values[i] + zero) | (values[16 + i] + zero) << 4);
  }
}

/// All blocks of t, of a type of 2023, with the scales rounded to fp16.
std::vector<std::byte> with_halves(const Tensor& t) {
  const TensorTypeInfo& old = tensor_type_info(t.type);
  const TensorTypeInfo& today = tensor_type_info(like_of_today(t.type));
  std::vector<std::byte> out(tensor_bytes(today.type, t.shape()));
  const auto* from = reinterpret_cast<const uint8_t*>(t.data.data());
  auto* to = reinterpret_cast<uint8_t*>(out.data());
  for (size_t b = 0; b < t.n_elements / old.block; ++b) {
    write_block_of_today(to + b * today.block_bytes, *old.format, from + b * old.block_bytes);
  }
  return out;
}

/// How far the weights that are written are from those that were read.
struct Rounding {
  std::string types;  ///< "Q4_0_2023 to Q4_0"
  size_t weights = 0, changed = 0, tensors = 0;
  double largest = 0, squares = 0, of_all = 0;

  void add(const std::string& file, const Tensor& t, std::span<const float> before, const Tensor& after,
           Dispatch& dispatch) {
    const Dequantizer dequantize(after.type, t.ne[0], dispatch);
    std::vector<float> row(t.ne[0]);
    const size_t changed_before = changed;
    for (size_t i = 0; i < before.size(); ++i) {
      const size_t col = i % row.size();
      if (col == 0) {
        dequantize(row.data(), after, i / row.size());
      }
      if (!std::isfinite(row[col])) {
        refuse_too_large(file, t, i, after.type, before[i]);
      }
      const double error = std::fabs(static_cast<double>(row[col]) - static_cast<double>(before[i]));
      largest = std::max(largest, error);
      squares += error * error;
      of_all += static_cast<double>(before[i]) * static_cast<double>(before[i]);
      changed += error != 0;
    }
    weights += before.size();
    if (changed > changed_before) {
      ++tensors;
      const std::string step =
          fmt::format("{} to {}", tensor_type_info(t.type).name, tensor_type_info(after.type).name);
      if (types.find(step) == std::string::npos) {
        types += types.empty() ? step : fmt::format(" and {}", step);
      }
    }
  }

  std::string text() const {
    if (changed == 0) {
      return "nothing was rounded: every weight is what it was";
    }
    return fmt::format(
        "rounded, from {}: {} of {} weights, in {} tensors, by {:.3g} at most; the root of the mean square is {:.3g} "
        "of "
        "that of the weights",
        types, changed, weights, tensors, largest, std::sqrt(squares / of_all));
  }
};

std::vector<GgufKeyValue> converted_metadata(const GgufFile& file, const std::string& type) {
  std::vector<GgufKeyValue> metadata = file.metadata();
  for (auto& [key, value] : metadata) {
    if (key == "general.file_type") {
      // 5 and 6 were Q4_2 and Q4_3, which have become F32.
      const uint32_t was = std::get<uint32_t>(value);
      value = !type.empty() ? file_type_of(type) : was == 5 || was == 6 ? 0u : was;
    }
  }
  return metadata;
}

int convert(const ConvertArguments& a) {
  expect_other_file(a.in, a.out);
  const GgufFile file = GgufFile::open(a.in);
  if (file.notes().empty()) {
    throw InputError(fmt::format("{}: is a GGUF file as it is; `assay quantize` changes its types", a.in));
  }
  Dispatch::Options options;
  options.force = a.force;
  Dispatch dispatch(detect_cpu(), options);
  std::vector<GgufTensorInfo> infos;
  for (const Tensor& t : file.tensors()) {
    infos.push_back({t.name, converted_type(t, a.type), {t.ne.begin(), t.ne.begin() + t.n_dims}});
  }
  GgufWriter writer(a.out, converted_metadata(file, a.type), infos);
  ThreadPool pool(0);
  Rounding rounding;
  uint64_t after_bytes = 0;
  for (size_t i = 0; i < infos.size(); ++i) {
    const Tensor& t = file.tensors()[i];
    const std::vector<float> values = tensor_floats(t, dispatch);
    expect_finite(a.in, t, values);
    after_bytes += tensor_bytes(infos[i].type, t.shape());
    if (infos[i].type == t.type) {
      rounding.weights += values.size();
      writer.write(t.data);
      continue;
    }
    const bool keeps_codes = infos[i].type == like_of_today(t.type);
    const std::vector<std::byte> bytes =
        keeps_codes ? with_halves(t) : encode_tensor(a.in, t, values, infos[i].type, dispatch, pool);
    Tensor after = t;
    after.type = infos[i].type;
    after.data = bytes;
    rounding.add(a.in, t, values, after, dispatch);
    writer.write(bytes);
  }
  writer.finish();
  fmt::print("{}: {} tensors, {} bytes of weights\n{}\n", a.out, infos.size(), after_bytes, rounding.text());
  for (const std::string& note : file.notes()) {
    fmt::print("{}\n", note);
  }
  return 0;
}

}  // namespace

void add_convert_command(CLI::App& app, int& status) {
  auto a = std::make_shared<ConvertArguments>();
  auto* command = app.add_subcommand("convert", "write a GGUF file of a LLaMA of 2023 (ggml, ggmf, ggjt)");
  command->add_option("IN", a->in, "file of 2023; of a model in parts the first")->required();
  command->add_option("OUT", a->out, "GGUF file to write, whole or not at all")->required();
  command
      ->add_option(
          "--type", a->type,
          "format of the matrices: f32, f16 or q8_0 (default: what they have, with scales in fp16, as GGUF has them)")
      ->check(CLI::IsMember({"f32", "f16", "q8_0"}));
  command->add_option("--force", a->force, "kernel=variant,... for the quantizer");
  command->callback([a, &status] { status = convert(*a); });
}

}  // namespace assay
