#pragma once
// One small LLaMA in every container and arrangement of 2023, written from the descriptions of the formats and from nothing of the reader;
// only tests include it.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runner/gguf_writer.h"

namespace assay {

/// A matrix of 4-bit codes, less 8, times a scale for 32 of them that fp16 holds exactly: so every format has the same weights.
struct OldMatrix {
  uint64_t cols, rows;
  std::vector<uint8_t> codes;    ///< 0 to 15, row by row
  std::vector<uint32_t> scales;  ///< of each 32: a number of 1 to 31, of 2^-8

  float scale(uint64_t row, uint64_t block) const {
    return static_cast<float>(scales[row * (cols / 32) + block]) * 0x1p-8f;
  }
  int code(uint64_t row, uint64_t col) const { return codes[row * cols + col]; }
  float value(uint64_t row, uint64_t col) const {
    return static_cast<float>(code(row, col) - 8) * scale(row, col / 32);
  }
  /// Some of its rows and columns.
  OldMatrix part(uint64_t row, uint64_t n_rows, uint64_t col, uint64_t n_cols) const {
    OldMatrix out{n_cols, n_rows, {}, {}};
    for (uint64_t r = row; r < row + n_rows; ++r) {
      for (uint64_t c = col; c < col + n_cols; ++c) {
        out.codes.push_back(codes[r * cols + c]);
        if (c % 32 == 0) {
          out.scales.push_back(scales[r * (cols / 32) + c / 32]);
        }
      }
    }
    return out;
  }
};

/// What a file may be: the magic of its container, its version, a type of its matrices, and whether rows lie in planes.
struct OldEra {
  std::string name;
  uint32_t magic, version, type;
  bool planes = false;
};

inline const std::vector<OldEra>& old_eras() {
  constexpr uint32_t kGgml = 0x67676d6c, kGgmf = 0x67676d66, kGgjt = 0x67676a74;
  static const std::vector<OldEra> all = [] {
    std::vector<OldEra> eras = {{"ggml f32", kGgml, 0, 0},  {"ggml f16", kGgml, 0, 1},
                                {"ggml q4_0", kGgml, 0, 2}, {"ggml q4_0 in planes", kGgml, 0, 2, true},
                                {"ggml q4_1", kGgml, 0, 3}, {"ggml q4_1 in planes", kGgml, 0, 3, true},
                                {"ggmf q4_0", kGgmf, 1, 2}, {"ggmf q4_1", kGgmf, 1, 3}};
    for (const uint32_t type : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u}) {
      for (const uint32_t version : {1u, 2u, 3u}) {
        if (version == 1 || (type != 4 && type != 5)) {
          eras.push_back({"ggjt v" + std::to_string(version) + " type " + std::to_string(type), kGgjt, version, type});
        }
      }
    }
    return eras;
  }();
  return all;
}

/// Bytes, as a file has them.
struct OldBytes {
  std::vector<std::byte> bytes;
  std::vector<size_t> fields;  ///< where numbers of the header and the records stand: 4 bytes each

  template <class T>
  void put(T value) {
    const auto* p = reinterpret_cast<const std::byte*>(&value);
    bytes.insert(bytes.end(), p, p + sizeof value);
  }
  void field(uint32_t value) {
    fields.push_back(bytes.size());
    put(value);
  }
  void text(std::string_view s) {
    for (const char c : s) {
      bytes.push_back(static_cast<std::byte>(c));
    }
  }
  /// fp16 of a number of 1 to 31 in 2^-8, or its negative eightfold and so on: exact.
  void half(float value) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    const uint32_t magnitude = bits & 0x7fffffff;
    const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
    put(magnitude == 0 ? sign : static_cast<uint16_t>(sign | ((magnitude >> 13) - (112u << 10))));
  }
  void codes(const std::array<int, 32>& c, size_t n, bool pairs) {
    for (size_t i = 0; i < n / 2; ++i) {
      const size_t low = pairs ? 2 * i : i;
      const size_t high = pairs ? 2 * i + 1 : n / 2 + i;
      put(static_cast<uint8_t>((c[low] & 15) | (c[high] & 15) << 4));
    }
  }

  /// A row of `m` in the arrangement of `era`.
  void row(const OldMatrix& m, uint64_t r, const OldEra& era) {
    const bool is_ggjt = era.magic == 0x67676a74;
    const bool pairs = !is_ggjt || era.version == 1;
    const bool halves_of_scales = is_ggjt && era.version == 3;
    const uint64_t blocks = m.cols / 32;
    const auto block_codes = [&](uint64_t b, int more) {
      std::array<int, 32> c{};
      for (size_t i = 0; i < 32; ++i) {
        c[i] = m.code(r, 32 * b + i) + more;
      }
      return c;
    };
    const auto scale = [&](float value) { halves_of_scales ? half(value) : put(value); };
    if (era.planes) {
      for (uint64_t b = 0; b < blocks && era.type == 3; ++b) {
        put(-8 * m.scale(r, b));
      }
      for (uint64_t b = 0; b < blocks; ++b) {
        put(m.scale(r, b));
      }
      for (uint64_t b = 0; b < blocks; ++b) {
        codes(block_codes(b, 0), 32, true);
      }
      return;
    }
    for (uint64_t c = 0; c < m.cols && era.type < 2; ++c) {
      era.type == 0 ? put(m.value(r, c)) : half(m.value(r, c));
    }
    for (uint64_t b = 0; b < blocks && era.type >= 2; ++b) {
      const float d = m.scale(r, b);
      const auto plain = block_codes(b, 0);
      const auto more = block_codes(b, 8);  // of five bits
      uint32_t fifth = 0;
      for (size_t i = 0; i < 32; ++i) {
        fifth |= static_cast<uint32_t>(more[i] >> 4 & 1) << i;
      }
      switch (era.type) {
        case 2:
          scale(d);
          codes(plain, 32, pairs);
          break;
        case 3:
          scale(d);
          scale(-8 * d);
          codes(plain, 32, pairs);
          break;
        case 4:
        case 5:
          for (size_t part = 0; part < 2; ++part) {
            half(d);
            if (era.type == 5) {
              half(-8 * d);
            }
            std::array<int, 32> c{};
            for (size_t i = 0; i < 16; ++i) {
              c[i] = plain[16 * part + i];
            }
            codes(c, 16, true);
          }
          break;
        case 6:
          half(d);
          put(fifth);
          codes(more, 32, pairs);
          break;
        case 7:
          half(d);
          half(-16 * d);
          put(fifth);
          codes(more, 32, pairs);
          break;
        case 8:
          scale(d);
          for (const int code : plain) {
            put(static_cast<int8_t>(code - 8));
          }
          break;
        default:
          break;
      }
    }
  }
};

