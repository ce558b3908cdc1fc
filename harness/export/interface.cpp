#include "harness/export/interface.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "harness/export/cpu_tables.h"
#include "harness/export/limits.h"
#include "harness/runtime/isa.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

bool packs(const Kernel& kernel) { return kernel.contract->weights != nullptr; }

/// "v3,avx_vnni": of assay_variant.
std::string features_of(const Isa& isa) {
  std::string text = isa.level;
  const auto of_level = features_of_level(isa.level);
  for (const std::string& name : isa.features) {
    if (!of_level.contains(name)) {
      text += fmt::format(",{}", name);
    }
  }
  return text;
}

/// "2048,4" of "jit_avx2[2048,4]"; "" without.
std::string parameters_of(const std::string& label) {
  const size_t bracket = without_parameters(label).size();
  return bracket == label.size() ? "" : label.substr(bracket + 1, label.size() - bracket - 2);
}

/// Writes what is said of one kernel.
class KernelWriter {
 public:
  KernelWriter(const Recipe& recipe, const KernelSet& set) : KernelWriter(recipe, set, Contents::variants_of(set)) {}
  KernelWriter(const Recipe& recipe, const KernelSet& set, std::vector<const Variant*> variants)
      : kernel_(find_kernel(set.kernel)),
        set_(set),
        variants_(std::move(variants)),
        header_(recipe.of_kernel(set.kernel).header),
        signature_(signature_of(recipe, header_)),
        recipe_(recipe) {
    for (const std::string& dim : kernel_.dims()) {
      size_parameters_.push_back("size_t " + dim);
      if (!packs(kernel_)) {
        sizes_.push_back(signature_.size(dim, whole_header()));
      }
    }
  }

  const std::string& header() const { return header_; }

  std::string declarations() const {
    std::string text = fmt::format("\n/* {}: {} */\n", kernel_.name, header_);
    const std::string& name = kernel_.name;
    if (packs(kernel_)) {
      text += fmt::format(
          "/** Bytes that packed weights take. */\nASSAY_API size_t assay_{0}_packed_bytes(size_t rows, size_t cols);\n"
          "/** Packs rows of weights as the file has them, once; packed is aligned to 64 bytes, and stays the "
          "caller's. */\n"
          "ASSAY_API struct assay_matrix assay_{0}_pack(void* packed, const void* w, size_t rows, size_t cols);\n"
          "/** The same for a part, so that several threads can share it: rows [row_begin, row_end) of the matrix, "
          "which begin at w. "
          "row_begin is a\n"
          " * multiple of {3}, and so is row_end, or it is rows. Each part gives the same handle, for use when all are "
          "packed. */\n"
          "ASSAY_API struct assay_matrix assay_{0}_pack_rows(void* packed, const void* w, size_t rows, size_t cols,\n"
          "    size_t row_begin, size_t row_end);\n"
          "/** As {1} says; packed, rows and cols of args are those of w, whatever args has there. */\n"
          "ASSAY_API void assay_{0}(const struct assay_matrix* w, {2});\n"
          "/** The function to use for so many tokens: generated code where that is the fastest. It may be kept. Its "
          "args are those of the\n"
          " * kernel: packed, rows and cols of w. */\n"
          "ASSAY_API {1}* assay_{0}_for(const struct assay_matrix* w, size_t tokens);\n",
          name, signature_.type, signature_.declared(), kernel_.contract->row_step);
    } else {
      text += fmt::format(
          "ASSAY_API {2} assay_{0}({3});\n"
          "/** The function to use at these sizes: generated code where that is the fastest. It may be kept. */\n"
          "ASSAY_API {1}* assay_{0}_for({4});\n",
          name, signature_.type, signature_.result, signature_.declared(), fmt::join(size_parameters_, ", "));
    }
    if (kernel_.contract->scratch_bytes != nullptr) {
      text += fmt::format(
          "/** Bytes of scratch that a call at these sizes needs. */\nASSAY_API size_t assay_{}_scratch_bytes({});\n",
          name, fmt::join(size_parameters_, ", "));
    }
    return text;
  }

  /// The tables of its variants, and the kernel's itself.
  std::string tables(const Fleet* fleet) const {
    return fmt::format("\n/* ---- {} ---- */\n\n", kernel_.name) + candidates() + choices(fleet) +
           fmt::format(
               "static struct assay_kernel kernel_{0} = {{\n    \"{0}\", &{0}_contract, candidates_{0}, {1}, {2}, "
               "0}};\n\n",
               kernel_.name, variants_.size(), fleet != nullptr ? fmt::format("choices_{}", kernel_.name) : "NULL");
  }

