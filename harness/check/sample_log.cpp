#include "harness/check/sample_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "harness/check/check.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

/// Cut to fit.
template <size_t size>
void copy_text(char (&to)[size], const std::string& from) {
  const size_t n = std::min(size - 1, from.size());
  std::memcpy(to, from.data(), n);
  to[n] = '\0';
}

}  // namespace

void SampleId::set(const CaseId& id) {
  if (id.shape.size() > kMostSizes) {
    throw MachineError(fmt::format("{}: a case of {} sizes; a log holds {}", id.variant, id.shape.size(), kMostSizes));
  }
  is_case_ = true;
  copy_text(text_, id.variant);
  std::ranges::copy(id.shape, sizes_);
  size_count_ = id.shape.size();
  input_class_ = id.input_class;
  alias_ = id.alias;
  seed_ = id.seed;
  place_ = id.place;
  keep_from_ = id.keep_from;
  keep_to_ = id.keep_to;
  small_integers_ = id.small_integers;
}

void SampleId::set(const std::string& command) {
  is_case_ = false;
  copy_text(text_, command);
}

std::optional<CaseId> SampleId::to_case() const {
  if (!is_case_) {
    return std::nullopt;
  }
  return CaseId{
      text_,          Shape(sizes_, sizes_ + size_count_), input_class_, alias_, seed_, place_, keep_from_, keep_to_,
      small_integers_};
}

std::string SampleId::command() const { return is_case_ ? command_of(*to_case()) : text_; }

std::string SampleId::text() const { return is_case_ ? to_string(*to_case()) : text_; }

SampleLog* SampleLog::of_this_process = nullptr;

void SampleLog::begin() {
  if (of_this_process != nullptr) {
    of_this_process->at_work_ = false;  // one at a time
  }
  of_this_process = this;
  at_work_ = true;
}

void SampleLog::begin(const CaseId& id) {
  current_.set(id);
  begin();
}

void SampleLog::begin(const std::string& command) {
  current_.set(command);
  begin();
}

void SampleLog::done(const ErrorStats& errors, uint64_t count, const std::string& worst) {
  const bool is_worst = errors.worst_over_bound > errors_.worst_over_bound;
  errors_.add(errors);
  if (is_worst) {
    has_worst_ = true;
    worst.empty() ? void(worst_ = current_) : worst_.set(worst);
  }
  at_work_ = false;
  samples_.fetch_add(count, std::memory_order_relaxed);
}

void SampleLog::fail(const std::string& check, const std::string& message) {
  if (!failed_) {
    copy_text(failure_.check, check);
    copy_text(failure_.message, message);
    failure_.sample = current_;
    failed_ = true;
  }
}

bool SampleLog::keep_failure() {
  at_work_ = false;
  kept_[kept_count_++] = failure_;
  failed_ = false;
  return kept_count_ < kMostKept;
}

void SampleLog::fail_as_kept() {
  if (kept_count_ > 0) {
    failure_ = kept_[0];
    failed_ = true;
  }
}

}  // namespace assay
