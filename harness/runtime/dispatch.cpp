#include "harness/runtime/dispatch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <ranges>
#include <set>

#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"
#include "harness/runtime/profile.h"

namespace assay {
namespace {

double distance(const Shape& a, const Shape& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    sum += std::fabs(std::log2((static_cast<double>(a[i]) + 1) / (static_cast<double>(b[i]) + 1)));
  }
  return sum;
}

}  // namespace

uint64_t CallCounter::total() const {
  uint64_t sum = 0;
  for (const Slot& slot : slots_) {
    sum += slot.calls.load(std::memory_order_relaxed);
  }
  return sum;
}

double CallCounter::seconds() const {
  uint64_t ns = 0;
  for (const Slot& slot : slots_) {
    ns += slot.ns.load(std::memory_order_relaxed);
  }
  return 1e-9 * static_cast<double>(ns);
}

size_t CallCounter::slot_of_thread() {
  static std::atomic<size_t> threads{0};
  thread_local const size_t slot = threads++ % kSlots;
  return slot;
}

Dispatch::Dispatch(const Cpu& cpu, const Options& options) : cpu_(cpu) {
  const auto notice = [&](const std::string& line) {
    if (options.notice) {
      options.notice(line);
    }
  };
  const std::string path = options.profile.empty() ? default_profile_path() : options.profile;
  std::error_code ignored;
  if (options.profile.empty() && !std::filesystem::exists(path, ignored)) {
    notice("no profile for this CPU yet: using the best ISA unmeasured; `assay tune` makes one");
  } else {
    try {
      Profile profile = read_profile(path);
      if (const std::string why = refusal(profile, cpu); !why.empty()) {
        notice(fmt::format("profile {} is refused: {}; using the best ISA unmeasured; `assay tune` makes a new one",
                           path, why));
      } else {
        std::set<std::string> changed, refused, claimed;
        for (Choice& choice : profile.choices) {
          const Variant& variant = find_variant(choice.kernel + "/" + choice.variant);
          // A profile is a file: what it names must still run here.
          const Claim* claim = claim_of(variant);
          if (claim != nullptr && (!options.accept_claims || !claim->fits_the_runner())) {
            claimed.insert(variant.name());
          } else if (const IsaStatus status = isa_status(cpu, variant.isa); !status.runnable) {
            refused.insert(fmt::format("{} cannot run here: {}", variant.isa, status.reason));
          } else {
            const Variant& known = with_parameters(variant, choice.parameters);
            choices_.push_back({std::move(choice), &known});
            if (choices_.back().stale()) {
              changed.insert(variant.name());
            }
          }
        }
        if (!refused.empty()) {
          notice(fmt::format("profile {}: {}; what else it chose is used", path, fmt::join(refused, "; ")));
        }
        if (!claimed.empty()) {
          notice(
              fmt::format("profile {}: {} do not keep their contracts, only what they claim: there the best ISA is "
                          "used, unmeasured; "
                          "--accept-claims uses those whose claims are of bounds, inputs and sizes",
                          path, fmt::join(claimed, ", ")));
        }
        if (!profile.missing.empty()) {
          notice(fmt::format(
              "profile {}: {} are of plug-ins, which --plugin names: there the best ISA is used, unmeasured", path,
              fmt::join(profile.missing, ", ")));
        }
        if (!changed.empty()) {
          notice(
              fmt::format("profile {}: the code of {} has changed since it was measured: there the best ISA is used, "
                          "unmeasured; `assay tune` makes a new one",
                          path, fmt::join(changed, ", ")));
        }
      }
    } catch (const InputError& e) {
      if (!options.profile.empty()) {
        throw;
      }
      notice(fmt::format("{}; using the best ISA unmeasured", e.what()));
    }
  }
  if (const char* environment = options.use_environment ? std::getenv("ASSAY_FORCE") : nullptr) {
    apply_force(environment, "ASSAY_FORCE");
  }
  apply_force(options.force, "--force");
}

Dispatch::Dispatch(const Cpu& cpu, const std::map<std::string, std::string>& table) : cpu_(cpu) {
  for (const auto& [kernel, variant] : table) {
    apply_force(kernel + "=" + variant, "the table");
  }
}

void Dispatch::apply_force(const std::string& force, const std::string& origin) {
  for (const auto& [kernel, variant] : read_force(cpu_, force, origin)) {
    forced_[kernel] = {variant, origin};
  }
}

