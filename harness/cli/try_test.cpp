// `assay try`: from a file to a verdict. The compiler is that of the build.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/runtime/testing.h"

namespace assay {
namespace {

using Line = std::vector<std::string>;

constexpr const char* kAdd = R"(
void add_f32(float* z, const float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    z[i] = x[i] + y[i];
  }
}
)";

Run try_file(const std::string& path, const Line& options) {
  Line line = {"try", path};
  line.insert(line.end(), options.begin(), options.end());
  return run_assay(line);
}

TEST(Try, AFileOfEachLanguageIsCheckedAndTimed) {
  const TemporaryFolder folder;
  const std::string c = folder.path("my add.c"), cpp = folder.path("my_add.cpp"), assembly = folder.path("my_add.s");
  write_all(c, kAdd);
  write_all(cpp, kAdd);
  write_all(assembly, R"(
  .globl add_f32
add_f32:
  test %rcx, %rcx
  jz 2f
1: movss -4(%rsi,%rcx,4), %xmm0
  addss -4(%rdx,%rcx,4), %xmm0
  movss %xmm0, -4(%rdi,%rcx,4)
  dec %rcx
  jnz 1b
2: ret
  .section .note.GNU-stack,"",@progbits
)");
  for (const auto& path : {c, cpp, assembly}) {
    const auto run = try_file(path, {"--kernel", "add_f32", "--isa", "sse", "--no-timing", "--samples", "300"});
    EXPECT_EQ(run.status, 0) << run.out << run.err;
    EXPECT_NE(run.out.find("add_f32/try:my_add: pass, 300 samples"), std::string::npos) << run.out;
  }
  const std::string nasm = std::string(ASSAY_SOURCE_DIR) + "/ci/examples/plugins/add.asm";
  EXPECT_EQ(try_file(nasm, {"--no-timing", "--samples", "300"}).status, 0) << "a plug-in by itself";
}

TEST(Try, AFileOfTheHouseIsTriedAsItIs) {
  for (const auto& [file, kernel, isa] :
       std::vector<std::array<std::string, 3>>{{"kernels/dot_f32/avx2.cpp", "dot_f32", "avx2"},
                                               {"kernels/dot_f32/x87.asm", "dot_f32", "x87"},
                                               {"kernels/gelu_f32/jit_avx2.cpp", "gelu_f32", "jit_avx2"}}) {
    const std::string path = fmt::format("{}/{}", ASSAY_SOURCE_DIR, file);
    const auto run = try_file(path, {"--kernel", kernel, "--isa", isa, "--no-timing", "--samples", "200"});
    EXPECT_TRUE(run.status == 0 || run.status == 3) << file << run.out << run.err;
  }
}

TEST(Try, ALibraryAndAnObjectAreLinked) {
  const TemporaryFolder folder;
  write_all(folder.path("add.c"), std::string("#include <stddef.h>\n") + kAdd);
  const auto compile = [&](const std::string& flags, const std::string& out) {
    return run_assay({"-c", fmt::format("cc -O2 {} {} -o {}", flags, folder.path("add.c"), folder.path(out)), "sh"},
                     "/bin/sh")
        .status;
  };
  ASSERT_EQ(compile("-fPIC -c", "add.o"), 0);
  ASSERT_EQ(compile("-fPIC -shared", "add.so"), 0);
  for (const char* file : {"add.o", "add.so"}) {
    const auto run = try_file(folder.path(file), {"--kernel", "add_f32", "--no-timing", "--samples", "200"});
    EXPECT_EQ(run.status, 0) << run.out << run.err;
  }
}

