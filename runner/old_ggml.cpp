#include "runner/old_ggml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/file_cursor.h"
#include "runner/old_ggml_types.h"

namespace assay {
namespace {

// The first four bytes as a little-endian number.
constexpr uint32_t kMagicGgml = 0x67676d6c;  // "lmgg" in the file
constexpr uint32_t kMagicGgmf = 0x67676d66;
constexpr uint32_t kMagicGgjt = 0x67676a74;
constexpr uint32_t kMagicAdapter = 0x67676c61;  // ggla

// Far above what LLaMA had. No file of that time has a type of file beyond 18, the K-quants' last.
constexpr uint32_t kMostTokens = 1u << 18, kMostWidth = 1u << 20, kMostLayers = 256, kLastFileType = 18;
constexpr uint32_t kMostTokenBytes = 1024, kMostParts = 64;
constexpr uint64_t kDataAlignment = 32;  // of ggjt, in the file

constexpr const char* kNoModel = "give a LLaMA of 2023 (other models of that time had other headers) or a GGUF file";

uint32_t magic_of(std::span<const std::byte> bytes) {
  uint32_t magic = 0;
  if (bytes.size() >= sizeof magic) {
    std::memcpy(&magic, bytes.data(), sizeof magic);
  }
  return magic;
}

void read_container(FileCursor& cursor, OldFile& file) {
  const auto magic = cursor.number<uint32_t>("magic");
  if (magic == kMagicAdapter) {
    cursor.fail(0, "magic", "this is a LoRA adapter of 2023, no model",
                "give a model into which the adapter was merged");
  }
  file.container = magic == kMagicGgml   ? OldContainer::ggml
                   : magic == kMagicGgmf ? OldContainer::ggmf
                                         : OldContainer::ggjt;
  if (file.container == OldContainer::ggml) {
    return;
  }
  file.version = cursor.number<uint32_t>("version");
  const uint32_t last = file.container == OldContainer::ggmf ? 1 : 3;
  if (file.version < 1 || file.version > last) {
    cursor.fail(4, "version", fmt::format("{} is not 1{}", file.version, last == 1 ? "" : ", 2 or 3"));
  }
}

void read_header(FileCursor& cursor, OldFile& file) {
  const auto read = [&](const char* what, uint32_t least, uint32_t most) {
    const uint64_t at = cursor.offset();
    const auto value = cursor.number<uint32_t>(what);
    if (value < least || value > most) {
      cursor.fail(at, what, fmt::format("{} is not {} to {}", value, least, most), kNoModel);
    }
    return value;
  };
  file.n_vocab = read("n_vocab", 3, kMostTokens);
  file.n_embd = read("n_embd", 1, kMostWidth);
  file.n_mult = read("n_mult", 1, kMostWidth);
  const uint64_t heads_at = cursor.offset();
  file.n_head = read("n_head", 1, kMostWidth);
  if (file.n_embd % file.n_head != 0) {
    cursor.fail(heads_at, "n_head", fmt::format("{} does not divide n_embd {}", file.n_head, file.n_embd), kNoModel);
  }
  file.n_layer = read("n_layer", 1, kMostLayers);
  const uint64_t turned_at = cursor.offset();
  file.n_rot = read("n_rot", 1, kMostWidth);
  if (file.n_rot != file.n_embd / file.n_head) {
    cursor.fail(turned_at, "n_rot",
                fmt::format("{} is not {}, n_embd / n_head, as LLaMA has it", file.n_rot, file.n_embd / file.n_head),
                kNoModel);
  }
  file.ftype = read("ftype", 0, kLastFileType);
}

/// Whether a tensor's record begins here: the numbers before its name, and a name that LLaMA's first tensors have.
bool begins_record(FileCursor cursor) {
  constexpr std::string_view kFirst[] = {"tok_embeddings.weight", "norm.weight", "output.weight"};
  if (cursor.left() < 12) {
    return false;
  }
  const auto n_dims = cursor.number<uint32_t>("");
  const auto name_bytes = cursor.number<uint32_t>("");
  cursor.number<uint32_t>("");  // the type
  if (n_dims < 1 || n_dims > 2 || name_bytes > kGgufMaxNameBytes || cursor.left() < 4 * n_dims + name_bytes) {
    return false;
  }
  cursor.take(4 * uint64_t{n_dims}, "");
  const auto name = cursor.take(name_bytes, "");
  return std::ranges::find(kFirst, std::string_view(reinterpret_cast<const char*>(name.data()), name.size())) !=
         std::end(kFirst);
}

void read_vocabulary(FileCursor& cursor, OldFile& file) {
  const bool has_scores = file.container != OldContainer::ggml;
  for (uint32_t id = 0; id < file.n_vocab; ++id) {
    // GPT4All of April 2023 has 32001 rows in its matrices and in the header, and holds 32000 tokens.
    if (!has_scores && id + 1 == file.n_vocab && begins_record(cursor)) {
      return;
    }
    const std::string what = fmt::format("token {}", id);
    const uint64_t at = cursor.offset();
    const auto length = cursor.number<uint32_t>(what);
    if (length > kMostTokenBytes) {
      cursor.fail(at, what, fmt::format("its {} bytes are over the limit of {}", length, kMostTokenBytes), kNoModel);
    }
    const auto text = cursor.take(length, what);
    file.tokens.emplace_back(reinterpret_cast<const char*>(text.data()), text.size());
    if (has_scores) {
      file.scores.push_back(cursor.number<float>(what));
      if (std::isnan(file.scores.back())) {
        cursor.fail(cursor.offset() - 4, what, "its score is no number");
      }
    }
  }
}

OldTensor read_record(FileCursor& cursor, const OldFile& file) {
  OldTensor tensor{};
  tensor.at = cursor.offset();
  const std::string place = fmt::format("tensor number {}", file.tensors.size());
  tensor.n_dims = cursor.number<uint32_t>(place);
  const auto name_bytes = cursor.number<uint32_t>(place);
  tensor.type = cursor.number<uint32_t>(place);
  if (tensor.n_dims < 1 || tensor.n_dims > 2) {
    cursor.fail(tensor.at, place, fmt::format("has {} dimensions, not 1 or 2", tensor.n_dims));
  }
  if (name_bytes < 1 || name_bytes > kGgufMaxNameBytes) {
    cursor.fail(tensor.at + 4, place, fmt::format("its name has {} bytes, not 1 to {}", name_bytes, kGgufMaxNameBytes));
  }
  tensor.cols = cursor.number<uint32_t>(place);
  tensor.rows = tensor.n_dims == 2 ? cursor.number<uint32_t>(place) : 1;
  const auto name = cursor.take(name_bytes, place);
  tensor.name.assign(reinterpret_cast<const char*>(name.data()), name.size());
  const std::string what = "tensor " + quote(tensor.name);
  if (file.find(tensor.name) != nullptr) {
    cursor.fail(tensor.at, what, "occurs twice");
  }
  const OldType* type = find_old_type(file.container, file.version, tensor.type);
  if (type == nullptr) {
    cursor.fail(tensor.at + 8, what, fmt::format("a file of {} has no type {}", file.container_name(), tensor.type));
  }
  if (tensor.cols == 0 || tensor.rows == 0 || tensor.cols % type->elements != 0) {
    cursor.fail(tensor.at + 12, what,
                fmt::format("{} x {} is no shape of type {}, of blocks of {}", tensor.cols, tensor.rows, type->name,
                            type->elements));
  }
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(old_row_bytes(*type, tensor.cols), tensor.rows, &bytes) || bytes > INT64_MAX) {
    cursor.fail(tensor.at + 12, what, fmt::format("the size of {} x {} overflows", tensor.cols, tensor.rows));
  }
  if (file.container == OldContainer::ggjt) {
    cursor.take((kDataAlignment - cursor.offset() % kDataAlignment) % kDataAlignment, what);
  }
  tensor.data = cursor.take(bytes, what);
  return tensor;
}

}  // namespace

