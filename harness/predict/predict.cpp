#include "harness/predict/predict.h"

#include <fmt/format.h>
#include <link.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <span>

#include "harness/bench/timed_case.h"
#include "harness/predict/tool.h"
#include "harness/predict/trace.h"
#include "harness/runtime/child.h"
#include "harness/runtime/error.h"
#include "harness/runtime/program_file.h"

namespace assay {
namespace {

constexpr size_t kMostLoops = 256;          // of one variant
constexpr uint64_t kMostSteps = 3'000'000;  // some five seconds
constexpr double kSmallShare = 0.01;        // loops below this share of a call are left out
constexpr double kLeastCover = 0.5;         // below, the rest of the call decides its time
constexpr int kMcaIterations = 300;         // the start of the pipeline is then under one percent
constexpr const char* kPackage = "install Debian's package llvm-19 (apt-get install llvm-19)";

// Display family and model of each: getIntelProcessorTypeAndSubtype() and getAMDProcessorTypeAndSubtype() of LLVM 19,
// llvm/lib/TargetParser/Host.cpp.
struct ModelRange {
  const char* name;
  const char* vendor;
  int family, first_model, last_model;
};
constexpr ModelRange kRanges[] = {
    {"haswell", "GenuineIntel", 6, 0x3c, 0x3c},        {"haswell", "GenuineIntel", 6, 0x3f, 0x3f},
    {"haswell", "GenuineIntel", 6, 0x45, 0x46},        {"skylake-avx512", "GenuineIntel", 6, 0x55, 0x55},
    {"icelake-server", "GenuineIntel", 6, 0x6a, 0x6a}, {"icelake-server", "GenuineIntel", 6, 0x6c, 0x6c},
    {"sapphirerapids", "GenuineIntel", 6, 0x8f, 0x8f}, {"znver3", "AuthenticAMD", 0x19, 0x00, 0x0f},
    {"znver3", "AuthenticAMD", 0x19, 0x20, 0x5f},      {"znver4", "AuthenticAMD", 0x19, 0x10, 0x1f},
    {"znver4", "AuthenticAMD", 0x19, 0x60, 0xaf},
};

/// Thrown where a case would call the kernel: all before it, the code generation, is done.
struct BeforeTheCall {};
class StoppingTimer : public CallTimer {
 public:
  void time(const std::function<void(size_t)>&) override { throw BeforeTheCall{}; }
};

class TracingTimer : public CallTimer {
 public:
  TracingTimer(const std::vector<CodeRange>& ranges, Trace& trace) : ranges_(ranges), trace_(trace) {}
  void time(const std::function<void(size_t)>& repeat) override {
    trace_ = single_step([&] { repeat(1); }, ranges_, kMostSteps);
  }

 private:
  const std::vector<CodeRange>& ranges_;
  Trace& trace_;
};

/// What the traced child leaves behind.
struct SharedTrace {
  uint64_t steps;
  bool complete;
  uint64_t entries[kMostLoops];
  uint64_t instructions[kMostLoops];
};

/// Code of one variant: its functions where they lie, and how far from there they run.
struct Code {
  std::deque<Function> own;                                      ///< of generated code
  std::vector<std::pair<const Function*, uintptr_t>> functions;  ///< and what to add to an address
};

ShapeClass small_shape(const Trial& trial, const CacheInfo& caches) {
  const auto classes = trial.shape_classes(caches);
  const auto l1 =
      std::ranges::find_if(classes, [](const ShapeClass& c) { return c.label.find("L1") != std::string::npos; });
  return l1 == classes.end() ? classes.front() : *l1;
}

/// Where this executable lies: what to add to the addresses of its file, and its code there.
struct Executable {
  uintptr_t base = 0;
  std::vector<std::pair<uintptr_t, uintptr_t>> code;

  Executable() {
    dl_iterate_phdr(
        [](dl_phdr_info* info, size_t, void* out) {
          auto& self = *static_cast<Executable*>(out);
          self.base = info->dlpi_addr;
          for (int i = 0; i < info->dlpi_phnum; ++i) {
            const auto& segment = info->dlpi_phdr[i];
            if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) {
              self.code.emplace_back(segment.p_vaddr, segment.p_vaddr + segment.p_memsz);
            }
          }
          return 1;  // the first is the executable
        },
        this);
  }

