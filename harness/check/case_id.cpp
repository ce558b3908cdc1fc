#include "harness/check/case_id.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "harness/check/trial.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

constexpr std::array<const char*, 12> kClassNames = {"normal",     "wide",     "integers", "cancellation",
                                                     "subnormals", "zeros",    "huge",     "special",
                                                     "extreme",    "constant", "absorbed", "any_bits"};

/// Reads a case as to_string writes it.
class CaseReader {
 public:
  explicit CaseReader(std::string_view text) : text_(text) {}

  CaseId read() {
    const size_t colon = text_.rfind(':');  // a plug-in's variants have one in their names
    if (colon == std::string_view::npos) {
      throw bad("there is no ':' after the variant");
    }
    id_.variant = text_.substr(0, colon);
    const Kernel& kernel = find_kernel(find_variant(id_.variant).kernel);
    dims_ = kernel.dims();
    aliases_ = trial_of(kernel).aliases();
    id_.shape.assign(dims_.size(), 0);
    seen_.assign(dims_.size(), false);
    for (std::string_view rest = text_.substr(colon + 1); !rest.empty();) {
      const std::string_view field = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(field.size() + 1, rest.size()));
      const size_t equals = field.find('=');
      if (equals == std::string_view::npos) {
        throw bad(fmt::format("'{}' is not name=value", field));
      }
      set(field.substr(0, equals), field.substr(equals + 1));
    }
    if (const auto it = std::ranges::find(seen_, false); it != seen_.end()) {
      throw bad(fmt::format("the size '{}' is missing", dims_[static_cast<size_t>(it - seen_.begin())]));
    }
    trial_of(kernel).validate(kernel, id_.shape);
    return id_;
  }

 private:
  InputError bad(const std::string& why) const {
    return InputError(
        fmt::format("case '{}': {}; write it as printed, for example "
                    "dot_f32/avx2:n=17,class=normal,alias=none,seed=0x1f",
                    text_, why));
  }

  uint64_t number(std::string_view name, std::string_view value) const {
    const bool hex = value.starts_with("0x");
    const char* const end = value.data() + value.size();
    uint64_t out = 0;
    const auto [stop, error] = std::from_chars(value.data() + (hex ? 2 : 0), end, out, hex ? 16 : 10);
    if (error != std::errc() || stop != end) {
      throw bad(fmt::format("'{}' of {} is not a number", value, name));
    }
    return out;
  }

  void set(std::string_view name, std::string_view value) {
    if (!given_.insert(std::string(name)).second) {
      throw bad(fmt::format("'{}' is given twice", name));
    }
    const auto one_of = [&](std::initializer_list<std::string_view> words) {
      const auto it = std::ranges::find(words, value);
      if (it == words.end()) {
        throw bad(fmt::format("{} '{}' is not '{}'", name, value, fmt::join(words, "' or '")));
      }
      return it - words.begin();
    };
    if (name == "class") {
      id_.input_class = input_class_from(value);
    } else if (name == "seed") {
      id_.seed = number(name, value);
    } else if (name == "keep_from") {
      id_.keep_from = number(name, value);
    } else if (name == "keep_to") {
      id_.keep_to = number(name, value);
    } else if (name == "values") {
      id_.small_integers = one_of({"small"}) == 0;
    } else if (name == "place") {
      id_.place = one_of({"end", "begin"}) == 0 ? Place::end : Place::begin;
    } else if (name == "alias") {
      const auto it = std::ranges::find(aliases_, value);
      if (it == aliases_.end()) {
        throw bad(fmt::format("alias '{}' is not one of: {}", value, fmt::join(aliases_, ", ")));
      }
      id_.alias = static_cast<size_t>(it - aliases_.begin());
    } else if (const auto it = std::ranges::find(dims_, name); it != dims_.end()) {
      const auto i = static_cast<size_t>(it - dims_.begin());
      id_.shape[i] = number(name, value);
      seen_[i] = true;
    } else {
      throw bad(fmt::format("unknown field '{}'", name));
    }
  }

  std::string_view text_;
  CaseId id_;
  std::vector<std::string> dims_, aliases_;
  std::vector<bool> seen_;
  std::set<std::string> given_;
};

}  // namespace

bool is_large(const Shape& shape) { return shape.size() == 1 && shape[0] > kLargestCopied; }

double work_of(const Shape& shape) {
  double product = 1;
  for (const size_t size : shape) {
    product *= static_cast<double>(std::max<size_t>(size, 1));
  }
  return product;
}

std::vector<InputClass> all_input_classes() {
  std::vector<InputClass> all;
  for (size_t i = 0; i < kClassNames.size(); ++i) {
    all.push_back(static_cast<InputClass>(i));
  }
  return all;
}

std::string to_string(InputClass c) { return kClassNames[static_cast<size_t>(c)]; }

InputClass input_class_from(std::string_view name) {
  const auto it = std::ranges::find(kClassNames, name, [](const char* s) { return std::string_view(s); });
  if (it == kClassNames.end()) {
    throw InputError(fmt::format("unknown input class '{}'; the classes are: {}", name, fmt::join(kClassNames, ", ")));
  }
  return static_cast<InputClass>(it - kClassNames.begin());
}

std::string to_string(const CaseId& id) {
  const Kernel& kernel = find_kernel(find_variant(id.variant).kernel);
  const Trial& trial = trial_of(kernel);
  const auto dims = kernel.dims();
  std::string text = id.variant + ":";
  for (size_t i = 0; i < dims.size(); ++i) {
    text += fmt::format("{}={},", dims[i], id.shape[i]);
  }
  text += fmt::format("class={},alias={},seed={:#x}", to_string(id.input_class), trial.aliases()[id.alias], id.seed);
  if (id.place != Place::drawn) {
    text += id.place == Place::end ? ",place=end" : ",place=begin";
  }
  if (id.keep_from != 0 || id.keep_to != CaseId::kKeepAll) {
    text += fmt::format(",keep_from={},keep_to={}", id.keep_from, id.keep_to);
  }
  return text + (id.small_integers ? ",values=small" : "");
}

CaseId case_from(std::string_view text) { return CaseReader(text).read(); }

}  // namespace assay
