#pragma once
#include <CLI/CLI.hpp>
#include <functional>

namespace assay {

/// Each adds its subcommand to the application; the callback sets `status` to the exit status:
/// 0 good, 1 a verdict failed. InputError and MachineError leave through main with 2 and 3.
void add_cpu_command(CLI::App& app, int& status);
void add_list_command(CLI::App& app, int& status);
void add_check_command(CLI::App& app, int& status);
void add_try_command(CLI::App& app, int& status);
void add_bench_command(CLI::App& app, int& status);
void add_compare_command(CLI::App& app, int& status);
void add_report_command(CLI::App& app, int& status);
void add_tune_command(CLI::App& app, int& status);
void add_merge_command(CLI::App& app, int& status);
void add_export_command(CLI::App& app, int& status);
void add_predict_command(CLI::App& app, int& status);
void add_run_command(CLI::App& app, int& status);
void add_chat_command(CLI::App& app, int& status);
void add_perplexity_command(CLI::App& app, int& status);
void add_bench_model_command(CLI::App& app, int& status);
void add_selftest_command(CLI::App& app, int& status);
void add_quantize_command(CLI::App& app, int& status);
void add_convert_command(CLI::App& app, int& status);
void add_info_command(CLI::App& app, int& status);
void add_describe_command(CLI::App& app, int& status);

}  // namespace assay
