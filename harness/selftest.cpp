#include "harness/selftest.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>

#include "harness/error.h"
#include "harness/job.h"
#include "harness/registry.h"

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

std::vector<SelftestResult> selftest(const Cpu& cpu, const SelftestOptions& options,
                                     const std::function<void(const SelftestResult&)>& on_result) {
  std::vector<SelftestResult> results;
  for (const Defect& defect : planted_defects()) {
    if (!glob_match(options.glob, defect.variant)) {
      continue;
    }
    const Variant& variant = find_variant(defect.variant);
    SelftestResult r;
    r.defect = defect;
    const IsaStatus status = isa_status(cpu, variant.isa);
    r.runnable = status.runnable;
    r.reason = status.reason;
    const auto declared = words(defect.caught_by);
    std::set<std::string> seen;
    for (uint64_t s = 0; r.runnable && s < options.seeds; ++s) {
      CheckOptions check_options;
      check_options.kernel_glob = variant.kernel;
      check_options.variant_glob = variant.label();
      check_options.seed = options.first_seed + s;
      check_options.samples = options.samples;
      check_options.jobs = 1;
      check_options.shrink = false;
      check_options.stride = options.stride;
      check_options.timeout = options.timeout;
      const Verdict v = check(cpu, check_options).at(0);
      ++r.seeds;
      if (v.status != Status::fail) {
        r.missed_seeds.push_back(v.seed);
        continue;
      }
      seen.insert(v.caught_by);
      r.most_samples = std::max(r.most_samples, v.samples + 1);
      if (declared.contains(v.caught_by)) {
        ++r.caught;
        if (r.evidence.empty()) {
          r.evidence = v.reason;
        }
      } else {
        r.caught_by_other = fmt::format("seed {}: {}: {} ({})", v.seed, v.caught_by, v.reason, v.reproduce);
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
