#include "harness/bench/peak.h"

#include <fmt/format.h>
#include <xbyak/xbyak.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <vector>

#include "harness/bench/timed_case.h"

namespace assay {
namespace {

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// A generated loop that does one thing. rdi: iterations, rsi: buffer, rdx: its bytes, a multiple of kBlock vectors.
class PeakLoop : public Xbyak::CodeGenerator {
 public:
  static constexpr int kBlock = 16;  // vectors of a round of the loops over memory

  explicit PeakLoop(const std::string& vector)
      : CodeGenerator(4096),
        bits_(vector == "zmm"   ? 512
              : vector == "ymm" ? 256
                                : 128) {
    for (int i = 0; i < 16; ++i) {
      sse() ? xorps(Xbyak::Xmm(i), Xbyak::Xmm(i)) : vxorps(Xbyak::Xmm(i), Xbyak::Xmm(i), Xbyak::Xmm(i));
    }
  }

  /// Operations on floats. Throws std::logic_error for an instruction that it does not know.
  PeakLoop& arithmetic_f32(const std::string& instruction) {
    constexpr int kSums = 12;  // two units times a latency of four to five cycles need eight to ten
    work_ = kSums * bits_ / 32.0 * (sse() ? 1 : 2);
    Xbyak::Label loop;
    L(loop);
    for (int i = 0; i < kSums; ++i) {
      if (instruction == "vfmadd231ps") {
        vfmadd231ps(vec(i), vec(14), vec(15));
      } else if (instruction == "mulps") {  // and as many additions
        i % 2 == 0 ? mulps(Xbyak::Xmm(i), Xbyak::Xmm(14)) : addps(Xbyak::Xmm(i), Xbyak::Xmm(15));
      } else {
        unknown(instruction);
      }
    }
    return repeat(loop);
  }

  /// Multiplications and additions of bytes.
  PeakLoop& arithmetic_int8(const std::string& instruction) {
    const bool fused = instruction.starts_with("vpdpbusd");
    const int sums = fused ? 12 : 4;
    work_ = sums * bits_ / 8.0 * 2;
    Xbyak::Label loop;
    L(loop);
    for (int i = 0; i < sums; ++i) {
      const int product = 8 + i;
      if (instruction == "vpdpbusd") {
        vpdpbusd(vec(i), vec(14), vec(15));
      } else if (instruction == "vpdpbusd (VEX)") {
        vpdpbusd(vec(i), vec(14), vec(15), Xbyak::VexEncoding);
      } else if (instruction == "vpmaddubsw") {
        vpmaddubsw(vec(product), vec(14), vec(15));
        vpmaddwd(vec(product), vec(product), vec(13));
        vpaddd(vec(i), vec(i), vec(product));
      } else if (instruction == "pmaddubsw") {
        const Xbyak::Xmm to(product);
        movdqa(to, Xbyak::Xmm(14));
        pmaddubsw(to, Xbyak::Xmm(15));
        pmaddwd(to, Xbyak::Xmm(13));
        paddd(Xbyak::Xmm(i), to);
      } else {
        unknown(instruction);
      }
    }
    return repeat(loop);
  }

  /// Bytes from a table of 16, each added to a sum.
  PeakLoop& look_ups() {
    constexpr int kSums = 6;
    work_ = kSums * bits_ / 8.0;
    Xbyak::Label loop;
    L(loop);
    for (int i = 0; i < kSums; ++i) {
      if (sse()) {
        movdqa(Xbyak::Xmm(6 + i), Xbyak::Xmm(14));
        pshufb(Xbyak::Xmm(6 + i), Xbyak::Xmm(15));
        paddb(Xbyak::Xmm(i), Xbyak::Xmm(6 + i));
      } else {
        vpshufb(vec(6 + i), vec(14), vec(15));
        vpaddb(vec(i), vec(i), vec(6 + i));
      }
    }
    return repeat(loop);
  }

  /// All of the buffer, of which each run of `reads` + `writes` vectors is read and then written.
  PeakLoop& memory(int reads, int writes) {
    const int bytes = bits_ / 8;
    Xbyak::Label outer;
    Xbyak::Label inner;
    L(outer);
    mov(rax, rsi);
    lea(r8, ptr[rsi + rdx]);
    L(inner);
    for (int i = 0; i < kBlock; ++i) {
      const Xbyak::Address at = ptr[rax + i * bytes];
      if (i % (reads + writes) < reads) {
        sse() ? movups(Xbyak::Xmm(i % 8), at) : vmovups(vec(i % 8), at);
      } else {
        sse() ? movups(at, Xbyak::Xmm(15)) : vmovups(at, vec(15));
      }
    }
    add(rax, kBlock * bytes);
    cmp(rax, r8);
    jb(inner);
    return repeat(outer);
  }

  /// Operations, or bytes of the buffer, a second: the median of several runs, in CPU time of this thread, as kernels are
  /// timed. What another process takes is no part of it.
  double rate(void* buffer = nullptr, size_t bytes = 0) {
    auto* run = getCode<void (*)(size_t, void*, size_t)>();
    const double work = bytes == 0 ? work_ : static_cast<double>(bytes);
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
      rates.push_back(static_cast<double>(iterations) * work / seconds);
    }
    std::ranges::nth_element(rates, rates.begin() + 7);
    return rates[7];
  }

