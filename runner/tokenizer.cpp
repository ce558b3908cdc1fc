#include "runner/tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <pcre2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <queue>
#include <unordered_map>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

constexpr const char* kReconvert = "re-convert the model";

/// The values of tokenizer.ggml.token_type (ggml's `enum llama_token_type`) that mean something
/// here.
constexpr int32_t kNormalToken = 1;
constexpr int32_t kUnknownToken = 2;
constexpr int32_t kControlToken = 3;
constexpr int32_t kUserToken = 4;
constexpr int32_t kUnusedToken = 5;

/// The pattern of GPT-2's encoder.py. It says \s, which there is Unicode's White_Space; PCRE2's \s
/// would also take U+180E.
constexpr const char* kPattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+)"
                                 R"(|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)";

struct PcreFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

std::string pcre_message(int error) {
  std::array<PCRE2_UCHAR, 256> text{};
  pcre2_get_error_message(error, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

const pcre2_code* gpt2_pattern() {
  static const std::unique_ptr<pcre2_code, PcreFree> pattern = [] {
    int error = 0;
    size_t offset = 0;
    pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(kPattern), PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED, &error, &offset, nullptr);
    if (code == nullptr) {
      throw MachineError(fmt::format("PCRE2 rejects GPT-2's pattern at {}: {}; use PCRE2 10.40 or newer", offset,
                                     pcre_message(error)));
    }
    return std::unique_ptr<pcre2_code, PcreFree>(code);
  }();
  return pattern.get();
}

/// GPT-2 writes a byte as a printable character: itself where Latin-1 has one, and the others, in
/// order, as U+0100 and on (bytes_to_unicode of its encoder.py).
struct ByteAlphabet {
  std::array<uint32_t, 256> code{};
  std::array<int, 0x144> byte{};  ///< -1: no byte is written so

  ByteAlphabet() {
    byte.fill(-1);
    uint32_t other = 0x100;
    for (uint32_t b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xff && b != 0xad);
      code[b] = printable ? b : other++;
      byte[code[b]] = static_cast<int>(b);
    }
  }
};

const ByteAlphabet& byte_alphabet() {
  static const ByteAlphabet alphabet;
  return alphabet;
}

/// The bytes that a token of the vocabulary stands for.
std::optional<std::string> token_bytes(std::string_view token) {
  const auto& alphabet = byte_alphabet();
  std::string bytes;
  while (!token.empty()) {
    const Character c = first_character(token);
    if (c.length == 0 || c.code >= alphabet.byte.size() || alphabet.byte[c.code] < 0) {
      return std::nullopt;
    }
    bytes += static_cast<char>(alphabet.byte[c.code]);
    token.remove_prefix(c.length);
  }
  return bytes;
}

uint64_t pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint64_t>(right);
}

std::unordered_map<std::string_view, int32_t> index_tokens(const GgufFile& file) {
  std::unordered_map<std::string_view, int32_t> ids;
  int32_t next = 0;
  for (const auto& token : file.strings("tokenizer.ggml.tokens")) {
    const int32_t id = next++;
    // A place that stands for no text, of which there may be several.
    if (token.empty()) {
      continue;
    }
    const auto [other, added] = ids.emplace(token, id);
    if (!added) {
      throw InputError(fmt::format("{}: tokens {} and {} are both {}; {}", file.path(), other->second, id, quote(token),
                                   kReconvert));
    }
  }
  return ids;
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

void append_pieces(std::string_view valid, pcre2_match_data* match, std::vector<std::string_view>& pieces) {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(valid.data());
  for (size_t at = 0; at < valid.size();) {
    const int found = pcre2_match(gpt2_pattern(), subject, valid.size(), at, PCRE2_NO_UTF_CHECK, match, nullptr);
    const size_t end = found > 0 ? pcre2_get_ovector_pointer(match)[1] : at;
    if (end <= at) {  // the pattern takes any character, so this is a limit of PCRE2
      throw InputError(fmt::format("cannot split the text at byte {}: {}; shorten the text", at, pcre_message(found)));
    }
    pieces.push_back(valid.substr(at, end - at));
    at = end;
  }
}

}  // namespace

std::vector<std::string_view> gpt2_pieces(std::string_view text) {
  const std::unique_ptr<pcre2_match_data, PcreFree> match(
      pcre2_match_data_create_from_pattern(gpt2_pattern(), nullptr));
  if (match == nullptr) {
    throw std::bad_alloc();
  }
  // Each run of valid characters is matched without PCRE2's own UTF check, which would read the
  // rest of the text again for every piece.
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    size_t valid = 0;
    for (size_t n; (n = first_character(text.substr(valid)).length) != 0;) {
      valid += n;
    }
    append_pieces(text.substr(0, valid), match.get(), pieces);
    text.remove_prefix(valid);
    size_t invalid = 0;
    while (invalid < text.size() && first_character(text.substr(invalid)).length == 0) {
      ++invalid;
    }
    if (invalid > 0) {
      pieces.push_back(text.substr(0, invalid));
      text.remove_prefix(invalid);
    }
  }
  return pieces;
}

