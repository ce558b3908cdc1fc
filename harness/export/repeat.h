#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "assay/contract.h"

namespace assay {

/// One more profile of a CPU, as far as it is pooled with those before: views into its text. A fleet has thousands of profiles of a million
/// bytes, of which read_profile reads some twenty a second.
struct Repeat {
  struct Code {
    std::string_view name;  ///< "dot_f32/avx2"
    std::string_view code;
    unsigned contract = 0;
  };
  struct Timed {
    std::string_view label;
    float median = 0, low = 0, high = 0;
  };
  struct Row {
    std::string_view kernel, variant;
    std::array<size_t, assay_most_dims> shape = {};
    size_t n_dims = 0;
    bool cold = false;
    float control = 1, share = 0;
    size_t ratios_begin = 0, ratios_end = 0;  ///< in Repeat::ratios
  };

  std::string_view cpu;  ///< its JSON
  std::string_view date;
  std::vector<Code> evidence;  ///< with verdicts that passed
  std::vector<Row> rows;
  std::vector<Timed> ratios;
};

/// Reads over what is in `repeat`, whose memory serves again. False if there is anything in the text that this program would have written
/// otherwise: then read_profile says what it is, or what is wrong in it.
bool read_repeat(const std::string& text, Repeat& repeat);

}  // namespace assay
