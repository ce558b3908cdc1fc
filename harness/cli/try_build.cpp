#include "harness/cli/try_build.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>

#include "harness/cli/shipped.h"
#include "harness/predict/tool.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/error.h"
#include "harness/runtime/profile.h"
#include "harness/runtime/registry.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

constexpr int kMostSeconds = 600;  // that a compiler may take

/// Options of a compiler to find both.
std::vector<std::string> include_options() {
  const std::string folder = include_folder();
  return {"-I", folder, "-I", folder + "/include"};  // in the sources the first has kernels/, the second assay/
}

/// Runs a tool of the build; what it says goes to stderr. Throws InputError if it fails.
void run(const std::vector<std::string>& argv) {
  const ToolResult result = run_tool(argv, "", kMostSeconds);
  fmt::print(stderr, "{}{}", result.out, result.err);
  if (result.status != 0) {
    throw InputError(fmt::format("{} failed with exit status {}", argv.front(), result.status));
  }
}

std::string extension_of(const std::string& file) { return std::filesystem::path(file).extension(); }

bool is_one_of(const std::string& text, std::initializer_list<const char*> all) {
  return std::ranges::any_of(all, [&](const char* one) { return text == one; });
}

/// Between blanks.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end != begin) {
      words.push_back(text.substr(begin, end - begin));
    }
    begin = end + 1;
  }
  return words;
}

/// The compiler's command, which may have arguments: "ccache g++".
std::vector<std::string> compiler_of(const TryOptions& options, bool is_c) {
  const char* environment = std::getenv(is_c ? "CC" : "CXX");
  const std::string command = !options.compiler.empty()                        ? options.compiler
                              : environment != nullptr && *environment != '\0' ? environment
                              : is_c                                           ? find_tool({"cc", "gcc", "clang"})
                                                                               : find_tool({"c++", "g++", "clang++"});
  auto words = words_of(command);
  if (words.empty()) {
    throw MachineError("there is no compiler, which `assay try` needs: install g++, or name one with --cxx");
  }
  return words;
}

/// The best level of x86-64 that this CPU has, as the ISA of the compiler's own variants.
std::string native_isa() {
  const Cpu cpu = detect_cpu();
  std::string best = "scalar";
  for (const Isa& isa : isas()) {
    if (isa.kind == IsaKind::compiler && isa_status(cpu, isa.name).runnable) {
      best = isa.name;
    }
  }
  return best;
}

/// What the object or library defines for others, as nm lists it.
class Symbols {
 public:
  explicit Symbols(const std::string& object) {
    if (find_tool({"nm"}).empty()) {
      throw MachineError("there is no nm, which tells what a file defines: install binutils");
    }
    const bool is_library = extension_of(object) == ".so";
    const ToolResult nm = run_tool({"nm", is_library ? "-gD" : "-g", "--defined-only", object}, "", kMostSeconds);
    if (nm.status != 0) {
      throw InputError(
          fmt::format("{}: is no object or library that can be linked: {}", object, one_line(nm.err, 300)));
    }
    list_ = nm.out;
  }
  bool contain(const std::string& name) const { return list_.find(" " + name + "\n") != std::string::npos; }

 private:
  std::string list_;
};

/// Names that the kernel's function may have, the likeliest first.
std::vector<std::string> names_of(const TryOptions& options, const std::string& isa, const std::string& part) {
  if (!options.symbol.empty() && part.empty()) {
    return {options.symbol};
  }
  const std::string stem = options.kernel + part;
  std::vector<std::string> names = {stem, fmt::format("{}_{}", stem, isa)};
  for (const Isa& other : isas()) {
    names.push_back(fmt::format("{}_{}", stem, other.name));
  }
  return names;
}

/// The folder of kernels/ whose kernel.h says the kernel's type: its own, or its family's: matmul_q4_0 is a matmul.
std::string header_folder(const std::string& kernel) {
  std::string name = kernel.ends_with("_file") ? kernel.substr(0, kernel.find('_')) : kernel;
  std::error_code ignored;
  while (!std::filesystem::exists(fmt::format("{}/kernels/{}/kernel.h", include_folder(), name), ignored)) {
    const size_t last = name.rfind('_');
    if (last == std::string::npos) {
      throw MachineError(fmt::format("{}/kernels: has no header of {}", include_folder(), kernel));
    }
    name.resize(last);
  }
  return name;
}

/// As it stands between quotes in C.
std::string c_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("/._-+ :,=@").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("\\{:03o}", static_cast<unsigned char>(c));
  }
  return out;
}