bool is_old_ggml(std::span<const std::byte> bytes) {
  const uint32_t magic = magic_of(bytes);
  return magic == kMagicGgml || magic == kMagicGgmf || magic == kMagicGgjt || magic == kMagicAdapter;
}

const OldTensor* OldFile::find(std::string_view name) const {
  const auto found = std::ranges::find(tensors, name, &OldTensor::name);
  return found == tensors.end() ? nullptr : &*found;
}

std::string OldFile::container_name() const {
  switch (container) {
    case OldContainer::ggml:
      return "ggml, which has no version";
    case OldContainer::ggmf:
      return fmt::format("ggmf v{}", version);
    case OldContainer::ggjt:
      break;
  }
  return fmt::format("ggjt v{}", version);
}

OldFile read_old_file(std::string path, std::span<const std::byte> bytes) {
  OldFile file{};
  file.path = std::move(path);
  FileCursor cursor(file.path, bytes);
  read_container(cursor, file);
  read_header(cursor, file);
  read_vocabulary(cursor, file);
  // LLaMA's: so that names that are looked for one by one stay few.
  const size_t most = 3 + 9 * size_t{file.n_layer};
  while (cursor.left() > 0) {
    if (file.tensors.size() == most) {
      cursor.fail(cursor.offset(), "end of the model",
                  fmt::format("{} bytes follow the {} tensors of {} layers", cursor.left(), most, file.n_layer));
    }
    file.tensors.push_back(read_record(cursor, file));
  }
  if (file.tensors.size() != most) {
    cursor.fail(
        cursor.offset(), "end of the file",
        fmt::format("there are {} tensors, and a model of {} layers has {}", file.tensors.size(), file.n_layer, most));
  }
  return file;
}

uint64_t old_parts(const OldFile& first) {
  const OldTensor* embedding = first.find("tok_embeddings.weight");
  if (embedding == nullptr) {
    throw InputError(fmt::format("{}: there is no tensor 'tok_embeddings.weight'; {}", first.path, kDamagedFile));
  }
  const uint64_t parts = first.n_embd / embedding->cols;
  if (parts < 1 || parts > kMostParts || first.n_embd % embedding->cols != 0 ||
      (parts > 1 && first.container == OldContainer::ggjt)) {
    throw InputError(
        fmt::format("{}: byte {}: tensor 'tok_embeddings.weight': its {} columns are not the {} of n_embd{}; {}",
                    first.path, embedding->at, embedding->cols, first.n_embd,
                    first.container == OldContainer::ggjt ? "" : ", nor those of one of up to 64 parts", kDamagedFile));
  }
  return parts;
}

std::string old_part_path(const std::string& first, uint64_t number) { return fmt::format("{}.{}", first, number); }

}  // namespace assay
