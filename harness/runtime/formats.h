#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/formats/format.h"

namespace assay {

/// The weight formats of kernels/formats/, by name.
const std::vector<const weight_format*>& weight_formats();

/// Throws InputError that lists the names.
const weight_format& find_format(std::string_view name);

}  // namespace assay