  /// The functions of the header.
  std::string functions() const {
    const std::string& name = kernel_.name;
    const std::string args = signature_.parameters[0].name;
    std::string text;
    if (packs(kernel_)) {
      const std::string declared = signature_.declared();
      const std::string type = declared.substr(6, declared.find('*') - 6);  // "struct matmul_args"
      text = fmt::format(
          "size_t assay_{0}_packed_bytes(size_t rows, size_t cols) {{\n"
          "  return assay_pack_of(&kernel_{0}, assay_state_of(&kernel_{0}))(NULL, NULL, rows, cols);\n}}\n\n"
          "struct assay_matrix assay_{0}_pack_rows(void* packed, const void* w, size_t rows, size_t cols, size_t "
          "row_begin,\n    size_t row_end) {{\n"
          "  const struct assay_matrix matrix = {{packed, rows, cols, assay_state_of(&kernel_{0})}};\n"
          "  assay_pack_fn* const pack = assay_pack_of(&kernel_{0}, matrix.state);\n"
          "  pack((char*)packed + pack(NULL, NULL, row_begin, cols), w, row_end - row_begin, cols);\n"
          "  return matrix;\n}}\n\n"
          "struct assay_matrix assay_{0}_pack(void* packed, const void* w, size_t rows, size_t cols) {{\n"
          "  return assay_{0}_pack_rows(packed, w, rows, cols, 0, rows);\n}}\n\n"
          "void assay_{0}(const struct assay_matrix* w, {1}) {{\n"
          "  {2} a = *{3};\n  a.packed = w->packed;\n  a.rows = w->rows;\n  a.cols = w->cols;\n"
          "  const size_t shape[] = {{w->rows, w->cols, a.tokens}};\n"
          "  (({4}*)assay_candidate_at(&kernel_{0}, w->state, shape, false, NULL)->run)(&a);\n}}\n\n"
          "{4}* assay_{0}_for(const struct assay_matrix* w, size_t tokens) {{\n"
          "  const size_t shape[] = {{w->rows, w->cols, tokens}};\n"
          "  return ({4}*)assay_run_for(&kernel_{0}, w->state, shape);\n}}\n",
          name, declared, type, args, signature_.type);
    } else {
      text = fmt::format(
          "{1} assay_{0}({2}) {{\n  const size_t shape[] = {{{3}}};\n  {4}(({5}*)assay_run_at(&kernel_{0}, "
          "shape))({6});\n}}\n\n"
          "{5}* assay_{0}_for({7}) {{\n  const size_t shape[] = {{{8}}};\n"
          "  return ({5}*)assay_run_for(&kernel_{0}, assay_state_of(&kernel_{0}), shape);\n}}\n",
          name, signature_.result, signature_.declared(), fmt::join(sizes_, ", "),
          signature_.result == "void" ? "" : "return ", signature_.type, signature_.passed(),
          fmt::join(size_parameters_, ", "), fmt::join(kernel_.dims(), ", "));
    }
    if (kernel_.contract->scratch_bytes != nullptr) {
      text += fmt::format(
          "\nsize_t assay_{0}_scratch_bytes({1}) {{\n  const size_t shape[] = {{{2}}};\n"
          "  return {0}_contract.scratch_bytes(shape);\n}}\n",
          name, fmt::join(size_parameters_, ", "), fmt::join(kernel_.dims(), ", "));
    }
    return text;
  }

 private:
  std::string whole_header() const {
    std::string text;
    for (const std::string& file : recipe_.with_includes({header_})) {
      text += recipe_.read(file);
    }
    return text;
  }

  size_t number_of(const std::string& label) const {
    return static_cast<size_t>(
        std::ranges::find(variants_, without_parameters(label), [](const Variant* v) { return v->label(); }) -
        variants_.begin());
  }

