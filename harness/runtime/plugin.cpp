#include "harness/runtime/plugin.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "assay/plugin.h"
#include "harness/runtime/child.h"
#include "harness/runtime/error.h"
#include "harness/runtime/isa.h"
#include "harness/runtime/text.h"

#include <dlfcn.h>
#include <link.h>
#include <sha2.h>

namespace assay {

namespace {

constexpr size_t kLongestName = 64, kLongestField = 4096;
constexpr size_t kMostFiles = 256;
/// Of the description that the child leaves for its parent.
constexpr size_t kMostDescription = size_t{8} << 20;
constexpr double kMostSeconds = 30;               ///< that loading may take
constexpr rlim_t kMostMemory = rlim_t{16} << 30;  ///< of addresses, meanwhile

// ---- what loading may change, and must not ----

struct MachineModes {
  std::array<struct sigaction, 65> actions{};
  sigset_t mask{};
  uint32_t mxcsr = 0;
  uint16_t x87 = 0;
};

MachineModes machine_modes() {
  MachineModes modes;
  for (int signal = 1; signal < 65; ++signal) {
    sigaction(signal, nullptr, &modes.actions[static_cast<size_t>(signal)]);
  }
  sigprocmask(SIG_SETMASK, nullptr, &modes.mask);
  modes.mxcsr = _mm_getcsr() & ~0x3fu;  // without the flags of what happened
  asm volatile("fnstcw %0" : "=m"(modes.x87));
  return modes;
}

size_t thread_count() {
  std::error_code error;
  const auto tasks = std::filesystem::directory_iterator("/proc/self/task", error);
  return error ? 0 : static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

/// Sets the modes as they were, and says what was different.
void restore(const MachineModes& before, std::vector<std::string>& notes) {
  const MachineModes now = machine_modes();
  for (int signal = 1; signal < 65; ++signal) {
    const auto& was = before.actions[static_cast<size_t>(signal)];
    const auto& is = now.actions[static_cast<size_t>(signal)];
    if (was.sa_handler != is.sa_handler || was.sa_flags != is.sa_flags) {
      const char* name = sigabbrev_np(signal);
      notes.push_back(fmt::format("changes what is done on SIG{}", name != nullptr ? name : "RT"));
      sigaction(signal, &was, nullptr);
    }
  }
  if (std::memcmp(&before.mask, &now.mask, sizeof before.mask) != 0) {
    notes.emplace_back("changes which signals are blocked");
    sigprocmask(SIG_SETMASK, &before.mask, nullptr);
  }
  if (before.mxcsr != now.mxcsr) {
    const bool flushes = ((now.mxcsr & ~before.mxcsr) & 0x8040) != 0;
    notes.push_back(
        fmt::format("changes MXCSR from {:#x} to {:#x}{}", before.mxcsr, now.mxcsr,
                    flushes ? ", so that subnormals become zeros in the whole process (-ffast-math does so)" : ""));
    _mm_setcsr(before.mxcsr);
  }
  if (before.x87 != now.x87) {
    notes.push_back(fmt::format("changes the control word of the x87 unit from {:#x} to {:#x}", before.x87, now.x87));
    asm volatile("fldcw %0" : : "m"(before.x87));
  }
}

/// While it lives, what is written to stdout goes to stderr: a library's greetings are no part of ours.
class QuietStdout {
 public:
  QuietStdout() {
    std::fflush(stdout);
    kept_ = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    dup2(STDERR_FILENO, STDOUT_FILENO);
  }
  QuietStdout(const QuietStdout&) = delete;
  /// As it was. False: what kept it was closed.
  bool restore() {
    std::fflush(stdout);
    const bool was_open = kept_ >= 0;
    const bool good = !was_open || dup2(kept_, STDOUT_FILENO) >= 0;
    close(kept_);
    return good && fcntl(STDERR_FILENO, F_GETFD) >= 0;
  }

 private:
  int kept_;
};

// ---- where the code of plug-ins lies ----

struct Segment {
  uint64_t begin, end;
  bool executable;
};

/// Of plug-ins, and of what they brought along.
std::vector<Segment>& segments() {
  static std::vector<Segment> all;
  return all;
}

/// Of the libraries that is_of_the_system says.
std::vector<Segment>& system_segments() {
  static std::vector<Segment> all;
  return all;
}

/// Libraries that choose their own code for the CPU at hand, as the ones that assay itself uses.
bool is_of_the_system(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  constexpr std::array<std::string_view, 14> kSystem = {
      "libasan.",   "libtsan.", "libubsan.", "ld-linux",    "libc.so",  "libm.so",     "libgcc_s.so",
      "libstdc++.", "libc++",   "libgomp.",  "libpthread.", "libdl.so", "linux-vdso.", "libclang_rt."};
  return std::ranges::any_of(kSystem, [&](std::string_view system) { return name.starts_with(system); });
}

/// Objects of this process, by the address that they are loaded at.
using Objects = std::map<uint64_t, std::vector<Segment>>;
struct LoadedObjects {
  Objects of_system, others;
};

LoadedObjects loaded_objects() {
  LoadedObjects all;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        auto& both = *static_cast<LoadedObjects*>(out);
        auto& object = (is_of_the_system(info->dlpi_name) ? both.of_system : both.others)[info->dlpi_addr];
        for (const auto& header : std::span(info->dlpi_phdr, info->dlpi_phnum)) {
          if (header.p_type == PT_LOAD) {
            const uint64_t begin = info->dlpi_addr + header.p_vaddr;
            object.push_back({begin, begin + header.p_memsz, (header.p_flags & PF_X) != 0});
          }
        }
        return 0;
      },
      &all);
  return all;
}

/// What loading and preparing do, kept apart from the rest of the process.
template <class F>
void apart(std::vector<std::string>& notes, const F& load) {
  const MachineModes before = machine_modes();
  const size_t threads_before = thread_count();
  const auto objects_before = loaded_objects();
  const int folder = open(".", O_PATH | O_CLOEXEC);
  struct stat folder_before {
  }, folder_after{};
  stat(".", &folder_before);
  QuietStdout quiet;
  load();
  if (!quiet.restore()) {
    throw InputError("closes file descriptors that are not its own, stdout or stderr among them");
  }
  stat(".", &folder_after);
  if (folder_before.st_ino != folder_after.st_ino || folder_before.st_dev != folder_after.st_dev) {
    notes.emplace_back("changes the working folder");
    if (fchdir(folder) != 0) {
      throw InputError("changes the working folder, and it cannot be changed back");
    }
  }
  close(folder);
  restore(before, notes);
  if (const size_t threads = thread_count(); threads > threads_before) {
    notes.push_back(fmt::format("starts {} threads", threads - threads_before));
  }
  const LoadedObjects now = loaded_objects();
  for (const auto& [address, object] : now.others) {
    if (!objects_before.others.contains(address)) {
      segments().insert(segments().end(), object.begin(), object.end());
    }
  }
  system_segments().clear();
  for (const auto& [address, object] : now.of_system) {
    system_segments().insert(system_segments().end(), object.begin(), object.end());
  }
}

// ---- loading ----

/// A library in this process.
struct Loaded {
  const assay_plugin* plugin = nullptr;
  std::vector<bool> prepared;
  std::vector<std::string> notes;
};

std::string hash_of(const std::string& file) {
  std::array<char, SHA256_DIGEST_STRING_LENGTH> hex{};
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error) && !error) {
    throw InputError(fmt::format("{}: cannot be read: is no regular file", file));
  }
  if (error || SHA256File(file.c_str(), hex.data()) == nullptr) {
    throw InputError(fmt::format("{}: cannot be read: {}", file, error ? error.message() : std::strerror(errno)));
  }
  return hex.data();
}

