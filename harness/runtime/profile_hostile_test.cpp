// Profiles and CPU dumps made to do harm; ci/fuzz/ tries what nobody thought of.
#include <gtest/gtest.h>

#include <set>

#include "harness/check/trial.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/profile.h"
#include "harness/runtime/registry.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

using nlohmann::json;

/// A right profile with one choice, of the first kernel there is.
json right_profile() {
  const Kernel& kernel = kernels().front();
  return {{"schema_version", Profile::kSchemaVersion},
          {"cpu", {{"vendor", "AuthenticAMD"}, {"brand", "A CPU"}, {"family", 25}, {"features", {"avx", "sse2"}}}},
          {"archspec", "zen3"},
          {"date", "2026-01-01T00:00:00Z"},
          {"compiler", "GCC 12.2.0"},
          {"evidence",
           {{kernel.variants.front().name(),
             {{"code", "0123456789abcdef"}, {"contract", 1}, {"verdict", {{"status", "pass"}, {"samples", 300}}}}}}},
          {"choices",
           {{{"kernel", kernel.name},
             {"class", "L1"},
             {"shape", std::vector<uint64_t>(kernel.dims().size(), 128)},
             {"cold", false},
             {"variant", kernel.variants.front().isa},
             {"why", "measured"},
             {"code", "0123456789abcdef"},
             {"parameters", json::array()},
             {"verdict", {{"status", "pass"}, {"samples", 300}}},
             {"ratios", {{kernel.variants.front().isa, {1.0, 1.0, 1.0}}}},
             {"timing", {{"median_ns", 100.5}}}}}}};
}

std::string error_of(const std::string& text) {
  return input_error([&] { refusal(parse_profile("the.json", text), detect_cpu()); });
}

TEST(HostileProfile, TheProfileItselfIsGood) { EXPECT_EQ(error_of(right_profile().dump()), ""); }

TEST(HostileProfile, TruncatedAtEveryByte) {
  const std::string whole = right_profile().dump(1);
  for (size_t n = 0; n < whole.size(); ++n) {
    const std::string message = error_of(whole.substr(0, n));
    ASSERT_NE(message, "") << n;
    expect_clear(message, "the.json: ");
  }
}

