// The templates that are known, each by the strings that its models were trained on.
#include "runner/chat_template.h"

namespace assay {
namespace {

// The prompts of Stanford Alpaca (train.py), of KoAlpaca (train.py; for v1.1 its README), and of chat.cpp in KoAlpaca.cpp.
constexpr const char* kAlpaca =
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n";
constexpr const char* kKoAlpaca =
    "Below is an instruction that describes a task.\n아래는 작업을 설명하는 명령어입니다.\n\n"
    "Write a response that appropriately completes the request.\n명령어에 따른 요청을 적절히 완료하는 응답을 "
    "작성하세요.\n\n";

/// One question and its answer were all that Alpaca's models were trained on: each further one begins a text anew.
std::vector<ChatTemplate> alpaca_templates() {
  return {
      {.name = "alpaca",
       .marks = {"Below is an instruction", "### Instruction:", "### Response:"},
       .never = {"<|", "### Response:\\n", "### Response:\n"},  // much like it, but not it
       .stops = {"### Instruction:"},
       .start = kAlpaca,
       .system_close = "\n\n",
       .user_open = "### Instruction:\n",
       .user_close = "\n\n### Response:",
       .answer_close = "{eos}{bos}"},
      {.name = "koalpaca-v1.0",
       .marks = {"### Instruction(명령어):", "### Response(응답):"},
       .stops = {"### Instruction(명령어):"},
       .start = kKoAlpaca,
       .system_close = "\n\n",
       .user_open = "### Instruction(명령어):\n",
       .user_close = "\n\n### Response(응답):",
       .answer_close = "{eos}{bos}"},
      {.name = "koalpaca-v1.1",
       .marks = {"### 질문:", "### 답변:"},
       .stops = {"###"},
       .has_system = false,
       .user_open = "### 질문: ",
       .user_close = "\n\n### 답변:",
       .answer_open = " ",
       .answer_close = "{eos}{bos}"},
      {.name = "koalpaca.cpp",
       .start = kAlpaca,
       .system_close = "\n\n",
       .user_open = "{bos}### Instruction:\n\n",
       .user_close = "\n### Response:\n\n",
       .answer_close = "{eos}"},
  };
}

/// Of sentence pieces, which begin a text with a space by themselves: none is written before [INST] or an answer.
std::vector<ChatTemplate> inst_templates() {
  return {
      {.name = "llama2",
       .marks = {"[INST]", "<<SYS>>"},
       .never = {"[SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]"},
       .stops = {"[INST]"},
       .system_open = "<<SYS>>\n",
       .system_close = "\n<</SYS>>\n\n",
       .system_in_turn = true,
       .user_open = "[INST] ",
       .user_close = " [/INST]",
       .answer_open = " ",
       .answer_close = " {eos}{bos}",
       .trims = true},
      {.name = "mistral",
       .marks = {"[INST] ", " [/INST]"},
       .never = {"<<SYS>>", "[SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]"},
       .stops = {"[INST]"},
       .system_close = "\n\n",
       .system_in_turn = true,
       .user_open = "[INST] ",
       .user_close = " [/INST]",
       .answer_close = "{eos}"},
  };
}

std::vector<ChatTemplate> marked_templates() {
  return {
      {.name = "llama3",
       .marks = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
       .specials = {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"},
       .stops = {"<|eot_id|>"},
       .system_open = "<|start_header_id|>system<|end_header_id|>\n\n",
       .system_close = "<|eot_id|>",
       .user_open = "<|start_header_id|>user<|end_header_id|>\n\n",
       .user_close = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
       .answer_close = "<|eot_id|>",
       .trims = true},
      {.name = "chatml",
       .marks = {"<|im_start|>", "<|im_end|>"},
       .never = {"<|im_sep|>", "<end_of_utterance>"},  // Phi-4's, SmolVLM's
       .specials = {"<|im_start|>", "<|im_end|>"},
       .stops = {"<|im_end|>"},
       .system_open = "<|im_start|>system\n",
       .system_close = "<|im_end|>\n",
       .user_open = "<|im_start|>user\n",
       .user_close = "<|im_end|>\n<|im_start|>assistant\n",
       .answer_close = "<|im_end|>\n"},
      {.name = "gemma",
       .marks = {"<start_of_turn>", "<end_of_turn>"},
       .specials = {"<start_of_turn>", "<end_of_turn>"},
       .stops = {"<end_of_turn>"},
       .system_close = "\n\n",
       .system_in_turn = true,
       .user_open = "<start_of_turn>user\n",
       .user_close = "<end_of_turn>\n<start_of_turn>model\n",
       .answer_close = "<end_of_turn>\n",
       .trims = true},
      {.name = "phi3",
       .marks = {"<|end|>", "<|assistant|>"},
       .never = {"<|tool|>", "<|start|>"},  // Phi-4-mini's, gpt-oss's
       .specials = {"<|user|>", "<|assistant|>", "<|end|>"},
       .stops = {"<|end|>"},
       .system_open = "<|system|>\n",
       .system_close = "<|end|>\n",
       .user_open = "<|user|>\n",
       .user_close = "<|end|>\n<|assistant|>\n",
       .answer_close = "<|end|>\n"},
      {.name = "zephyr",
       .marks = {"<|assistant|>", "<|user|>message[content]eos_token"},  // Falcon 3 has no token behind a question
       .never = {"<|end|>"},
       .stops = {"<|user|>"},
       .system_open = "<|system|>\n",
       .system_close = "{eos}\n",
       .user_open = "<|user|>\n",
       .user_close = "{eos}\n<|assistant|>\n",
       .answer_close = "{eos}\n"},
  };
}

}  // namespace

std::span<const ChatTemplate> chat_templates() {
  static const std::vector<ChatTemplate> all = [] {
    std::vector<ChatTemplate> templates = alpaca_templates();
    for (const auto& more : {inst_templates(), marked_templates()}) {
      templates.insert(templates.end(), more.begin(), more.end());
    }
    return templates;
  }();
  return all;
}

}  // namespace assay