  /// The pointers to code, one after the other, at this address of the file.
  std::vector<uint64_t> pointers_at(uint64_t address) const {
    uint64_t words[64];
    const iovec to{words, sizeof words};
    const iovec from{reinterpret_cast<void*>(address + base), sizeof words};
    const ssize_t bytes = process_vm_readv(getpid(), &to, 1, &from, 1, 0);  // no fault where nothing is mapped
    std::vector<uint64_t> pointers;
    for (ssize_t i = 0; i < bytes / static_cast<ssize_t>(sizeof words[0]); ++i) {
      const uint64_t pointer = words[i] - base;
      if (std::ranges::none_of(code, [&](const auto& c) { return pointer >= c.first && pointer < c.second; })) {
        break;
      }
      pointers.push_back(pointer);
    }
    return pointers;
  }
};

/// The variant's function and those that it reaches.
Code static_code(const Variant& variant, const std::vector<Function>& all) {
  const std::string symbol = variant.symbol;
  const auto root = std::ranges::find(all, symbol, &Function::name);
  if (root == all.end()) {
    throw MachineError(fmt::format("{} is no symbol of this executable; use one that is not stripped", symbol));
  }
  Code code;
  const uintptr_t base = reinterpret_cast<uintptr_t>(variant.run) - root->address;
  code.functions.emplace_back(&*root, base);
  for (size_t i = 0; i < code.functions.size(); ++i) {
    for (const uint64_t address : code.functions[i].first->reaches) {
      const auto callee = std::ranges::find(all, address, &Function::address);
      if (callee != all.end() &&
          std::ranges::none_of(code.functions, [&](const auto& f) { return f.first == &*callee; })) {
        code.functions.emplace_back(&*callee, base);
      }
    }
  }
  return code;
}

Code generated_code(const Kernel& kernel, const Variant& variant, const Shape& shape, const LlvmTools& tools,
                    BenchStore& store) {
  StoppingTimer timer;
  try {
    TimedCase c(variant, shape, store, timer);
    trial_of(kernel).run(c);
  } catch (const BeforeTheCall&) {
  }
  Code code;
  for (const JitCode* piece : store.codes()) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(piece->entry());
    code.own.push_back(disassemble_bytes(tools.mc, tools.objdump, {bytes, piece->size()}));
    code.functions.emplace_back(&code.own.back(), reinterpret_cast<uintptr_t>(bytes));
  }
  return code;
}

/// Runs one call step by step in a child. Returns "" or why nothing was counted.
std::string count(const Kernel& kernel, const Variant& variant, const Shape& shape, BenchStore& store,
                  const std::vector<CodeRange>& ranges, SharedTrace& out) {
  SharedMemory memory(sizeof(SharedTrace));
  auto* shared = static_cast<SharedTrace*>(memory.get());
  Child child([&] {
    Trace trace;
    TracingTimer timer(ranges, trace);
    TimedCase c(variant, shape, store, timer);
    trial_of(kernel).run(c);
    shared->steps = trace.steps;
    shared->complete = trace.complete;
    std::ranges::copy(trace.entries, shared->entries);
    std::ranges::copy(trace.instructions, shared->instructions);
  });
  constexpr int kMilliseconds = 120'000;
  for (int waited = 0; !child.poll(); waited += 2) {
    if (waited > kMilliseconds) {
      child.kill();
      return "one call took too long step by step";
    }
    usleep(2000);
  }
  if (!child.end().empty()) {
    return "the call ended with " + child.end();
  }
  out = *shared;
  return out.steps == 0  ? "this machine does not execute single steps"
         : !out.complete ? fmt::format("one call executes over {} instructions", kMostSteps)
                         : "";
}

