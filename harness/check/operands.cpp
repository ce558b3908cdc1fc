#include "harness/check/operands.h"

#include <cpuid.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "harness/check/decoder.h"

namespace assay {

namespace {

/// The vector registers and masks in a signal's frame: XSAVE's standard format (Intel SDM volume 1, section 13.4).
class Vectors {
 public:
  explicit Vectors(const mcontext_t& machine) : area_(reinterpret_cast<const uint8_t*>(machine.fpregs)) {
    constexpr uint32_t kMagic = 0x46505853;  // FP_XSTATE_MAGIC1 of asm/sigcontext.h
    uint32_t magic;
    std::memcpy(&magic, area_ + 464, sizeof magic);
    if (magic == kMagic) {
      std::memcpy(&present_, area_ + 512, sizeof present_);
    }
  }

  uint64_t mask(int i) const { return word(5, 8 * static_cast<size_t>(i)); }

  /// Element number `i` of `bytes` bytes (4 or 8) of a vector register.
  uint64_t element(int reg, size_t i, size_t bytes) const {
    const size_t at = i * bytes;
    const auto r = static_cast<size_t>(reg);
    const uint64_t both = r >= 16   ? word(7, (r - 16) * 64 + at / 8 * 8)
                          : at < 16 ? load(160 + 16 * r + at / 8 * 8)
                          : at < 32 ? word(2, 16 * r + (at - 16) / 8 * 8)
                                    : word(6, 32 * r + (at - 32) / 8 * 8);
    return bytes == 8 ? both : both >> at % 8 * 8 & 0xffffffff;
  }

 private:
  uint64_t load(size_t offset) const {
    uint64_t value;
    std::memcpy(&value, area_ + offset, sizeof value);
    return value;
  }

  /// Of a component of the extended state; 0 where it is as after reset.
  uint64_t word(unsigned component, size_t offset) const {
    static const std::array<size_t, 8> offsets = [] {
      std::array<size_t, 8> all{};
      for (unsigned i = 2; i < all.size(); ++i) {
        unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
        all[i] = __get_cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx) != 0 ? ebx : 0;
      }
      return all;
    }();
    return (present_ >> component & 1) != 0 ? load(offsets[component] + offset) : 0;
  }

