// A profile: read, compared with this CPU, written and read again, which must change nothing.
// Covers: harness/runtime/profile.cpp
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "harness/runtime/error.h"
#include "harness/runtime/profile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const assay::Cpu cpu = assay::detect_cpu();
  try {
    const assay::Profile profile = assay::parse_profile("fuzz.json", {reinterpret_cast<const char*>(data), size});
    assay::refusal(profile, cpu);
    const std::string text = assay::profile_text(profile);
    if (assay::profile_text(assay::parse_profile("again.json", text)) != text) {
      std::abort();
    }
  } catch (const assay::InputError&) {
  }
  return 0;
}
