#pragma once
// Only where the build has Zydis.
#include <Zydis/Zydis.h>

#include <cstdint>

namespace assay {

struct Decoded {
  ZydisDecodedInstruction instruction;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

/// The instruction at `address`. False: it is none.
bool decode(uint64_t address, Decoded& out);

}  // namespace assay
