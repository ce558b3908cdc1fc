// What a model file holds, and what a run of it takes.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "harness/cli/commands.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/gguf.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

constexpr size_t kShownElements = 6, kShownText = 120;
// Behind `type` in the variant of values, which is GGUF's number of it.
constexpr const char* kTypeNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                      "bool", "string", "array", "u64", "i64", "f64"};

template <class T>
std::string shown_element(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return quote(value.substr(0, kShownText));
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else {
    return fmt::format("{}", value);
  }
}

/// An array is shown by its length and its first elements.
std::string shown_array(const GgufArray& array) {
  return std::visit(
      [](const auto& values) -> std::string {
        using Values = std::decay_t<decltype(values)>;
        if constexpr (std::is_same_v<Values, std::monostate>) {
          return "";
        } else {
          std::string text = fmt::format("{} of them:", values.size());
          for (size_t i = 0; i < std::min(values.size(), kShownElements); ++i) {
            const typename Values::value_type element = values[i];
            text += " " + shown_element(element);
          }
          return values.size() > kShownElements ? text + " ..." : text;
        }
      },
      array);
}

std::string shown_value(const GgufValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, GgufArray>) {
          return shown_array(v);
        } else {
          return shown_element(v);
        }
      },
      value);
}

std::string type_of(const GgufValue& value) {
  const auto* array = std::get_if<GgufArray>(&value);
  return array == nullptr ? kTypeNames[value.index()] : fmt::format("array of {}", kTypeNames[array->index()]);
}

struct TypeTotal {
  size_t tensors = 0;
  uint64_t weights = 0, bytes = 0;
};

uint64_t bytes_of(const Tensor& t) { return t.data.size() + t.tail.size(); }

std::map<std::string, TypeTotal> totals_of(const GgufFile& file) {
  std::map<std::string, TypeTotal> totals;
  for (const Tensor& t : file.tensors()) {
    TypeTotal& total = totals[tensor_type_info(t.type).name];
    ++total.tensors;
    total.weights += t.n_elements;
    total.bytes += bytes_of(t);
  }
  return totals;
}

/// What a run has in memory at the context that it has if nobody asks for another.
struct RunMemory {
  size_t context = 0;
  uint64_t weights = 0;   ///< packed, in about the size of the file's
  uint64_t cache = 0;     ///< keys and values
  uint64_t laid_out = 0;  ///< of a file of 2023: what had to be laid out anew stays beside
};

/// Bytes of a head's keys for one position.
uint64_t row_of_cache(const BlockSizes& b) {
  return b.cache == CacheType::f32   ? 4 * b.head_size
         : b.cache == CacheType::f16 ? 2 * b.head_size
                                     : b.head_size / 32 * 34;
}

RunMemory memory_of(const GgufFile& file, const ModelSizes& sizes) {
  RunMemory memory;
  memory.context = sizes.n_ctx;
  const bool tied = file.find_tensor("output.weight") == nullptr;
  for (const Tensor& t : file.tensors()) {
    memory.laid_out += file.is_laid_out(t) ? t.data.size() : 0;
    // Rows of the embedding are read from the file.
    memory.weights += t.name == "token_embd.weight" && !tied ? 0 : bytes_of(t);
  }
  for (size_t layer = 0; layer < sizes.n_layer; ++layer) {
    const BlockSizes& b = sizes.block_of(layer);
    memory.cache += 2 * uint64_t{b.n_head_kv} * b.n_ctx * row_of_cache(b);
  }
  return memory;
}

