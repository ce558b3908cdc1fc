#include <filesystem>

#include "harness/runtime/atomic_file.h"
#include "harness/runtime/program_file.h"
#include "harness/runtime/text.h"
#include "reports/page/page.h"

namespace assay {

Charts find_charts() {
  constexpr size_t kLargest = size_t{16} << 20;
  std::error_code error;
  const auto program = std::filesystem::path(program_file()).parent_path();
  for (const auto& folder : {program, program.parent_path() / "share/assay"}) {
    const auto script = folder / "charts.js", licences = folder / "charts.txt";
    if (std::filesystem::exists(script, error) && std::filesystem::exists(licences, error)) {
      Charts charts{read_small_file(script, kLargest), read_small_file(licences, kLargest)};
      // Neither may end or reopen the <script> that it stands in; both are the same to JavaScript.
      charts.script = replaced(replaced(charts.script, "</script", "<\\/script"), "<!--", "<\\!--");
      return charts;
    }
  }
  return {};
}

}  // namespace assay
