#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct Instruction {
  static constexpr uint64_t kNoTarget = ~uint64_t{0};

  uint64_t address = 0;
  std::string text;              ///< AT&T syntax, without comments and symbols: "vmovups (%rdi), %ymm0"
  uint64_t target = kNoTarget;   ///< of a direct branch or call
  uint64_t operand = kNoTarget;  ///< where an operand by RIP points

  std::string_view mnemonic() const;
  bool is_jump() const;  ///< conditional or not
  bool is_call() const;
};

struct Function {
  std::string name;
  uint64_t address = 0;
  std::vector<Instruction> code;  ///< in the order of addresses
  std::vector<uint64_t>
      reaches;  ///< addresses outside that it calls, jumps to or names, as disassemble_file() finds them

  /// The instruction at this address, or code.size().
  size_t index_of(uint64_t address) const;
};

/// The instructions of `function` from `first` to `last`, which jumps back to it.
struct Loop {
  const Function* function;
  size_t first, last;

  uint64_t begin() const { return function->code[first].address; }
  uint64_t end() const { return function->code[last].address; }  ///< of the jump back
  size_t size() const { return last - first + 1; }
  /// Bytes that one iteration's vector and memory instructions handle: the larger, the more it is the main loop. A
  /// guess from the code alone, for code that cannot run here.
  double weight() const;
  bool overlaps(const Loop& other) const {
    return function == other.function && first <= other.last && other.first <= last;
  }
  /// "" or what a prediction from its instructions in a row leaves out: calls, branches that skip part of it, loops inside,
  /// a longer loop with the same head, whose passes count as this one's.
  std::string caveat() const;
};

/// What llvm-objdump prints for -d --no-show-raw-insn. Lines that are none are passed over; throws MachineError if
/// there is no function at all.
std::vector<Function> parse_disassembly(std::string_view text);

/// The addresses that lie in a row, as pointers, at an address of the file: a table of functions, where they are any.
using PointerReader = std::function<std::vector<uint64_t>(uint64_t address)>;

/// The functions of these symbols and the ones they reach in the same file, to a depth of four: by direct calls and
/// jumps, by their addresses, and by tables of their addresses as `pointers_at` reads them.
std::vector<Function> disassemble_file(const std::string& objdump, const std::string& file,
                                       const std::vector<std::string>& symbols, const PointerReader& pointers_at);

/// Addresses of the functions that `function` reaches, as above.
std::vector<uint64_t> reached_from(const Function& function, const PointerReader& pointers_at);

/// Code without a file: assembled as bytes into an object and disassembled from there. Addresses count from 0.
Function disassemble_bytes(const std::string& mc, const std::string& objdump, std::span<const uint8_t> code);

/// Every jump back within the function.
std::vector<Loop> loops_of(const Function& function);

/// `loops` without those that overlap a shorter one: loops around it, or code out of line that jumps back
/// into it. But where the shorter ones are less than half of what the longer executes, it stays and they go: `executed`,
/// the instructions of each loop, tells; empty: not known. Indices, in ascending order.
std::vector<size_t> innermost(const std::vector<Loop>& loops, std::span<const uint64_t> executed);

}  // namespace assay