template <class F>
std::string refusal_by(F f) {
  try {
    f();
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

/// Tensors whose bytes do not follow one another, but for padding: of one file, in the order of the bytes.
void find_gaps(const GgufFile& file, std::vector<std::string>& odd) {
  std::vector<const Tensor*> tensors;
  for (const Tensor& t : file.tensors()) {
    tensors.push_back(&t);
  }
  const auto begin = [](const Tensor* t) { return t->data.data(); };
  if (!std::ranges::is_sorted(tensors, std::less<>(), begin)) {
    odd.emplace_back("the data of the tensors are not in the order of their table");
    std::ranges::sort(tensors, std::less<>(), begin);
  }
  size_t gaps = 0;
  uint64_t bytes = 0;
  for (size_t i = 1; i < tensors.size(); ++i) {
    const auto gap = static_cast<uint64_t>(begin(tensors[i]) - begin(tensors[i - 1])) - bytes_of(*tensors[i - 1]);
    gaps += gap >= file.alignment();
    bytes += gap >= file.alignment() ? gap : 0;
  }
  if (gaps > 0) {
    odd.push_back(fmt::format("{} bytes between tensors belong to none, in {} gaps", bytes, gaps));
  }
}

/// Matrices for which K-quants and the like had no whole blocks, and got another type.
void find_fallbacks(const GgufFile& file, std::vector<std::string>& odd) {
  size_t ragged = 0;
  bool has_wide_blocks = false;
  for (const Tensor& t : file.tensors()) {
    has_wide_blocks = has_wide_blocks || tensor_type_info(t.type).block == 256;
    ragged += t.n_dims == 2 && t.ne[0] % 256 != 0;
  }
  if (has_wide_blocks && ragged > 0) {
    odd.push_back(
        fmt::format("{} matrices have rows that are no blocks of 256: they fell back to another type", ragged));
  }
}

std::vector<std::string> oddities(const GgufFile& file) {
  std::vector<std::string> odd;
  if (const std::string why = refusal_by([&] { ModelSizes::read(file); }); !why.empty()) {
    odd.push_back("the runner refuses it: " + why);
  }
  if (const std::string why = refusal_by([&] { const Tokenizer tokenizer(file); }); !why.empty()) {
    odd.push_back("the tokenizer refuses it: " + why);
  }
  if (file.notes().empty() && file.find_u64("split.count").value_or(1) <= 1) {
    find_gaps(file, odd);
  }
  find_fallbacks(file, odd);
  return odd;
}

std::optional<RunMemory> find_memory(const GgufFile& file) {
  std::optional<RunMemory> memory;
  refusal_by([&] { memory = memory_of(file, ModelSizes::read(file)); });
  return memory;
}

std::string shape_of(const Tensor& t) {
  std::string text;
  for (const uint64_t n : t.shape()) {
    text += (text.empty() ? "" : " x ") + std::to_string(n);
  }
  return text;
}

double mebibytes(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

double bits_of_weight(const TypeTotal& total) {
  return 8 * static_cast<double>(total.bytes) / static_cast<double>(total.weights);
}

void print_info(const GgufFile& file) {
  for (const std::string& note : file.notes()) {
    fmt::print("{}\n", one_line(note, 1024));
  }
  fmt::print("\n{} metadata keys\n", file.metadata().size());
  for (const auto& [key, value] : file.metadata()) {
    fmt::print("{:<44} {:<16} {}\n", one_line(key, kShownText), type_of(value), shown_value(value));
  }
  fmt::print("\n{:<36} {:<20} {:<10} {:>14}\n", "tensor", "shape", "type", "bytes");
  for (const Tensor& t : file.tensors()) {
    fmt::print("{:<36} {:<20} {:<10} {:>14}{}\n", one_line(t.name, kShownText), shape_of(t),
               tensor_type_info(t.type).name, bytes_of(t), file.is_laid_out(t) ? "  laid out anew" : "");
  }
  fmt::print("\n{:<10} {:>8} {:>14} {:>14} {:>12}\n", "type", "tensors", "weights", "bytes", "bits/weight");
  for (const auto& [name, total] : totals_of(file)) {
    fmt::print("{:<10} {:>8} {:>14} {:>14} {:>12.3f}\n", name, total.tensors, total.weights, total.bytes,
               bits_of_weight(total));
  }
  if (const auto memory = find_memory(file)) {
    fmt::print("\na run takes about {:.1f} MiB: weights {:.1f}, keys and values of {} positions {:.1f}{}\n",
               mebibytes(memory->weights + memory->cache + memory->laid_out), mebibytes(memory->weights),
               memory->context, mebibytes(memory->cache),
               memory->laid_out == 0 ? std::string()
                                     : fmt::format(", and what was laid out anew {:.1f}", mebibytes(memory->laid_out)));
  }
  const std::vector<std::string> odd = oddities(file);
  fmt::print("{}\n", odd.empty() ? "nothing is odd" : "odd:");
  for (const std::string& what : odd) {
    fmt::print("  {}\n", one_line(what, 1024));
  }
}

void print_info_json(const GgufFile& file) {
  nlohmann::json all = {{"file", file.path()}, {"notes", file.notes()}, {"odd", oddities(file)}};
  for (const auto& [key, value] : file.metadata()) {
    all["metadata"].push_back({{"key", key}, {"type", type_of(value)}, {"value", shown_value(value)}});
  }
  for (const Tensor& t : file.tensors()) {
    all["tensors"].push_back({{"name", t.name},
                              {"shape", t.shape()},
                              {"type", tensor_type_info(t.type).name},
                              {"bytes", bytes_of(t)},
                              {"laid_out", file.is_laid_out(t)}});
  }
  for (const auto& [name, total] : totals_of(file)) {
    all["types"].push_back(
        {{"type", name}, {"tensors", total.tensors}, {"weights", total.weights}, {"bytes", total.bytes}});
  }
  if (const auto memory = find_memory(file)) {
    all["run"] = {{"context", memory->context},
                  {"weights_bytes", memory->weights},
                  {"cache_bytes", memory->cache},
                  {"laid_out_bytes", memory->laid_out}};
  }
  fmt::print("{}\n", all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

void add_info_command(CLI::App& app, int& status) {
  struct Arguments {
    std::string file;
    bool json = false;
  };
  auto a = std::make_shared<Arguments>();
  auto* command = app.add_subcommand("info", "what a model file holds, what is odd about it, and what a run takes");
  command->add_option("FILE", a->file, "GGUF file, or a LLaMA of 2023")->required();
  command->add_flag("--json", a->json, "for programs");
  command->callback([a, &status] {
    const GgufFile file = GgufFile::open(a->file);
    a->json ? print_info_json(file) : print_info(file);
    status = 0;
  });
}

}  // namespace assay