class OldLlama {
 public:
  uint32_t n_embd, n_mult, n_head, n_layer = 2, n_ff;
  std::vector<std::string> tokens = {" \u2047 ", "", ""};
  std::vector<std::pair<std::string, OldMatrix>> matrices;  ///< by the names of that time
  std::vector<std::pair<std::string, std::vector<float>>> vectors;

  OldLlama(uint32_t embd, uint32_t heads, uint32_t layers, uint32_t mult, uint32_t ff, uint64_t seed = 1)
      : n_embd(embd), n_mult(mult), n_head(heads), n_layer(layers), n_ff(ff), state_(seed) {
    for (int b = 0; b < 256; ++b) {
      tokens.emplace_back(1, static_cast<char>(b));
    }
    for (const char* text : {" ", "h", "e", "l", "o", " h", "he", " he", "ll", "llo", " hello", "lo", "w"}) {
      tokens.emplace_back(text);
    }
    const uint64_t vocabulary = tokens.size();
    add("tok_embeddings.weight", n_embd, vocabulary);
    add_norm("norm.weight");
    add("output.weight", n_embd, vocabulary);
    for (uint32_t i = 0; i < n_layer; ++i) {
      const std::string layer = "layers." + std::to_string(i) + ".";
      for (const char* name : {"wq", "wk", "wv", "wo"}) {
        add(layer + "attention." + name + ".weight", n_embd, n_embd);
      }
      add(layer + "feed_forward.w1.weight", n_embd, n_ff);
      add(layer + "feed_forward.w2.weight", n_ff, n_embd);
      add(layer + "feed_forward.w3.weight", n_embd, n_ff);
      add_norm(layer + "attention_norm.weight");
      add_norm(layer + "ffn_norm.weight");
    }
  }

  /// The file, or with parts > 1 one of them.
  OldBytes file(const OldEra& era, uint64_t parts = 1, uint64_t number = 0) const {
    OldBytes out;
    out.field(era.magic);
    if (era.version != 0) {
      out.field(era.version);
    }
    for (const uint32_t value : {static_cast<uint32_t>(tokens.size()), n_embd, n_mult, n_head, n_layer, n_embd / n_head,
                                 file_type_of(era.type)}) {
      out.field(value);
    }
    for (size_t id = 0; id < tokens.size(); ++id) {
      id < 4 ? out.field(static_cast<uint32_t>(tokens[id].size())) : out.put(static_cast<uint32_t>(tokens[id].size()));
      out.text(tokens[id]);
      if (era.version != 0) {
        out.put(-static_cast<float>(id));
      }
    }
    for (const auto& [name, m] : matrices) {
      const bool by_cols =
          name == "tok_embeddings.weight" || name.ends_with("wo.weight") || name.ends_with("w2.weight");
      const OldMatrix p = by_cols ? m.part(0, m.rows, m.cols / parts * number, m.cols / parts)
                                  : m.part(m.rows / parts * number, m.rows / parts, 0, m.cols);
      record(out, era, name, {p.cols, p.rows}, era.type);
      for (uint64_t r = 0; r < p.rows; ++r) {
        out.row(p, r, era);
      }
    }
    for (const auto& [name, values] : vectors) {
      record(out, era, name, {values.size()}, 0);
      for (const float value : values) {
        out.put(value);
      }
    }
    return out;
  }

