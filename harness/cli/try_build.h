#pragma once
#include <string>
#include <vector>

namespace assay {

/// A file with a kernel that somebody writes, and how it becomes a plug-in.
struct TryOptions {
  std::string file;    ///< .c, .cc, .cpp, .cxx, .asm (NASM), .s, .S, .o or .so
  std::string kernel;  ///< "dot_f32"; may be empty where the file is a plug-in already
  std::string
      isa;  ///< whose flags it is compiled with and whose instructions it may execute; "": the best level of this CPU
  std::string symbol;              ///< of its function; "": the kernel's name, or that and an ISA's
  std::string compiler;            ///< "": $CXX or $CC, else c++ or cc
  std::vector<std::string> flags;  ///< after all others
};

/// Throws InputError for a file that is none, of an unknown kind, or an unknown kernel or ISA.
void validate(const TryOptions& options);

/// The plug-in that the file becomes: a path in the cache folder, or the file itself if it is one. What the compiler says goes to stderr
/// as it is. Throws InputError if it does not compile or has no such function, MachineError where there is no compiler.
std::string build_plugin(const TryOptions& options);

}  // namespace assay