Tokenizer::Tokenizer(const GgufFile& file) {
  const std::string& model = file.string("tokenizer.ggml.model");
  const std::string* pre = file.find_string("tokenizer.ggml.pre");
  if (model != "gpt2" || (pre != nullptr && *pre != "gpt-2")) {
    throw InputError(
        fmt::format("{}: tokenizer.ggml.model is {} and tokenizer.ggml.pre is {}, not 'gpt2' and 'gpt-2'; "
                    "give a GPT-2 model",
                    file.path(), quote(model), pre == nullptr ? "missing" : quote(*pre)));
  }
  read_special_tokens(file);
  read_tokens(file);
  read_merges(file, index_tokens(file));
}

void Tokenizer::read_special_tokens(const GgufFile& file) {
  const size_t n_tokens = file.strings("tokenizer.ggml.tokens").size();
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
  const auto added = [&](const std::string& flag, const std::string& key) -> std::optional<int32_t> {
    if (!file.find_boolean(flag).value_or(false)) {
      return std::nullopt;
    }
    const auto id = find(key);
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
  before_ = added("tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id");
  after_ = added("tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id");
}

void Tokenizer::read_tokens(const GgufFile& file) {
  const auto& tokens = file.strings("tokenizer.ggml.tokens");
  const auto types = file.find_i32s("tokenizer.ggml.token_type");
  if (types && types->size() != tokens.size()) {
    throw InputError(fmt::format("{}: tokenizer.ggml.token_type has {} entries for {} tokens; {}", file.path(),
                                 types->size(), tokens.size(), kReconvert));
  }

  byte_ids_.fill(-1);
  pieces_.resize(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const int32_t type = types ? (*types)[i] : kNormalToken;
    if (type == kControlToken || type == kUnknownToken || (!types && eos_ == id)) {
      continue;
    }
    // A user's token was added to the vocabulary as it is.
    auto bytes = type == kUserToken ? tokens[i] : token_bytes(tokens[i]);
    if (!bytes && type == kUnusedToken) {
      continue;  // what fills the vocabulary up may be called anything
    }
    if (!bytes) {
      throw InputError(fmt::format("{}: token {}, {}, is not in GPT-2's alphabet of bytes; {}", file.path(), i,
                                   quote(tokens[i]), kReconvert));
    }
    if (bytes->size() == 1 && type != kUserToken) {
      byte_ids_[static_cast<unsigned char>(bytes->front())] = id;
    }
    pieces_[i] = *std::move(bytes);
  }
  for (size_t b = 0; b < byte_ids_.size(); ++b) {
    if (byte_ids_[b] < 0) {
      throw InputError(
          fmt::format("{}: tokenizer.ggml.tokens has no token for byte 0x{:02x}; {}", file.path(), b, kReconvert));
    }
  }
}

/// Without merges nothing would ever be encoded as these, and the model has seen little else.
void Tokenizer::refuse_longer_tokens(const GgufFile& file) const {
  const auto types = file.find_i32s("tokenizer.ggml.token_type");
  for (size_t i = 0; i < pieces_.size(); ++i) {
    if (pieces_[i].size() > 1 && (!types || (*types)[i] == kNormalToken)) {
      throw InputError(
          fmt::format("{}: there are no merges in tokenizer.ggml.merges, but token {}, {}, is longer than "
                      "a byte: the text would be split into bytes; {}",
                      file.path(), i, quote(pieces_[i]), kReconvert));
    }
  }
}

void Tokenizer::read_merges(const GgufFile& file, const TokenIds& ids) {
  // A writer may leave out an empty array: then each byte is a token.
  const auto* merges = file.find_strings("tokenizer.ggml.merges");
  if (merges == nullptr || merges->empty()) {
    refuse_longer_tokens(file);
    return;
  }
  merges_.reserve(merges->size());
  for (size_t rank = 0; rank < merges->size(); ++rank) {
    const std::string_view text = (*merges)[rank];
    const auto fail = [&](std::string_view problem) {
      throw InputError(fmt::format("{}: merge {}, {}, {}; {}", file.path(), rank, quote(text), problem, kReconvert));
    };
    const auto id_of = [&](std::string_view token) {
      const auto it = ids.find(token);
      if (it == ids.end()) {
        fail(fmt::format("needs token {}, which is unknown", quote(token)));
      }
      if (pieces_[static_cast<size_t>(it->second)].empty()) {
        fail(fmt::format("needs token {}, which is a control token or has no text", quote(token)));
      }
      return it->second;
    };
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
      fail("is not two tokens with a space between them");
    }
    const int32_t left = id_of(text.substr(0, space));
    const int32_t right = id_of(text.substr(space + 1));
    const int32_t result = id_of(std::string(text.substr(0, space)).append(text.substr(space + 1)));
    // Only a user's token can differ here. That merges keep the bytes makes decoding exact.
    if (decode_piece(result) != decode_piece(left) + decode_piece(right)) {
      fail("has a result that does not spell the bytes of its parts");
    }
    merges_.push_back({pair_of(left, right), static_cast<int32_t>(rank), result});
  }
  std::sort(merges_.begin(), merges_.end(), [](const Merge& a, const Merge& b) { return a.pair < b.pair; });
  const auto repeated = std::adjacent_find(merges_.begin(), merges_.end(),
                                           [](const Merge& a, const Merge& b) { return a.pair == b.pair; });
  if (repeated != merges_.end()) {
    throw InputError(fmt::format("{}: merges {} and {} are both {}; {}", file.path(), repeated->rank,
                                 (repeated + 1)->rank, quote((*merges)[static_cast<size_t>(repeated->rank)]),
                                 kReconvert));
  }
}