/// C that makes a plug-in of the functions of an object that is linked with it, or of a library that it loads.
std::string wrapper(const TryOptions& options, const std::string& isa, const std::string& library) {
  const Kernel& kernel = find_kernel(options.kernel);
  const Isa& declared = find_isa(isa);
  const bool generates = declared.kind == IsaKind::generated;
  const bool packs = kernel.contract->weights != nullptr;
  const auto runs = names_of(options, isa, "");
  const auto pack_names = packs ? names_of(options, isa, "_pack") : std::vector<std::string>();
  std::set<std::string> all(runs.begin(), runs.end());
  all.insert(pack_names.begin(), pack_names.end());
  std::string text = "#include <dlfcn.h>\n#include <stdio.h>\n#include \"assay/plugin.h\"\n";
  for (const auto& name : all) {
    text += library.empty() ? fmt::format("extern void {}(void) __attribute__((weak));\n", name) : "";
  }
  const auto list = [&](const char* table, const std::vector<std::string>& names) {
    text += fmt::format("static const struct {{ const char* name; assay_any_fn fn; }} {}[] = {{\n", table);
    for (const auto& name : names) {
      text += fmt::format("  {{\"{}\", {}}},\n", name, library.empty() ? name : "0");
    }
    text += "  {0, 0},\n};\n";
  };
  list("runs", runs);
  list("packs", pack_names);
  std::string label = std::filesystem::path(options.file).stem();
  std::ranges::replace_if(
      label, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_' && c != '.' && c != '+' && c != '-'; }, '_');
  text += fmt::format(
      R"(static struct assay_variant variant = {{"{}", "{}", {}, "{}", 0, 0, 0, {}, 0, 0}};
#define FIRST(table, to)                                                                      \
  for (unsigned i = 0; to == 0 && table[i].name != 0; ++i) {{                                  \
    to = library == 0 ? table[i].fn : (assay_any_fn)dlsym(library, table[i].name);            \
  }}
const struct assay_plugin* assay_plugin_v1(const char* argument) {{
  static const struct assay_plugin plugin = {{assay_plugin_abi, sizeof plugin, "try", "0", "", &variant, 1, 0}};
  const char* path = "{}";
  void* library = path[0] == 0 ? 0 : dlopen(path, RTLD_NOW | RTLD_LOCAL);
  (void)argument;
  if (path[0] != 0 && library == 0) {{
    fprintf(stderr, "%s\n", dlerror());
    return 0;
  }}
  FIRST(runs, variant.run)
  FIRST(packs, variant.pack)
  return &plugin;
}}
)",
      options.kernel, label.substr(0, 60), kernel.contract->version, fmt::join(declared.features, ","),
      generates ? "assay_is_generator" : "0", c_text(library));
  return text;
}

/// While it lives, what would end this process waits: a folder would be left behind. The tools that it runs end at once.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t held;
    sigemptyset(&held);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
      sigaddset(&held, signal);
    }
    sigprocmask(SIG_BLOCK, &held, &before_);
  }
  ~HeldSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;

 private:
  sigset_t before_;
};

/// A folder that is removed at the end.
class WorkFolder {
 public:
  WorkFolder() {
    std::error_code error;
    path_ = (std::filesystem::temp_directory_path(error) / "assay_try_XXXXXX").string();
    if (error || mkdtemp(path_.data()) == nullptr) {
      throw InputError(fmt::format("cannot make a folder {}: free space, or name another one with TMPDIR", path_));
    }
  }
  ~WorkFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  HeldSignals held_;  // until the folder is gone
  std::string path_;
};

/// Compiles the file: an object.
std::string compile(const TryOptions& options, const std::string& isa, const WorkFolder& folder) {
  const std::string extension = extension_of(options.file);
  const std::string object = folder / "kernel.o";
  if (extension == ".asm") {
    if (find_tool({"nasm"}).empty()) {
      throw MachineError("there is no nasm, which .asm files are assembled with: install it");
    }
    std::vector<std::string> argv = {"nasm", "-f", "elf64", "-I", include_folder() + "/", "-o", object};
    argv.insert(argv.end(), options.flags.begin(), options.flags.end());
    argv.push_back(options.file);
    run(argv);
    return object;
  }
  const bool is_c = is_one_of(extension, {".c", ".s", ".S"});
  std::vector<std::string> argv = compiler_of(options, is_c);
  const auto includes = include_options();
  argv.insert(argv.end(), includes.begin(), includes.end());
  argv.insert(argv.end(), {"-fPIC", "-c", "-o", object});
  if (!is_one_of(extension, {".s", ".S"})) {
    argv.insert(argv.end(), {is_c ? "-std=gnu11" : "-std=c++20", "-g"});
    const auto flags = words_of(find_isa(isa).flags);
    argv.insert(argv.end(), flags.begin(), flags.end());
    if (!options.kernel.empty()) {
      // So that the function is the kernel's, and a plain C symbol, whatever its file says.
      std::string declared;
      const std::string folder_name = header_folder(options.kernel);
      declared =
          fmt::format("#include \"kernels/{}/kernel.h\"\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n", folder_name);
      const bool generates = find_isa(isa).kind == IsaKind::generated;
      for (const auto& name : names_of(options, isa, "")) {
        declared += fmt::format("{}_{} {};\n", folder_name, generates ? "gen" : "fn", name);
      }
      declared += "#ifdef __cplusplus\n}\n#endif\n";
      write_file_atomically(folder / "declared.h", declared);
      argv.insert(argv.end(), {"-include", folder / "declared.h"});
    }
  }
  argv.insert(argv.end(), options.flags.begin(), options.flags.end());
  argv.push_back(options.file);
  run(argv);
  return object;
}

}  // namespace

