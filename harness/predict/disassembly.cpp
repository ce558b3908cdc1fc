#include "harness/predict/disassembly.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>
#include <numeric>
#include <set>

#include "harness/predict/tool.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

bool take_hex(std::string_view& text, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  const auto used = static_cast<size_t>(end - text.data());
  text.remove_prefix(error == std::errc() ? used : 0);
  return error == std::errc();
}

void skip_space(std::string_view& text) { text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size())); }

std::string_view trimmed(std::string_view text) {
  skip_space(text);
  const size_t last = text.find_last_not_of(" \t\r");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

/// "0000000000000000 <name>:"
bool parse_heading(std::string_view line, Function& function) {
  uint64_t address = 0;
  if (!take_hex(line, address) || !line.starts_with(" <") || !line.ends_with(">:")) {
    return false;
  }
  function = {std::string(line.substr(2, line.size() - 4)), address, {}, {}};
  return true;
}

/// "      b:      	jne	0x0 <f+0x4>"
bool parse_instruction(std::string_view line, Instruction& out) {
  skip_space(line);
  uint64_t address = 0;
  if (!take_hex(line, address) || !line.starts_with(':')) {
    return false;
  }
  line.remove_prefix(1);
  out = {};
  out.address = address;
  const size_t comment = line.find("# 0x");  // "# 0x1234 <symbol>": where a RIP-relative operand points
  if (comment != std::string_view::npos) {
    std::string_view operand = line.substr(comment + 4);
    take_hex(operand, out.operand);  // what is none leaves kNoTarget
  }
  line = trimmed(line.substr(0, line.find('#')));
  std::string_view text = trimmed(line.substr(0, line.find('<')));
  if (text.empty()) {  // "<unknown>"
    out.text = "(bad)";
    return true;
  }
  std::ranges::replace_copy(text, std::back_inserter(out.text), '\t', ' ');
  if (out.is_jump() || out.is_call()) {
    std::string_view operand = trimmed(text.substr(std::min(text.find_last_of(" \t"), text.size())));
    if (operand.starts_with("0x")) {
      operand.remove_prefix(2);
      take_hex(operand, out.target);
    }
  }
  return true;
}

/// The widest register that an instruction names, in bytes; for a scalar float one the size of the float.
double operand_bytes(const Instruction& i) {
  const std::string_view m = i.mnemonic();
  if (i.text.find("%zmm") != std::string::npos) {
    return 64;
  }
  if (i.text.find("%ymm") != std::string::npos) {
    return 32;
  }
  if (i.text.find("%xmm") != std::string::npos) {
    return m.ends_with("ss") ? 4 : m.ends_with("sd") ? 8 : 16;
  }
  if (m.starts_with('f')) {  // x87: flds, fmuls, faddp
    return 4;
  }
  return 1;
}

/// Names of the functions of a file by address, as llvm-objdump --syms prints them.
std::multimap<uint64_t, std::string> function_symbols(const std::string& objdump, const std::string& file) {
  const ToolResult table = run_tool({objdump, "--syms", file}, "");
  std::multimap<uint64_t, std::string> symbols;
  std::string_view text = table.out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    uint64_t address = 0;
    std::string_view rest = line;
    if (take_hex(rest, address) && rest.find(" .text") != std::string_view::npos) {
      symbols.emplace(address, line.substr(line.find_last_of(" \t") + 1));
    }
  }
  return symbols;
}

/// Puts the pieces of a function that follow it closely back together.
std::vector<Function> joined(std::vector<Function> pieces) {
  constexpr uint64_t kAlignment = 64;
  std::ranges::sort(pieces, {}, &Function::address);
  std::vector<Function> whole;
  for (auto& piece : pieces) {
    if (!whole.empty() && !whole.back().code.empty() && piece.name.starts_with(whole.back().name + ".") &&
        piece.address <= whole.back().code.back().address + kAlignment) {
      std::ranges::move(piece.code, std::back_inserter(whole.back().code));
    } else {
      whole.push_back(std::move(piece));
    }
  }
  return whole;
}

}  // namespace

std::string_view Instruction::mnemonic() const { return std::string_view(text).substr(0, text.find(' ')); }

bool Instruction::is_jump() const { return text.starts_with('j'); }

bool Instruction::is_call() const { return text.starts_with("call"); }

size_t Function::index_of(uint64_t where) const {
  const auto it = std::ranges::lower_bound(code, where, {}, &Instruction::address);
  return it == code.end() || it->address != where ? code.size() : static_cast<size_t>(it - code.begin());
}

double Loop::weight() const {
  double sum = 0;
  for (size_t i = first; i <= last; ++i) {
    const Instruction& instruction = function->code[i];
    const std::string_view m = instruction.mnemonic();
    const bool memory = instruction.text.find('(') != std::string::npos && m != "lea" && m != "leaq" &&
                        !m.starts_with("prefetch") && !m.starts_with("nop");
    if (memory || operand_bytes(instruction) > 1) {
      sum += operand_bytes(instruction);
    }
  }
  return sum;
}

