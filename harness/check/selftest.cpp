#include "harness/check/selftest.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "harness/check/job.h"
#include "harness/runtime/error.h"
#include "harness/runtime/registry.h"

namespace assay {
namespace {

std::set<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::set<std::string> all;
  for (std::string w; in >> w;) {
    all.insert(w);
  }
  return all;
}

/// A check that must not come out as a pass.
struct Planted {
  Defect defect;
  Cpu cpu;
  IsaStatus status;
  CheckOptions options;
};

std::vector<Planted> all_planted(const Cpu& cpu, const SelftestOptions& options) {
  CheckOptions base;
  base.samples = options.samples;
  base.jobs = 1;
  base.shrink = false;
  base.stride = options.stride;
  base.timeout = options.timeout;
  std::vector<Planted> all;
  for (const Defect& defect : planted_defects()) {
    if (defect.large != options.large) {
      continue;
    }
    const Variant& variant = find_variant(defect.variant);
    Planted p{defect, cpu, isa_status(cpu, variant.isa), base};
    p.options.kernel_glob = variant.kernel;
    p.options.variant_glob = variant.label();
    all.push_back(std::move(p));
  }
  if (options.large) {
    return all;
  }
  base.kernel_glob = kernels().front().name;
  base.variant_glob = "avx2";
  const auto harness = harness_defects();
  Planted p;
  p.status.runnable = true;
  p.options = base;
  p.defect = harness.at(1);  // on a CPU that has nothing
  all.push_back(p);
  p.defect = harness.at(0);
  p.cpu = cpu;
  p.options.variant_glob = "scalar";
  p.options.samples = 0;
  all.push_back(std::move(p));
  return all;
}

/// How `assay check` would tell of it: the check that failed, or "not-runnable"; "" where its last line or its exit status
/// would pass.
std::string told(const Verdict& v) {
  const Summary summary = summarize({v});
  if (summary.passed != 0 || summary.exit_status() == 0) {
    return "";
  }
  return v.status == Status::fail ? v.caught_by : to_string(v.status);
}

}  // namespace

nlohmann::json to_json(const SelftestResult& r) {
  return {{"defect", r.defect.variant},
          {"class", r.defect.defect_class},
          {"what", r.defect.what},
          {"stands_for", r.defect.stands_for},
          {"declared", words(r.defect.caught_by)},
          {"runnable", r.runnable},
          {"reason", r.reason},
          {"seeds", r.seeds},
          {"caught", r.caught},
          {"seen_by", r.seen_by},
          {"missed_seeds", r.missed_seeds},
          {"caught_by_other", r.caught_by_other},
          {"most_samples", r.most_samples},
          {"evidence", r.evidence}};
}

std::vector<Defect> harness_defects() {
  return {{"harness/no_samples", "harness", "a check that runs no sample", "a test that runs nothing and is green",
           "no-sample", false},
          {"harness/skipped_variant", "harness", "a variant whose ISA the CPU lacks (a made-up one: it has none)",
           "a skipped test that is printed as passed", "not-runnable", false}};
}

std::vector<SelftestResult> selftest(const Cpu& cpu, const SelftestOptions& options,
                                     const std::function<void(const SelftestResult&)>& on_result) {
  std::vector<SelftestResult> results;
  for (const Planted& planted : all_planted(cpu, options)) {
    if (!glob_match(options.glob, planted.defect.variant)) {
      continue;
    }
    SelftestResult r;
    r.defect = planted.defect;
    r.runnable = planted.status.runnable;
    r.reason = planted.status.reason;
    const auto declared = words(planted.defect.caught_by);
    std::set<std::string> seen;
    for (uint64_t s = 0; r.runnable && s < options.seeds; ++s) {
      CheckOptions check_options = planted.options;
      check_options.seed = options.first_seed + s;
      const Verdict v = (options.large ? check_large : check)(planted.cpu, check_options).at(0);
      const std::string by = told(v);
      ++r.seeds;
      if (by.empty()) {
        r.missed_seeds.push_back(v.seed);
        continue;
      }
      seen.insert(by);
      r.most_samples = std::max(r.most_samples, v.samples + 1);
      if (declared.contains(by)) {
        ++r.caught;
        if (r.evidence.empty()) {
          r.evidence = v.reason;
        }
      } else {
        r.caught_by_other = fmt::format("seed {}: {}: {} ({})", v.seed, by, v.reason, v.reproduce);
      }
    }
    r.seen_by.assign(seen.begin(), seen.end());
    on_result(r);
    results.push_back(std::move(r));
  }
  if (results.empty()) {
    throw InputError(fmt::format("no planted defect matches '{}'", options.glob));
  }
  return results;
}

}  // namespace assay
