#include "runner/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/byte_pairs.h"
#include "runner/longest_match.h"
#include "runner/sentence_pieces.h"

namespace assay {
namespace {

/// Texts of tokens that end an answer, which files do not always say: llama.cpp's list.
constexpr std::string_view kEnds[] = {
    "<|eot_id|>", "<|im_end|>",    "<|end|>",       "<|return|>", "<|call|>",        "<|flush|>",
    "<|calls|>",  "<end_of_turn>", "<|endoftext|>", "</s>",       "<eos>",           "<|eom_id|>",
    "<EOT>",      "_<EOT>",        "[EOT]",         "[EOS]",      "<|end_of_text|>", "<end_of_utterance>",
};

constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";

/// Some files say of "<|im_start|>" that it was added for what texts say, but nobody's text is to begin a turn.
bool looks_like_control(std::string_view text) {
  return (text.starts_with("<|") && text.ends_with("|>")) || (text.starts_with("<｜") && text.ends_with("｜>")) ||
         text == "<start_of_turn>";
}

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

std::string key_of(const std::string& name) { return fmt::format("tokenizer.ggml.{}_token_id", name); }

/// What the file says of each, by its key.
SpecialIds special_ids(const GgufFile& file) {
  const size_t n_tokens = file.strings("tokenizer.ggml.tokens").size();
  SpecialIds ids;
  for (const auto& [key, value] : file.metadata()) {
    if (key.starts_with("tokenizer.ggml.") && key.ends_with("_token_id")) {
      if (const auto id = special_token(file, key, n_tokens)) {
        ids[key] = *id;
      }
    }
  }
  return ids;
}

std::optional<int32_t> find_id(const SpecialIds& ids, const std::string& name) {
  const auto found = ids.find(key_of(name));
  return found == ids.end() ? std::nullopt : std::optional(found->second);
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

Tokenizer::Tokenizer(const GgufFile& file, std::optional<PieceRule> rule) {
  const std::string& model = file.string("tokenizer.ggml.model");
  if (model != "gpt2" && model != "llama") {
    throw InputError(fmt::format("{}: tokenizer.ggml.model is {}; the runner knows gpt2 and llama: give another model",
                                 file.path(), quote(model)));
  }
  if (rule && model != "llama") {
    throw InputError(fmt::format(
        "{}: tokenizer.ggml.model is {}, and --tokenizer is a choice for sentence pieces, llama: leave it out",
        file.path(), quote(model)));
  }
  SpecialIds ids = special_ids(file);
  const TokenTable table = read_table(file, find_id(ids, "eos"));
  bool begins_texts = true;
  if (model == "llama") {
    // What sentence pieces have where a file does not say it.
    for (const auto& [name, id] : {std::pair("unknown", 0), std::pair("bos", 1), std::pair("eos", 2)}) {
      if (file.find(key_of(name)) == nullptr && static_cast<size_t>(id) < table.texts.size()) {
        ids.emplace(key_of(name), id);
      }
    }
    takes_longest_ = rule == PieceRule::longest_match;
    if (takes_longest_) {
      encoder_ = std::make_unique<LongestMatch>(table);
    } else {
      encoder_ = std::make_unique<SentencePieces>(file, table, find_id(ids, "unknown"));
    }
  } else {
    auto pairs = std::make_unique<BytePairs>(file, table);
    begins_texts = pairs->pre().begins_texts;
    encoder_ = std::move(pairs);
  }
  read_special_tokens(file, table, ids, begins_texts);
}

void Tokenizer::read_special_tokens(const GgufFile& file, const TokenTable& table, const SpecialIds& ids,
                                    bool begins_texts) {
  const auto added = [&](const std::string& name, bool usually) -> std::optional<int32_t> {
    const std::string flag = fmt::format("tokenizer.ggml.add_{}_token", name);
    const auto said = file.find_boolean(flag);
    const auto id = find_id(ids, name);
    if (!said.value_or(usually) || (!said && !id)) {
      return std::nullopt;
    }
    if (!id) {
      throw InputError(
          fmt::format("{}: {} is true, but {} names no token; {}", file.path(), flag, key_of(name), kReconvert));
    }
    return id;
  };
  eos_ = find_id(ids, "eos");
  for (const char* name : {"eos", "eot", "eom"}) {
    if (const auto id = find_id(ids, name)) {
      ends_.insert(*id);
    }
  }
  before_ = added("bos", begins_texts);
  after_ = added("eos", false);
  // Its tokenizer says so of its added tokens (rstrip), which no key of a file does.
  const std::string* architecture = file.find_string("general.architecture");
  const bool is_phi3 =
      architecture != nullptr && *architecture == "phi3" && file.string("tokenizer.ggml.model") == "llama";
  std::vector<SpecialToken> special;
  for (size_t i = 0; i < table.texts.size(); ++i) {
    const std::string& text = table.texts[i];
    const auto id = static_cast<int32_t>(i);
    const int32_t type = table.types[i];
    if (std::ranges::find(kEnds, text) != std::end(kEnds) && type != TokenType::normal) {
      ends_.insert(id);
    }
    const bool is_control = type == TokenType::control || type == TokenType::unknown;
    if (text.empty() || (!is_control && type != TokenType::user_defined)) {
      continue;
    }
    if (text.size() > kLongestSearched) {
      throw InputError(fmt::format("{}: token {}, {}, is special and has {} bytes, over the limit of {}; {}",
                                   file.path(), id, quote(text), text.size(), kLongestSearched, kReconvert));
    }
    if (is_phi3 && text != "<unk>" && text != "<s>" && text != "<|endoftext|>") {
      strips_.insert(id);
    }
    special.push_back({text, id, !is_control && !ends_.contains(id) && !looks_like_control(text)});
  }
  special_ = SpecialTokens(std::move(special));
}

std::vector<int32_t> Tokenizer::encode(std::span<const TextPart> parts) const {
  std::string joined;  // not of one part alone, which may be large
  if (parts.size() != 1) {
    for (const TextPart& part : parts) {
      joined += part.text;
    }
  }
  const std::string_view text = parts.size() == 1 ? parts[0].text : joined;
  std::vector<int32_t> ids;
  size_t at = 0;
  bool begins = true;
  const auto encode_up_to = [&](size_t end) {
    if (at < end) {
      encoder_->encode(text.substr(at, end - at), begins, ids);
      begins = false;
    }
  };
  bool strips = false;
  const auto strip_up_to = [&](size_t end) {
    while (strips && at < end && kWhiteSpace.find(text[at]) != std::string_view::npos) {
      ++at;
    }
  };
  for (const SpecialTokens::Place& place : special_.find(text, parts)) {
    strip_up_to(place.at);
    encode_up_to(place.at);
    ids.push_back(place.id);
    at = place.at + place.bytes;
    strips = strips_.contains(place.id);
    begins = true;
  }
  strip_up_to(text.size());
  encode_up_to(text.size());
  return ids;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  const TextPart part{text, false};
  return encode(std::span(&part, 1));
}

/// Between the tokens that a text begins and ends with.
std::vector<int32_t> Tokenizer::as_whole_text(std::vector<int32_t> ids) const {
  if (before_) {
    ids.insert(ids.begin(), *before_);
  }
  if (after_) {
    ids.push_back(*after_);
  }
  return ids;
}

std::vector<int32_t> Tokenizer::encode_text(std::string_view text) const { return as_whole_text(encode(text)); }

std::vector<int32_t> Tokenizer::encode_prompt(std::string_view text) const {
  return as_whole_text(encode_marked(text));
}

std::vector<int32_t> Tokenizer::encode_marked(std::string_view text) const {
  const TextPart part{text, true};
  return encode(std::span(&part, 1));
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