TEST(HostileProfile, EveryFieldOfEveryOtherType) {
  const json right = right_profile();
  const json flat = right.flatten();
  std::set<std::string> places;  // every field, and every object and array above one
  for (const auto& [pointer, value] : flat.items()) {
    for (size_t end = pointer.size(); end != std::string::npos && end > 0; end = pointer.rfind('/', end - 1)) {
      places.insert(pointer.substr(0, end));
    }
  }
  ASSERT_GT(places.size(), 15u);
  const std::vector<json> values = {
      nullptr,       true,           -1,        0,         UINT64_MAX, INT64_MIN,
      1.5,           1e300,          -0.0,      "",        "\x1b[2J",  std::string(100'000, 'x'),
      json::array(), json::object(), {1, 2, 3}, {{"a", 1}}};
  size_t refused = 0;
  for (const auto& place : places) {
    for (const auto& value : values) {
      json changed = right;
      changed[json::json_pointer(place)] = value;
      const std::string message = error_of(changed.dump());
      if (!message.empty()) {
        ++refused;
        expect_clear(message, "the.json: ");
      }
    }
    json without = right;
    const json::json_pointer pointer(place);
    auto& parent = without[pointer.parent_pointer()];
    if (parent.is_object()) {
      parent.erase(pointer.back());
    } else {
      parent.erase(parent.begin());
    }
    if (const std::string message = error_of(without.dump()); !message.empty()) {
      expect_clear(message, "the.json: ");
    }
  }
  EXPECT_GT(refused, places.size() * values.size() / 2);
  for (const std::string& place : std::vector<std::string>{
           "/cpu", "/cpu/brand", "/choices/0/code", "/date", "/choices", "/choices/0", "/choices/0/kernel",
           "/choices/0/class", "/choices/0/variant", "/choices/0/why", "/choices/0/shape", "/choices/0/shape/0",
           "/choices/0/verdict", "/choices/0/verdict/samples",
           "/choices/0/ratios/" + kernels().front().variants.front().isa, "/schema_version", "/compiler"}) {
    for (const json& value : {json(-1), json(1.5), json("\x1b[2J"), json(nullptr)}) {
      json changed = right;
      changed[json::json_pointer(place)] = value;
      EXPECT_NE(error_of(changed.dump()), "") << place << " " << value;
    }
  }
}

TEST(HostileProfile, DeepHugeAndOddJson) {
  const std::string whole = right_profile().dump();
  for (const char* open : {"[", "{\"a\":", "[[", "[{\"a\":"}) {
    std::string deep;
    while (deep.size() < 1'000'000) {
      deep += open;
    }
    expect_clear(error_of(deep), "the.json: ");
    expect_clear(error_of("{\"schema_version\":2,\"cpu\":" + deep), "levels deep");
  }
  for (const char* text : {"1e999999", "{\"schema_version\":1e999}", "{\"schema_version\":18446744073709551617}",
                           "\"\xff\"", "{\"\xff\":1}", "\x00", "\xef\xbb\xbf", "NaN", "//", "{\"a\":1,}"}) {
    expect_clear(error_of(text), "the.json: ");
  }
  std::string many = whole;
  while (many.size() < 3'000'000) {
    many += whole;  // garbage after the end
  }
  expect_clear(error_of(many), "the.json: ");
  const TemporaryFolder folder;
  write_all(folder.path("p.json"), std::string(5 << 20, '['));
  expect_clear(input_error([&] { read_profile(folder.path("p.json")); }), "at most");
}

TEST(HostileProfile, ThroughTheCommandLine) {
  const TemporaryFolder folder;
  const std::string path = folder.path("bad.json");
  for (const std::string& text : {std::string(), std::string("{"), std::string(1'000'000, '['),
                                  std::string("{\"schema_version\":2,\"cpu\":[]}"), std::string(5 << 20, ' ')}) {
    write_all(path, text);
    expect_refused({"run", "-q", "--profile", path, "-p", "x"}, path);
  }
  expect_refused({"run", "-q", "--profile", folder.path(), "-p", "x"}, folder.path());
}

// ---- CPU dumps ----

std::string dump_error(const std::string& path) {
  return input_error([&] {
    const Cpu cpu = read_cpu_dump(path);
    describe(cpu);
    to_json(cpu).dump();  // throws if a string is no UTF-8
  });
}

std::string example() { return read_all(ASSAY_SOURCE_DIR "/harness/runtime/testdata/haswell.raw"); }

TEST(HostileCpuDump, TruncatedAtEveryByte) {
  const TemporaryFolder folder;
  const std::string path = folder.path("cut.raw");
  const std::string whole = example();
  size_t refused = 0;
  for (size_t n = 0; n < whole.size(); ++n) {
    write_all(path, whole.substr(0, n));
    const std::string message = dump_error(path);
    if (!message.empty()) {
      ++refused;
      expect_clear(message, path);
    }
  }
  EXPECT_GT(refused, whole.size() / 2);
}

TEST(HostileCpuDump, EveryRegisterAtItsExtremes) {
  const TemporaryFolder folder;
  const std::string path = folder.path("extreme.raw");
  const std::string whole = example();
  size_t tried = 0;
  for (size_t equals = whole.find("]="); equals != std::string::npos; equals = whole.find("]=", equals + 1)) {
    for (size_t r = 0; r < 4; ++r) {
      for (const char* value : {"00000000", "00000001", "7fffffff", "80000000", "fffffffe", "ffffffff"}) {
        std::string changed = whole;
        changed.replace(equals + 2 + 9 * r, 8, value);
        write_all(path, changed);
        if (const std::string message = dump_error(path); !message.empty()) {
          expect_clear(message, path);
        }
        ++tried;
      }
    }
  }
  EXPECT_GT(tried, 1000u);
}

TEST(HostileCpuDump, LinesThatAreNone) {
  const TemporaryFolder folder;
  const std::string path = folder.path("odd.raw");
  for (const std::string& line :
       {std::string("basic_cpuid[4294967296]=0 0 0 0"), std::string("basic_cpuid[-1]=0 0 0 0"),
        std::string("basic_cpuid[32]=0 0 0 0"), std::string("intel_fn4[8]=0 0 0 0"),
        std::string("intel_fn4[31]=0 0 0 0"), std::string("amd_fn8000001dh[4]=0 0 0 0"),
        std::string("intel_fn99[0]=0 0 0 0"), std::string("basic_cpuid[0]=00000000000000001 0 0 0"),
        std::string("basic_cpuid[0]=-1 0 0 0"), std::string("basic_cpuid[ 0]=0 0 0 0"),
        std::string("basic_cpuid[0]=0 0 0"), std::string("basic_cpuid[0]=0 0 0 0 0"),
        std::string("basic_cpuid[0]=0 0 0 0\0x", 24), std::string(100'000, 'a'),
        std::string("basic_cpuid[") + std::string(100'000, '1'), std::string("\x1b[2J")}) {
    write_all(path, example() + line + "\n");
    const std::string message = dump_error(path);
    EXPECT_NE(message, "") << quote(line);
    expect_clear(message, path + ":");
  }
}

TEST(HostileCpuDump, ThroughTheCommandLine) {
  const TemporaryFolder folder;
  const std::string path = folder.path("bad\n.raw");
  for (const std::string& text :
       {std::string(), std::string("hello"), example() + "\x1b[2J", std::string(2 << 20, '#')}) {
    write_all(path, text);
    expect_refused({"cpu", "--raw", path}, "bad\\x0a.raw");
    expect_refused({"cpu", "--json", "--raw", path}, "bad\\x0a.raw");
  }
  for (const std::string& other : {folder.path(), folder.path("none"), std::string("/dev/zero")}) {
    expect_refused({"cpu", "--raw", other}, other);
  }
}

}  // namespace
}  // namespace assay