TEST(Try, AWrongOneIsShownElementByElement) {
  const TemporaryFolder folder;
  const std::string path = folder.path("wrong.c");
  write_all(path, R"(
void add_f32(float* z, const float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    z[i] = i % 8 == 5 ? x[i] : x[i] + y[i];
  }
}
)");
  const auto run = try_file(path, {"--kernel", "add_f32"});
  EXPECT_EQ(run.status, 1) << run.err;
  EXPECT_NE(run.out.find("add_f32/try:wrong: fail"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("z[5]"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("<-- wrong"), std::string::npos) << run.out;
  const size_t again = run.out.find("again: assay ");
  ASSERT_NE(again, std::string::npos) << run.out;
  // The library stays where the line finds it.
  std::string command = run.out.substr(again + std::string("again: assay ").size());
  command.resize(command.find('\n'));
  EXPECT_NE(command.find("--plugin "), std::string::npos) << command;
}

TEST(Try, WhatDoesNotCompileIsShownAsTheCompilerSaysIt) {
  const TemporaryFolder folder;
  const std::string path = folder.path("wrong.c");
  write_all(path, "int add_f32(int x) { return x }\n");
  const auto run = try_file(path, {"--kernel", "add_f32"});
  EXPECT_EQ(run.status, 2);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("wrong.c:1:"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("conflicting types"), std::string::npos) << "the contract's type holds" << run.err;
}

TEST(Try, WhatItDoesNotUnderstandIsRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.path("add.c"), text = folder.path("add.txt"), object = folder.path("add.o");
  write_all(path, kAdd);
  write_all(text, kAdd);
  write_all(object, "no object");
  expect_refused({"try", folder.path("none.c"), "--kernel", "add_f32"}, "none.c: No such file");
  expect_refused({"try", folder.path(), "--kernel", "add_f32"}, "is no regular file");
  expect_refused({"try", text, "--kernel", "add_f32"}, "what '.txt' files are is not known");
  expect_refused({"try", path, "--kernel", "add_f65"}, "unknown kernel 'add_f65'");
  expect_refused({"try", path, "--kernel", "add_f32", "--isa", "avx9"}, "unknown ISA 'avx9'");
  expect_refused({"try", path, "--kernel", "dot_f32"}, "it defines none of dot_f32, dot_f32_");
  expect_refused({"try", object, "--kernel", "add_f32"}, "is no object or library that can be linked");
  EXPECT_EQ(try_file(path, {}).status, 2);
  EXPECT_EQ(
      run_assay({"-c", fmt::format("CC=/no/such/cc \"$0\" try {} --kernel add_f32", path), ASSAY_BINARY}, "/bin/sh")
          .status,
      3);
}

TEST(Try, ASignalLeavesNothingBehind) {
  const TemporaryFolder folder;
  const std::string path = folder.path("add.c"), compiler = folder.path("cc.sh"), temporary = folder.path("tmp");
  write_all(path, kAdd);
  write_all(compiler, fmt::format("#!/bin/sh\ntouch {0}/began\nsleep 0.5\nexec cc \"$@\"\n", folder.path()));
  std::filesystem::permissions(compiler, std::filesystem::perms::owner_all);
  std::filesystem::create_directory(temporary);
  for (const char* watch : {"--watch", ""}) {
    std::filesystem::remove(folder.path("began"));
    const auto run = run_assay(
        {"-c",
         fmt::format(
             "cd {0}; TMPDIR={1} \"$0\" try add.c --cxx {2} --kernel add_f32 --no-timing {3} >/dev/null 2>&1 & p=$!; "
             "while ! test -e began; do sleep 0.02; done; ls {1}; kill -TERM $p; wait $p; e=$?; "
             // What works on ends when its compiler has; then no process has the folder.
             "i=0; while ls -d {1}/* >/dev/null 2>&1 && test $i -lt 100; do sleep 0.05; i=$((i+1)); done; ls {1}; exit "
             "$e",
             folder.path(), temporary, compiler, watch),
         ASSAY_BINARY},
        "/bin/sh");
    EXPECT_EQ(run.status, 128 + 15) << watch << run.err;
    EXPECT_TRUE(run.out.starts_with("assay_try_")) << run.out;
    EXPECT_EQ(run.out.find('\n') + 1, run.out.size()) << "left behind: " << run.out;
  }
}

TEST(Try, ACacheThatCannotBeWrittenIsSaid) {
  const TemporaryFolder folder;
  write_all(folder.path("add.c"), kAdd);
  const auto run =
      run_assay({"-c", fmt::format("XDG_CACHE_HOME=/dev/null \"$0\" try {} --kernel add_f32", folder.path("add.c")),
                 ASSAY_BINARY},
                "/bin/sh");
  EXPECT_EQ(run.status, 2);
  EXPECT_NE(run.err.find("it cannot be made: Not a directory; name another place with XDG_CACHE_HOME"),
            std::string::npos)
      << run.err;
}

TEST(SlowTry, IsPlacedAmongTheOthers) {
  const TemporaryFolder folder;
  const std::string path = folder.path("add.c");
  write_all(path, kAdd);
  const auto run = try_file(path, {"--kernel", "add_f32"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.out.find("try:add is number "), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("% of the limit ("), std::string::npos) << run.out;
  const auto json = nlohmann::json::parse(try_file(path, {"--kernel", "add_f32", "--json"}).out, nullptr, false);
  ASSERT_TRUE(json.is_object());
  EXPECT_EQ(json.at("verdicts")[0].at("status"), "pass");
  EXPECT_GE(json.at("timings").size(), 2u);
}

}  // namespace
}  // namespace assay
