#include "harness/bench/peak.h"

#include <xbyak/xbyak.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <vector>

#include "harness/check/case.h"

namespace assay {
namespace {

enum class LoopKind { f32, int8, read };

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// The loops are built with Xbyak, for the widest ISA, as the JIT variants are.
template <class Vec>
class PeakLoop : public Xbyak::CodeGenerator {
 public:
  // rdi: iterations, rsi: buffer, rdx: its bytes (a multiple of 16 vectors)
  PeakLoop(LoopKind kind, bool sse) : CodeGenerator(4096), sse_(sse) {
    constexpr int kAccumulators = 12;  // two units times a latency of four to five cycles need eight to ten
    const int bytes = static_cast<int>(Vec(0).getBit() / 8);
    Xbyak::Label outer;
    Xbyak::Label inner;
    for (int i = 0; i < 16; ++i) {
      sse_ ? xorps(Xbyak::Xmm(i), Xbyak::Xmm(i)) : vxorps(Xbyak::Xmm(i), Xbyak::Xmm(i), Xbyak::Xmm(i));
    }
    L(outer);
    switch (kind) {
      case LoopKind::f32:
        for (int i = 0; i < kAccumulators; ++i) {
          if (!sse_) {
            vfmadd231ps(Vec(i), Vec(14), Vec(15));
          } else {  // separate multiply and add
            i % 2 == 0 ? mulps(Xbyak::Xmm(i), Xbyak::Xmm(14)) : addps(Xbyak::Xmm(i), Xbyak::Xmm(15));
          }
        }
        break;
      case LoopKind::int8:
        for (int i = 0; i < 4; ++i) {
          if (!sse_) {
            vpmaddubsw(Vec(8 + i), Vec(14), Vec(15));
            vpmaddwd(Vec(8 + i), Vec(8 + i), Vec(13));
            vpaddd(Vec(i), Vec(i), Vec(8 + i));
          } else {
            movdqa(Xbyak::Xmm(8 + i), Xbyak::Xmm(14));
            pmaddubsw(Xbyak::Xmm(8 + i), Xbyak::Xmm(15));
            pmaddwd(Xbyak::Xmm(8 + i), Xbyak::Xmm(13));
            paddd(Xbyak::Xmm(i), Xbyak::Xmm(8 + i));
          }
        }
        break;
      case LoopKind::read:
        mov(rax, rsi);
        lea(r8, ptr[rsi + rdx]);
        L(inner);
        for (int i = 0; i < 16; ++i) {
          sse_ ? movups(Xbyak::Xmm(i % 8), ptr[rax + i * bytes]) : vmovups(Vec(i % 8), ptr[rax + i * bytes]);
        }
        add(rax, 16 * bytes);
        cmp(rax, r8);
        jb(inner);
        break;
    }
    dec(rdi);
    jnz(outer, T_NEAR);
    if (!sse_) {
      vzeroupper();
    }
    ret();
    setProtectModeRE();
  }

  // Operations of one iteration.
  double work(LoopKind kind, double buffer_bytes) const {
    const double lanes = Vec(0).getBit() / 32;
    switch (kind) {
      case LoopKind::f32:
        return 12 * lanes * (sse_ ? 1 : 2);
      case LoopKind::int8:
        return 4 * lanes * 4 * 2;
      default:
        return buffer_bytes;
    }
  }

  /// Operations or bytes a second: the median of several runs, in CPU time of this thread, as kernels are timed. What
  /// another process takes is no part of it.
  double rate(LoopKind kind, void* buffer, size_t bytes) {
    auto* run = getCode<void (*)(size_t, void*, size_t)>();
    size_t iterations = 1;
    std::vector<double> rates;
    while (rates.size() < 15) {
      const double begin = cpu_seconds();
      run(iterations, buffer, bytes);
      const double seconds = cpu_seconds() - begin;
      if (seconds < 2e-3) {
        iterations *= 2;
        continue;
      }
      rates.push_back(static_cast<double>(iterations) * work(kind, static_cast<double>(bytes)) / seconds);
    }
    std::ranges::nth_element(rates, rates.begin() + 7);
    return rates[7];
  }

 private:
  bool sse_;
};

template <class Vec>
Peak measure(const CacheInfo& caches, bool sse) {
  Peak peak;
  peak.f32_flops = PeakLoop<Vec>(LoopKind::f32, sse).rate(LoopKind::f32, nullptr, 0);
  peak.int8_ops = PeakLoop<Vec>(LoopKind::int8, sse).rate(LoopKind::int8, nullptr, 0);
  PeakLoop<Vec> read(LoopKind::read, sse);
  BenchStore store;
  const size_t memory = std::clamp(4 * caches.l3, size_t{64} << 20, size_t{256} << 20);
  const auto level = [&](const char* name, size_t bytes) {
    bytes = bytes / 1024 * 1024;
    bool fresh = false;
    uint8_t* buffer = store.get("read", memory, fresh);
    peak.levels.push_back({name, read.rate(LoopKind::read, buffer, bytes)});
  };
  level("L1", (caches.l1d != 0 ? caches.l1d : size_t{32} << 10) / 2);
  level("L2", (caches.l2 != 0 ? caches.l2 : size_t{512} << 10) / 2);
  level("L3", (caches.l3 != 0 ? caches.l3 : size_t{8} << 20) / 2);
  level("mem", memory);
  return peak;
}

}  // namespace

const Peak::Level& Peak::level_of(double bytes, const CacheInfo& caches) const {
  const auto fits = [&](size_t cache) { return bytes <= static_cast<double>(cache); };
  return levels[fits(caches.l1d) ? 0 : fits(caches.l2) ? 1 : fits(caches.l3) ? 2 : 3];
}

Peak measure_peak(const Cpu& cpu) {
  Peak peak;
  if (isa_status(cpu, "avx512").runnable) {
    peak = measure<Xbyak::Zmm>(cpu.caches, false);
    peak.isa = "avx512";
  } else if (isa_status(cpu, "avx2").runnable) {
    peak = measure<Xbyak::Ymm>(cpu.caches, false);
    peak.isa = "avx2";
  } else {
    peak = measure<Xbyak::Xmm>(cpu.caches, true);
    peak.isa = "sse";
  }
  return peak;
}

nlohmann::json to_json(const Peak& peak) {
  nlohmann::json levels;
  for (const auto& level : peak.levels) {
    levels[level.name] = level.bytes_per_second;
  }
  return {
      {"isa", peak.isa}, {"f32_flops", peak.f32_flops}, {"int8_ops", peak.int8_ops}, {"read_bytes_per_second", levels}};
}

}  // namespace assay