std::string Loop::caveat() const {
  bool call = false;
  bool branch = false;
  bool inner = false;
  bool shared_head = false;
  for (size_t i = 0; i < function->code.size(); ++i) {
    const Instruction& instruction = function->code[i];
    const bool inside = i >= first && i < last;
    call = call || (inside && instruction.is_call());
    branch = branch || (inside && instruction.is_jump() && instruction.target > instruction.address &&
                        instruction.target <= end());
    inner = inner || (inside && instruction.is_jump() && instruction.target >= begin() &&
                      instruction.target <= instruction.address);
    shared_head = shared_head || (i > last && instruction.is_jump() && instruction.target == begin());
  }
  std::string text;
  for (const auto& [there, words] : {std::pair(call, "calls"),
                                     {branch, "branches"},
                                     {inner, "loops inside, each passed once"},
                                     {shared_head, "its head in a longer loop too"}}) {
    text += there ? (text.empty() ? "" : ", ") + std::string(words) : "";
  }
  return text;
}

std::vector<Function> parse_disassembly(std::string_view text) {
  std::vector<Function> functions;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    Function function;
    Instruction instruction;
    if (parse_heading(line, function)) {
      functions.push_back(std::move(function));
    } else if (!functions.empty() && parse_instruction(line, instruction)) {
      auto& code = functions.back().code;
      if (code.empty() || code.back().address < instruction.address) {
        code.push_back(std::move(instruction));
      }
    }
  }
  if (functions.empty()) {
    throw MachineError(
        "the disassembler printed no function: the executable may be stripped; use one with its symbols");
  }
  return functions;
}

std::vector<uint64_t> reached_from(const Function& function, const PointerReader& pointers_at) {
  std::vector<uint64_t> reached;
  for (const auto& i : function.code) {
    if (i.target != Instruction::kNoTarget) {
      reached.push_back(i.target);
    }
    if (i.operand != Instruction::kNoTarget) {
      reached.push_back(i.operand);
      std::ranges::copy(pointers_at(i.operand), std::back_inserter(reached));
    }
  }
  std::erase_if(reached, [&](uint64_t address) { return function.index_of(address) != function.code.size(); });
  return reached;
}

std::vector<Function> disassemble_file(const std::string& objdump, const std::string& file,
                                       const std::vector<std::string>& symbols, const PointerReader& pointers_at) {
  constexpr int kDepth = 4;
  const auto named = function_symbols(objdump, file);
  std::set<std::string> wanted(symbols.begin(), symbols.end());
  for (const auto& [address, name] : named) {
    // NASM's local labels are symbols of their own ("dot_f32_x87.loop") and would cut a function into pieces.
    if (const size_t dot = name.find('.'); dot != std::string::npos && wanted.contains(name.substr(0, dot))) {
      wanted.insert(name);
    }
  }
  std::set<std::string> asked;
  std::vector<Function> all;
  for (int depth = 0; depth < kDepth && !wanted.empty(); ++depth) {
    const ToolResult result = run_tool(
        {objdump, "-d", "--no-show-raw-insn", fmt::format("--disassemble-symbols={}", fmt::join(wanted, ",")), file},
        "");
    if (result.status != 0) {
      throw MachineError(fmt::format("{} failed on {}: {}", objdump, file, result.err.substr(0, 300)));
    }
    asked.merge(wanted);
    wanted.clear();
    for (auto& function : joined(parse_disassembly(result.out))) {
      function.reaches = reached_from(function, pointers_at);
      for (const uint64_t address : function.reaches) {
        for (auto [it, end] = named.equal_range(address); it != end; ++it) {
          if (!asked.contains(it->second)) {
            wanted.insert(it->second);
          }
        }
      }
      all.push_back(std::move(function));
    }
  }
  return all;
}

Function disassemble_bytes(const std::string& mc, const std::string& objdump, std::span<const uint8_t> code) {
  std::string source = ".globl jit\n.type jit,@function\njit:\n";
  for (const uint8_t byte : code) {
    source += fmt::format(".byte {}\n", byte);
  }
  const ToolResult object = run_tool({mc, "--triple=x86_64", "--filetype=obj", "-o", "-"}, source);
  if (object.status != 0) {
    throw MachineError(fmt::format("{} failed: {}", mc, object.err.substr(0, 300)));
  }
  const ToolResult listing = run_tool({objdump, "-d", "--no-show-raw-insn", "-"}, object.out);
  if (listing.status != 0) {
    throw MachineError(fmt::format("{} failed: {}", objdump, listing.err.substr(0, 300)));
  }
  return parse_disassembly(listing.out).front();
}

std::vector<Loop> loops_of(const Function& function) {
  std::vector<Loop> loops;
  for (size_t i = 0; i < function.code.size(); ++i) {
    const Instruction& jump = function.code[i];
    if (!jump.is_jump() || jump.target > jump.address) {
      continue;
    }
    const size_t first = function.index_of(jump.target);
    if (first < function.code.size()) {
      loops.push_back({&function, first, i});
    }
  }
  return loops;
}

std::vector<size_t> innermost(const std::vector<Loop>& loops, std::span<const uint64_t> executed) {
  const auto count = [&](size_t i) { return executed.empty() ? 0 : executed[i]; };
  std::vector<size_t> order(loops.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return loops[i].size(); });
  std::vector<size_t> chosen;
  for (const size_t i : order) {
    const auto overlaps = [&](size_t k) { return loops[i].overlaps(loops[k]); };
    uint64_t taken = 0;
    for (const size_t k : chosen) {
      taken += overlaps(k) ? count(k) : 0;
    }
    if (taken < count(i) / 2) {
      std::erase_if(chosen, overlaps);
    }
    if (std::ranges::none_of(chosen, overlaps)) {
      chosen.push_back(i);
    }
  }
  std::ranges::sort(chosen);
  return chosen;
}

}  // namespace assay
