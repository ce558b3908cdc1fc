#include "harness/predict/predict.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "harness/predict/disassembly.h"
#include "harness/predict/tool.h"
#include "harness/predict/trace.h"
#include "harness/runtime/error.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

std::vector<Loop> innermost_loops(const Function& function, const std::vector<uint64_t>& executed = {}) {
  const auto loops = loops_of(function);
  std::vector<Loop> chosen;
  for (const size_t i : innermost(loops, executed)) {
    chosen.push_back(loops[i]);
  }
  return chosen;
}

// What llvm-objdump 19 prints with -d --no-show-raw-insn: a nest of loops, a constant by RIP, a call, bytes that are no
// code.
constexpr const char* kListing = R"(
/proc/self/exe:	file format elf64-x86-64

Disassembly of section .text:

0000000000001000 <kernel_avx2>:
    1000:      	testq	%rdx, %rdx
    1003:      	je	0x1040 <kernel_avx2+0x40>
    1005:      	vmovups	0x2000(%rip), %ymm0     # 0x3008 <kConstant>
    100d:      	nopl	(%rax)
    1010:      	vmovups	(%rdi), %ymm1
    1014:      	vfmadd231ps	(%rsi), %ymm1, %ymm0
    1019:      	addq	$0x20, %rdi
    101d:      	jne	0x1010 <kernel_avx2+0x10>
    101f:      	vmovss	(%rdi), %xmm2
    1023:      	addq	$0x4, %rdi
    1027:      	jb	0x101f <kernel_avx2+0x1f>
    1029:      	decq	%rcx
    102c:      	jne	0x1010 <kernel_avx2+0x10>
    102e:      	callq	0x1100 <helper>
    1033:      	jmpq	*%rax
    1035:      	<unknown>
    1040:      	retq

0000000000001100 <helper>:
    1100:      	retq
)";

TEST(Disassembly, FunctionsInstructionsAndTargets) {
  const auto functions = parse_disassembly(kListing);
  ASSERT_EQ(functions.size(), 2u);
  const Function& f = functions[0];
  EXPECT_EQ(f.name, "kernel_avx2");
  EXPECT_EQ(f.address, 0x1000u);
  ASSERT_EQ(f.code.size(), 17u);
  EXPECT_EQ(f.code[1].text, "je 0x1040");
  EXPECT_EQ(f.code[1].target, 0x1040u);
  EXPECT_EQ(f.code[2].text, "vmovups 0x2000(%rip), %ymm0");
  EXPECT_TRUE(f.code[13].is_call());
  EXPECT_EQ(f.code[13].target, 0x1100u);
  EXPECT_EQ(f.code[2].operand, 0x3008u);
  EXPECT_EQ(f.code[3].operand, Instruction::kNoTarget);
  EXPECT_EQ(f.code[14].target, Instruction::kNoTarget);  // an indirect jump
  EXPECT_EQ(f.code[15].text, "(bad)");
  EXPECT_EQ(functions[1].code.size(), 1u);
}

TEST(Disassembly, FollowsCallsAndTablesOfFunctions) {
  const auto functions = parse_disassembly(kListing);
  const auto pointers_at = [](uint64_t address) {
    return address == 0x3008 ? std::vector<uint64_t>{0x5000, 0x1010, 0x5100} : std::vector<uint64_t>{};
  };
  // The call, the operand, and what the table there holds; not what lies within the function itself.
  auto reached = reached_from(functions[0], pointers_at);
  std::ranges::sort(reached);
  EXPECT_EQ(reached, (std::vector<uint64_t>{0x1100, 0x3008, 0x5000, 0x5100}));
}