/// Of the library and its other files: one hash.
std::string hash_of(const std::string& file, const std::vector<std::string>& others) {
  std::string all = hash_of(file);
  for (const std::string& other : others) {
    all += hash_of(other);
  }
  if (others.empty()) {
    return all;
  }
  std::array<char, SHA256_DIGEST_STRING_LENGTH> hex{};
  SHA256Data(reinterpret_cast<const uint8_t*>(all.data()), all.size(), hex.data());
  return hex.data();
}

/// Loads the library and asks what it offers. Throws InputError.
Loaded load(const std::string& path, const std::string& argument) {
  Loaded loaded;
  std::string why;
  apart(loaded.notes, [&] {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      why = fmt::format("cannot be loaded: {}", dlerror());
      return;
    }
    auto* entry = reinterpret_cast<decltype(&assay_plugin_v1)>(dlsym(library, "assay_plugin_v1"));
    if (entry == nullptr) {
      why = "is no plug-in: it has no function assay_plugin_v1 (include/assay/plugin.h)";
      return;
    }
    loaded.plugin = entry(argument.c_str());
    if (loaded.plugin == nullptr) {
      why = argument.empty() ? "offers nothing" : fmt::format("offers nothing for the argument {}", quote(argument));
    }
  });
  if (!why.empty()) {
    throw InputError(one_line(why, 1000));
  }
  const assay_plugin& plugin = *loaded.plugin;
  if (plugin.abi != assay_plugin_abi) {
    throw InputError(
        fmt::format("is made for version {} of the interface of plug-ins, this build has {}: build it again",
                    plugin.abi, static_cast<int>(assay_plugin_abi)));
  }
  if (plugin.size < sizeof plugin) {
    throw InputError(fmt::format("says that its struct assay_plugin has {} bytes, not {}: build it again", plugin.size,
                                 sizeof plugin));
  }
  if (plugin.count == 0 || plugin.count > assay_most_variants || plugin.variants == nullptr) {
    throw InputError(plugin.count != 0 && plugin.variants == nullptr
                         ? "has no table of variants"
                         : fmt::format("says that it has {} variants; it may have 1 to {}", plugin.count,
                                       static_cast<int>(assay_most_variants)));
  }
  loaded.prepared.resize(plugin.count);
  return loaded;
}

