#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/file_cursor.h"
#include "runner/old_ggml.h"
#include "runner/old_ggml_types.h"
#include "runner/text_encoder.h"
#include "runner/weights.h"

namespace assay {
namespace {

/// How the parts of a model share a tensor.
enum class Split { none, rows, cols };
/// What says how many rows or columns a tensor has.
enum class Size { one, embedding, vocabulary, wider, keys };

struct Name {
  const char *old, *today;
  Split split;
  Size cols, rows;
};
constexpr Name kOfModel[] = {
    {"tok_embeddings.weight", "token_embd.weight", Split::cols, Size::embedding, Size::vocabulary},
    {"norm.weight", "output_norm.weight", Split::none, Size::embedding, Size::one},
    {"output.weight", "output.weight", Split::rows, Size::embedding, Size::vocabulary}};
// Behind "layers.N." and "blk.N.".
constexpr Name kOfLayer[] = {
    {"attention.wq.weight", "attn_q.weight", Split::rows, Size::embedding, Size::embedding},
    {"attention.wk.weight", "attn_k.weight", Split::rows, Size::embedding, Size::keys},
    {"attention.wv.weight", "attn_v.weight", Split::rows, Size::embedding, Size::keys},
    {"attention.wo.weight", "attn_output.weight", Split::cols, Size::embedding, Size::embedding},
    {"attention_norm.weight", "attn_norm.weight", Split::none, Size::embedding, Size::one},
    {"feed_forward.w1.weight", "ffn_gate.weight", Split::rows, Size::embedding, Size::wider},
    {"feed_forward.w2.weight", "ffn_down.weight", Split::cols, Size::wider, Size::embedding},
    {"feed_forward.w3.weight", "ffn_up.weight", Split::rows, Size::embedding, Size::wider},
    {"ffn_norm.weight", "ffn_norm.weight", Split::none, Size::embedding, Size::one}};

[[noreturn]] void refuse(const OldFile& file, const OldTensor& tensor, const std::string& what) {
  throw InputError(
      fmt::format("{}: byte {}: tensor {}: {}; {}", file.path, tensor.at, quote(tensor.name), what, kDamagedFile));
}

struct NewName {
  std::string name;
  const Name* of;
};

NewName name_of(const OldFile& file, const OldTensor& tensor) {
  std::string_view rest = tensor.name;
  if (const auto found = std::ranges::find(kOfModel, rest, &Name::old); found != std::end(kOfModel)) {
    return {found->today, found};
  }
  if (rest.starts_with("layers.")) {
    rest.remove_prefix(7);
    uint32_t layer = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    const auto digits = static_cast<size_t>(end - rest.data());
    // 0 and not 00, so that no two names are one.
    const bool is_number = error == std::errc() && layer < file.n_layer && (digits == 1 || rest[0] != '0');
    if (is_number && rest.substr(digits).starts_with('.')) {
      const auto found = std::ranges::find(kOfLayer, rest.substr(digits + 1), &Name::old);
      if (found != std::end(kOfLayer)) {
        return {fmt::format("blk.{}.{}", layer, found->today), found};
      }
    }
  }
  refuse(file, tensor, fmt::format("is none of a LLaMA of {} layers", file.n_layer));
}

/// What the header does not say and the matrices of the first layer do.
struct Sizes {
  uint64_t wider, keys;

  explicit Sizes(const std::vector<OldFile>& parts)
      : wider(rows_of(parts, "feed_forward.w1")), keys(rows_of(parts, "attention.wk")) {}

  uint64_t of(Size size, const OldFile& file) const {
    switch (size) {
      case Size::one:
        return 1;
      case Size::embedding:
        return file.n_embd;
      case Size::vocabulary:
        return file.n_vocab;
      case Size::wider:
        return wider;
      case Size::keys:
        break;
    }
    return keys;
  }