TEST(Disassembly, InnermostLoopsAndTheHeaviest) {
  const auto functions = parse_disassembly(kListing);
  // Two jumps go back to 0x1010: the shorter loop and the one at 0x101f lie within the longer.
  auto loops = innermost_loops(functions[0]);
  ASSERT_EQ(loops.size(), 2u);
  EXPECT_EQ(loops[0].begin(), 0x1010u);
  EXPECT_EQ(loops[0].end(), 0x101du);
  EXPECT_EQ(loops[0].size(), 4u);
  EXPECT_EQ(loops[0].caveat(), "its head in a longer loop too");
  EXPECT_EQ(loops[1].begin(), 0x101fu);
  EXPECT_EQ(loops[1].caveat(), "");

  std::string text = kListing;  // the outer loop now begins at 0x1005: two inner ones
  text.replace(text.find("102c:      	jne	0x1010 <kernel_avx2+0x10>"), 41,
               "102c:      	jne	0x1005 <kernel_avx2+0x5>");
  const auto nested = parse_disassembly(text);
  loops = innermost_loops(nested[0]);
  ASSERT_EQ(loops.size(), 2u);
  EXPECT_EQ(loops[0].begin(), 0x1010u);
  EXPECT_EQ(loops[0].end(), 0x101du);
  EXPECT_EQ(loops[1].begin(), 0x101fu);
  EXPECT_EQ(loops[0].weight(), 64);  // two operands of 32 bytes
  EXPECT_EQ(loops[1].weight(), 4);
  EXPECT_EQ(loops[0].caveat(), "");
  // Executed: both inner ones are most of the outer's work, or little of it.
  EXPECT_EQ(innermost_loops(nested[0], {400, 300, 1000}).size(), 2u);
  loops = innermost_loops(nested[0], {40, 300, 1000});
  ASSERT_EQ(loops.size(), 1u);
  EXPECT_EQ(loops[0].begin(), 0x1005u);
  EXPECT_EQ(loops[0].caveat(), "loops inside, each passed once");

  const auto branchy = parse_disassembly(
      "0000000000000000 <f>:\n 0: \tcallq\t0x100 <x>\n 5: \tje\t0x9 <f+0x9>\n 7: \tnop\n 9: \tjne\t0x0 <f>\n");
  EXPECT_EQ(innermost_loops(branchy[0]).at(0).caveat(), "calls, branches");

  // Code out of line that jumps back into the loop: no instruction may count twice.
  const auto out_of_line = parse_disassembly(
      "0000000000000000 <f>:\n 0: \tnop\n 1: \tnop\n 3: \tjne\t0x0 <f>\n 5: \tnop\n 6: \tjmp\t0x1 <f+0x1>\n");
  loops = innermost_loops(out_of_line[0]);
  ASSERT_EQ(loops.size(), 1u);
  EXPECT_EQ(loops[0].end(), 0x3u);
}

TEST(Disassembly, NothingIsAnError) {
  EXPECT_THROW(parse_disassembly(""), MachineError);
  EXPECT_THROW(parse_disassembly("hello\n  10: \n:::\n<>\n"), MachineError);
}

// The parts of llvm-mca 19's --json that count, with others around them.
constexpr const char* kReport = R"({"CodeRegions":[
  {"Name":"loop1","Instructions":["addq $32, %rdi"],"SummaryView":{"BlockRThroughput":1.0,"DispatchWidth":6,"IPC":1.9,
   "Instructions":600,"Iterations":300,"TotalCycles":1200,"TotaluOps":600,"uOpsPerCycle":0.5}},
  {"Name":"loop0","SummaryView":{"Iterations":300,"TotalCycles":450}}],
  "SimulationParameters":{"-mcpu":"znver3"},"TargetInfo":{"CPUName":"znver3"}})";

TEST(McaReport, CyclesOfEachLoopByName) { EXPECT_EQ(parse_mca_json(kReport, 2), (std::vector<double>{1.5, 4.0})); }

TEST(McaReport, AnythingElseIsAnError) {
  EXPECT_THROW(parse_mca_json(kReport, 3), MachineError);  // a loop is missing
  const std::string whole = kReport;
  for (size_t size = 0; size < whole.size(); size += 5) {
    EXPECT_THROW(parse_mca_json(whole.substr(0, size), 2), MachineError) << size;
  }
  for (const char* text :
       {"[]", "{}", "null", R"({"CodeRegions":{}})", R"({"CodeRegions":[1,null]})",
        R"({"CodeRegions":[{"Name":"loop0"}]})", R"({"CodeRegions":[{"Name":"loop0","SummaryView":[]}]})",
        R"({"CodeRegions":[{"Name":"loop0","SummaryView":{"Iterations":0,"TotalCycles":5}}]})",
        R"({"CodeRegions":[{"Name":"loop0","SummaryView":{"Iterations":"1","TotalCycles":5}}]})"}) {
    EXPECT_THROW(parse_mca_json(text, 1), MachineError) << text;
  }
}

__attribute__((noinline)) void spin(uint64_t rounds) {
  asm volatile(
      ".globl assay_test_loop\n"
      "assay_test_loop: add $1, %%rax\n\t"
      "dec %0\n"
      ".globl assay_test_loop_end\n"
      "assay_test_loop_end: jnz assay_test_loop"
      : "+r"(rounds)
      :
      : "rax", "cc");
}
extern "C" const char assay_test_loop[], assay_test_loop_end[];