// ---- what a library offers, as the child tells it ----

/// Text of a plug-in: at most `most` bytes of UTF-8 on one line.
std::string text_of(const char* text, const char* what, size_t most) {
  if (text == nullptr) {
    throw InputError(fmt::format("has no {}", what));
  }
  const std::string all(text, strnlen(text, most + 1));
  if (all.size() > most || one_line(all, most) != all) {
    throw InputError(fmt::format("has a {} that is no line of at most {} bytes of text: {}", what, most, quote(all)));
  }
  return all;
}

std::string name_of(const char* text, const char* what) {
  const std::string name = text_of(text, what, kLongestName);
  constexpr const char* kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-";
  if (name.empty() || name.find_first_not_of(kAllowed) != std::string::npos) {
    throw InputError(fmt::format("has the {} {}: it may be of A-Z a-z 0-9 _ . + - alone", what, quote(name)));
  }
  return name;
}

nlohmann::json description_of(const std::string& path, const std::string& argument) {
  const Loaded loaded = load(path, argument);
  const assay_plugin& plugin = *loaded.plugin;
  nlohmann::json all = {{"name", name_of(plugin.name, "name")},
                        {"version", text_of(plugin.version, "version", kLongestName)},
                        {"license", text_of(plugin.license, "license", kLongestField)},
                        {"notes", loaded.notes},
                        {"files", nlohmann::json::array()},
                        {"variants", nlohmann::json::array()}};
  for (size_t i = 0; plugin.files != nullptr && plugin.files[i] != nullptr; ++i) {
    if (i == kMostFiles) {
      throw InputError(fmt::format("names over {} other files", kMostFiles));
    }
    all["files"].push_back(text_of(plugin.files[i], "path of another file", kLongestField));
  }
  for (const assay_variant& v : std::span(plugin.variants, plugin.count)) {
    const std::string kernel = text_of(v.kernel, "name of a kernel", kLongestName);
    const std::string label = name_of(v.label, fmt::format("label of a variant of {}", kernel).c_str());
    const auto field = [&](const char* text, const char* what) {
      return text == nullptr ? ""
                             : text_of(text, fmt::format("{} of {}:{}", what, kernel, label).c_str(), kLongestField);
    };
    if (v.run == nullptr) {
      throw InputError(fmt::format("has no function for {}:{}", kernel, label));
    }
    if ((v.flags & ~static_cast<uint32_t>(assay_is_generator)) != 0) {
      throw InputError(fmt::format("has the flags {:#x} for {}:{}, of which this build knows {:#x} alone", v.flags,
                                   kernel, label, static_cast<int>(assay_is_generator)));
    }
    all["variants"].push_back({{"kernel", kernel},
                               {"label", label},
                               {"contract", v.contract},
                               {"features", field(v.features, "features")},
                               {"layout", v.layout == nullptr ? "" : name_of(v.layout, "layout")},
                               {"generator", (v.flags & assay_is_generator) != 0},
                               {"packs", v.pack != nullptr},
                               {"claim", field(v.claim, "claim")}});
  }
  return all;
}

