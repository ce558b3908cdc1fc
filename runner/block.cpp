#include "runner/block.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "harness/runtime/error.h"
#include "harness/runtime/registry.h"

namespace assay {
namespace {

size_t row_bytes_of(CacheType type, size_t head_size) {
  switch (type) {
    case CacheType::f32:
      return head_size * sizeof(float);
    case CacheType::f16:
      return head_size * 2;
    case CacheType::q8_0:
      return head_size / 32 * 34;
  }
  return 0;
}

/// Keys of a part: join_attention_f32 joins 64 at most.
size_t part_of_keys(const BlockSizes& sizes) {
  return sizes.cache == CacheType::f32 ? sizes.n_ctx
                                       : std::max(sizes.keys_of_part, std::bit_ceil((sizes.n_ctx + 63) / 64));
}

const char* attention_of(CacheType type) {
  return type == CacheType::f32 ? "attention_f32" : type == CacheType::f16 ? "attention_f16" : "attention_q8_0";
}

}  // namespace

Attention::Attention(const BlockSizes& sizes, Dispatch& dispatch)
    : sizes_(sizes),
      scale_(sizes.attention_scale()),
      group_(sizes.n_head / sizes.n_head_kv),
      row_bytes_(row_bytes_of(sizes.cache, sizes.head_size)),
      kernel_(&find_kernel(attention_of(sizes.cache))),
      dispatch_(&dispatch) {}

Shape Attention::shape(size_t tokens, size_t past) const {
  if (sizes_.cache == CacheType::f32) {
    return {1, past + tokens - 1, sizes_.head_size};  // see run
  }
  return {tokens, past, sizes_.head_size, group_};
}

void Attention::prepare(size_t tokens, size_t past) {
  const size_t about = past == 0 ? 0 : std::bit_ceil(past);
  auto [it, is_new] = known_.try_emplace({tokens, about});
  if (is_new && sizes_.cache == CacheType::f32) {
    it->second.of_floats = dispatch_->get<attention_f32_fn>(kernel_->name, shape(tokens, about));
  } else if (is_new) {
    it->second.of_format = dispatch_->get<attention_fn>(kernel_->name, shape(tokens, about));
  }
  step_ = &it->second;
}

void Attention::run(float* out, size_t ldo, const float* q, size_t ldq, const uint8_t* keys, const uint8_t* values,
                    size_t tokens, size_t past, void* scratch, const Part* of) {
  const size_t d = sizes_.head_size;
  if (sizes_.cache == CacheType::f32) {
    // One query at a time: of several, attention_f32 adds the terms in another order, and a text would depend on how many of its tokens
    // were read at once.
    for (size_t i = 0; i < tokens; ++i) {
      for (size_t head = 0; head < group_; ++head) {
        const attention_f32_args args = {.out = out + i * ldo + head * d,
                                         .q = q + i * ldq + head * d,
                                         .k = reinterpret_cast<const float*>(keys),
                                         .v = reinterpret_cast<const float*>(values),
                                         .scratch = static_cast<float*>(scratch),
                                         .ldo = ldo,
                                         .ldq = ldq,
                                         .ldk = d,
                                         .ldv = d,
                                         .n_q = 1,
                                         .pos = past + i,
                                         .d = d,
                                         .scale = scale_};
        step_->of_floats(&args);
      }
    }
    return;
  }
  const attention_args args = {.out = out,
                               .q = q,
                               .k = keys,
                               .v = values,
                               .stats = of != nullptr ? of->stats : nullptr,
                               .scratch = scratch,
                               .ldo = ldo,
                               .ldq = ldq,
                               .ldk = row_bytes_,
                               .ldv = row_bytes_,
                               .n_q = tokens,
                               .pos = past,
                               .d = d,
                               .group = group_,
                               .window = sizes_.window,
                               .key_begin = of != nullptr ? of->begin : 0,
                               .key_end = of != nullptr ? of->end : past + tokens,
                               .scale = scale_,
                               .softcap = sizes_.softcap};
  step_->of_format(&args);
}

Norm::Norm(const TensorSource& source, const std::string& name, size_t n, const BlockSizes& sizes, Dispatch& dispatch,
           Of of)
    : n_(n), eps_(sizes.eps), w_(tensor_vector(source.name, source.tensor(name + ".weight"), n, dispatch)) {
  const bool is_rms = sizes.architecture->root_mean_square;
  if (!is_rms) {
    b_ = tensor_vector(source.name, source.tensor(name + ".bias"), n, dispatch);
  }
  if (is_rms && of == Of::row) {
    rms_ = dispatch.get<rms_norm_f32_fn>("rms_norm_f32", {n});
  } else if (is_rms) {
    add_rms_ = dispatch.get<add_rms_norm_f32_fn>("add_rms_norm_f32", {n});
  } else if (of == Of::row) {
    layer_ = dispatch.get<layer_norm_f32_fn>("layer_norm_f32", {n});
  } else {
    add_layer_ = dispatch.get<add_layer_norm_f32_fn>("add_layer_norm_f32", {n});
  }
}

void Norm::operator()(float* y, const float* x) const {
  if (b_.empty()) {
    rms_(y, x, w_.data(), eps_, n_);
  } else {
    layer_(y, x, w_.data(), b_.data(), eps_, n_);
  }
}

void Norm::add(float* y, float* x, const float* delta) const {
  if (b_.empty()) {
    add_rms_(y, x, x, delta, w_.data(), eps_, n_);
  } else {
    const add_layer_norm_f32_args args = {y, x, x, delta, w_.data(), b_.data(), n_, eps_};
    add_layer_(&args);
  }
}

Block::Block(const TensorSource& source, const std::string& prefix, const BlockSizes& s, Attention& attention,
             Workspace& work, Dispatch& dispatch)
    : sizes_(s), frequencies_(s.frequencies()), attention_(&attention), work_(&work) {
  const Architecture& a = *s.architecture;
  const size_t n = s.n_embd;
  const size_t d = s.head_size;
  const size_t wide = s.n_head * d;
  const size_t kept = s.n_head_kv * d;
  const auto norm = [&](const char* name, size_t width, Norm::Of of = Norm::Of::row) {
    return Norm(source, prefix + name, width, s, dispatch, of);
  };
  const auto matrix = [&](const char* name, size_t rows, size_t cols) {
    const std::string bias = prefix + name + ".bias";
    return std::make_unique<Linear>(source.name, source.tensor(prefix + name + ".weight"),
                                    a.root_mean_square ? source.find(bias) : &source.tensor(bias), rows, cols, dispatch,
                                    a.sub_norms ? source.find(prefix + name + ".scale") : nullptr);
  };
  attn_norm_ = norm("attn_norm", n);
  if (a.fused_qkv) {
    qkv_.push_back({matrix("attn_qkv", wide + 2 * kept, n), 0});
  } else {
    qkv_.push_back({matrix("attn_q", wide, n), 0});
    qkv_.push_back({matrix("attn_k", kept, n), wide});
    qkv_.push_back({matrix("attn_v", kept, n), wide + kept});
  }
  if (a.head_norms) {
    q_norm_ = norm("attn_q_norm", d);
    k_norm_ = norm("attn_k_norm", d);
  }
  if (a.turn != Turn::none) {
    const Shape shape = {1, s.n_head + s.n_head_kv, d, s.rotated};
    rope_ = dispatch.get<rope_f32_fn>("rope_f32", shape);
    rope_scratch_ = find_kernel("rope_f32").scratch_bytes(shape);
  }
  if (s.cache != CacheType::f32) {
    const char* const kernel = s.cache == CacheType::f16 ? "convert_f16" : "quantize_q8_0";
    keep_ = dispatch.get<void(void*, const float*, size_t)>(kernel, {d});
  }
  if (part_of_keys(s) < s.n_ctx) {
    join_ = dispatch.get<join_attention_f32_fn>("join_attention_f32", {d, s.n_ctx / part_of_keys(s)});
  }
  if (a.sub_norms) {
    attn_sub_norm_ = norm("attn_sub_norm", wide);
    ffn_sub_norm_ = norm("ffn_sub_norm", s.n_ff);
  }
  proj_ = matrix("attn_output", n, wide);
  if (a.post_norms) {
    post_attn_norm_ = norm("post_attention_norm", n);
    post_ffn_norm_ = norm("post_ffw_norm", n);
  }
  ffn_norm_ = norm("ffn_norm", n, s.is_parallel ? Norm::Of::row : Norm::Of::sum);
  if (a.is_gated() && !a.fused_gate) {
    gate_ = matrix("ffn_gate", s.n_ff, n);
  }
  if (a.is_gated()) {
    gate_function_ =
        dispatch.get<void(float*, const float*, const float*, size_t)>(kernel_of(s.activation()), {s.n_ff});
  } else {
    function_ = dispatch.get<void(float*, const float*, size_t)>(kernel_of(s.activation()), {s.n_ff});
  }
  up_ = matrix("ffn_up", up_rows(), n);
  down_ = matrix("ffn_down", n, s.n_ff);
  add_ = dispatch.get<add_f32_fn>("add_f32", {n});
}

size_t Block::weight_bytes() const {
  size_t bytes = proj_->packed_bytes() + up_->packed_bytes() + down_->packed_bytes();
  bytes += gate_ != nullptr ? gate_->packed_bytes() : 0;
  for (const Part& part : qkv_) {
    bytes += part.matrix->packed_bytes();
  }
  return bytes;
}

size_t Block::cache_bytes() const {
  return 2 * Arena::round_up(sizes_.n_head_kv * sizes_.n_ctx * attention_->row_bytes());
}

void Block::load(const TensorSource& source, Arena& weights, Arena& cache, ThreadPool& pool) {
  for (Part& part : qkv_) {
    part.matrix->pack(weights, pool, source.release);
  }
  for (Linear* matrix : {proj_.get(), gate_.get(), up_.get(), down_.get()}) {
    if (matrix != nullptr) {
      matrix->pack(weights, pool, source.release);
    }
  }
  const size_t bytes = sizes_.n_head_kv * sizes_.n_ctx * attention_->row_bytes();
  keys_ = cache.take(bytes);
  values_ = cache.take(bytes);
}

// Heads of queries and keys, which are neighbours in rows, by their positions.
void Block::turn(size_t tokens, size_t past, ThreadPool& pool) {
  work_->positions.resize(tokens);
  for (size_t t = 0; t < tokens; ++t) {
    work_->positions[t] = static_cast<uint32_t>(past + t);
  }
  pool.reserve_scratch(rope_scratch_);
  const rope_f32_args args = {.y = work_->rows.data(),
                              .x = work_->rows.data(),
                              .frequencies = frequencies_.data(),
                              .positions = work_->positions.data(),
                              .scratch = static_cast<float*>(pool.scratch(0)),
                              .ldy = width(),
                              .ldx = width(),
                              .tokens = tokens,
                              .heads = sizes_.n_head + sizes_.n_head_kv,
                              .d = sizes_.head_size,
                              .rotated = sizes_.rotated,
                              .scale = sizes_.rope_magnitude,
                              .halves = sizes_.architecture->turn == Turn::halves};
  rope_(&args);
}

// Keys and values of work_->rows in the cache.
void Block::keep(size_t tokens, size_t past) {
  const size_t d = sizes_.head_size;
  const size_t bytes = attention_->row_bytes();
  const auto keep_head = [&](uint8_t* to, const float* from) {
    if (sizes_.cache == CacheType::f32) {
      std::memcpy(to, from, bytes);
    } else {
      keep_(to, from, d);
    }
  };
  for (size_t t = 0; t < tokens; ++t) {
    const float* const k = work_->rows.data() + t * width() + sizes_.n_head * d;
    const float* const v = k + sizes_.n_head_kv * d;
    for (size_t head = 0; head < sizes_.n_head_kv; ++head) {
      const size_t row = (head * sizes_.n_ctx + past + t) * bytes;
      keep_head(keys_ + row, k + head * d);
      keep_head(values_ + row, v + head * d);
    }
  }
}

void Block::attend_whole(size_t tokens, size_t past, ThreadPool& pool) {
  const size_t d = sizes_.head_size;
  const size_t group = sizes_.n_head / sizes_.n_head_kv;
  const size_t of_head = sizes_.n_ctx * attention_->row_bytes();
  pool.reserve_scratch(attention_->scratch_bytes(tokens, past));
  attention_->prepare(tokens, past);
  pool.run(sizes_.n_head_kv, [&](size_t head, unsigned thread) {
    const size_t at = head * group * d;
    attention_->run(work_->heads.data() + at, sizes_.n_head * d, work_->rows.data() + at, width(),
                    keys_ + head * of_head, values_ + head * of_head, tokens, past, pool.scratch(thread));
  });
}

// The same of the tokens from `first` on, before which are `past`, where all of them see keys of the same parts: each part of each head is a chunk of work.
void Block::attend_by_parts(size_t first, size_t tokens, size_t past, ThreadPool& pool) {
  const size_t d = sizes_.head_size;
  const size_t wide = sizes_.n_head * d;
  const size_t group = sizes_.n_head / sizes_.n_head_kv;
  const size_t of_head = sizes_.n_ctx * attention_->row_bytes();
  const size_t of_part = part_of_keys(sizes_);
  const size_t end = past + tokens;
  const size_t begin = sizes_.window != 0 && past + 1 > sizes_.window ? (past + 1 - sizes_.window) / of_part : 0;
  const size_t n_parts = (end + of_part - 1) / of_part - begin;
  work_->parts.resize(n_parts * tokens * wide);
  work_->stats.resize(n_parts * tokens * sizes_.n_head * 2);
  pool.reserve_scratch(attention_->scratch_bytes(tokens, past));
  attention_->prepare(tokens, past);
  const auto stats_of = [&](size_t part, size_t head) {
    return work_->stats.data() + (part * sizes_.n_head_kv + head) * tokens * group * 2;
  };
  pool.run(sizes_.n_head_kv * n_parts, [&](size_t chunk, unsigned thread) {
    const size_t head = chunk / n_parts;
    const size_t part = chunk % n_parts;
    const size_t key = (begin + part) * of_part;
    const Attention::Part of = {key, std::min(key + of_part, end), stats_of(part, head)};
    const size_t at = head * group * d;
    attention_->run(work_->parts.data() + part * tokens * wide + at, wide, work_->rows.data() + first * width() + at,
                    width(), keys_ + head * of_head, values_ + head * of_head, tokens, past, pool.scratch(thread), &of);
  });
  pool.run(tokens, [&](size_t t, unsigned) {
    for (size_t head = 0; head < sizes_.n_head; ++head) {
      const size_t at = t * wide + head * d;
      const join_attention_f32_args args = {
          .out = work_->heads.data() + first * wide + at,
          .parts = work_->parts.data() + at,
          .stats = stats_of(0, head / group) + (t * group + head % group) * 2,
          .ldp = tokens * wide,
          .lds = sizes_.n_head * tokens * 2,
          .n_parts = n_parts,
          .n = d,
      };
      join_(&args);
    }
  });
}

void Block::attend(size_t tokens, size_t past, ThreadPool& pool) {
  // Which parts a token's keys are in follows from its position alone, so that its sums do not depend on the batch that it is in.
  const size_t of_part = part_of_keys(sizes_);
  const size_t whole = past < of_part ? std::min(tokens, of_part - past) : 0;
  if (whole > 0) {
    attend_whole(whole, past, pool);
  }
  for (size_t first = whole; first < tokens;) {
    // Few enough that what the parts give stays in a cache, and up to a round position: none sees a part more than the others.
    const size_t at_once = std::min<size_t>(of_part, 64);
    const size_t count = std::min(tokens - first, at_once - (past + first) % at_once);
    attend_by_parts(first, count, past + first, pool);
    first += count;
  }
}

void Block::activate(size_t tokens, ThreadPool& pool) {
  pool.run(tokens, [&](size_t t, unsigned) {
    float* const row = work_->wide.data() + t * sizes_.n_ff;
    if (sizes_.architecture->fused_gate) {
      const float* const both = work_->gates.data() + t * up_rows();
      gate_function_(row, both, both + sizes_.n_ff, sizes_.n_ff);
    } else if (gate_ != nullptr) {
      gate_function_(row, work_->gates.data() + t * sizes_.n_ff, row, sizes_.n_ff);
    } else {
      function_(row, row, sizes_.n_ff);
    }
    if (ffn_sub_norm_.exists()) {
      ffn_sub_norm_(row, row);
    }
  });
}

// x: rows that are normed.
void Block::feed_forward(float* out, const float* x, size_t tokens, ThreadPool& pool) {
  const size_t n = sizes_.n_embd;
  if (gate_ != nullptr) {
    gate_->run(work_->gates.data(), sizes_.n_ff, x, tokens, pool);
  }
  up_->run(sizes_.architecture->fused_gate ? work_->gates.data() : work_->wide.data(), up_rows(), x, tokens, pool);
  activate(tokens, pool);
  down_->run(out, n, work_->wide.data(), tokens, pool);
  for (size_t t = 0; t < tokens && post_ffn_norm_.exists(); ++t) {
    post_ffn_norm_(out + t * n, out + t * n);
  }
}

void Block::forward(float* x, size_t tokens, size_t past, ThreadPool& pool) {
  const size_t n = sizes_.n_embd;
  const size_t d = sizes_.head_size;
  work_->normed.resize(tokens * n);
  work_->rows.resize(tokens * width());
  work_->heads.resize(tokens * sizes_.n_head * d);
  work_->gates.resize(sizes_.architecture->is_gated() ? tokens * up_rows() : 0);
  work_->wide.resize(tokens * sizes_.n_ff);
  work_->delta.resize(tokens * n);
  work_->fed.resize(tokens * n);
  for (size_t t = 0; t < tokens; ++t) {
    attn_norm_(work_->normed.data() + t * n, x + t * n);
  }
  for (const Part& part : qkv_) {
    part.matrix->run(work_->rows.data() + part.at, width(), work_->normed.data(), tokens, pool);
  }
  for (size_t t = 0; t < tokens && q_norm_.exists(); ++t) {
    float* const row = work_->rows.data() + t * width();
    for (size_t head = 0; head < sizes_.n_head + sizes_.n_head_kv; ++head) {
      (head < sizes_.n_head ? q_norm_ : k_norm_)(row + head * d, row + head * d);
    }
  }
  if (sizes_.architecture->turn != Turn::none) {
    turn(tokens, past, pool);
  }
  keep(tokens, past);
  attend(tokens, past, pool);
  for (size_t t = 0; t < tokens && attn_sub_norm_.exists(); ++t) {
    float* const row = work_->heads.data() + t * sizes_.n_head * d;
    attn_sub_norm_(row, row);
  }
  proj_->run(work_->delta.data(), n, work_->heads.data(), tokens, pool);
  for (size_t t = 0; t < tokens && post_attn_norm_.exists(); ++t) {
    post_attn_norm_(work_->delta.data() + t * n, work_->delta.data() + t * n);
  }
  for (size_t t = 0; t < tokens; ++t) {
    if (sizes_.is_parallel) {
      ffn_norm_(work_->normed.data() + t * n, x + t * n);
      add_(x + t * n, x + t * n, work_->delta.data() + t * n, n);
    } else {
      ffn_norm_.add(work_->normed.data() + t * n, x + t * n, work_->delta.data() + t * n);
    }
  }
  feed_forward(work_->fed.data(), work_->normed.data(), tokens, pool);
  for (size_t t = 0; t < tokens; ++t) {
    add_(x + t * n, x + t * n, work_->fed.data() + t * n, n);
  }
}

}  // namespace assay
