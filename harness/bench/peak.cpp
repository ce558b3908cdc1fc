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

  /// Multiplications and additions of bytes, of which `narrow` products go into a sum of 16 bits before that is widened.
  PeakLoop& arithmetic_int8(const std::string& instruction, int narrow) {
    const bool fused = instruction.starts_with("vpdpbusd");
    const int sums = fused ? 12 : 4;
    narrow = fused ? 1 : narrow;
    work_ = sums * narrow * bits_ / 8.0 * 2;
    Xbyak::Label loop;
    L(loop);
    for (int product = 0; product < narrow; ++product) {
      for (int i = 0; i < sums; ++i) {
        multiply_bytes(instruction, i, product == 0, product + 1 == narrow);
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
  /// One product into sum i: of several in 16 bits the first or a further one, widened behind the last.
  void multiply_bytes(const std::string& instruction, int i, bool first, bool last) {
    const int narrow = 4 + i;
    const int product = first ? narrow : 8 + i;
    if (instruction == "vpdpbusd") {
      vpdpbusd(vec(i), vec(14), vec(15));
    } else if (instruction == "vpdpbusd (VEX)") {
      vpdpbusd(vec(i), vec(14), vec(15), Xbyak::VexEncoding);
    } else if (instruction == "vpmaddubsw") {
      vpmaddubsw(vec(product), vec(14), vec(15));
      if (!first) {
        vpaddw(vec(narrow), vec(narrow), vec(product));
      }
      if (last) {
        vpmaddwd(vec(narrow), vec(narrow), vec(13));
        vpaddd(vec(i), vec(i), vec(narrow));
      }
    } else if (instruction == "pmaddubsw") {
      movdqa(Xbyak::Xmm(product), Xbyak::Xmm(14));
      pmaddubsw(Xbyak::Xmm(product), Xbyak::Xmm(15));
      if (!first) {
        paddw(Xbyak::Xmm(narrow), Xbyak::Xmm(product));
      }
      if (last) {
        pmaddwd(Xbyak::Xmm(narrow), Xbyak::Xmm(13));
        paddd(Xbyak::Xmm(i), Xbyak::Xmm(narrow));
      }
    } else {
      unknown(instruction);
    }
  }

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

/// The best at each of the sizes: what is near the size of the cache before may come faster than what fills half of its own.
Peak::Level measure_level(const std::string& vector, const char* name, uint8_t* buffer, std::vector<size_t> sizes) {
  Peak::Level level{name, 0, 0, 0};
  for (size_t bytes : sizes) {
    // Whole blocks, and whole runs of two reads and a write.
    bytes = bytes / (3 * 1024) * (3 * 1024);
    const auto rate = [&](int reads, int writes) { return PeakLoop(vector).memory(reads, writes).rate(buffer, bytes); };
    level.read = std::max(level.read, rate(1, 0));
    level.write = std::max(level.write, rate(0, 1));
    level.mixed = std::max({level.mixed, rate(2, 1), rate(1, 1)});
  }
  return level;
}

void take(Peak::Rate& best, const Peak::Rate& other) {
  if (other.per_second > best.per_second) {
    best = other;
  }
}

/// "vpmaddubsw ymm", "vpmaddubsw ymm, 8 sums in 16 bits".
Peak::Rate measure_int8(const Isa& isa, int narrow) {
  const std::string sums = narrow > 1 ? fmt::format(", {} sums in 16 bits", narrow) : "";
  return {fmt::format("{} {}{}", isa.peak.int8, isa.peak.vector, isa.peak.int8.starts_with("vpdpbusd") ? "" : sums),
          PeakLoop(isa.peak.vector).arithmetic_int8(isa.peak.int8, narrow).rate()};
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

const Peak::Rate& Peak::int8_of(int sums_in_16_bits) const {
  const auto narrow = int8_narrow.find(sums_in_16_bits);
  return narrow == int8_narrow.end() || narrow->second.per_second < int8.per_second ? int8 : narrow->second;
}

std::string raise_limits(Peak& peak, const Peak& again) {
  constexpr double kGrown = 1.03;
  std::string text;
  const auto raise_rate = [&](double& rate, double other, const std::string& what) {
    if (other > kGrown * rate) {
      text += fmt::format("{}{} {:.1f} -> {:.1f} GB/s", text.empty() ? "" : ", ", what, rate / 1e9, other / 1e9);
    }
    rate = std::max(rate, other);
  };
  take(peak.f32, again.f32);
  take(peak.int8, again.int8);
  take(peak.lookups, again.lookups);
  for (const auto& [sums, rate] : again.int8_narrow) {
    take(peak.int8_narrow[sums], rate);
  }
  for (size_t i = 0; i < std::min(peak.levels.size(), again.levels.size()); ++i) {
    raise_rate(peak.levels[i].read, again.levels[i].read, peak.levels[i].name + " read");
    raise_rate(peak.levels[i].write, again.levels[i].write, peak.levels[i].name + " written");
    raise_rate(peak.levels[i].mixed, again.levels[i].mixed, peak.levels[i].name + " mixed");
  }
  return text;
}

Peak::Rate measure_int8(const Isa& isa) {
  if (isa.peak.int8.empty()) {
    throw InputError(fmt::format("the ISA table names no instruction of {} that multiplies bytes", isa.name));
  }
  return measure_int8(isa, 1);
}

Peak measure_peak(const Cpu& cpu) {
  Peak peak;
  if (!cpu.no_executable_memory.empty()) {
    peak.not_measured = cpu.no_executable_memory;
    return peak;
  }
  std::string widest = "xmm";
  for (const Isa& isa : isas()) {
    const std::string& vector = isa.peak.vector;
    if (vector.empty() || !isa_status(cpu, isa.name).runnable) {
      continue;
    }
    widest = vector;
    if (!isa.peak.f32.empty()) {
      take(peak.f32, {isa.peak.f32 + " " + vector, PeakLoop(vector).arithmetic_f32(isa.peak.f32).rate()});
    }
    if (!isa.peak.int8.empty()) {
      take(peak.int8, measure_int8(isa, 1));
      for (const int sums : {2, 4, 8}) {
        take(peak.int8_narrow[sums], measure_int8(isa, sums));
      }
    }
    take(peak.lookups, {(vector == "xmm" ? "pshufb " : "vpshufb ") + vector, PeakLoop(vector).look_ups().rate()});
  }
  BenchStore store;
  const size_t memory = std::clamp(4 * cpu.caches.l3, size_t{64} << 20, size_t{256} << 20);
  bool fresh = false;
  uint8_t* buffer = store.get("peak", memory, fresh);
  const size_t l1 = cpu.caches.l1d != 0 ? cpu.caches.l1d : size_t{32} << 10;
  const size_t l2 = cpu.caches.l2 != 0 ? cpu.caches.l2 : size_t{512} << 10;
  const size_t l3 = cpu.caches.l3 != 0 ? cpu.caches.l3 : size_t{8} << 20;
  peak.levels = {measure_level(widest, "L1", buffer, {l1 / 2}),
                 measure_level(widest, "L2", buffer, {std::min(2 * l1, l2 / 2), l2 / 2}),
                 measure_level(widest, "L3", buffer, {std::min(2 * l2, l3 / 2), l3 / 2}),
                 measure_level(widest, "mem", buffer, {memory})};
  return peak;
}

nlohmann::json to_json(const Peak& peak) {
  const auto rate = [](const Peak::Rate& r) {
    return nlohmann::json{{"instruction", r.instruction}, {"per_second", r.per_second}};
  };
  auto narrow = nlohmann::json::object();
  for (const auto& [sums, of_narrow] : peak.int8_narrow) {
    narrow[std::to_string(sums)] = rate(of_narrow);
  }
  nlohmann::json levels;
  for (const auto& level : peak.levels) {
    levels[level.name] = {{"read", level.read}, {"write", level.write}, {"mixed", level.mixed}};
  }
  return {{"f32", rate(peak.f32)},         {"int8", rate(peak.int8)},    {"int8_narrow", narrow},
          {"lookups", rate(peak.lookups)}, {"bytes_per_second", levels}, {"not_measured", peak.not_measured}};
}

}  // namespace assay
