#include "harness/check/instructions.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "harness/runtime/isa.h"
#include "harness/runtime/plugin.h"

#include "harness/check/decoder.h"

namespace assay {

namespace {

extern "C" const char __executable_start[];  // set by the linker
extern "C" const char etext[];
extern "C" const char end[];

}  // namespace

bool is_code(uint64_t address) {
  return (address >= reinterpret_cast<uint64_t>(__executable_start) && address < reinterpret_cast<uint64_t>(etext)) ||
         is_plugin_code(address);
}

bool is_static(uint64_t address) {
  return (address >= reinterpret_cast<uint64_t>(__executable_start) && address < reinterpret_cast<uint64_t>(end)) ||
         is_plugin_static(address);
}

namespace {

/// The instruction's bytes behind operand and address size, BND, REP, NOTRACK and REX.
const uint8_t* behind_prefixes(uint64_t address) {
  const auto* p = reinterpret_cast<const uint8_t*>(address);
  while (*p == 0x66 || *p == 0x67 || *p == 0xf2 || *p == 0xf3 || *p == 0x3e || (*p & 0xf0) == 0x40) {
    ++p;
  }
  return p;
}

}  // namespace

bool is_call(uint64_t address, bool is_jit_code) {
  if (!is_code(address) && !is_jit_code) {
    return false;
  }
  const uint8_t* p = behind_prefixes(address);
  return *p == 0xe8 || (*p == 0xff && (p[1] & 0x38) == 0x10);  // CALL rel32, CALL r/m64 (Intel SDM volume 2)
}

bool is_system_call(uint64_t address) {
  constexpr uint64_t kVsyscall =
      0xffffffffff600000;  // functions of Linux's at a fixed address: calls of them are such, and they cannot be read
  if (address >= kVsyscall) {
    return true;
  }
  // A byte is read only where the instruction goes on there: the page behind may not be mapped.
  const uint8_t* p = behind_prefixes(address);
  return (*p == 0x0f && (p[1] == 0x05 || p[1] == 0x34)) || (*p == 0xcd && p[1] == 0x80);  // SYSCALL, SYSENTER, INT 80h
}

bool decode(uint64_t address, Decoded& out) {
  static const ZydisDecoder decoder = [] {
    ZydisDecoder d;
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return d;
  }();
  // The page behind may not be mapped: it is read only if the instruction goes on there.
  const uint64_t on_page = 4096 - address % 4096;
  ZyanStatus status = ZydisDecoderDecodeFull(&decoder, reinterpret_cast<const void*>(address),
                                             std::min<uint64_t>(on_page, 15), &out.instruction, out.operands);
  if (status == ZYDIS_STATUS_NO_MORE_DATA && on_page < 15) {
    status =
        ZydisDecoderDecodeFull(&decoder, reinterpret_cast<const void*>(address), 15, &out.instruction, out.operands);
  }
  return ZYAN_SUCCESS(status);
}

namespace {

std::string format(const Decoded& d, uint64_t address) {
  static const ZydisFormatter formatter = [] {
    ZydisFormatter f;
    ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
    return f;
  }();
  char text[256];
  ZydisFormatterFormatInstruction(&formatter, &d.instruction, d.operands, d.instruction.operand_count_visible, text,
                                  sizeof text, address, nullptr);
  return text;
}

}  // namespace

std::string disassemble(uint64_t address) {
  Decoded d;
  return decode(address, d) ? format(d, address) : "(no valid instruction)";
}

std::string disassemble_block(uint64_t address, size_t bytes, uint64_t base, size_t count) {
  std::string text;
  const uint64_t end = address + bytes;
  Decoded d;
  for (; count > 0 && address < end && decode(address, d); --count) {
    text += fmt::format("    +{:#06x}  {}\n", address - base, format(d, address));
    address += d.instruction.length;
  }
  return text;
}

std::string foreign_instruction(const std::string& isa, uint64_t address, bool is_jit_code) {
  Decoded d;
  if ((!is_code(address) && !is_jit_code) || !decode(address, d)) {
    return "";
  }
  // A mnemonic's meta data is that of its encoding.
  const auto& meta = d.instruction.meta;
  if (may_execute(find_isa(isa), ZydisISAExtGetString(meta.isa_ext), ZydisISASetGetString(meta.isa_set))) {
    return "";
  }
  return fmt::format("it executes `{}` ({}), which {} does not have", format(d, address),
                     ZydisISASetGetString(meta.isa_set), isa);
}

std::string foreign_instruction_within(const std::string& isa, uint64_t entry,
                                       const std::function<bool(uint64_t)>& is_jit_code) {
#ifdef ASSAY_SANITIZED
  return "";  // functions end in calls that do not return: what lies behind them is another function
#endif
  std::unordered_set<uint64_t> seen;
  std::vector<uint64_t> open = {entry};
  while (!open.empty()) {
    uint64_t address = open.back();
    open.pop_back();
    Decoded d;
    // To the end of a straight piece of code, or to what was seen before.
    while ((is_code(address) || is_jit_code(address)) && seen.insert(address).second && decode(address, d)) {
      if (const std::string why = foreign_instruction(isa, address, is_jit_code(address)); !why.empty()) {
        return fmt::format("{}, at +{:#x}, on a path that this call need not take", why, address - entry);
      }
      const auto category = d.instruction.meta.category;
      const uint64_t next = address + d.instruction.length;
      const bool branches =
          category == ZYDIS_CATEGORY_COND_BR || category == ZYDIS_CATEGORY_UNCOND_BR || category == ZYDIS_CATEGORY_CALL;
      if (branches && d.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && d.operands[0].imm.is_relative) {
        open.push_back(next + static_cast<uint64_t>(d.operands[0].imm.value.s));
      }
      if (category == ZYDIS_CATEGORY_UNCOND_BR || category == ZYDIS_CATEGORY_RET ||
          d.instruction.mnemonic == ZYDIS_MNEMONIC_INT3 || d.instruction.mnemonic == ZYDIS_MNEMONIC_UD2) {
        break;
      }
      address = next;
      // A call that does not return, as of abort, may end a function: then padding follows.
      if (category == ZYDIS_CATEGORY_CALL && decode(address, d) &&
          (d.instruction.meta.category == ZYDIS_CATEGORY_NOP ||
           d.instruction.meta.category == ZYDIS_CATEGORY_WIDENOP)) {
        break;
      }
    }
  }
  return "";
}

}  // namespace assay