std::vector<double> ask_mca(const LlvmTools& tools, const std::string& cpu, const std::vector<Loop>& loops) {
  std::string source;
  for (size_t i = 0; i < loops.size(); ++i) {
    source += fmt::format("# LLVM-MCA-BEGIN loop{}\n", i);
    for (size_t k = loops[i].first; k <= loops[i].last; ++k) {
      source += loops[i].function->code[k].text + "\n";
    }
    source += fmt::format("# LLVM-MCA-END loop{}\n", i);
  }
  const ToolResult result = run_tool(
      {tools.mca, "--mtriple=x86_64", "--mcpu=" + cpu, fmt::format("--iterations={}", kMcaIterations), "--json", "-"},
      source);
  if (result.status != 0) {
    throw MachineError(fmt::format("{} failed: {}", tools.mca, result.err.substr(0, result.err.find('\n'))));
  }
  return parse_mca_json(result.out, loops.size());
}

void predict_one(const Cpu& here, const CpuModel& model, const Kernel& kernel, const Variant& variant,
                 const LlvmTools& tools, const std::vector<Function>& all, Prediction& p) {
  if (const IsaStatus status = isa_status(model.cpu, variant.isa); !status.runnable) {
    p.missing = status.reason;
    return;
  }
  const IsaStatus runs_here = isa_status(here, variant.isa);
  if (variant.jit && variant.pack != nullptr && !runs_here.runnable) {
    p.missing = "its pack step, which comes before its code is generated, cannot run here: " + runs_here.reason;
    return;
  }
  BenchStore store;
  const Code code =
      variant.jit ? generated_code(kernel, variant, p.shape_class.shape, tools, store) : static_code(variant, all);
  std::vector<Loop> loops;
  std::vector<CodeRange> ranges;
  for (const auto& [function, base] : code.functions) {
    for (const auto& loop : loops_of(*function)) {
      if (loops.size() < kMostLoops) {
        loops.push_back(loop);
        ranges.push_back({loop.begin() + base, loop.end() + base});
      }
    }
  }
  if (loops.empty()) {
    p.missing = "its code has no loop that jumps back within one function";
    return;
  }
  SharedTrace trace{};
  p.not_counted = runs_here.runnable ? count(kernel, variant, p.shape_class.shape, store, ranges, trace)
                                     : "it cannot run here: " + runs_here.reason;
  p.counted = p.not_counted.empty();
  std::vector<size_t> order =
      innermost(loops, std::span<const uint64_t>(trace.instructions, p.counted ? loops.size() : 0));
  if (p.counted) {
    std::ranges::sort(order, std::greater{}, [&](size_t i) { return trace.instructions[i]; });
    std::erase_if(order, [&](size_t i) {
      return static_cast<double>(trace.instructions[i]) < kSmallShare * static_cast<double>(trace.steps);
    });
    if (order.empty()) {
      p.missing = "no loop takes one percent of the instructions of a call";
      return;
    }
  } else {
    std::ranges::sort(order, std::greater{}, [&](size_t i) { return loops[i].weight(); });
    order.resize(1);
  }
  std::vector<Loop> chosen;
  for (const size_t i : order) {
    chosen.push_back(loops[i]);
  }
  const auto cycles = ask_mca(tools, model.name, chosen);
  for (size_t k = 0; k < chosen.size(); ++k) {
    PredictedLoop loop;
    loop.place = fmt::format("{}+{:#x}", variant.jit ? "code" : chosen[k].function->name,
                             chosen[k].begin() - chosen[k].function->address);
    loop.instructions = chosen[k].size();
    loop.caveat = chosen[k].caveat();
    loop.cycles_per_iteration = cycles[k];
    if (p.counted) {
      loop.iterations = static_cast<double>(trace.entries[order[k]]);
      loop.share = static_cast<double>(trace.instructions[order[k]]) / static_cast<double>(trace.steps);
    }
    p.loops.push_back(std::move(loop));
  }
}

}  // namespace

bool CpuModel::matches(const Cpu& other) const {
  // Cascade Lake has Skylake's number and AVX512-VNNI.
  return std::ranges::any_of(kRanges, [&](const ModelRange& r) {
    return name == r.name && other.vendor == r.vendor && other.family == r.family && other.model >= r.first_model &&
           other.model <= r.last_model && !(name == "skylake-avx512" && other.features.contains("avx512_vnni"));
  });
}

