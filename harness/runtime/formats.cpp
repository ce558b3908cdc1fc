#include "harness/runtime/formats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/runtime/error.h"

extern "C" const weight_format* const assay_weight_formats[];  // generated; nullptr behind the last

namespace assay {

const std::vector<const weight_format*>& weight_formats() {
  static const std::vector<const weight_format*> all = [] {
    std::vector<const weight_format*> list;
    for (const auto* const* format = assay_weight_formats; *format != nullptr; ++format) {
      list.push_back(*format);
    }
    return list;
  }();
  return all;
}

const weight_format& find_format(std::string_view name) {
  std::vector<std::string_view> names;
  for (const weight_format* format : weight_formats()) {
    if (format->name == name) {
      return *format;
    }
    names.emplace_back(format->name);
  }
  throw InputError(fmt::format("unknown weight format '{}'; they are: {}", name, fmt::join(names, ", ")));
}

}  // namespace assay