  /// The same model as GGUF, its matrices in a type that GGUF has.
  void write_gguf_file(const std::string& path, uint32_t type, float eps) const {
    const OldEra today = {"", 0x67676a74, 3, type};
    std::vector<std::string> texts = {"<unk>", "<s>", "</s>"};
    std::vector<int32_t> types = {2, 3, 3};
    std::vector<float> scores = {0, -1, -2};
    for (size_t id = 3; id < tokens.size(); ++id) {
      constexpr const char* kDigits = "0123456789ABCDEF";
      std::string text = "<0x";
      text += kDigits[(id - 3) / 16 % 16];
      text += kDigits[(id - 3) % 16];
      text += ">";
      if (id >= 259) {
        text.clear();
        for (const char c : tokens[id]) {
          c == ' ' ? text += "\u2581" : text += c;
        }
      }
      texts.push_back(text);
      types.push_back(id < 259 ? 6 : 1);
      scores.push_back(-static_cast<float>(id));
    }
    const std::vector<GgufKeyValue> metadata = {{"general.architecture", std::string("llama")},
                                                {"llama.context_length", 2048u},
                                                {"llama.embedding_length", n_embd},
                                                {"llama.block_count", n_layer},
                                                {"llama.feed_forward_length", n_ff},
                                                {"llama.attention.head_count", n_head},
                                                {"llama.attention.layer_norm_rms_epsilon", eps},
                                                {"tokenizer.ggml.model", std::string("llama")},
                                                {"tokenizer.ggml.tokens", GgufArray(texts)},
                                                {"tokenizer.ggml.token_type", GgufArray(types)},
                                                {"tokenizer.ggml.scores", GgufArray(scores)}};
    std::vector<GgufTensorInfo> infos;
    std::vector<std::vector<std::byte>> data;
    for (const auto& [name, m] : matrices) {
      OldBytes bytes;
      for (uint64_t r = 0; r < m.rows; ++r) {
        bytes.row(m, r, today);
      }
      infos.push_back({gguf_name(name), static_cast<TensorType>(type), {m.cols, m.rows}});
      data.push_back(bytes.bytes);
    }
    for (const auto& [name, values] : vectors) {
      const auto bytes = std::as_bytes(std::span(values));
      infos.push_back({gguf_name(name), TensorType::f32, {values.size()}});
      data.emplace_back(bytes.begin(), bytes.end());
    }
    write_gguf(path, metadata, infos, std::vector<std::span<const std::byte>>(data.begin(), data.end()));
  }

  /// What the header says of files whose matrices are of a type.
  static uint32_t file_type_of(uint32_t type) {
    constexpr std::array<uint32_t, 9> kNumbers = {0, 1, 2, 3, 5, 6, 8, 9, 7};
    return kNumbers[type];
  }

  static std::string gguf_name(std::string name) {
    const std::pair<const char*, const char*> changes[] = {
        {"tok_embeddings", "token_embd"}, {"feed_forward.w1", "ffn_gate"},
        {"feed_forward.w2", "ffn_down"},  {"feed_forward.w3", "ffn_up"},
        {"attention.wq", "attn_q"},       {"attention.wk", "attn_k"},
        {"attention.wv", "attn_v"},       {"attention.wo", "attn_output"},
        {"attention_norm", "attn_norm"},  {"layers.", "blk."}};
    for (const auto& [old, today] : changes) {
      if (const size_t at = name.find(old); at != std::string::npos) {
        name.replace(at, std::string_view(old).size(), today);
      }
    }
    return name == "norm.weight" ? "output_norm.weight" : name;
  }

 private:
  static void record(OldBytes& out, const OldEra& era, const std::string& name, const std::vector<uint64_t>& ne,
                     uint32_t type) {
    out.field(static_cast<uint32_t>(ne.size()));
    out.field(static_cast<uint32_t>(name.size()));
    out.field(type);
    for (const uint64_t n : ne) {
      out.field(static_cast<uint32_t>(n));
    }
    out.text(name);
    while (era.magic == 0x67676a74 && out.bytes.size() % 32 != 0) {
      out.bytes.push_back({});
    }
  }
  uint32_t random() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<uint32_t>(state_ >> 33);
  }
  void add(const std::string& name, uint64_t cols, uint64_t rows) {
    OldMatrix m{cols, rows, {}, {}};
    for (uint64_t i = 0; i < cols * rows; ++i) {
      m.codes.push_back(static_cast<uint8_t>(random() % 16));
      if (i % 32 == 0) {
        m.scales.push_back(1 + random() % 31);
      }
    }
    matrices.emplace_back(name, std::move(m));
  }
  void add_norm(const std::string& name) {
    std::vector<float> values;
    for (uint32_t i = 0; i < n_embd; ++i) {
      values.push_back(1 + static_cast<float>(random() % 64) * 0x1p-7f);
    }
    vectors.emplace_back(name, std::move(values));
  }

  uint64_t state_;
};

}  // namespace assay