void validate(const TryOptions& options) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(options.file, error)) {
    throw InputError(fmt::format("{}: {}", options.file, error ? error.message() : "is no regular file"));
  }
  const std::string extension = extension_of(options.file);
  if (!is_one_of(extension, {".c", ".cc", ".cpp", ".cxx", ".asm", ".s", ".S", ".o", ".so"})) {
    throw InputError(
        fmt::format("{}: what '{}' files are is not known; those that can be tried: .c .cc .cpp .cxx .asm .s .S .o .so",
                    options.file, extension));
  }
  if (!options.isa.empty()) {
    find_isa(options.isa);
  }
  if (!options.kernel.empty()) {
    find_kernel(options.kernel);
  }
  const auto is_identifier = [](const std::string& name) {
    return std::ranges::all_of(name, [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '$'; });
  };
  if (!is_identifier(options.symbol)) {
    throw InputError(fmt::format("--symbol {} is no name of a function", quote(options.symbol)));
  }
}

std::string build_plugin(const TryOptions& given) {
  validate(given);
  TryOptions options = given;
  options.file = std::filesystem::absolute(given.file).lexically_normal();
  std::error_code error;
  const std::string extension = extension_of(options.file);
  const std::string isa = options.isa.empty() ? native_isa() : options.isa;
  const std::string& file = options.file;
  const WorkFolder folder;
  const bool is_library = extension == ".so";
  const std::string object = is_one_of(extension, {".o", ".so"}) ? file : compile(options, isa, folder);
  const Symbols symbols(object);
  const bool is_plugin = symbols.contain("assay_plugin_v1");
  if (is_library && is_plugin) {
    return file;
  }
  if (!is_plugin) {
    if (options.kernel.empty()) {
      throw InputError(
          fmt::format("{}: which kernel is it? Say so with --kernel; `assay list` has them", options.file));
    }
    const auto names = names_of(options, isa, "");
    if (std::ranges::none_of(names, [&](const auto& name) { return symbols.contain(name); })) {
      throw InputError(names.size() == 1
                           ? fmt::format("{}: it defines no {}", options.file, names.front())
                           : fmt::format("{}: it defines none of {}, {}, ...; name its function with --symbol",
                                         options.file, names[0], names[1]));
    }
  }
  const std::string out_folder = std::filesystem::path(default_profile_path()).parent_path() / "try";
  const std::string out = fmt::format("{}/{}-{:08x}.so", out_folder, std::filesystem::path(file).stem().string(),
                                      static_cast<uint32_t>(std::hash<std::string>{}(file)));
  if (std::filesystem::create_directories(out_folder, error); error || access(out_folder.c_str(), W_OK) != 0) {
    throw InputError(fmt::format(
        "{}: libraries that are tried are kept there, and it cannot be {}: {}; name another place with XDG_CACHE_HOME",
        out_folder, error ? "made" : "written to", error ? error.message() : std::strerror(errno)));
  }
  check_writable(out);
  const std::string library = folder / "plugin.so";
  std::vector<std::string> link = compiler_of(options, is_one_of(extension, {".c", ".s", ".S", ".asm"}));
  link.insert(link.end(), {"-shared", "-fPIC", "-Wl,-z,now", "-Wl,-z,noexecstack", "-o", library});
  if (!is_plugin) {
    const std::string source = folder / "wrapper.c";
    const std::string wrapped = folder / "wrapper.o";
    write_file_atomically(source, wrapper(options, isa, is_library ? file : ""));
    std::vector<std::string> compile_wrapper = compiler_of({}, true);
    const auto includes = include_options();
    compile_wrapper.insert(compile_wrapper.end(), includes.begin(), includes.end());
    compile_wrapper.insert(compile_wrapper.end(), {"-fPIC", "-O1", "-c", source, "-o", wrapped});
    run(compile_wrapper);
    link.push_back(wrapped);
  }
  if (!is_library) {
    link.push_back(object);
  }
  link.push_back("-ldl");
  run(link);
  write_file_atomically(out, read_small_file(library, size_t{256} << 20));
  return out;
}

}  // namespace assay
