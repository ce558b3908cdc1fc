#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/runtime/claim.h"
#include "harness/runtime/registry.h"

namespace assay {

/// A shared library whose variants are on trial: include/assay/plugin.h.
struct PluginLibrary {
  std::string name, version, license;  ///< as it says
  std::string path;                    ///< absolute
  std::string argument;
  std::string given;               ///< as on the command line
  std::string hash;                ///< SHA-256 of its file, and of the others that it names, in hex
  std::vector<std::string> files;  ///< the others that it names
  std::vector<std::string> notes;  ///< what loading it did that it should not, for people: assay undoes that
};

/// What is known of a plug-in's variant beside what every Variant has.
struct Foreign {
  std::shared_ptr<const PluginLibrary> library;
  size_t index;          ///< among the library's variants
  std::string features;  ///< as it declares them
  std::optional<Claim> claim;
};

/// "FILE:ARGUMENT" in two: the file is the shortest beginning that is one.
std::pair<std::string, std::string> split_plugin(const std::string& text);

/// Adds the variants of a plug-in, "FILE" or "FILE:ARGUMENT", to the registry; references to its variants and to isas() end here. The library
/// is loaded in a child process, which tells what it offers: what crashes, hangs or ends the process there is an InputError, and so is
/// whatever is wrong with what it offers. `name`: what its variants are called by, in place of its own name.
std::shared_ptr<const PluginLibrary> add_plugin(const std::string& text, const std::string& name = "");

/// Those that were added.
const std::vector<std::shared_ptr<const PluginLibrary>>& plugins();

/// A variant's function, or generator. Of a plug-in the first call loads the library into this process and lets it prepare the variant,
/// and undoes what it changed of signals, rounding modes and standard output. Throws MachineError if it cannot be loaded, or its files
/// are not those that were described.
AnyFn run_of(const Variant& variant);
/// Likewise; nullptr where the kernel has no such step.
AnyFn pack_of(const Variant& variant);

/// Whether an address is in the code of a plug-in that was loaded, or of a library that it brought along; or in all that such files hold.
/// The C and C++ libraries, which choose their own code for the CPU at hand, are not among them.
bool is_plugin_code(uint64_t address);
bool is_plugin_static(uint64_t address);

/// Whether an address is in the code of the C and C++ libraries and their like, of a process that has loaded a plug-in; allocates nothing.
bool is_system_code(uint64_t address);
/// "usleep of libc.so.6", for people; "" elsewhere, or where it has no name.
std::string function_of_system(uint64_t address);

/// Whether a plug-in was loaded into this process: it may then not run its destructors at the end.
bool plugin_was_loaded();

}  // namespace assay
