#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace assay {

/// The instruction at `address` as text, for people; its bytes in hex where the build has no Zydis (the static preset: Debian
/// has no static library of it).
std::string disassemble(uint64_t address);

/// Whether the address is in this executable's code, or a plug-in's.
bool is_code(uint64_t address);
/// Whether the address is in what this executable's file holds, or a plug-in's: code, constants, variables.
bool is_static(uint64_t address);

/// Whether the instruction at `address`, of this executable or JIT code, is a near CALL.
bool is_call(uint64_t address, bool is_jit_code);

/// Whether the instruction at `address`, of any code that is about to be executed, asks something of the operating system.
bool is_system_call(uint64_t address);

/// `count` instructions from `address` on, one a line, with addresses relative to `base`.
std::string disassemble_block(uint64_t address, size_t bytes, uint64_t base, size_t count);

/// Why a variant of `isa` may not execute the instruction at `address`; "" if it may. Only code of this executable and JIT
/// code is judged: the C library chooses its own code for the CPU at hand. Always "" without Zydis; then an emulated
/// CPU's SIGILL is the check.
std::string foreign_instruction(const std::string& isa, uint64_t address, bool is_jit_code);

/// The same of all code that jumps and calls to stated addresses reach from `entry`, taken or not, within this executable and
/// where `is_jit_code` says.
std::string foreign_instruction_within(const std::string& isa, uint64_t entry,
                                       const std::function<bool(uint64_t)>& is_jit_code);

}  // namespace assay
