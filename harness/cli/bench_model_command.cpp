#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <future>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "harness/bench/peak.h"
#include "harness/cli/commands.h"
#include "harness/cli/model_flags.h"
#include "harness/runtime/error.h"
#include "harness/runtime/rng.h"
#include "harness/runtime/text.h"
#include "runner/model.h"
#include "runner/weights.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

struct BenchModelArguments {
  ModelFlags flags;
  std::vector<size_t> prompts = {512}, generated = {128}, depths = {0};
  size_t repetitions = 5;
  std::string output = "md";
};

/// A prompt of so many tokens, or so many that are generated one by one, after `depth` others.
struct ModelTest {
  size_t n_prompt, n_gen, depth;
  std::string name() const {
    return fmt::format("{}{}{}", n_prompt != 0 ? "pp" : "tg", n_prompt + n_gen,
                       depth != 0 ? fmt::format(" @ d{}", depth) : "");
  }
};

struct ModelTimes {
  ModelTest test;
  std::time_t begin;
  std::vector<double> seconds;
  std::map<std::string, double>
      of_kernels;  ///< seconds of all threads in a repetition of its own, which is not among those above

  double tokens() const { return static_cast<double>(test.n_prompt + test.n_gen); }
  std::vector<double> rates() const {
    std::vector<double> all;
    std::ranges::transform(seconds, std::back_inserter(all), [&](double s) { return tokens() / s; });
    return all;
  }
};

