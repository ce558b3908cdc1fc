#include "harness/disassembly.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "harness/error.h"
#include "harness/tool.h"

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
  function = {std::string(line.substr(2, line.size() - 4)), address, {}};
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
  line = trimmed(line.substr(0, line.find('#')));  // "# 0x1234 <symbol>": where a RIP-relative operand points
  out = {};
  out.address = address;
  const size_t symbol = line.find('<');
  std::string_view text = trimmed(line.substr(0, symbol));
  if (text.empty()) {  // "<unknown>"
    out.text = "(bad)";
    return true;
  }
  std::ranges::replace_copy(text, std::back_inserter(out.text), '\t', ' ');
  if (out.is_jump() || out.is_call()) {
    std::string_view operand = trimmed(text.substr(std::min(text.find_last_of(" \t"), text.size())));
    if (operand.starts_with("0x")) {
      operand.remove_prefix(2);
      if (!take_hex(operand, out.target)) {
        out.target = Instruction::kNoTarget;
      }
      if (symbol != std::string_view::npos && line.ends_with('>')) {
        const std::string_view name = line.substr(symbol + 1, line.size() - symbol - 2);
        out.target_name = name.find('+') == std::string_view::npos ? name : "";
      }
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

/// NASM's local labels are symbols of their own ("dot_f32_x87.loop") and would cut a function into pieces.
std::vector<std::string> with_local_labels(const std::string& objdump, const std::string& file,
                                           const std::vector<std::string>& symbols) {
  const ToolResult table = run_tool({objdump, "--syms", file}, "");
  const std::set<std::string, std::less<>> roots(symbols.begin(), symbols.end());
  std::vector<std::string> names = symbols;
  std::string_view text = table.out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view name = line.substr(line.find_last_of(" \t") + 1);
    const size_t dot = name.find('.');
    if (dot != std::string_view::npos && roots.contains(name.substr(0, dot))) {
      names.emplace_back(name);
    }
  }
  return names;
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
  bool shared_head = false;
  for (size_t i = 0; i < function->code.size(); ++i) {
    const Instruction& instruction = function->code[i];
    const bool inside = i >= first && i < last;
    call = call || (inside && instruction.is_call());
    branch = branch || (inside && instruction.is_jump() && instruction.target > begin() && instruction.target <= end());
    shared_head = shared_head || (i > last && instruction.is_jump() && instruction.target == begin());
  }
  std::string text;
  for (const auto& [there, words] :
       {std::pair(call, "calls"), {branch, "branches"}, {shared_head, "its head in a longer loop too"}}) {
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

std::vector<Function> disassemble_file(const std::string& objdump, const std::string& file,
                                       const std::vector<std::string>& symbols) {
  std::vector<Function> all;
  std::set<uint64_t> known;
  std::vector<std::string> wanted = with_local_labels(objdump, file, symbols);
  for (int depth = 0; depth < 3 && !wanted.empty(); ++depth) {
    const ToolResult result = run_tool(
        {objdump, "-d", "--no-show-raw-insn", fmt::format("--disassemble-symbols={}", fmt::join(wanted, ",")), file},
        "");
    if (result.status != 0) {
      throw MachineError(fmt::format("{} failed on {}: {}", objdump, file, result.err.substr(0, 300)));
    }
    wanted.clear();
    std::set<std::string> names;
    for (auto& function : joined(parse_disassembly(result.out))) {
      if (!known.insert(function.address).second) {
        continue;
      }
      for (const auto& i : function.code) {
        const bool leaves = i.target != Instruction::kNoTarget && function.index_of(i.target) == function.code.size();
        if (leaves && !known.contains(i.target) && !i.target_name.empty() && !i.target_name.ends_with("@plt") &&
            names.insert(i.target_name).second) {
          wanted.push_back(i.target_name);
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

std::vector<Loop> innermost_loops(const Function& function) {
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
  // The shortest first: what overlaps one that is taken is a loop around it, or code out of line that jumps back into it.
  std::ranges::stable_sort(loops, {}, [](const Loop& loop) { return loop.last - loop.first; });
  std::vector<Loop> innermost;
  for (const auto& loop : loops) {
    const auto overlaps = [&](const Loop& other) { return loop.first <= other.last && other.first <= loop.last; };
    if (std::ranges::none_of(innermost, overlaps)) {
      innermost.push_back(loop);
    }
  }
  std::ranges::sort(innermost, {}, &Loop::first);
  return innermost;
}

}  // namespace assay
