#pragma once
#include "reports/summary.h"

namespace assay {

/// Takes the other verdict where it says more: a failure counts, else the one of more samples.
void take_verdict(VariantSummary& to, const VariantSummary& from);

/// A variant has a time for each shape and a number for each emulated CPU, or none at all.
void fill_up(Report& summary);

/// Whether both have times of a kernel at one shape.
bool times_the_same(const Report& a, const Report& b);

/// Adds what `from` says, which is of the same CPU, or does not say of which.
void join(Report& to, const Report& from);

}  // namespace assay
