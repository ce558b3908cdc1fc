// Profiles of many CPUs in one file, from which kernels are exported.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "harness/cli/commands.h"
#include "harness/export/fleet.h"
#include "harness/runtime/atomic_file.h"

namespace assay {
namespace {

struct MergeArguments {
  std::vector<std::string> profiles;
  std::string out;
};

int run_merge(const MergeArguments& a) {
  check_writable(a.out);
  const Fleet fleet = merge_profiles(a.profiles);
  constexpr size_t kShown = 5;
  for (const Member& m : fleet.members) {
    fmt::print("{}: {} profile{}, {} classes\n", name_of_cpu(m.profile.cpu), m.profiles, m.profiles == 1 ? "" : "s",
               m.profile.choices.size());
    for (size_t i = 0; i < std::min(kShown, m.disagreements.size()); ++i) {
      fmt::print("  disagrees beyond the noise: {}\n", m.disagreements[i]);
    }
    if (m.disagreements.size() > kShown) {
      fmt::print("  and {} more, which are in {}\n", m.disagreements.size() - kShown, a.out);
    }
  }
  write_file_atomically(a.out, fleet_text(fleet));
  return 0;
}

}  // namespace

void add_merge_command(CLI::App& app, int& status) {
  auto a = std::make_shared<MergeArguments>();
  auto* command =
      app.add_subcommand("merge", "profiles of many CPUs as one fleet, for `export`: those of one CPU are pooled");
  command->add_option("profiles", a->profiles, "files that `tune` wrote, on each kind of CPU once or more often")
      ->required();
  command->add_option("--out", a->out, "the fleet's file")->required();
  command->callback([a, &status] { status = run_merge(*a); });
}

}  // namespace assay