  const uint8_t* area_;
  uint64_t present_ = 0;
};

uint64_t general_register(ZydisRegister reg, const mcontext_t& machine, uint64_t next_rip) {
  if (reg == ZYDIS_REGISTER_RIP) {
    return next_rip;
  }
  const ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
  constexpr int kPlaces[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                             REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  if (whole < ZYDIS_REGISTER_RAX || whole > ZYDIS_REGISTER_R15) {
    return 0;
  }
  const auto value = static_cast<uint64_t>(machine.gregs[kPlaces[whole - ZYDIS_REGISTER_RAX]]);
  return ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, reg) == 32 ? value & 0xffffffff : value;
}

/// Which elements of a masked operand are touched: bit i for element i. All where there is no mask.
uint64_t enabled_elements(const Decoded& d, size_t memory, const Vectors& vectors) {
  const ZydisDecodedInstruction& i = d.instruction;
  if (i.avx.mask.reg > ZYDIS_REGISTER_K0 && i.avx.mask.reg <= ZYDIS_REGISTER_K7) {
    return vectors.mask(i.avx.mask.reg - ZYDIS_REGISTER_K0);
  }
  // VEX: the mask is the second operand's signs, whether it loads or stores.
  const bool is_masked_move = i.mnemonic == ZYDIS_MNEMONIC_VMASKMOVPS || i.mnemonic == ZYDIS_MNEMONIC_VMASKMOVPD ||
                              i.mnemonic == ZYDIS_MNEMONIC_VPMASKMOVD || i.mnemonic == ZYDIS_MNEMONIC_VPMASKMOVQ;
  if (is_masked_move && d.operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
    const size_t bytes = d.operands[memory].element_size / 8;
    uint64_t enabled = 0;
    for (size_t e = 0; e < d.operands[memory].size / 8 / bytes; ++e) {
      const int reg = ZydisRegisterGetId(d.operands[1].reg.value);
      enabled |= (vectors.element(reg, e, bytes) >> (bytes * 8 - 1) & 1) << e;
    }
    return enabled;
  }
  return ~uint64_t{0};
}

bool is_packed_by_mask(const ZydisDecodedInstruction& i) {  // enabled elements lie side by side
  switch (i.mnemonic) {
    case ZYDIS_MNEMONIC_VCOMPRESSPS:
    case ZYDIS_MNEMONIC_VCOMPRESSPD:
    case ZYDIS_MNEMONIC_VEXPANDPS:
    case ZYDIS_MNEMONIC_VEXPANDPD:
    case ZYDIS_MNEMONIC_VPCOMPRESSB:
    case ZYDIS_MNEMONIC_VPCOMPRESSW:
    case ZYDIS_MNEMONIC_VPCOMPRESSD:
    case ZYDIS_MNEMONIC_VPCOMPRESSQ:
    case ZYDIS_MNEMONIC_VPEXPANDB:
    case ZYDIS_MNEMONIC_VPEXPANDW:
    case ZYDIS_MNEMONIC_VPEXPANDD:
    case ZYDIS_MNEMONIC_VPEXPANDQ:
      return true;
    default:
      return false;
  }
}

bool touches_nothing(const ZydisDecodedInstruction& i) {
  return i.meta.category == ZYDIS_CATEGORY_PREFETCH || i.meta.category == ZYDIS_CATEGORY_NOP ||
         i.meta.category == ZYDIS_CATEGORY_WIDENOP;
}

void visit_operand(const Decoded& d, size_t number, const mcontext_t& machine, uint64_t next_rip,
                   const std::function<void(const Touched&)>& visit) {
  const ZydisDecodedOperand& operand = d.operands[number];
  const ZydisDecodedOperandMem& mem = operand.mem;
  const Vectors vectors(machine);
  const uint64_t address =
      general_register(mem.base, machine, next_rip) +
      (mem.type == ZYDIS_MEMOP_TYPE_VSIB ? 0 : general_register(mem.index, machine, next_rip) * mem.scale) +
      (mem.disp.has_displacement ? static_cast<uint64_t>(mem.disp.value) : 0);
  const bool write = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
  const size_t bytes = operand.size / 8;
  const size_t element = std::max<size_t>(operand.element_size / 8, 1);
  const size_t elements = std::max<size_t>(bytes / element, 1);
  if (mem.type == ZYDIS_MEMOP_TYPE_VSIB) {
    // AVX2's gathers have their mask in the last vector operand, by signs.
    const bool by_mask_register = d.instruction.avx.mask.reg > ZYDIS_REGISTER_K0;
    const size_t index_bytes = d.instruction.mnemonic == ZYDIS_MNEMONIC_VGATHERQPS ||
                                       d.instruction.mnemonic == ZYDIS_MNEMONIC_VGATHERQPD ||
                                       d.instruction.mnemonic == ZYDIS_MNEMONIC_VPGATHERQD ||
                                       d.instruction.mnemonic == ZYDIS_MNEMONIC_VPGATHERQQ
                                   ? 8
                                   : 4;
    const size_t index_width = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, mem.index) / 8u;
    const size_t data_width = ZydisRegisterGetWidth(ZYDIS_MACHINE_MODE_LONG_64, d.operands[0].reg.value) / 8u;
    for (size_t e = 0; e < std::min(index_width / index_bytes, data_width / element); ++e) {
      const bool on =
          by_mask_register
              ? (vectors.mask(d.instruction.avx.mask.reg - ZYDIS_REGISTER_K0) >> e & 1) != 0
              : (vectors.element(ZydisRegisterGetId(d.operands[2].reg.value), e, element) >> (element * 8 - 1) & 1) !=
                    0;
      if (on) {
        const uint64_t raw = vectors.element(ZydisRegisterGetId(mem.index), e, index_bytes);
        const auto index = index_bytes == 8 ? static_cast<int64_t>(raw) : static_cast<int32_t>(raw);
        visit({address + static_cast<uint64_t>(index) * mem.scale, element, write});
      }
    }
    return;
  }
  uint64_t enabled = enabled_elements(d, number, vectors);
  if (enabled == ~uint64_t{0} || d.instruction.avx.broadcast.mode != ZYDIS_BROADCAST_MODE_INVALID) {
    visit({address, bytes, write});
    return;
  }
  enabled &= elements >= 64 ? ~uint64_t{0} : (uint64_t{1} << elements) - 1;
  if (is_packed_by_mask(d.instruction)) {
    const auto count = static_cast<unsigned>(__builtin_popcountll(enabled));
    enabled = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
  }
  for (size_t e = 0; e < elements; ++e) {
    if ((enabled >> e & 1) != 0) {
      visit({address + e * element, element, write});
    }
  }
}

}  // namespace

bool visit_touched(uint64_t rip, const mcontext_t& machine, const std::function<void(const Touched&)>& visit) {
  Decoded d;
  if (!decode(rip, d)) {
    return false;
  }
  if (touches_nothing(d.instruction)) {
    return true;
  }
  for (size_t i = 0; i < d.instruction.operand_count; ++i) {
    const ZydisDecodedOperand& operand = d.operands[i];
    const bool is_thread_local = operand.mem.segment == ZYDIS_REGISTER_FS || operand.mem.segment == ZYDIS_REGISTER_GS;
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.type == ZYDIS_MEMOP_TYPE_AGEN || is_thread_local) {
      continue;
    }
    const bool is_repeated =
        (d.instruction.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) != 0;
    if (is_repeated && machine.gregs[REG_RCX] == 0) {
      continue;
    }
    visit_operand(d, i, machine, rip + d.instruction.length, visit);
  }
  return true;
}

}  // namespace assay
