#include "harness/export/smallest_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <set>

#include "harness/runtime/error.h"
#include "harness/runtime/isa.h"

namespace assay {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

/// A set of candidates, by their numbers.
using Mask = uint32_t;

struct Candidate {
  const Variant* variant;
  size_t layout;  ///< the number of its packed weights' layout
};

/// What candidates lose at a class, in one mode of use; kNever: they were not timed there or did not pass.
struct Losses {
  std::vector<double> high, median;
  std::vector<std::string> label;  ///< with the parameters of the best
};

/// What the search knows of one kernel.
class Search {
 public:
  Search(const Kernel& kernel, const Fleet& fleet, const SetOptions& options) : kernel_(kernel), options_(options) {
    std::set<std::string> layouts;
    for (const Variant& v : kernel.variants) {
      if (v.defect.empty() && !v.foreign && (options.generators || !v.jit)) {
        candidates_.push_back({&v, 0});
        layouts.insert(layout_of(v));
      }
    }
    for (Candidate& c : candidates_) {
      if (kernel.contract->weights != nullptr) {
        c.layout = static_cast<size_t>(std::distance(layouts.begin(), layouts.find(layout_of(*c.variant))));
        n_layouts_ = layouts.size();
      }
    }
    for (size_t m = 0; m < fleet.members.size(); ++m) {
      add_member(m, fleet.members[m]);
    }
    if (members_.empty()) {
      throw InputError(
          fmt::format("no CPU of the fleet has timings of {}; `assay tune` without --model makes them", kernel.name));
    }
  }

  KernelSet find() {
    KernelSet result;
    result.kernel = kernel_.name;
    const Mask all = (Mask{1} << candidates_.size()) - 1;
    for (MemberRows& member : members_) {
      member.allowed = std::max(options_.within, loss_on_any_layout(member, all, kNever));
      if (member.allowed > options_.within) {
        result.unavoidable = std::max(result.unavoidable, member.allowed);
      }
    }
    Mask best = 0;
    constexpr size_t kShown = 3;  // numbers whose loss is told, at least
    for (size_t n = 1; n <= candidates_.size() && (best == 0 || n <= kShown); ++n) {
      double least = kNever;
      each_of_size(n, [&](Mask mask) {
        const Loss loss = loss_of(mask, least);
        least = std::min(least, loss.most);
        if (loss.is_allowed && (best == 0 || (std::popcount(best) == static_cast<int>(n) && is_simpler(mask, best)))) {
          best = mask;
        }
      });
      result.loss_of_number.push_back(least);
    }
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if ((best >> i & 1) != 0) {
        result.labels.push_back(candidates_[i].variant->label());
      }
    }
    for (const MemberRows& member : members_) {
      result.members[member.number] = rows_of(member, best);
    }
    return result;
  }

 private:
  struct RowLosses {
    const Choice* choice;
    Losses called, made;
    double fastest_called;  ///< its median over the fastest of all
  };
  struct MemberRows {
    size_t number;
    std::vector<RowLosses> rows;
    double allowed = 0;            ///< to lose
    mutable size_t first_row = 0;  ///< that which refuted a set last: it refutes most others as well
  };
  struct Loss {
    double most;  ///< on any CPU
    bool is_allowed;
  };

  void add_member(size_t number, const Member& member) {
    const Profile& profile = member.profile;
    for (const Candidate& c : candidates_) {
      const auto it = profile.evidence.find(c.variant->name());
      if (!options_.any_code && it != profile.evidence.end() &&
          (it->second.code != c.variant->code || it->second.contract != kernel_.contract->version)) {
        throw InputError(fmt::format(
            "the profiles of {} are of other code of {} than this program has: tune again with this build, or export "
            "with the build that tuned",
            name_of_cpu(profile.cpu), c.variant->name()));
      }
    }
    MemberRows rows{number, {}, 0};
    bool warm = false;
    for (const Choice& choice : profile.choices) {
      warm = warm || (choice.kernel == kernel_.name && !choice.cold && !choice.ratios.empty());
    }
    for (const Choice& choice : profile.choices) {
      if (choice.kernel == kernel_.name && choice.cold != warm && !choice.ratios.empty()) {
        rows.rows.push_back(losses_at(profile, choice));
      }
    }
    if (!rows.rows.empty()) {
      members_.push_back(std::move(rows));
    }
  }