TEST(SingleStep, CountsEveryIteration) {
  const std::vector<CodeRange> ranges = {
      {reinterpret_cast<uintptr_t>(assay_test_loop), reinterpret_cast<uintptr_t>(assay_test_loop_end)}};
  const Trace trace = single_step([] { spin(1000); }, ranges, 100'000);
  if (trace.steps == 0) {
    GTEST_SKIP() << "the trap flag does nothing here";
  }
  EXPECT_TRUE(trace.complete);
  EXPECT_EQ(trace.entries[0], 1000u);
  EXPECT_EQ(trace.instructions[0], 3000u);
  EXPECT_GE(trace.steps, 3000u);
  const Trace cut = single_step([] { spin(1000); }, ranges, 500);
  EXPECT_FALSE(cut.complete);
  EXPECT_EQ(cut.steps, 500u);
}

TEST(Tools, NoShellAndNoDeadlock) {
  EXPECT_EQ(run_tool({"printf", "%s", "a b; $HOME"}, "").out, "a b; $HOME");
  EXPECT_EQ(run_tool({"false"}, "").status, 1);
  const std::string large(3 << 20, 'x');
  EXPECT_EQ(run_tool({"cat"}, large).out, large);
  EXPECT_THROW(run_tool({"/nonexistent/tool"}, ""), MachineError);
  EXPECT_THROW(run_tool({"sleep", "60"}, "", 1), MachineError);
  EXPECT_EQ(find_tool({"no-such-tool-at-all"}), "");
  EXPECT_EQ(find_tool({"no-such-tool-at-all", "cat"}), "cat");
}

TEST(CpuModels, KnowTheirCpus) {
  Cpu cpu;
  cpu.vendor = "GenuineIntel";
  cpu.family = 6;
  cpu.model = 0x55;
  EXPECT_TRUE(find_cpu_model("skylake-avx512").matches(cpu));
  EXPECT_FALSE(find_cpu_model("icelake-server").matches(cpu));
  cpu.features.insert("avx512_vnni");  // Cascade Lake
  EXPECT_FALSE(find_cpu_model("skylake-avx512").matches(cpu));
  cpu.vendor = "AuthenticAMD";
  cpu.family = 0x19;
  cpu.model = 0x01;
  EXPECT_TRUE(find_cpu_model("znver3").matches(cpu));
  EXPECT_FALSE(find_cpu_model("znver4").matches(cpu));
  cpu.model = 0x11;
  EXPECT_TRUE(find_cpu_model("znver4").matches(cpu));
  cpu.family = 0x1a;  // Zen 5
  for (const auto& model : cpu_models()) {
    EXPECT_FALSE(model.matches(cpu)) << model.name;
  }
  EXPECT_FALSE(isa_status(find_cpu_model("haswell").cpu, "avx512").runnable);
  EXPECT_TRUE(isa_status(find_cpu_model("haswell").cpu, "avx2").runnable);
  EXPECT_TRUE(isa_status(find_cpu_model("skylake-avx512").cpu, "avx512").runnable);
  EXPECT_FALSE(isa_status(find_cpu_model("skylake-avx512").cpu, "avx512_vnni").runnable);
  EXPECT_FALSE(isa_status(find_cpu_model("icelake-server").cpu, "avx512_bf16").runnable);
  EXPECT_TRUE(isa_status(find_cpu_model("znver4").cpu, "avx512_bf16").runnable);
  EXPECT_THROW(find_cpu_model("pentium"), InputError);
}

TEST(Ratios, MedianAndWorstOfOneIsa) {
  const auto make = [](const char* kernel, const char* variant, double measured) {
    Prediction p;
    p.kernel = kernel;
    p.variant = variant;
    p.loops.push_back({"f+0x0", 5, "", 2.0, 100, 0.9});  // 200 cycles predicted
    p.measured_cycles_per_call = measured;
    return p;
  };
  const RatioSummary s = summarise_ratios({make("a", "avx2", 220), make("b", "avx2", 50), make("c", "avx2", 500),
                                           make("d", "sse", 9000), make("e", "avx2", 0)},
                                          "avx2");
  EXPECT_EQ(s.count, 3u);
  EXPECT_DOUBLE_EQ(s.median, 1.1);
  EXPECT_DOUBLE_EQ(s.worst, 0.25);  // four times too slow a prediction is worse than 2.5 times too fast a one
  EXPECT_EQ(s.worst_variant, "b/avx2");
  Prediction half = make("f", "avx2", 220);
  half.loops[0].share = 0.4;  // most of the call lies in no loop that was found: it is not predicted
  EXPECT_EQ(half.ratio(), 0);
  EXPECT_EQ(summarise_ratios({half}, "avx2").count, 0u);
  EXPECT_EQ(summarise_ratios({}, "avx2").count, 0u);
}

bool have_tools() {
  try {
    find_llvm_tools();
    return true;
  } catch (const MachineError&) {
    return false;
  }
}

TEST(Predict, StaticAndGeneratedCodeOfOneKernel) {
  if (!have_tools()) {
    GTEST_SKIP() << "llvm-mca is not installed (package llvm-19)";
  }
  const Cpu here = detect_cpu();
  PredictOptions options;
  options.kernel_glob = kernels().front().name;
  const auto predictions = predict(here, find_cpu_model("znver4"), options);
  ASSERT_EQ(predictions.size(), kernels().front().variants.size());
  for (const auto& p : predictions) {
    ASSERT_EQ(p.missing, "") << p.variant;
    ASSERT_FALSE(p.loops.empty()) << p.variant;
    EXPECT_GT(p.loops[0].cycles_per_iteration, 0) << p.variant;
    if (isa_status(here, p.variant).runnable && p.counted) {
      EXPECT_GT(p.units_per_iteration(), 0) << p.variant;
      EXPECT_GT(p.covered(), kSanitized ? 0.1 : 0.5) << p.variant;  // scalar then has UBSan's branches inside
      EXPECT_LE(p.covered(), 1.0) << p.variant;
    } else {
      EXPECT_NE(p.not_counted, "") << p.variant;
      EXPECT_EQ(p.units_per_iteration(), 0) << p.variant;
    }
  }
  // A CPU without AVX-512 has no prediction of AVX-512 code, and says so.
  options.variant_glob = "avx512";
  for (const auto& p : predict(here, find_cpu_model("haswell"), options)) {
    EXPECT_NE(p.missing.find("avx512f"), std::string::npos);
    EXPECT_EQ(p.predicted_cycles_per_call(), 0);
  }
  options.kernel_glob = "no_such_kernel";
  EXPECT_THROW(predict(here, find_cpu_model("haswell"), options), InputError);
}

TEST(PredictCommand, WithoutLlvmItNamesThePackageAndExitsWith3) {
  const ToolResult result =
      run_tool({"/usr/bin/env", "PATH=/nonexistent", ASSAY_BINARY, "predict", "--cpu", "znver3"}, "");
  EXPECT_EQ(result.status, 3);
  EXPECT_NE(result.err.find("llvm-19"), std::string::npos) << result.err;
  EXPECT_EQ(run_tool({ASSAY_BINARY, "predict", "--cpu", "pentium"}, "").status, 2);
  EXPECT_EQ(run_tool({ASSAY_BINARY, "predict"}, "").status, 2);
}

// As LLVM 14 answers to znver4: a warning, and a report for some other CPU.
TEST(PredictCommand, AToolThatDoesNotKnowTheCpuIsNamed) {
  const TemporaryFolder folder;
  for (const char* tool : {"llvm-mca-19", "llvm-mc-19", "llvm-objdump-19"}) {
    write_all(folder.path(tool),
              "#!/bin/sh\necho \"'znver4' is not a recognized processor for this target (ignoring processor)\" >&2\n");
    std::filesystem::permissions(folder.path(tool), std::filesystem::perms::owner_all);
  }
  const ToolResult result =
      run_tool({"/usr/bin/env", "PATH=" + folder.path(), ASSAY_BINARY, "predict", "--cpu", "znver4"}, "");
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("llvm-mca-19 does not know the CPU znver4"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("install Debian's package llvm-19"), std::string::npos) << result.err;
}

TEST(PredictCommand, NothingPredictedIsNoSuccess) {
  if (!have_tools()) {
    GTEST_SKIP() << "llvm-mca is not installed (package llvm-19)";
  }
  const ToolResult result = run_tool(
      {ASSAY_BINARY, "predict", "--cpu", "haswell", "--kernel", kernels().front().name, "--variant", "avx512"}, "");
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("nothing was predicted for haswell"), std::string::npos) << result.err;
}

TEST(PredictCommand, LabelsWhatIsPredicted) {
  if (!have_tools()) {
    GTEST_SKIP() << "llvm-mca is not installed (package llvm-19)";
  }
  const std::string kernel = kernels().front().name;
  const ToolResult text =
      run_tool({ASSAY_BINARY, "predict", "--cpu", "icelake-server", "--kernel", kernel, "--variant", "avx2"}, "");
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("predicted for icelake-server"), std::string::npos) << text.out;
  const bool same = find_cpu_model("icelake-server").matches(detect_cpu());
  EXPECT_EQ(text.out.find("not measured:") == std::string::npos, same) << text.out;
  const ToolResult json = run_tool(
      {ASSAY_BINARY, "predict", "--cpu", "icelake-server", "--kernel", kernel, "--variant", "avx2", "--json"}, "");
  ASSERT_EQ(json.status, 0) << json.err;
  const auto parsed = nlohmann::json::parse(json.out);
  EXPECT_EQ(parsed["predicted_for"], "icelake-server");
  EXPECT_EQ(parsed.contains("measured"), same);
  EXPECT_EQ(parsed["predictions"].size(), 1u);
}

}  // namespace
}  // namespace assay