double mean_of(const std::vector<double>& x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

double deviation_of(const std::vector<double>& x) {
  if (x.size() < 2) {
    return 0;
  }
  const double mean = mean_of(x);
  const double squares =
      std::accumulate(x.begin(), x.end(), 0.0, [&](double sum, double v) { return sum + (v - mean) * (v - mean); });
  return std::sqrt(squares / static_cast<double>(x.size() - 1));
}

/// What the results are of.
struct BenchedModel {
  std::string path, cpu, architecture, type;  // the type of most weights
  uint64_t bytes = 0, parameters = 0;
  double load_seconds = 0;
  size_t weight_bytes = 0, cache_bytes = 0, peak_memory = 0;
  unsigned threads = 0;
  std::string cache;
  std::vector<Peak> peaks;  ///< of as many cores at once as there are threads; none: not measured
  bool multiplies_floats = false;

  bool has_peaks() const {
    return !peaks.empty() && std::ranges::all_of(peaks, [](const Peak& peak) { return peak.not_measured.empty(); });
  }
  /// Of what these cores read from memory: generation reads all weights for each token.
  double bandwidth_share(const ModelTimes& t) const {
    const double all = sum_of_peaks([](const Peak& peak) { return peak.levels.back().read; });
    return static_cast<double>(weight_bytes) * mean_of(t.rates()) / all;
  }
  /// Of what they multiply, in bytes or, where weights are floats, in floats: two operations a weight and token.
  double peak_share(const ModelTimes& t) const {
    const double all =
        sum_of_peaks([&](const Peak& peak) { return multiplies_floats ? peak.f32.per_second : peak.int8.per_second; });
    return 2 * static_cast<double>(parameters) * mean_of(t.rates()) / all;
  }

 private:
  template <class F>
  double sum_of_peaks(F of) const {
    return std::accumulate(peaks.begin(), peaks.end(), 0.0,
                           [&](double sum, const Peak& peak) { return sum + of(peak); });
  }
};

/// They do the same at the same time, by and large, so that what they share is shared. None where that takes too much memory.
std::vector<Peak> measure_peaks(const Cpu& cpu, unsigned threads) {
  constexpr size_t kLargestOfPeak = size_t{256} << 20;
  if (threads > machine_memory() / kLargestOfPeak / 4) {
    return {};
  }
  std::vector<std::future<Peak>> all(threads);
  for (auto& of_thread : all) {
    of_thread = std::async(std::launch::async, [&cpu] { return measure_peak(cpu); });
  }
  std::vector<Peak> peaks;
  std::ranges::transform(all, std::back_inserter(peaks), [](auto& of_thread) { return of_thread.get(); });
  return peaks;
}

void describe_weights(BenchedModel& b, const GgufFile& file) {
  std::map<std::string, uint64_t> weights;
  for (const Tensor& tensor : file.tensors()) {
    b.bytes += tensor.data.size();
    b.parameters += tensor.n_elements;
    weights[tensor_type_info(tensor.type).name] += tensor.n_elements;
  }
  b.type = std::ranges::max_element(weights, {}, [](const auto& entry) { return entry.second; })->first;
  b.multiplies_floats = b.type == "F32" || b.type == "F16" || b.type == "BF16";
  b.architecture = file.string("general.architecture");
}

/// The tokens of one test. What they are is of no account: they are random, the same in each repetition.
class TestRun {
 public:
  TestRun(Model& model, const ModelTest& test)
      : model_(model),
        is_prompt_(test.n_prompt != 0),
        depth_(test.depth),
        tokens_(test.depth + test.n_prompt + test.n_gen) {
    Rng rng(1);
    std::ranges::generate(tokens_, [&] { return static_cast<int32_t>(rng.below(model.sizes().n_vocab)); });
  }

  /// Generates code and touches pages.
  void warm_up() {
    begin();
    eval(is_prompt_ ? timed() : timed().first(1));
  }
  double seconds() {
    begin();
    const auto start = Clock::now();
    eval(timed());
    return std::chrono::duration<double>(Clock::now() - start).count();
  }
  /// Of all threads together.
  std::map<std::string, double> seconds_of_kernels(Dispatch& dispatch) {
    begin();
    std::map<std::string, double> seconds = dispatch.seconds_of_kernels();
    for (auto& [kernel, before] : seconds) {
      before = -before;  // what earlier tests took
    }
    dispatch.time_calls(true);
    eval(timed());
    dispatch.time_calls(false);
    for (const auto& [kernel, after] : dispatch.seconds_of_kernels()) {
      seconds[kernel] += after;
    }
    return seconds;
  }

 private:
  std::span<const int32_t> timed() const { return std::span(tokens_).subspan(depth_); }
  void begin() {
    model_.reset();
    if (depth_ != 0) {
      model_.eval(std::span(tokens_).first(depth_));
    }
  }
  void eval(std::span<const int32_t> tokens) {
    if (is_prompt_) {
      model_.eval(tokens);
      return;
    }
    for (size_t t = 0; t < tokens.size(); ++t) {
      model_.eval(tokens.subspan(t, 1));
    }
  }

  Model& model_;
  bool is_prompt_;
  size_t depth_;
  std::vector<int32_t> tokens_;
};

ModelTimes time_test(Model& model, Dispatch& dispatch, const ModelTest& test, size_t repetitions) {
  ModelTimes times{test, std::time(nullptr), {}, {}};
  TestRun run(model, test);
  run.warm_up();
  for (size_t i = 0; i < repetitions; ++i) {
    times.seconds.push_back(run.seconds());
  }
  times.of_kernels =
      run.seconds_of_kernels(dispatch);  // timing each call takes time: this repetition is for that alone
  return times;
}

/// The fields of llama-bench by their names, and those that it has not.
nlohmann::ordered_json fields_of(const BenchedModel& b, const ModelTimes& t) {
  std::vector<double> ns;
  std::ranges::transform(t.seconds, std::back_inserter(ns), [](double s) { return std::round(1e9 * s); });
  nlohmann::ordered_json json = {{"cpu_info", b.cpu},
                                 {"model_filename", b.path},
                                 {"model_type", fmt::format("{} {}", b.architecture, b.type)},
                                 {"model_size", b.bytes},
                                 {"model_n_params", b.parameters},
                                 {"n_batch", Model::kBatch},
                                 {"n_threads", b.threads},
                                 {"type_k", b.cache},
                                 {"type_v", b.cache},
                                 {"n_prompt", t.test.n_prompt},
                                 {"n_gen", t.test.n_gen},
                                 {"n_depth", t.test.depth},
                                 {"test_time", fmt::format("{:%FT%TZ}", fmt::gmtime(t.begin))},
                                 {"avg_ns", std::round(mean_of(ns))},
                                 {"stddev_ns", std::round(deviation_of(ns))},
                                 {"avg_ts", mean_of(t.rates())},
                                 {"stddev_ts", deviation_of(t.rates())},
                                 {"load_s", b.load_seconds},
                                 {"weight_bytes", b.weight_bytes},
                                 {"kv_bytes", b.cache_bytes},
                                 {"peak_memory", b.peak_memory}};
  if (b.has_peaks()) {
    json["bandwidth_share"] = t.test.n_gen != 0 ? nlohmann::ordered_json(b.bandwidth_share(t)) : nullptr;
    json["peak_share"] = b.peak_share(t);
  }
  return json;
}

/// Where its time goes: the share of each kernel in that of all, the largest first.
nlohmann::ordered_json kernels_of(const ModelTimes& t) {
  double all = 0;
  std::vector<std::pair<double, std::string>> sorted;
  for (const auto& [kernel, seconds] : t.of_kernels) {
    all += seconds;
    sorted.emplace_back(seconds, kernel);
  }
  std::ranges::sort(sorted, std::ranges::greater());
  auto json = nlohmann::ordered_json::array();
  for (const auto& [seconds, kernel] : sorted) {
    if (seconds > 0) {
      json.push_back({{"kernel", kernel}, {"share", seconds / all}});
    }
  }
  return json;
}

std::string percent(double share) { return fmt::format("{:.0f} %", 100 * share); }

void print_markdown(const BenchedModel& b, const std::vector<ModelTimes>& all) {
  const bool has_peak = b.has_peaks();
  fmt::print("| {:<24} | {:>10} | {:>10} | {:>7} | {:>14} | {:>18} | {:>14} | {:>10} |\n", "model", "size", "params",
             "threads", "test", "t/s", "bandwidth", "peak");
  fmt::print(
      "| ------------------------ | ---------: | ---------: | ------: | -------------: | -----------------: | "
      "-------------: | ---------: |\n");
  for (const ModelTimes& t : all) {
    const double gib = static_cast<double>(b.bytes) / (1 << 30);
    const auto params = static_cast<double>(b.parameters);
    fmt::print("| {:<24} | {:>10} | {:>10} | {:>7} | {:>14} | {:>18} | {:>14} | {:>10} |\n",
               fmt::format("{} {}", b.architecture, b.type),
               gib >= 1 ? fmt::format("{:.2f} GiB", gib) : fmt::format("{:.2f} MiB", 1024 * gib),
               params >= 1e9 ? fmt::format("{:.2f} B", params / 1e9) : fmt::format("{:.2f} M", params / 1e6), b.threads,
               t.test.name(), fmt::format("{:.2f} ± {:.2f}", mean_of(t.rates()), deviation_of(t.rates())),
               has_peak && t.test.n_gen != 0 ? percent(b.bandwidth_share(t)) : "",
               has_peak ? percent(b.peak_share(t)) : "");
  }
  fmt::print(
      "\n{}; loaded in {:.2f} s, {} MiB of memory at most, of which packed weights {} MiB, keys and values {} MiB\n",
      b.cpu, b.load_seconds, b.peak_memory >> 20, b.weight_bytes >> 20, b.cache_bytes >> 20);
}

void print_csv(const std::vector<nlohmann::ordered_json>& rows) {
  const auto quoted = [](const nlohmann::ordered_json& value) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
    return fmt::format("\"{}\"", replaced(text, "\"", "\"\""));
  };
  const char* separator = "";
  for (const auto& field : rows.front().items()) {
    fmt::print("{}{}", separator, field.key());
    separator = ",";
  }
  fmt::print("\n");
  for (const auto& row : rows) {
    separator = "";
    for (const auto& field : row) {
      fmt::print("{}{}", separator, quoted(field));
      separator = ",";
    }
    fmt::print("\n");
  }
}

