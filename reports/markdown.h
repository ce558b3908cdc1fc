#pragma once
#include <string>

#include "reports/summary.h"

namespace assay {

/// The report of a CPU for people, without pictures: what is right, what to use, the old question, and each timing beside its limit.
std::string markdown_of(const Report& summary);

}  // namespace assay
