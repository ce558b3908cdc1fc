#include "runner/byte_pairs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <queue>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

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

}  // namespace

BytePairs::BytePairs(const GgufFile& file, const TokenTable& table) {
  const std::string* pre = file.find_string("tokenizer.ggml.pre");  // older converters wrote none
  pre_ = find_pre_tokenizer(pre != nullptr ? *pre : "gpt-2");
  if (pre_ == nullptr) {
    throw InputError(fmt::format("{}: tokenizer.ggml.pre is {}; known are {}: give another model", file.path(),
                                 quote(*pre), fmt::join(pre_tokenizer_names(), ", ")));
  }
  read_tokens(table);
  read_merges(file, table);
  for (size_t i = 0; i < pieces_.size() && pre_->ignores_merges; ++i) {
    if (table.types[i] == TokenType::normal) {
      whole_.emplace(pieces_[i], static_cast<int32_t>(i));
    }
  }
}

void BytePairs::read_tokens(const TokenTable& table) {
  byte_ids_.fill(-1);
  pieces_.resize(table.texts.size());
  for (size_t i = 0; i < table.texts.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const std::string& text = table.texts[i];
    const int32_t type = table.types[i];
    if (type == TokenType::control || type == TokenType::unknown) {
      continue;
    }
    // A user's token was added to the vocabulary as it is.
    auto bytes = type == TokenType::user_defined ? text : token_bytes(text);
    if (!bytes && type == TokenType::unused) {
      continue;  // what fills the vocabulary up may be called anything
    }
    if (!bytes) {
      throw InputError(fmt::format("{}: token {}, {}, is not in GPT-2's alphabet of bytes; {}", table.file, i,
                                   quote(text), kReconvert));
    }
    if (bytes->size() == 1 && type != TokenType::user_defined) {
      byte_ids_[static_cast<unsigned char>(bytes->front())] = id;
    }
    pieces_[i] = *std::move(bytes);
  }
  // Those that were learnt from texts alone, StarCoder's and GPT-NeoX's, lack bytes that no text of theirs had.
  for (size_t b = 0; b < byte_ids_.size(); ++b) {
    const bool has_every_text = b == '\n' || (b >= ' ' && b <= '~');
    if (byte_ids_[b] < 0 && has_every_text) {
      throw InputError(
          fmt::format("{}: tokenizer.ggml.tokens has no token for byte 0x{:02x}; {}", table.file, b, kReconvert));
    }
  }
}

/// Without merges nothing would ever be encoded as these, and the model has seen little else.
void BytePairs::refuse_longer_tokens(const TokenTable& table) const {
  for (size_t i = 0; i < pieces_.size(); ++i) {
    if (pieces_[i].size() > 1 && table.types[i] == TokenType::normal) {
      throw InputError(
          fmt::format("{}: there are no merges in tokenizer.ggml.merges, but token {}, {}, is longer than "
                      "a byte: the text would be split into bytes; {}",
                      table.file, i, quote(pieces_[i]), kReconvert));
    }
  }
}

void BytePairs::read_merges(const GgufFile& file, const TokenTable& table) {
  const auto ids = table.index();
  // A writer may leave out an empty array: then each byte is a token.
  const auto* merges = file.find_strings("tokenizer.ggml.merges");
  if (merges == nullptr || merges->empty()) {
    refuse_longer_tokens(table);
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
    if (pieces_[static_cast<size_t>(result)] !=
        pieces_[static_cast<size_t>(left)] + pieces_[static_cast<size_t>(right)]) {
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

const BytePairs::Merge* BytePairs::find_merge(int32_t left, int32_t right) const {
  const uint64_t pair = pair_of(left, right);
  const auto it = std::lower_bound(merges_.begin(), merges_.end(), pair,
                                   [](const Merge& merge, uint64_t p) { return merge.pair < p; });
  return it != merges_.end() && it->pair == pair ? &*it : nullptr;
}

/// The symbols of a piece as a doubly linked list by index, and the merges that may apply to it.
struct BytePairs::Scratch {
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

void BytePairs::encode_piece(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const {
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
    if (symbols[i] < 0) {
      throw InputError(fmt::format("the vocabulary has no token for byte 0x{:02x} of the text: leave it out",
                                   static_cast<unsigned char>(piece[i])));
    }
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

void BytePairs::encode(std::string_view text, bool /*begins*/, std::vector<int32_t>& ids) const {
  Scratch scratch;
  for (const std::string_view piece : split_into_pieces(*pre_, text)) {
    if (!whole_.empty()) {
      if (const auto found = whole_.find(piece); found != whole_.end()) {
        ids.push_back(found->second);
        continue;
      }
    }
    encode_piece(piece, scratch, ids);
  }
}

}  // namespace assay