 private:
  static uint64_t rows_of(const std::vector<OldFile>& parts, const char* name) {
    const OldFile& file = parts[0];
    const OldTensor* tensor = file.find(fmt::format("layers.0.{}.weight", name));
    if (tensor == nullptr) {
      throw InputError(fmt::format("{}: the first layer has no {}; {}", file.path, name, kDamagedFile));
    }
    constexpr uint64_t kMost = 1u << 20;
    const uint64_t rows = tensor->rows * parts.size();
    if (rows > kMost || (std::string_view(name) == "attention.wk" && rows % (file.n_embd / file.n_head) != 0)) {
      refuse(file, *tensor,
             fmt::format("its {} rows are over {}, or no whole heads of {}", rows, kMost, file.n_embd / file.n_head));
    }
    return rows;
  }
};

void expect_same_header(const OldFile& first, const OldFile& part) {
  const auto header = [](const OldFile& f) {
    return std::array<uint32_t, 9>{static_cast<uint32_t>(f.container),
                                   f.version,
                                   f.n_vocab,
                                   f.n_embd,
                                   f.n_mult,
                                   f.n_head,
                                   f.n_layer,
                                   f.n_rot,
                                   f.ftype};
  };
  if (header(first) != header(part) || first.tokens != part.tokens || first.scores != part.scores) {
    throw InputError(
        fmt::format("{}: its header or vocabulary differs from that of {}: it is a part of another model; "
                    "put the parts of one model together",
                    part.path, first.path));
  }
}

/// Where the rows of the joined tensors lie, and how much memory they took.
class Joiner {
 public:
  Joiner(const std::vector<OldFile>& parts, OldModel& model)
      : parts_(parts), sizes_(parts), planes_(find_planes(parts)), model_(model) {}

  const Sizes& sizes() const { return sizes_; }
  OldPlanes planes() const { return planes_; }

  /// The tensor of which the first file has `head`.
  void add(const OldTensor& head) {
    const auto [name, of] = name_of(parts_[0], head);
    const Split split = of->split;
    const uint64_t cols = head.cols * (split == Split::cols ? parts_.size() : 1);
    const uint64_t rows = head.rows * (split == Split::rows ? parts_.size() : 1);
    const uint64_t wanted_cols = sizes_.of(of->cols, parts_[0]);
    const uint64_t wanted_rows = sizes_.of(of->rows, parts_[0]);
    if (cols != wanted_cols || rows != wanted_rows || head.n_dims != (split == Split::none ? 1 : 2)) {
      refuse(parts_[0], head,
             fmt::format("has the shape {} x {}, with its other parts, and not {} x {}", cols, rows, wanted_cols,
                         wanted_rows));
    }
    std::vector<const OldTensor*> pieces = pieces_of(head);
    if (split == Split::none) {  // each part has all of it
      expect_equal(pieces);
      pieces.resize(1);
    }
    const OldType& type = *find_old_type(parts_[0].container, parts_[0].version, head.type, planes_);
    Tensor tensor{};
    tensor.name = name;
    tensor.type = type.becomes;
    tensor.n_dims = head.n_dims;
    tensor.ne.fill(1);
    tensor.ne[0] = cols;
    tensor.ne[1] = rows;
    uint64_t bytes = 0;
    try {
      bytes = tensor_bytes(tensor.type, tensor.shape());
    } catch (const InputError& e) {
      refuse(parts_[0], head, e.what());
    }
    tensor.n_elements = cols * rows;
    tensor.data =
        type.layout == OldLayout::same && pieces.size() == 1 ? head.data : laid_out(type, pieces, split, bytes);
    model_.tensors.push_back(std::move(tensor));
  }

 private:
  std::vector<const OldTensor*> pieces_of(const OldTensor& head) const {
    std::vector<const OldTensor*> pieces;
    for (const OldFile& part : parts_) {
      const OldTensor* piece = part.find(head.name);
      if (piece == nullptr) {
        throw InputError(fmt::format("{}: there is no tensor {}, which {} has; {}", part.path, quote(head.name),
                                     parts_[0].path, kDamagedFile));
      }
      if (piece->type != head.type || piece->n_dims != head.n_dims || piece->cols != head.cols ||
          piece->rows != head.rows) {
        refuse(part, *piece, fmt::format("its type or shape is not that of {}", parts_[0].path));
      }
      pieces.push_back(piece);
    }
    return pieces;
  }

