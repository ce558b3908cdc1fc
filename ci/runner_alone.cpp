// Runs the shipped model with no part of the house but runner/, harness/runtime/ and the variants: that it links shows
// that running a model needs neither the fuzzer nor the reference.
// usage: runner_alone MODEL PROMPT
#include <algorithm>
#include <cstdio>
#include <string>

#include "runner/model.h"
#include "runner/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: runner_alone MODEL PROMPT\n", stderr);
    return 2;
  }
  const assay::GgufFile file = assay::GgufFile::open(argv[1]);
  const assay::Tokenizer tokenizer(file);
  assay::Dispatch dispatch(assay::detect_cpu(), assay::Dispatch::Options());
  assay::Model model(file, dispatch, 1);
  std::string answer;
  for (std::vector<int32_t> tokens = tokenizer.encode_prompt(argv[2]);
       model.past() + tokens.size() < model.sizes().n_ctx;) {
    const auto logits = model.eval(tokens);
    tokens = {static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin())};
    if (tokenizer.ends(tokens[0])) {
      break;
    }
    answer += tokenizer.decode_piece(tokens[0]);
  }
  std::puts(answer.c_str());
}