void print_results(const std::string& form, const BenchedModel& b, const std::vector<ModelTimes>& all) {
  if (form == "md") {
    return print_markdown(b, all);
  }
  std::vector<nlohmann::ordered_json> rows;
  for (const ModelTimes& t : all) {
    rows.push_back(fields_of(b, t));
    if (form != "csv") {
      rows.back()["kernels"] = kernels_of(t);
      rows.back()["samples_s"] = t.seconds;
      rows.back()["samples_ts"] = t.rates();
    }
  }
  if (form == "csv") {
    return print_csv(rows);
  }
  if (form == "json") {
    fmt::print("{}\n", nlohmann::ordered_json(rows).dump(2));
    return;
  }
  for (const auto& row : rows) {
    fmt::print("{}\n", row.dump());
  }
}

std::vector<ModelTest> tests_of(const BenchModelArguments& a) {
  std::vector<ModelTest> tests;
  for (const size_t depth : a.depths) {
    for (const size_t n : a.prompts) {
      tests.push_back({n, 0, depth});
    }
    for (const size_t n : a.generated) {
      tests.push_back({0, n, depth});
    }
  }
  std::erase_if(tests, [](const ModelTest& test) { return test.n_prompt + test.n_gen == 0; });
  if (tests.empty()) {
    throw InputError("-p 0 and -n 0 leave nothing to time: give a number of tokens to one of them");
  }
  return tests;
}

