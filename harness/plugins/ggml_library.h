// What the adapters of llama.cpp's libraries share: the folder of its builds, and the table of what they offer. One source includes it in
// each plug-in.
#pragma once
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "assay/plugin.h"

namespace {

/// The CPUs that llama.cpp's releases are built for, and what their libraries may execute (ggml/src/CMakeLists.txt).
struct Build {
  const char *name, *features;
};
constexpr std::array kBuilds = {
    Build{"x64", nullptr},
    Build{"sse42", "v2"},
    Build{"sandybridge", "v2,avx"},
    Build{"ivybridge", "v2,avx,f16c"},
    Build{"piledriver", "v2,avx,f16c,fma"},
    Build{"haswell", "v3"},
    Build{"alderlake", "v3,avx_vnni"},
    Build{"skylakex", "v4"},
    Build{"cannonlake", "v4,avx512_vbmi"},
    Build{"cascadelake", "v4,avx512_vnni"},
    Build{"cooperlake", "v4,avx512_vnni,avx512_bf16"},
    Build{"icelake", "v4,avx512_vnni,avx512_vbmi"},
    Build{"zen4", "v4,avx512_vnni,avx512_vbmi,avx512_bf16"},
    Build{"sapphirerapids", "v4,avx512_vnni,avx512_vbmi,avx512_bf16,amx_int8"},
};

// What was loaded: in variables of this plug-in, which its functions read.
const char* plugin_name;
std::string folder;
void* base_library;
std::array<void*, kBuilds.size()> cpu_libraries;

template <class F>
F* find(void* library, const char* name) {
  return reinterpret_cast<F*>(dlsym(library, name));
}

/// Of libggml-base.so.
template <class F>
F* base(const char* name) {
  return find<F>(base_library, name);
}

/// The same. False where it has none, which is said on stderr.
template <class F>
bool get(F*& function, const char* name) {
  function = base<F>(name);
  if (function == nullptr) {
    std::fprintf(stderr, "%s: libggml-base.so has no %s: it is too old\n", plugin_name, name);
  }
  return function != nullptr;
}

std::string path_of(size_t build) { return folder + "/libggml-cpu-" + kBuilds[build].name + ".so"; }

/// Opens libggml-base.so of the folder that `argument` names. False: it cannot be, and was said on stderr.
bool open_base(const char* plugin, const char* argument) {
  plugin_name = plugin;
  folder = argument;
  if (folder.empty()) {
    std::fprintf(stderr, "%s: name the folder of libggml-base.so behind a colon: --plugin %s.so:FOLDER\n", plugin,
                 plugin);
    return false;
  }
  base_library = dlopen((folder + "/libggml-base.so").c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (base_library == nullptr) {
    std::fprintf(stderr, "%s: %s\n", plugin, dlerror());
    return false;
  }
  return true;
}

template <size_t B>
const char* load_library() {
  static std::string why;
  void* const library = dlopen(path_of(B).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    why = dlerror();
    return why.c_str();
  }
  auto* const score = find<int()>(library, "ggml_backend_score");
  if (score != nullptr && score() == 0) {
    return "its own ggml_backend_score says that the library does not run on this CPU";
  }
  auto* const init = find<void()>(library, "ggml_cpu_init");
  if (init == nullptr) {
    return "the library has no ggml_cpu_init";
  }
  init();
  cpu_libraries[B] = library;
  return nullptr;
}

/// The build's library, once in each process. NULL, or why it cannot be had.
template <size_t B>
const char* prepare_library() {
  static const char* const why = load_library<B>();
  return why;
}

// ---- the table ----

std::vector<assay_variant> variants;
std::vector<std::string> names;  // of kernels
std::vector<std::string> files;
std::vector<const char*> file_pointers;

template <class R, class... A>
assay_any_fn any(R (*f)(A...)) {
  return reinterpret_cast<assay_any_fn>(f);
}

/// A variant of which nothing is said yet but what it is.
assay_variant& add_variant(const std::string& kernel, unsigned contract, const char* label, const char* features,
                           assay_any_fn run) {
  names.reserve(assay_most_variants);  // their texts stay where they are
  names.push_back(kernel);
  variants.push_back({names.back().c_str(), label, contract, features, run, nullptr, nullptr, 0, nullptr, nullptr});
  return variants.back();
}

/// Whether the folder has the build's library, which is then one of the plug-in's files.
bool has_build(size_t build) {
  const bool exists = std::filesystem::exists(path_of(build));
  if (exists) {
    files.push_back(path_of(build));
  }
  return exists;
}

const assay_plugin* plugin_of_table() {
  files.push_back(folder + "/libggml-base.so");
  for (const std::string& file : files) {
    file_pointers.push_back(file.c_str());
  }
  file_pointers.push_back(nullptr);
  static assay_plugin plugin;
  plugin = {assay_plugin_abi, sizeof plugin,   plugin_name,         "released", "MIT",
            variants.data(),  variants.size(), file_pointers.data()};
  return &plugin;
}

}  // namespace
