#pragma once

// What generators of exp64 (scalar.h) share. All is local to the file that includes it.
namespace {

// e^z = 2^n e^r for z <= 0, z = n ln 2 + r with |r| <= ln(2)/2; ln 2 in two parts, of which n times
// the first is exact (Cody and Waite 1980; the parts are those of Cephes' expf). The polynomial is
// the minimax of (e^r - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off at most.
enum ExpConstant { kFloor, kLog2e, kShift, kLn2High, kLn2Low, kP4, kP3, kP2, kP1, kP0, kOne, kMinusInf, kExpConstants };
constexpr float kExpValues[kExpConstants] = {
    -110.0f,  // e^-110 is nothing to softmax
    0x1.715476p0f,
    0x1.8p23f + 191,  // 1.5 * 2^23 rounds to an integer n; then n + 64 + 127 in the low bits,
                      // shifted, are 2^(n + 64)
    0.693359375f, -2.12194440e-4f, 0x1.6a23d0p-10f, 0x1.123a20p-7f, 0x1.5558f2p-5f, 0x1.555492p-3f, 0x1.fffffcp-2f,
    1.0f, -__builtin_inff()};

}  // namespace