int bench_model(const BenchModelArguments& a) {
  const std::vector<ModelTest> tests = tests_of(a);
  ContextOptions context = a.flags.context;
  if (!context.n_ctx) {
    const auto positions = [](const ModelTest& t) { return t.depth + t.n_prompt + t.n_gen; };
    context.n_ctx = positions(std::ranges::max(tests, {}, positions));
  }
  const Cpu cpu = detect_cpu();
  Dispatch dispatch = make_dispatch(cpu, a.flags);
  BenchedModel b;
  b.path = a.flags.model;
  b.cpu = cpu.brand;
  const auto begin = Clock::now();
  const GgufFile file = GgufFile::open(a.flags.model);
  Model model(file, dispatch, a.flags.threads, context);
  b.load_seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  describe_weights(b, file);
  b.threads = model.threads();
  b.cache = name_of(model.sizes().block.cache);
  b.weight_bytes = model.weight_bytes();
  b.cache_bytes = model.cache_bytes();
  std::vector<ModelTimes> all;
  for (const ModelTest& test : tests) {
    if (!a.flags.quiet) {
      fmt::print(stderr, "{}\n", test.name());
    }
    all.push_back(time_test(model, dispatch, test, a.repetitions));
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  b.peak_memory = static_cast<size_t>(usage.ru_maxrss) << 10;
  b.peaks = measure_peaks(cpu, b.threads);
  print_results(a.output, b, all);
  return 0;
}

}  // namespace

void add_bench_model_command(CLI::App& app, int& status) {
  auto a = std::make_shared<BenchModelArguments>();
  auto* command =
      app.add_subcommand("bench-model", "how fast a model reads prompts and generates, as llama-bench says it");
  add_model_flags(*command, a->flags);
  const auto list = [&](const char* name, std::vector<size_t>& values, const char* help) {
    command->add_option(name, values, help)
        ->delimiter(',')
        ->check(CLI::Range(size_t{0}, size_t{1} << 20))
        ->capture_default_str();
  };
  list("-p,--n-prompt", a->prompts, "tokens of a prompt, several with commas; 0: no such test");
  list("-n,--n-gen", a->generated, "tokens to generate, likewise");
  list("-d,--n-depth", a->depths, "tokens before those that are timed, likewise");
  command->add_option("-r,--repetitions", a->repetitions)->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("-o,--output", a->output)
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl"}))
      ->capture_default_str();
  command->callback([a, &status] { status = bench_model(*a); });
}

}  // namespace assay