const Tokenizer::Merge* Tokenizer::find_merge(int32_t left, int32_t right) const {
  const uint64_t pair = pair_of(left, right);
  const auto it = std::lower_bound(merges_.begin(), merges_.end(), pair,
                                   [](const Merge& merge, uint64_t p) { return merge.pair < p; });
  return it != merges_.end() && it->pair == pair ? &*it : nullptr;
}

/// The symbols of a piece as a doubly linked list by index, and the merges that may apply to it.
struct Tokenizer::Scratch {
  struct Candidate {
    const Merge* merge;
    size_t left;  ///< index of the left symbol

    /// For a queue that gives the lowest rank first, and of equal ranks the leftmost.
    bool operator<(const Candidate& other) const {
      return merge->rank != other.merge->rank ? merge->rank > other.merge->rank : left > other.left;
    }
  };

  std::vector<int32_t> ids;  ///< -1: merged into the symbol to the left
  std::vector<size_t> next;  ///< the size of the piece at its end
  std::vector<size_t> previous;
  std::priority_queue<Candidate> candidates;
};

void Tokenizer::encode_piece(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const {
  const size_t n = piece.size();
  auto& symbols = scratch.ids;
  auto& next = scratch.next;
  auto& previous = scratch.previous;
  auto& candidates = scratch.candidates;
  symbols.resize(n);
  next.resize(n);
  previous.resize(n);
  for (size_t i = 0; i < n; ++i) {
    symbols[i] = byte_ids_[static_cast<unsigned char>(piece[i])];
    next[i] = i + 1;
    previous[i] = i - 1;  // never used for the first
  }
  const auto consider = [&](size_t left) {
    if (next[left] < n) {
      const Merge* merge = find_merge(symbols[left], symbols[next[left]]);
      if (merge != nullptr) {
        candidates.push({merge, left});
      }
    }
  };
  for (size_t i = 0; i < n; ++i) {
    consider(i);
  }
  while (!candidates.empty()) {
    const auto [merge, left] = candidates.top();
    candidates.pop();
    const size_t right = next[left];
    // Merges beside it may have changed the pair since it became a candidate.
    if (symbols[left] < 0 || right >= n || find_merge(symbols[left], symbols[right]) != merge) {
      continue;
    }
    symbols[left] = merge->result;
    symbols[right] = -1;
    next[left] = next[right];
    if (next[left] < n) {
      previous[next[left]] = left;
    }
    consider(left);
    if (left > 0) {
      consider(previous[left]);
    }
  }
  for (size_t i = 0; i < n; i = next[i]) {
    ids.push_back(symbols[i]);
  }
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  Scratch scratch;
  std::vector<int32_t> ids;
  for (const std::string_view piece : gpt2_pieces(text)) {
    encode_piece(piece, scratch, ids);
  }
  return ids;
}

std::vector<int32_t> Tokenizer::encode_prompt(std::string_view text) const {
  std::vector<int32_t> ids = encode(text);
  if (before_) {
    ids.insert(ids.begin(), *before_);
  }
  if (after_) {
    ids.push_back(*after_);
  }
  return ids;
}

const std::string& Tokenizer::decode_piece(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= pieces_.size()) {
    throw InputError(fmt::format("token {} is not in the vocabulary of {}; give a token in [0, {})", id, pieces_.size(),
                                 pieces_.size()));
  }
  return pieces_[static_cast<size_t>(id)];
}

}  // namespace assay