/// What the library says, from a child process. Throws InputError without the library's name.
nlohmann::json describe_in_child(const std::string& path, const std::string& argument) {
  struct Told {
    size_t bytes;
    bool is_error;
    char text[kMostDescription];
  };
  const SharedMemory memory(sizeof(Told));
  auto* told = static_cast<Told*>(memory.get());
  const auto tell = [&](const std::string& text, bool is_error) {
    std::memcpy(told->text, text.data(), std::min(text.size(), kMostDescription));
    told->is_error = is_error;
    told->bytes = std::min(text.size(), kMostDescription);
  };
  Child child([&] {
#ifndef ASSAY_SANITIZED  // their shadows take terabytes of addresses
    const rlimit memory_limit{kMostMemory, kMostMemory};
    setrlimit(RLIMIT_AS, &memory_limit);
#endif
    for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTERM, SIGALRM}) {
      signal(number, SIG_DFL);
    }
    try {
      tell(description_of(path, argument).dump(), false);
    } catch (const InputError& e) {
      tell(e.what(), true);
    }
  });
  if (!child.wait_for(kMostSeconds)) {
    throw InputError(fmt::format("was not loaded within {} s", kMostSeconds));
  }
  if (told->bytes == 0) {
    throw InputError(child.end().empty()
                         ? "ends the process when it is loaded, or asked what it offers"
                         : fmt::format("crashes when it is loaded, or asked what it offers: {}", child.end()));
  }
  const std::string text(told->text, told->bytes);
  if (told->is_error) {
    throw InputError(text);
  }
  return nlohmann::json::parse(text, nullptr, false);
}

/// One of the library's variants, as the registry has it. Throws InputError.
Variant variant_of(const std::shared_ptr<const PluginLibrary>& library, const nlohmann::json& told, size_t index) {
  Variant v{};
  v.kernel = told.at("kernel");
  v.nickname = told.at("label");
  const Kernel& kernel = find_kernel(v.kernel);
  const assay_contract& contract = *kernel.contract;
  if (told.at("contract") != contract.version) {
    throw InputError(fmt::format("{}:{} keeps version {} of the contract, which is now {}: see its kernel.h", v.kernel,
                                 v.nickname, told.at("contract").dump(), contract.version));
  }
  const bool packs = told.at("packs");
  if (packs != (contract.weights != nullptr)) {
    throw InputError(fmt::format("{}:{} has {} pack, and the contract has {}", v.kernel, v.nickname,
                                 packs ? "a function" : "no function", packs ? "none" : "weights to pack"));
  }
  auto foreign = std::make_shared<Foreign>(Foreign{library, index, told.at("features"), std::nullopt});
  try {
    v.isa = add_isa(foreign->features).name;
    if (const std::string claim = told.at("claim"); !claim.empty()) {
      foreign->claim = parse_claim(kernel, claim);
    }
  } catch (const InputError& e) {
    throw InputError(fmt::format("{}:{}: {}", v.kernel, v.nickname, e.what()));
  }
  v.file = library->path;
  v.jit = told.at("generator");
  if (const std::string layout = told.at("layout"); !layout.empty()) {
    v.layout = fmt::format("{}:{}", library->name, layout);
  }
  v.code = library->hash;
  v.foreign = std::move(foreign);
  return v;
}

std::vector<std::shared_ptr<const PluginLibrary>>& all_plugins() {
  static std::vector<std::shared_ptr<const PluginLibrary>> all;
  return all;
}

/// Where AMX's tiles are among a variant's registers the system wants to be asked (Linux: Documentation/arch/x86/xstate.rst).
void ask_for_tiles(const Variant& variant) {
  constexpr uint64_t kTileData = uint64_t{1} << 18;
  constexpr long kRequest = 0x1023;  // ARCH_REQ_XCOMP_PERM
  if ((find_isa(variant.isa).xcr0 & kTileData) != 0 && syscall(SYS_arch_prctl, kRequest, 18) != 0) {
    throw MachineError(fmt::format("the system refuses the registers of AMX: {}", std::strerror(errno)));
  }
}

std::map<const PluginLibrary*, Loaded>& loaded_plugins() {
  static std::map<const PluginLibrary*, Loaded> all;
  return all;
}