  RowLosses losses_at(const Profile& profile, const Choice& choice) const {
    RowLosses row{&choice, {}, {}, kNever};
    double fastest = kNever;
    std::vector<Ratio> best(candidates_.size(), {kNever, kNever, kNever});
    std::vector<std::string> labels(candidates_.size());
    for (const auto& [label, ratio] : choice.ratios) {
      const std::string_view usual = without_parameters(label);
      for (size_t i = 0; i < candidates_.size(); ++i) {
        const Variant& v = *candidates_[i].variant;
        if (v.label() != usual || profile.evidence.at(v.name()).verdict.at("status") != "pass") {
          continue;
        }
        fastest = std::min(fastest, ratio.median);
        if (!v.jit) {
          row.fastest_called = std::min(row.fastest_called, ratio.median);
        }
        if (ratio.median < best[i].median) {
          best[i] = ratio;
          labels[i] = label;
        }
      }
    }
    if (row.fastest_called == kNever) {
      throw InputError(
          fmt::format("{} {} on {}: nothing but generated code passed and was timed; nothing else could be called",
                      kernel_.name, choice.label, name_of_cpu(profile.cpu)));
    }
    for (size_t i = 0; i < candidates_.size(); ++i) {
      const auto add = [&](Losses& losses, double over, bool allowed) {
        // The fastest loses nothing to itself, whatever its interval.
        const bool first = best[i].median == over;
        losses.median.push_back(allowed ? best[i].median / over - 1 : kNever);
        losses.high.push_back(!allowed ? kNever : first ? 0 : std::max(0.0, best[i].high / over - 1));
        losses.label.push_back(labels[i]);
      };
      add(row.called, row.fastest_called, !candidates_[i].variant->jit);
      add(row.made, fastest, true);
    }
    row.fastest_called /= fastest;
    return row;
  }

  template <class F>
  void each_of_size(size_t n, const F& use) const {
    const Mask end = Mask{1} << candidates_.size();
    for (Mask mask = (Mask{1} << n) - 1; mask < end;) {
      use(mask);
      const Mask lowest = mask & -mask, ripple = mask + lowest;  // Gosper's hack: the next number of as many bits
      mask = (((mask ^ ripple) >> 2) / lowest) | ripple;
    }
  }

  Mask of_layout(Mask mask, size_t layout) const {
    for (size_t i = 0; i < candidates_.size(); ++i) {
      if (candidates_[i].layout != layout) {
        mask &= ~(Mask{1} << i);
      }
    }
    return mask;
  }

  static size_t best_of(const std::vector<double>& losses, Mask mask) {
    size_t best = losses.size();
    for (; mask != 0; mask &= mask - 1) {
      const auto i = static_cast<size_t>(std::countr_zero(mask));
      if (best == losses.size() || losses[i] < losses[best]) {
        best = i;
      }
    }
    return best;
  }

  /// The most that a CPU loses with the variants of `mask`; of a loss over `bound` no more than that it is one.
  static double loss_on(const MemberRows& member, Mask mask, double bound) {
    double most = mask == 0 ? kNever : 0;
    for (size_t i = 0; i < member.rows.size(); ++i) {
      const size_t number = (member.first_row + i) % member.rows.size();
      const RowLosses& row = member.rows[number];
      for (const Losses* losses : {&row.called, &row.made}) {
        double least = kNever;
        for (Mask rest = mask; rest != 0; rest &= rest - 1) {
          least = std::min(least, losses->high[static_cast<size_t>(std::countr_zero(rest))]);
        }
        most = std::max(most, least);
      }
      if (most > bound) {
        member.first_row = number;
        break;
      }
    }
    return most;
  }