  std::string candidates() const {
    std::string declared = fmt::format("extern const struct assay_contract {}_contract;\n", kernel_.name);
    std::string rows;
    std::set<std::string> known;
    std::vector<std::string> layouts;
    for (const Variant* v : variants_) {
      const auto& of = recipe_.of_variant(*v);
      const Isa& isa = find_isa(v->isa);
      if (known.insert(of.symbol).second) {
        declared += fmt::format("extern {} {};\n", v->jit ? signature_.generator() : signature_.type, of.symbol);
      }
      if (!of.pack.empty() && known.insert(of.pack).second) {
        declared += fmt::format("extern assay_pack_fn {};\n", of.pack);
      }
      const std::string layout = layout_of(*v);
      if (std::ranges::find(layouts, layout) == layouts.end()) {
        layouts.push_back(layout);
      }
      rows += fmt::format("    {{{}, {}, {:#x}, (assay_any_fn){}, {}, {}, {}, {}}},\n", c_string(v->label()),
                          isa.level == "v1" && isa.features.empty() ? "NULL" : c_string(features_of(isa)), bits_of(isa),
                          of.symbol, of.pack.empty() ? "NULL" : of.pack,
                          std::ranges::find(layouts, layout) - layouts.begin(), v->jit,
                          isa.unmeasured && v->nickname.empty());
    }
    return fmt::format("{}static const struct assay_candidate candidates_{}[] = {{\n{}}};\n", declared, kernel_.name,
                       rows);
  }

  /// The tables of one CPU.
  std::string sizes_on(size_t member, const std::vector<SetRow>& rows) const {
    std::string text, parameters;
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::string values = parameters_of(rows[i].made);
      std::string name = "NULL";
      if (!values.empty()) {
        name = fmt::format("parameters_{}_{}_{}", kernel_.name, member, i);
        parameters += fmt::format("static const size_t {}[] = {{{}}};\n", name, values);
      }
      text += fmt::format("    {{{{{}}}, {}, {}, {}}},\n", fmt::join(rows[i].choice->shape, ", "),
                          number_of(rows[i].called), number_of(rows[i].made), name);
    }
    text = fmt::format("{}static const struct assay_size sizes_{}_{}[] = {{\n{}}};\n", parameters, kernel_.name, member,
                       text);
    if (kernel_.dims().size() != 1) {
      return text;
    }
    for (const bool ragged : {false, true}) {
      text += fmt::format("static const struct assay_limit {}_{}_{}[] = {{", ragged ? "ragged" : "whole", kernel_.name,
                          member);
      for (const Limit& limit : limits_of(rows, ragged)) {
        text += fmt::format("{{{}, {}}}, ", limit.most == SIZE_MAX ? "SIZE_MAX" : fmt::format("{}", limit.most),
                            number_of(limit.label));
      }
      text.resize(text.size() - 2);
      text += "};\n";
    }
    return text;
  }

  std::string choices(const Fleet* fleet) const {
    if (fleet == nullptr) {
      return "";
    }
    std::string tables, rows;
    for (size_t m = 0; m < fleet->members.size(); ++m) {
      const auto it = set_.members.find(m);
      if (it == set_.members.end()) {
        rows += "    {NULL, 0, NULL, NULL, NULL, NULL},\n";
        continue;
      }
      tables += sizes_on(m, it->second);
      std::vector<std::string> labels;
      for (const SetRow& row : it->second) {
        if (std::ranges::find(labels, row.called) == labels.end()) {
          labels.push_back(row.called);
        }
      }
      const bool one = kernel_.dims().size() == 1;
      const std::string id = fmt::format("{}_{}", kernel_.name, m), cpu = name_of_cpu(fleet->members[m].profile.cpu);
      rows += fmt::format("    {{sizes_{}, {}, {}, {},\n     {},\n     {}}},\n", id, it->second.size(),
                          one ? fmt::format("whole_{}", id) : "NULL", one ? fmt::format("ragged_{}", id) : "NULL",
                          c_string(fmt::format("{}: as measured on {}", fmt::join(labels, ", "), cpu)),
                          c_string(fmt::format("{}: a guess, as on {}", fmt::join(labels, ", "), cpu)));
    }
    return fmt::format("{}static const struct assay_choice choices_{}[] = {{\n{}}};\n", tables, kernel_.name, rows);
  }

  const Kernel& kernel_;
  const KernelSet& set_;
  std::vector<const Variant*> variants_;
  std::string header_;
  Signature signature_;
  const Recipe& recipe_;
  std::vector<std::string> size_parameters_, sizes_;
};

}  // namespace

