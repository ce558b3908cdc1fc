#include "runner/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/byte_pairs.h"
#include "runner/sentence_pieces.h"

namespace assay {
namespace {

constexpr const char* kReconvert = "re-convert the model";

/// Texts of tokens that end an answer, which files do not always say: llama.cpp's list.
constexpr std::string_view kEnds[] = {
    "<|eot_id|>", "<|im_end|>",    "<|end|>",       "<|return|>", "<|call|>",        "<|flush|>",
    "<|calls|>",  "<end_of_turn>", "<|endoftext|>", "</s>",       "<eos>",           "<|eom_id|>",
    "<EOT>",      "_<EOT>",        "[EOT]",         "[EOS]",      "<|end_of_text|>", "<end_of_utterance>",
};

/// The token that a key names. Writers that have none leave the key out, or write -1 as 32 bits, with a sign or without.
std::optional<int32_t> special_token(const GgufFile& file, const std::string& key, size_t n_tokens) {
  const GgufValue* value = file.find(key);
  const auto* signed_id = value == nullptr ? nullptr : std::get_if<int32_t>(value);
  const auto* unsigned_id = value == nullptr ? nullptr : std::get_if<uint32_t>(value);
  if (value == nullptr || (signed_id != nullptr && *signed_id == -1) ||
      (unsigned_id != nullptr && *unsigned_id == UINT32_MAX)) {
    return std::nullopt;
  }
  const int64_t id = file.find_i32(key).value_or(-1);
  if (id < 0 || static_cast<size_t>(id) >= n_tokens) {
    throw InputError(
        fmt::format("{}: {} is {}, but there are {} tokens; {}", file.path(), key, id, n_tokens, kReconvert));
  }
  return static_cast<int32_t>(id);
}

TokenTable read_table(const GgufFile& file, std::optional<int32_t> eos) {
  TokenTable table{file.path(), file.strings("tokenizer.ggml.tokens"), {}};
  if (const auto types = file.find_i32s("tokenizer.ggml.token_type")) {
    table.types = *types;
  } else {
    table.types.assign(table.texts.size(), TokenType::normal);
    if (eos) {
      table.types[static_cast<size_t>(*eos)] = TokenType::control;
    }
  }
  if (table.types.size() != table.texts.size()) {
    throw InputError(fmt::format("{}: tokenizer.ggml.token_type has {} entries for {} tokens; {}", file.path(),
                                 table.types.size(), table.texts.size(), kReconvert));
  }
  return table;
}

}  // namespace

std::unordered_map<std::string_view, int32_t> TokenTable::index() const {
  std::unordered_map<std::string_view, int32_t> ids;
  int32_t next = 0;
  for (const auto& token : texts) {
    const int32_t id = next++;
    // A place that stands for no text, of which there may be several.
    if (token.empty()) {
      continue;
    }
    const auto [other, added] = ids.emplace(token, id);
    if (!added) {
      throw InputError(
          fmt::format("{}: tokens {} and {} are both {}; {}", file, other->second, id, quote(token), kReconvert));
    }
  }
  return ids;
}

Tokenizer::Tokenizer(const GgufFile& file) {
  const std::string& model = file.string("tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama") {
    throw InputError(fmt::format("{}: tokenizer.ggml.model is {}; the runner knows gpt2 and llama: give another model",
                                 file.path(), quote(model)));
  }
  const bool is_sentence_pieces = model == "llama";
  const size_t n_tokens = file.strings("tokenizer.ggml.tokens").size();
  const TokenTable table = read_table(file, special_token(file, "tokenizer.ggml.eos_token_id", n_tokens));
  bool begins_texts = is_sentence_pieces;
  if (is_sentence_pieces) {
    auto unknown = special_token(file, "tokenizer.ggml.unknown_token_id", n_tokens);
    if (!unknown && file.find("tokenizer.ggml.unknown_token_id") == nullptr && n_tokens > 0) {
      unknown = 0;
    }
    encoder_ = std::make_unique<SentencePieces>(file, table, unknown);
  } else {
    auto pairs = std::make_unique<BytePairs>(file, table);
    begins_texts = pairs->pre().begins_texts;
    encoder_ = std::move(pairs);
  }
  read_special_tokens(file, table, is_sentence_pieces, begins_texts);
}

void Tokenizer::read_special_tokens(const GgufFile& file, const TokenTable& table, bool is_sentence_pieces,
                                    bool begins_texts) {
  const size_t n_tokens = table.texts.size();
  std::map<std::string, int32_t> ids;
  for (const auto& [key, value] : file.metadata()) {
    if (key.starts_with("tokenizer.ggml.") && key.ends_with("_token_id")) {
      if (const auto id = special_token(file, key, n_tokens)) {
        ids[key] = *id;
      }
    }
  }
  const auto find = [&](const std::string& key) {
    const auto it = ids.find(key);
    return it == ids.end() ? std::nullopt : std::optional(it->second);
  };
  // What sentence pieces have where a file does not say it.
  const std::pair<const char*, int32_t> usual[] = {{"tokenizer.ggml.bos_token_id", 1},
                                                   {"tokenizer.ggml.eos_token_id", 2}};
  for (const auto& [key, id] : usual) {
    if (is_sentence_pieces && file.find(key) == nullptr && static_cast<size_t>(id) < n_tokens) {
      ids.emplace(key, id);
    }
  }
  const auto added = [&](const std::string& flag, const std::string& key, bool usually) -> std::optional<int32_t> {
    const auto said = file.find_boolean(flag);
    const auto id = find(key);
    if (!said.value_or(usually) || (!said && !id)) {
      return std::nullopt;
    }
    if (!id) {
      throw InputError(fmt::format("{}: {} is true, but {} names no token; {}", file.path(), flag, key, kReconvert));
    }
    return id;
  };
  eos_ = find("tokenizer.ggml.eos_token_id");
  for (const char* name : {"eos", "eot", "eom"}) {
    if (const auto id = find(fmt::format("tokenizer.ggml.{}_token_id", name))) {
      ends_.insert(*id);
    }
  }
  before_ = added("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id", begins_texts);
  after_ = added("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id", false);
  for (size_t i = 0; i < n_tokens; ++i) {
    const int32_t type = table.types[i];
    if (std::ranges::find(kEnds, table.texts[i]) != std::end(kEnds) && type != TokenType::normal) {
      ends_.insert(static_cast<int32_t>(i));
    }
    const bool is_special = type == TokenType::control || type == TokenType::unknown || type == TokenType::user_defined;
    if (is_special && !table.texts[i].empty()) {
      special_.emplace_back(table.texts[i], static_cast<int32_t>(i));
    }
  }
  std::ranges::stable_sort(special_, [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<int32_t> ids;
  if (!text.empty()) {
    encoder_->encode(text, true, ids);
  }
  return ids;
}

std::vector<int32_t> Tokenizer::encode_prompt(std::string_view text) const {
  struct Part {
    std::string_view text;
    int32_t token = -1;  ///< a special one; -1: it is text
  };
  std::vector<Part> parts = {{text}};
  for (const auto& [special, id] : special_) {
    if (text.find(special) == std::string_view::npos) {
      continue;
    }
    std::vector<Part> finer;
    for (Part part : parts) {
      size_t at = 0;
      while (part.token < 0 && (at = part.text.find(special)) != std::string_view::npos) {
        finer.push_back({part.text.substr(0, at)});
        finer.push_back({special, id});
        part.text.remove_prefix(at + special.size());
      }
      finer.push_back(part);
    }
    parts = std::move(finer);
  }
  std::vector<int32_t> ids;
  if (before_) {
    ids.push_back(*before_);
  }
  bool begins = true;
  for (const Part& part : parts) {
    if (part.token >= 0) {
      ids.push_back(part.token);
      begins = true;
    } else if (!part.text.empty()) {
      encoder_->encode(part.text, begins, ids);
      begins = false;
    }
  }
  if (after_) {
    ids.push_back(*after_);
  }
  return ids;
}

const std::string& Tokenizer::decode_piece(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= size()) {
    throw InputError(
        fmt::format("token {} is not in the vocabulary of {}; give a token in [0, {})", id, size(), size()));
  }
  return encoder_->pieces()[static_cast<size_t>(id)];
}

std::string TextStream::add(std::string_view piece) {
  kept_ += piece;
  // Where the last character begins, if it is not finished: at most three bytes of one of four.
  size_t end = kept_.size();
  for (size_t n = 1; n <= std::min<size_t>(kept_.size(), 3); ++n) {
    const auto byte = static_cast<unsigned char>(kept_[kept_.size() - n]);
    if ((byte & 0xc0) == 0x80) {
      continue;
    }
    const size_t wanted = byte >= 0xf0 && byte < 0xf8   ? 4
                          : byte >= 0xe0 && byte < 0xf0 ? 3
                          : byte >= 0xc2 && byte < 0xe0 ? 2
                                                        : 1;
    end = wanted > n ? kept_.size() - n : end;
    break;
  }
  std::string whole = kept_.substr(0, end);
  kept_.erase(0, end);
  return whole;
}

std::string TextStream::finish() {
  const std::string rest = kept_.empty() ? "" : "\ufffd";
  kept_.clear();
  return rest;
}

}  // namespace assay