 private:
  bool sse() const { return bits_ == 128; }
  Xbyak::Xmm vec(int i) const {
    return bits_ == 512 ? static_cast<Xbyak::Xmm>(Xbyak::Zmm(i)) : bits_ == 256 ? Xbyak::Ymm(i) : Xbyak::Xmm(i);
  }
  [[noreturn]] static void unknown(const std::string& instruction) {
    throw std::logic_error(fmt::format("isas.json names '{}', which peak.cpp cannot measure", instruction));
  }
  PeakLoop& repeat(Xbyak::Label& loop) {
    dec(rdi);
    jnz(loop, T_NEAR);
    if (!sse()) {
      vzeroupper();
    }
    ret();
    setProtectModeRE();
    return *this;
  }

  int bits_;
  double work_ = 0;
};

Peak::Level measure_level(const std::string& vector, const char* name, uint8_t* buffer, size_t bytes) {
  // Whole blocks, and whole runs of two reads and a write.
  bytes = bytes / (3 * 1024) * (3 * 1024);
  const auto rate = [&](int reads, int writes) { return PeakLoop(vector).memory(reads, writes).rate(buffer, bytes); };
  return {name, rate(1, 0), rate(0, 1), std::max(rate(2, 1), rate(1, 1))};
}

}  // namespace

double Peak::Level::seconds(double bytes_read, double bytes_written) const {
  return std::max(
      {bytes_read / read, bytes_written / write, (bytes_read + bytes_written) / std::max({mixed, read, write})});
}

const Peak::Level& Peak::level_of(double bytes, const CacheInfo& caches) const {
  const auto fits = [&](size_t cache) { return bytes <= static_cast<double>(cache); };
  return levels[fits(caches.l1d) ? 0 : fits(caches.l2) ? 1 : fits(caches.l3) ? 2 : 3];
}

Peak::Rate measure_int8(const Isa& isa) {
  if (isa.peak.int8.empty()) {
    throw InputError(fmt::format("the ISA table names no instruction of {} that multiplies bytes", isa.name));
  }
  return {fmt::format("{} {}", isa.peak.int8, isa.peak.vector),
          PeakLoop(isa.peak.vector).arithmetic_int8(isa.peak.int8).rate()};
}

Peak measure_peak(const Cpu& cpu) {
  Peak peak;
  if (!cpu.no_executable_memory.empty()) {
    peak.not_measured = cpu.no_executable_memory;
    return peak;
  }
  std::string widest = "xmm";
  const auto take = [](Peak::Rate& best, const std::string& instruction, double per_second) {
    if (per_second > best.per_second) {
      best = {instruction, per_second};
    }
  };
  for (const Isa& isa : isas()) {
    const std::string& vector = isa.peak.vector;
    if (vector.empty() || !isa_status(cpu, isa.name).runnable) {
      continue;
    }
    widest = vector;
    if (!isa.peak.f32.empty()) {
      take(peak.f32, isa.peak.f32 + " " + vector, PeakLoop(vector).arithmetic_f32(isa.peak.f32).rate());
    }
    if (!isa.peak.int8.empty()) {
      const Peak::Rate rate = measure_int8(isa);
      take(peak.int8, rate.instruction, rate.per_second);
    }
    take(peak.lookups, (vector == "xmm" ? "pshufb " : "vpshufb ") + vector, PeakLoop(vector).look_ups().rate());
  }
  BenchStore store;
  const size_t memory = std::clamp(4 * cpu.caches.l3, size_t{64} << 20, size_t{256} << 20);
  bool fresh = false;
  uint8_t* buffer = store.get("peak", memory, fresh);
  const auto half = [](size_t cache, size_t otherwise) { return (cache != 0 ? cache : otherwise) / 2; };
  peak.levels = {measure_level(widest, "L1", buffer, half(cpu.caches.l1d, size_t{32} << 10)),
                 measure_level(widest, "L2", buffer, half(cpu.caches.l2, size_t{512} << 10)),
                 measure_level(widest, "L3", buffer, half(cpu.caches.l3, size_t{8} << 20)),
                 measure_level(widest, "mem", buffer, memory)};
  return peak;
}

nlohmann::json to_json(const Peak& peak) {
  const auto rate = [](const Peak::Rate& r) {
    return nlohmann::json{{"instruction", r.instruction}, {"per_second", r.per_second}};
  };
  nlohmann::json levels;
  for (const auto& level : peak.levels) {
    levels[level.name] = {{"read", level.read}, {"write", level.write}, {"mixed", level.mixed}};
  }
  return {{"f32", rate(peak.f32)},
          {"int8", rate(peak.int8)},
          {"lookups", rate(peak.lookups)},
          {"bytes_per_second", levels},
          {"not_measured", peak.not_measured}};
}

}  // namespace assay