std::string generators_source(const Recipe& recipe) {
  std::string text =
                  "/* Generators: written by `assay export --library`. */\n#include \"assay/kernels.h\"\n\n#include "
                  "\"dispatch.h\"\n",
              names;
  size_t count = 0;
  for (const Kernel& kernel : kernels()) {
    std::vector<const Variant*> generators;
    for (const Variant& v : kernel.variants) {
      if (v.jit && v.defect.empty() && !v.foreign) {
        generators.push_back(&v);
      }
    }
    if (!generators.empty()) {
      text += KernelWriter(recipe, {kernel.name, {}, {}, {}}, generators).tables(nullptr);
      names += fmt::format("    &kernel_{},\n", kernel.name);
      ++count;
    }
  }
  return text +
         fmt::format(
             "extern struct assay_kernel* const assay_generators[];\nextern const size_t assay_n_generators;\n"
             "struct assay_kernel* const assay_generators[] = {{\n{}}};\nconst size_t assay_n_generators = {};\n",
             names, count);
}

bool Contents::has_generators() const {
  return std::ranges::any_of(sets, [](const KernelSet& set) {
    return std::ranges::any_of(variants_of(set), [](const Variant* v) { return v->jit; });
  });
}

std::vector<const Variant*> Contents::variants_of(const KernelSet& set) {
  const Kernel& kernel = find_kernel(set.kernel);
  std::vector<const Variant*> variants;
  for (const Variant& v : kernel.variants) {
    if (v.label() == "scalar" || std::ranges::find(set.labels, v.label()) != set.labels.end()) {
      variants.push_back(&v);
    }
  }
  std::ranges::stable_partition(variants, [](const Variant* v) { return v->label() == "scalar"; });
  return variants;
}

std::string c_string(const std::string& text) {
  std::string literal = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '?') {  // "??" begins a trigraph
      literal += '\\';
    }
    literal += c;
  }
  return literal + "\"";
}

std::string interface_header(const Recipe& recipe, const Contents& contents) {
  std::set<std::string> headers;
  std::string declarations;
  for (const KernelSet& set : contents.sets) {
    const KernelWriter writer(recipe, set);
    headers.insert(writer.header());
    declarations += writer.declarations();
  }
  std::string includes;
  for (const std::string& header : headers) {
    includes += fmt::format("#include \"{}\"\n", header);
  }
  return fmt::format(
      R"(/* Kernels of GPT inference, each by the variant that was measured to be the fastest on this CPU. Written by `assay export`. What a kernel does, and
 * with which errors, its kernel.h says. Everything here may be called by any thread; nothing is allocated but generated code. C11, C++.
 *
 * ASSAY_FORCE in the environment takes the choice away: "dot_f32=scalar,matmul_*=avx2". What it names must be here, else the program aborts. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {{
#endif
{}
#define ASSAY_API __attribute__((visibility("default")))

/** What is called for a kernel here, and whether that was measured on such a CPU: "avx2: as measured on ...", or "...: a guess, as on ..." where this
 * CPU was not among those. NULL: there is no such kernel here. */
ASSAY_API const char* assay_chosen(const char* kernel);
/** The CPU that this one is among those that were measured, or NULL. */
ASSAY_API const char* assay_cpu_name(void);
/** Whether this CPU has a feature ("avx2", "avx512f") and the operating system saves its state. */
ASSAY_API bool assay_cpu_has(const char* feature);

/** Packed weights, which only the kernel that packed them may use. */
struct assay_matrix {{
  const void* packed;
  size_t rows, cols;
  unsigned state; /**< which variants understand them */
}};
{}
#ifdef __cplusplus
}}
#endif
)",
      includes, declarations);
}

std::string interface_source(const Recipe& recipe, const Contents& contents, const Fleet* fleet) {
  std::string text =
      "/* The kernels, their variants, and which CPU takes which: written by `assay export`. */\n#include "
      "\"assay/kernels.h\"\n\n"
      "#include \"dispatch.h\"\n\n" +
      feature_table() + "\n" + cpu_table(fleet) +
      fmt::format("assay_generated_fn* const assay_code_maker = {};\n",
                  contents.has_generators() ? "assay_generated" : "NULL");
  std::string names;
  for (const KernelSet& set : contents.sets) {
    const KernelWriter writer(recipe, set);
    text += writer.tables(fleet) + writer.functions();
    names += fmt::format("    &kernel_{},\n", set.kernel);
  }
  return text +
         fmt::format("\nstruct assay_kernel* const assay_kernels[] = {{\n{}}};\nconst size_t assay_n_kernels = {};\n",
                     names, contents.sets.size());
}

}  // namespace assay