/// The library's entry for the variant, ready in this process. Throws MachineError.
const assay_variant& ready(const Variant& variant) {
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  const PluginLibrary& library = *variant.foreign->library;
  const size_t index = variant.foreign->index;
  Loaded& loaded = loaded_plugins()[&library];
  try {
    if (loaded.plugin == nullptr) {
      if (hash_of(library.path, library.files) != library.hash) {
        throw InputError("has changed since it was described: start again");
      }
      loaded = load(library.path, library.argument);
    }
    if (index >= loaded.plugin->count) {
      throw InputError("offers fewer variants than it did before");
    }
    const assay_variant& entry = loaded.plugin->variants[index];
    if (!loaded.prepared[index]) {
      ask_for_tiles(variant);
      std::string why;
      if (entry.prepare != nullptr) {
        apart(loaded.notes, [&] {
          const char* refused = entry.prepare();
          why = refused == nullptr ? "" : one_line({refused, strnlen(refused, kLongestField)}, kLongestField);
        });
      }
      if (!why.empty()) {
        throw MachineError(fmt::format("{}: {}", variant.name(), why));
      }
      loaded.prepared[index] = true;
    }
    return entry;
  } catch (const InputError& e) {
    throw MachineError(fmt::format("{}: {}", library.path, e.what()));
  }
}

}  // namespace

std::pair<std::string, std::string> split_plugin(const std::string& text) {
  std::error_code ignored;
  for (size_t colon = text.find(':'); colon != std::string::npos; colon = text.find(':', colon + 1)) {
    if (std::filesystem::is_regular_file(text.substr(0, colon), ignored)) {
      return {text.substr(0, colon), text.substr(colon + 1)};
    }
  }
  return {text, ""};
}

std::shared_ptr<const PluginLibrary> add_plugin(const std::string& text, const std::string& name) {
  const auto [file, argument] = split_plugin(text);
  auto library = std::make_shared<PluginLibrary>();
  try {
    library->given = text;
    library->argument = argument;
    library->path = std::filesystem::absolute(file).lexically_normal();
    hash_of(library->path);  // before it is loaded: whether it is a file
    const nlohmann::json told = describe_in_child(library->path, argument);
    library->name = name.empty() ? told.at("name").get<std::string>() : name;
    library->version = told.at("version");
    library->license = told.at("license");
    library->files = told.at("files").get<std::vector<std::string>>();
    library->notes = told.at("notes").get<std::vector<std::string>>();
    library->hash = hash_of(library->path, library->files);
    for (size_t i = 0; i < told.at("variants").size(); ++i) {
      registry().add(variant_of(library, told.at("variants")[i], i));
    }
  } catch (const InputError& e) {
    const std::string why = e.what();
    throw InputError(why.starts_with(library->path) ? why : fmt::format("{}: {}", file, why));
  } catch (const nlohmann::json::exception&) {  // the library wrote over what its child had to tell
    throw InputError(fmt::format("{}: what it offers cannot be read", file));
  }
  all_plugins().push_back(library);
  return library;
}

const std::vector<std::shared_ptr<const PluginLibrary>>& plugins() { return all_plugins(); }

AnyFn run_of(const Variant& variant) { return variant.foreign ? ready(variant).run : variant.run; }

AnyFn pack_of(const Variant& variant) { return variant.foreign ? ready(variant).pack : variant.pack; }

namespace {

bool in_one_of(const std::vector<Segment>& all, uint64_t address, bool executable) {
  return std::ranges::any_of(
      all, [&](const Segment& s) { return address >= s.begin && address < s.end && (s.executable || !executable); });
}

}  // namespace

bool is_plugin_code(uint64_t address) { return in_one_of(segments(), address, true); }
bool is_plugin_static(uint64_t address) { return in_one_of(segments(), address, false); }
bool is_system_code(uint64_t address) { return in_one_of(system_segments(), address, true); }

std::string function_of_system(uint64_t address) {
  Dl_info info{};
  if (!is_system_code(address) || dladdr(reinterpret_cast<const void*>(address), &info) == 0) {
    return "";
  }
  return fmt::format("{} of {}", info.dli_sname != nullptr ? info.dli_sname : "a function",
                     std::filesystem::path(info.dli_fname).filename().string());
}

bool plugin_was_loaded() { return !loaded_plugins().empty(); }

}  // namespace assay