  void expect_equal(const std::vector<const OldTensor*>& pieces) const {
    for (size_t i = 1; i < pieces.size(); ++i) {
      if (!std::ranges::equal(pieces[i]->data, pieces[0]->data)) {
        refuse(parts_[i], *pieces[i], fmt::format("each part has all of it, but not the same as {}", parts_[0].path));
      }
    }
  }

  std::span<const std::byte> laid_out(const OldType& type, const std::vector<const OldTensor*>& pieces, Split split,
                                      uint64_t bytes) {
    laid_out_bytes_ += bytes;
    const uint64_t memory = machine_memory();
    if (laid_out_bytes_ > memory) {
      throw MachineError(
          fmt::format("{}: what of it must be laid out anew takes over the {} MiB of memory of this "
                      "machine; convert it on a larger one",
                      parts_[0].path, memory >> 20));
    }
    auto to = std::make_unique_for_overwrite<std::byte[]>(bytes);
    const uint64_t rows = pieces[0]->rows;
    const uint64_t new_row = bytes / rows / pieces.size();  // of a piece
    const uint64_t old_row = old_row_bytes(type, pieces[0]->cols);
    for (size_t p = 0; p < pieces.size(); ++p) {
      for (uint64_t row = 0; row < rows; ++row) {
        const uint64_t at = split == Split::cols ? row * pieces.size() + p : p * rows + row;
        lay_out_row(type, to.get() + at * new_row, pieces[p]->data.data() + row * old_row, pieces[0]->cols);
      }
    }
    model_.memory.push_back(std::move(to));
    return {model_.memory.back().get(), bytes};
  }