  /// The layout with which a CPU loses least.
  size_t layout_for(const MemberRows& member, Mask mask) const {
    size_t best = 0;
    double least = kNever;
    for (size_t layout = 0; layout < n_layouts_; ++layout) {
      const double loss = loss_on(member, of_layout(mask, layout), kNever);
      if (loss < least) {
        least = loss;
        best = layout;
      }
    }
    return best;
  }

  double loss_on_any_layout(const MemberRows& member, Mask mask, double bound) const {
    double least = kNever;
    for (size_t layout = 0; layout < n_layouts_; ++layout) {
      least = std::min(least, loss_on(member, n_layouts_ == 1 ? mask : of_layout(mask, layout), bound));
    }
    return least;
  }

  /// `least`: what the best set of as many loses. One that loses more and is not allowed is left at the first CPU that says so: nearly all are.
  Loss loss_of(Mask mask, double least) {
    Loss loss{0, true};
    for (size_t i = 0; i < members_.size(); ++i) {
      const size_t number = (first_member_ + i) % members_.size();
      const MemberRows& member = members_[number];
      const double bound = std::max(least, member.allowed), lost = loss_on_any_layout(member, mask, bound);
      if (lost > bound || lost == kNever) {
        first_member_ = number;
        return {kNever, false};
      }
      loss.most = std::max(loss.most, lost);
      loss.is_allowed = loss.is_allowed && lost <= member.allowed;
    }
    return loss;
  }

  size_t isas_of(Mask mask) const {
    std::set<std::string> isas;
    for (; mask != 0; mask &= mask - 1) {
      isas.insert(candidates_[static_cast<size_t>(std::countr_zero(mask))].variant->isa);
    }
    return isas.size();
  }

  /// Candidates are in the order of their ISAs, the simpler first: of two sets that with the lower bits is the simpler.
  bool is_simpler(Mask a, Mask b) const { return isas_of(a) != isas_of(b) ? isas_of(a) < isas_of(b) : a < b; }

  std::vector<SetRow> rows_of(const MemberRows& member, Mask mask) const {
    if (n_layouts_ > 1) {
      mask = of_layout(mask, layout_for(member, mask));
    }
    std::vector<SetRow> rows;
    for (const RowLosses& row : member.rows) {
      const size_t called = best_of(row.called.median, mask), made = best_of(row.made.median, mask);
      rows.push_back({row.choice, row.called.label[called], row.made.label[made], row.called.high[called],
                      row.made.high[made], (row.called.median[called] + 1) * row.fastest_called - 1});
    }
    return rows;
  }

  const Kernel& kernel_;
  const SetOptions& options_;
  std::vector<Candidate> candidates_;
  size_t n_layouts_ = 1;
  std::vector<MemberRows> members_;
  size_t first_member_ = 0;  ///< that which refuted a set last
};

}  // namespace

KernelSet smallest_set(const Kernel& kernel, const Fleet& fleet, const SetOptions& options) {
  return Search(kernel, fleet, options).find();
}

void expect_quiet(const Fleet& fleet, double within) {
  for (const Member& member : fleet.members) {
    std::vector<double> controls;
    for (const Choice& choice : member.profile.choices) {
      if (const double control = timing_of(choice, "control_ratio", 0); control > 0) {
        controls.push_back(control - 1);
      }
    }
    const double noise = controls.empty() ? 0 : upper_median(controls);
    if (noise > within) {
      throw InputError(
          fmt::format("{}: a variant differs from itself by {:.1f}% or more at half of the classes, so that nothing "
                      "can be said within "
                      "{:.1f}%: tune again while nothing else runs there, or take more with --within",
                      name_of_cpu(member.profile.cpu), 100 * noise, 100 * within));
    }
  }
}

}  // namespace assay