const std::vector<CpuModel>& cpu_models() {
  static const std::vector<CpuModel> models = [] {
    const std::set<std::string> v3 = features_of_level("v3");
    const std::set<std::string> v4 = features_of_level("v4");
    std::set<std::string> vnni = v4;
    vnni.insert("avx512_vnni");
    std::set<std::string> bf16 = vnni;
    bf16.insert("avx512_bf16");
    std::vector<CpuModel> list;
    const auto add = [&](const char* name, const std::set<std::string>& features) {
      CpuModel model{name, {}};
      model.cpu.features = features;
      list.push_back(std::move(model));
    };
    add("skylake-avx512", v4);
    add("icelake-server", vnni);
    add("sapphirerapids", bf16);
    add("znver3", v3);
    add("znver4", bf16);
    add("haswell", v3);
    return list;
  }();
  return models;
}

const CpuModel& find_cpu_model(std::string_view name) {
  const auto it = std::ranges::find(cpu_models(), name, &CpuModel::name);
  if (it == cpu_models().end()) {
    std::string names;
    for (const auto& model : cpu_models()) {
      names += (names.empty() ? "" : ", ") + model.name;
    }
    throw InputError(fmt::format("--cpu '{}' is no CPU that can be predicted; they are: {}", name, names));
  }
  return *it;
}

LlvmTools find_llvm_tools() {
  const auto need = [](const std::string& tool) {
    const std::string found = find_tool({tool + "-19", tool});
    if (found.empty()) {
      throw MachineError(fmt::format("{0}-19 (or {0}) is not in PATH: {1}", tool, kPackage));
    }
    return found;
  };
  return {need("llvm-mca"), need("llvm-mc"), need("llvm-objdump")};
}

void expect_known_cpu(const LlvmTools& tools, const std::string& cpu) {
  const ToolResult tried = run_tool({tools.mca, "--mtriple=x86_64", "--mcpu=" + cpu, "-"}, "nop\n");
  // An older one only warns, and predicts for some CPU of its own choice.
  if (tried.status != 0 || tried.err.find("not a recognized processor") != std::string::npos) {
    throw MachineError(fmt::format("{} does not know the CPU {}, it is too old: {}", tools.mca, cpu, kPackage));
  }
}

std::vector<double> parse_mca_json(std::string_view text, size_t regions) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  const auto bad = [](const std::string& what) {
    return MachineError(fmt::format("llvm-mca's report {}; LLVM 19 is known to work: {}", what, kPackage));
  };
  if (json.is_discarded() || !json.is_object() || !json.contains("CodeRegions") || !json["CodeRegions"].is_array()) {
    throw bad("is no JSON with CodeRegions");
  }
  std::vector<double> cycles(regions, 0);
  for (const auto& region : json["CodeRegions"]) {
    const auto name = region.is_object() ? region.value("Name", nlohmann::json()) : nlohmann::json();
    for (size_t i = 0; i < regions; ++i) {
      if (name != fmt::format("loop{}", i)) {
        continue;
      }
      const auto summary = region.value("SummaryView", nlohmann::json::object());
      const auto total = summary.is_object() ? summary.value("TotalCycles", nlohmann::json()) : nlohmann::json();
      const auto iterations = summary.is_object() ? summary.value("Iterations", nlohmann::json()) : nlohmann::json();
      if (!total.is_number() || !iterations.is_number() || total.get<double>() <= 0 || iterations.get<double>() <= 0) {
        throw bad(fmt::format("has no TotalCycles or Iterations for loop{}", i));
      }
      cycles[i] = total.get<double>() / iterations.get<double>();
    }
  }
  if (const auto none = std::ranges::find(cycles, 0.0); none != cycles.end()) {
    throw bad(fmt::format("lacks loop{} of {}", none - cycles.begin(), regions));
  }
  return cycles;
}

double Prediction::units_per_iteration() const {
  return loops.empty() || loops[0].iterations == 0 ? 0 : units_per_call / loops[0].iterations;
}