  const std::vector<OldFile>& parts_;
  Sizes sizes_;
  OldPlanes planes_;
  OldModel& model_;
  uint64_t laid_out_bytes_ = 0;
};

/// SentencePiece's tokens 3 to 258 are the bytes, and files of that time have them as such; those of the first days only what is ASCII, and
/// U+FFFD for the others, as its decoder says them.
bool has_bytes(const OldFile& file, std::vector<std::string>& notes) {
  size_t lost = 0;
  for (size_t b = 0; b < 256; ++b) {
    if (file.tokens.size() < 259) {
      return false;
    }
    const bool is_lost = b >= 0x80 && file.tokens[3 + b] == "\ufffd";
    lost += is_lost;
    if (!is_lost && file.tokens[3 + b] != std::string(1, static_cast<char>(b))) {
      return false;
    }
  }
  if (lost > 0) {
    notes.push_back(
        fmt::format("the file does not say what bytes {} of tokens 3 to 258 are: taken in their order, as "
                    "SentencePiece has them",
                    lost));
  }
  return true;
}

void add_vocabulary(const OldFile& file, OldModel& model) {
  std::vector<std::string> texts = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types = {TokenType::unknown, TokenType::control, TokenType::control};
  const bool bytes = has_bytes(file, model.notes);
  for (size_t id = 3; id < file.tokens.size(); ++id) {
    const bool is_byte = bytes && id < 259;
    texts.push_back(is_byte ? fmt::format("<0x{:02X}>", id - 3) : replaced(file.tokens[id], " ", "\u2581"));
    types.push_back(is_byte ? TokenType::byte : texts.back().empty() ? TokenType::unused : TokenType::normal);
  }
  std::vector<float> scores = file.scores;
  if (scores.empty()) {
    for (int32_t id = 0; id < static_cast<int32_t>(file.tokens.size()); ++id) {
      scores.push_back(static_cast<float>(-id));
    }
    model.notes.emplace_back(
        "tokens have no scores: of two that could be joined from a text the one that stands first in the vocabulary "
        "counts more, which is what LLaMA's scores say too (alpaca.cpp and KoAlpaca.cpp took other rules)");
  }
  auto& m = model.metadata;
  m.push_back({"tokenizer.ggml.model", std::string("llama")});
  m.push_back({"tokenizer.ggml.tokens", GgufArray(std::move(texts))});
  m.push_back({"tokenizer.ggml.scores", GgufArray(std::move(scores))});
  m.push_back({"tokenizer.ggml.token_type", GgufArray(std::move(types))});
  m.push_back({"tokenizer.ggml.unknown_token_id", uint32_t{0}});
  m.push_back({"tokenizer.ggml.bos_token_id", uint32_t{1}});
  m.push_back({"tokenizer.ggml.eos_token_id", uint32_t{2}});
}

void add_sizes(const OldFile& file, const Sizes& sizes, OldModel& model) {
  const uint64_t head_size = file.n_embd / file.n_head;
  const bool is_llama2 = sizes.keys != file.n_embd;  // the only one of that time whose heads share keys has 70B weights
  const bool is_first = file.container == OldContainer::ggml;
  const float eps = is_first || is_llama2 ? 1e-5f : 1e-6f;
  const uint32_t context = is_llama2 ? 4096 : 2048;
  auto& m = model.metadata;
  m.push_back({"general.architecture", std::string("llama")});
  m.push_back({"general.file_type", file.ftype});
  m.push_back({"llama.context_length", context});
  m.push_back({"llama.embedding_length", file.n_embd});
  m.push_back({"llama.block_count", file.n_layer});
  m.push_back({"llama.feed_forward_length", static_cast<uint32_t>(sizes.wider)});
  m.push_back({"llama.attention.head_count", file.n_head});
  m.push_back({"llama.attention.head_count_kv", static_cast<uint32_t>(sizes.keys / head_size)});
  m.push_back({"llama.attention.layer_norm_rms_epsilon", eps});
  m.push_back({"llama.rope.dimension_count", file.n_rot});
  model.notes.push_back(fmt::format("the context the model was trained for is not said: taken as {}", context));
  model.notes.push_back(fmt::format("the epsilon of its norms is not said: taken as {}, as {} had it", eps,
                                    is_llama2  ? "Llama 2"
                                    : is_first ? "alpaca.cpp and KoAlpaca.cpp"
                                               : "LLaMA and llama.cpp until July 2023"));
  const uint64_t usual = (uint64_t{8} * file.n_embd / 3 + file.n_mult - 1) / file.n_mult * file.n_mult;
  if (usual != sizes.wider) {
    model.notes.push_back(
        fmt::format("the wider layer has {} rows, where n_mult {} of the header stands for {}: the "
                    "matrices are believed",
                    sizes.wider, file.n_mult, usual));
  }
}

void add_notes_of_types(const std::vector<OldFile>& parts, OldPlanes planes, OldModel& model) {
  const OldFile& file = parts[0];
  if (parts.size() > 1) {
    model.notes.push_back(fmt::format("joined from {} parts, the last of them {}", parts.size(), parts.back().path));
  }
  if (file.tokens.size() != file.n_vocab) {
    model.notes.push_back(fmt::format("the header counts {} tokens, the file holds {}: as GPT4All's files are",
                                      file.n_vocab, file.tokens.size()));
  }
  const auto has = [&](uint32_t type) {
    return std::ranges::find(file.tensors, type, &OldTensor::type) != file.tensors.end();
  };
  for (const auto& [type, in_planes] : {std::pair(2u, planes.q4_0), std::pair(3u, planes.q4_1)}) {
    if (file.container == OldContainer::ggml && has(type)) {
      model.notes.push_back(fmt::format("rows of Q4_{} lie {}, by what their scales look like", type - 2,
                                        in_planes ? "in planes" : "in blocks"));
    }
  }
  if (file.container == OldContainer::ggjt && file.version == 1 && (has(4) || has(5))) {
    model.notes.emplace_back(
        "Q4_2 and Q4_3 have no like today: as F32, which loses nothing, they take six times the memory");
  }
}

}  // namespace

OldModel old_model(const std::vector<OldFile>& parts) {
  for (const OldFile& part : parts) {
    expect_same_header(parts[0], part);
  }
  OldModel model;
  model.notes.push_back(fmt::format("a file of 2023: {}", parts[0].container_name()));
  Joiner joiner(parts, model);
  for (const OldTensor& tensor : parts[0].tensors) {
    joiner.add(tensor);
  }
  add_sizes(parts[0], joiner.sizes(), model);
  add_vocabulary(parts[0], model);
  add_notes_of_types(parts, joiner.planes(), model);
  return model;
}

}  // namespace assay