std::map<std::string, std::string> read_force(const Cpu& cpu, const std::string& force, const std::string& origin) {
  std::map<std::string, std::string> forced;
  std::string_view rest = force;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos) {
      throw InputError(
          fmt::format("{}: '{}' is not kernel=variant, for example dot_f32=avx2 or '*=scalar'", origin, item));
    }
    const std::string pattern(item.substr(0, equals));
    const std::string label(item.substr(equals + 1));
    bool matched = false;
    // One that has no such variant by design: a glob passes over it, unless it is about such kernels alone.
    const Kernel* passed = nullptr;
    for (const auto& kernel : kernels()) {
      if (!glob_match(pattern, kernel.name)) {
        continue;
      }
      const bool of_a_plugin = label.find(':') != std::string::npos;
      if ((kernel.contract->left_out != nullptr || (of_a_plugin && pattern != kernel.name)) &&
          kernel.find(label) == nullptr) {
        passed = &kernel;
        continue;
      }
      const Variant& variant = find_variant(kernel.name + "/" + label);
      if (const IsaStatus status = isa_status(cpu, variant.isa); !status.runnable) {
        throw MachineError(fmt::format("{}: {} cannot run here: {}", origin, label, status.reason));
      }
      forced[kernel.name] = label;
      matched = true;
    }
    if (!matched && passed != nullptr) {
      find_variant(passed->name + "/" + label);  // throws with the list of those that it has
    } else if (!matched) {
      find_kernel(pattern);  // throws with the list of names
    }
  }
  return forced;
}

Decision Dispatch::decide_for(const Kernel& kernel, const Shape& shape, bool cold) const {
  if (const auto it = forced_.find(kernel.name); it != forced_.end()) {
    return {kernel.name, shape, it->second.first, "forced by " + it->second.second};
  }
  const Known* best = nullptr;
  double nearest = std::numeric_limits<double>::infinity();
  for (const Known& known : choices_) {
    if (known.choice.kernel != kernel.name) {
      continue;  // shapes of other kernels have other dimensions
    }
    if (const Claim* claim = claim_of(*known.variant); claim != nullptr && !claim->allows(kernel, shape)) {
      continue;
    }
    // The other kind of caches only where the profile has nothing else: `tune --quick` leaves the cold ones out.
    constexpr double kOtherCaches = 1000;
    // As far as twice the length: where lengths are long, only whole ones were timed.
    constexpr double kOtherRemainder = 1;
    const double far = distance(known.choice.shape, shape) + (known.choice.cold == cold ? 0 : kOtherCaches) +
                       (is_ragged(known.choice.shape) == is_ragged(shape) ? 0 : kOtherRemainder);
    if (far < nearest) {
      nearest = far;
      best = &known;
    }
  }
  if (best != nullptr && !best->stale()) {
    return {kernel.name, shape, best->variant->label(),
            fmt::format("profile, class {}: {}", best->choice.label, best->choice.why)};
  }
  for (const Isa& isa : std::views::reverse(isas())) {
    if (isa.unmeasured && kernel.find(isa.name) != nullptr && isa_status(cpu_, isa.name).runnable) {
      return {kernel.name, shape, isa.name, "best ISA, unmeasured"};
    }
  }
  throw MachineError(fmt::format("no variant of {} runs on this CPU", kernel.name));
}

const Variant& Dispatch::choose_variant(const std::string& name, const Shape& shape, bool cold) {
  const Kernel& kernel = find_kernel(name);
  Decision decision = decide_for(kernel, shape, cold);
  const Variant& variant = find_variant(fmt::format("{}/{}", name, decision.variant));
  const std::scoped_lock lock(mutex_);
  decisions_[fmt::format("{} {}", name, fmt::join(shape, ","))] = std::move(decision);
  return variant;
}

AnyFn Dispatch::entry(const Variant& variant, const Shape& shape) {
  if (!variant.jit) {
    return run_of(variant);
  }
  const Key key = find_kernel(variant.kernel).key(shape, variant.parameters);
  const std::scoped_lock lock(mutex_);
  auto& code = code_[fmt::format("{} {}", variant.name(), fmt::join(key, ","))];
  if (!code) {
    code = std::make_unique<JitCode>(variant, key);
  }
  return code->entry();
}

std::vector<Decision> Dispatch::decisions() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Decision> all;
  for (const auto& [name, decision] : decisions_) {
    all.push_back(decision);
  }
  return all;
}

CallCounter& Dispatch::counter(const Variant& variant) {
  const std::scoped_lock lock(mutex_);
  CallCounter& counter = calls_[variant.name()];
  counter.set_timed(timed_);
  return counter;
}

void Dispatch::time_calls(bool timed) {
  const std::scoped_lock lock(mutex_);
  timed_ = timed;
  for (auto& [name, counter] : calls_) {
    counter.set_timed(timed);
  }
}

std::map<std::string, double> Dispatch::seconds_of_kernels() const {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, double> seconds;
  for (const auto& [name, counter] : calls_) {
    if (const double s = counter.seconds(); s > 0) {
      seconds[name.substr(0, name.find('/'))] += s;
    }
  }
  return seconds;
}

std::map<std::string, uint64_t> Dispatch::ran() const {
  const std::scoped_lock lock(mutex_);
  std::map<std::string, uint64_t> counts;
  for (const auto& [name, calls] : calls_) {
    if (const uint64_t total = calls.total(); total != 0) {
      counts[name] = total;
    }
  }
  return counts;
}

}  // namespace assay
