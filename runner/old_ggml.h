#pragma once
// Model files of ggml from March to August 2023, before GGUF: the containers `ggml`, `ggmf` and `ggjt`, in which llama.cpp, alpaca.cpp and
// KoAlpaca.cpp kept LLaMA. A header of seven numbers, the vocabulary, then one record a tensor.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runner/gguf.h"

namespace assay {

/// `ggml` has no version (0), `ggmf` has version 1, `ggjt` 1 to 3.
enum class OldContainer { ggml, ggmf, ggjt };

/// A tensor of one file, as it stands there.
struct OldTensor {
  std::string name;
  uint32_t type;  ///< the number of that time
  uint32_t n_dims;
  uint64_t cols, rows;  ///< a vector has one row
  std::span<const std::byte> data;
  uint64_t at;  ///< where its record begins in the file
};

/// One file: the whole model, or one of its parts.
struct OldFile {
  std::string path;
  OldContainer container;
  uint32_t version;
  uint32_t n_vocab, n_embd, n_mult, n_head, n_layer, n_rot, ftype;  ///< the header, in its order
  std::vector<std::string> tokens;                                  ///< n_vocab, or one less: see read_old_file
  std::vector<float> scores;                                        ///< none in `ggml`
  std::vector<OldTensor> tensors;

  const OldTensor* find(std::string_view name) const;
  std::string container_name() const;  ///< "ggjt v1"
};

/// Whether a file with these first bytes is one of them, or an adapter of that time.
bool is_old_ggml(std::span<const std::byte> bytes);

/// Reads and checks a file as far as it can be by itself. The tensors' data are spans of `bytes`. Some files of GPT4All count a token that
/// they do not hold: it is left out. Throws InputError that names the byte.
OldFile read_old_file(std::string path, std::span<const std::byte> bytes);

/// What the matrix of the embedding, of which each part has some columns, says about how many parts the model has. Throws InputError.
uint64_t old_parts(const OldFile& first);
/// MODEL.bin.1 for number 1; the first is MODEL.bin itself.
std::string old_part_path(const std::string& first, uint64_t number);

/// The model with GGUF's keys, names and types of tensors.
struct OldModel {
  std::vector<GgufKeyValue> metadata;
  std::vector<Tensor>
      tensors;  ///< their data are spans of the file where a format of today has its layout, else of `memory`
  std::vector<std::unique_ptr<std::byte[]>> memory;
  std::vector<std::string> notes;  ///< what such files do not say, and what was taken for it
};

/// Of all its parts, in their order. Nothing is rounded. Throws InputError naming the file and the tensor where they do not fit together,
/// and MachineError where what must be laid out anew is more than this machine's memory.
OldModel old_model(const std::vector<OldFile>& parts);

}  // namespace assay