double Prediction::cycles_per_unit() const {
  return units_per_iteration() == 0 || covered() < kLeastCover ? 0
                                                               : loops[0].cycles_per_iteration / units_per_iteration();
}

double Prediction::predicted_cycles_per_call() const {
  double sum = 0;
  for (const auto& loop : loops) {
    sum += loop.cycles_per_iteration * loop.iterations;
  }
  return sum;
}

double Prediction::covered() const {
  double sum = 0;
  for (const auto& loop : loops) {
    sum += loop.share;
  }
  return sum;
}

double Prediction::ratio() const {
  return predicted_cycles_per_call() == 0 || covered() < kLeastCover
             ? 0
             : measured_cycles_per_call / predicted_cycles_per_call();
}

std::vector<Prediction> predict(const Cpu& here, const CpuModel& model, const PredictOptions& options) {
  const LlvmTools tools = find_llvm_tools();
  expect_known_cpu(tools, model.name);
  std::vector<std::pair<const Kernel*, const Variant*>> selected;
  std::vector<std::string> symbols;
  for (const auto& kernel : kernels()) {
    for (const auto& variant : kernel.variants) {
      if (glob_match(options.kernel_glob, kernel.name) && glob_match(options.variant_glob, variant)) {
        selected.emplace_back(&kernel, &variant);
        if (!variant.jit) {
          symbols.push_back(variant.symbol);
        }
      }
    }
  }
  if (selected.empty()) {
    throw InputError(fmt::format("nothing matches --kernel '{}' --variant '{}'; `assay list` shows the names",
                                 options.kernel_glob, options.variant_glob));
  }
  std::vector<Function> all;
  if (!symbols.empty()) {
    const Executable executable;
    all = disassemble_file(tools.objdump, program_file(), symbols,
                           [&](uint64_t address) { return executable.pointers_at(address); });
  }
  std::vector<Prediction> predictions;
  for (const auto& [kernel, variant] : selected) {
    Prediction p;
    p.kernel = variant->kernel;
    p.variant = variant->label();
    p.shape_class = small_shape(trial_of(*kernel), here.caches);
    const bool one_size = p.shape_class.shape.size() == 1;
    p.unit = one_size ? "element" : "op";
    p.units_per_call =
        one_size ? static_cast<double>(p.shape_class.shape[0]) : trial_of(*kernel).work(p.shape_class.shape).ops;
    try {
      predict_one(here, model, *kernel, *variant, tools, all, p);
    } catch (const MachineError& e) {
      p.missing = e.what();  // of this variant; the others may still do
    }
    if (options.on_progress) {
      options.on_progress(fmt::format("predicted {}", variant->name()));
    }
    predictions.push_back(std::move(p));
  }
  return predictions;
}

nlohmann::json to_json(const Prediction& p) {
  const auto known = [](double value) { return value == 0 ? nlohmann::json() : nlohmann::json(value); };
  auto loops = nlohmann::json::array();
  for (const auto& loop : p.loops) {
    loops.push_back({{"place", loop.place},
                     {"instructions", loop.instructions},
                     {"caveat", loop.caveat},
                     {"predicted_cycles_per_iteration", loop.cycles_per_iteration},
                     {"iterations_per_call", known(loop.iterations)},
                     {"share_of_instructions", known(loop.share)}});
  }
  return {{"kernel", p.kernel},
          {"variant", p.variant},
          {"class", p.shape_class.label},
          {"shape", p.shape_class.shape},
          {"unit", p.unit},
          {"not_predicted", p.missing},
          {"not_counted", p.not_counted},
          {"loops", loops},
          {"units_per_iteration", known(p.units_per_iteration())},
          {"predicted_cycles_per_unit", known(p.cycles_per_unit())},
          {"predicted_cycles_per_call", known(p.predicted_cycles_per_call())},
          {"covered_instructions", known(p.covered())},
          {"measured_cycles_per_call", known(p.measured_cycles_per_call)},
          {"measured_over_predicted", known(p.ratio())}};
}

}  // namespace assay
