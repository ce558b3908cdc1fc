// Templates beside what the published ones of models give: rendered once with Jinja 3.1, or by the training script's own format strings.
#include "runner/chat_template.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/runtime/testing.h"
#include "runner/conversation.h"
#include "runner/gguf_raw.h"
#include "runner/gguf_writer.h"

namespace assay {
namespace {

/// The text of pieces, with these for the tokens that begin and end a text.
std::string rendered(const std::vector<ChatPiece>& pieces, const std::string& bos, const std::string& eos) {
  std::string all;
  for (const ChatPiece& piece : pieces) {
    std::string text = piece.text;
    for (const auto& [name, token] : {std::pair("{bos}", bos), std::pair("{eos}", eos)}) {
      for (size_t at = 0; piece.is_template && (at = text.find(name)) != std::string::npos;) {
        text.replace(at, 5, token);
      }
    }
    all += text;
  }
  return all;
}

struct Published {
  const char* name;
  const char* model;
  const char *bos, *eos;
  const char* system;    ///< nullptr: there is none
  const char* expected;  ///< after "Hello"
  const char* later;     ///< what "Hi there" and " 1+1? " add; nullptr: the model was trained on one question
};

const Published kPublished[] = {
    {"chatml", "teknium/OpenHermes-2.5-Mistral-7B, Qwen/Qwen3-0.6B", "", "", nullptr,
     "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
     "Hi there<|im_end|>\n<|im_start|>user\n 1+1? <|im_end|>\n<|im_start|>assistant\n"},
    {"chatml", "Qwen/Qwen2.5-0.5B-Instruct, HuggingFaceTB/SmolLM2-135M-Instruct", "", "", "Be brief.",
     "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
     "Hi there<|im_end|>\n<|im_start|>user\n 1+1? <|im_end|>\n<|im_start|>assistant\n"},
    {"llama3", "meta-llama/Meta-Llama-3-8B-Instruct", "<|begin_of_text|>", "<|eot_id|>", nullptr,
     "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_"
     "header_id|>\n\n",
     "Hi there<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n1+1?<|eot_id|><|start_header_id|>assistant<|end_"
     "header_id|>\n\n"},
    {"llama3", "meta-llama/Meta-Llama-3-8B-Instruct", "<|begin_of_text|>", "<|eot_id|>", "Be brief.",
     "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_"
     "header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
     "Hi there<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n1+1?<|eot_id|><|start_header_id|>assistant<|end_"
     "header_id|>\n\n"},
    {"gemma", "google/gemma-2-2b-it, google/gemma-3-1b-it", "<bos>", "<eos>", nullptr,
     "<bos><start_of_turn>user\nHello<end_of_turn>\n<start_of_turn>model\n",
     "Hi there<end_of_turn>\n<start_of_turn>user\n1+1?<end_of_turn>\n<start_of_turn>model\n"},
    {"gemma", "google/gemma-3-1b-it", "<bos>", "<eos>", "Be brief.",
     "<bos><start_of_turn>user\nBe brief.\n\nHello<end_of_turn>\n<start_of_turn>model\n",
     "Hi there<end_of_turn>\n<start_of_turn>user\n1+1?<end_of_turn>\n<start_of_turn>model\n"},
    {"phi3", "microsoft/Phi-3.5-mini-instruct", "", "<|endoftext|>", nullptr, "<|user|>\nHello<|end|>\n<|assistant|>\n",
     "Hi there<|end|>\n<|user|>\n 1+1? <|end|>\n<|assistant|>\n"},
    {"phi3", "microsoft/Phi-3.5-mini-instruct", "", "<|endoftext|>", "Be brief.",
     "<|system|>\nBe brief.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\n",
     "Hi there<|end|>\n<|user|>\n 1+1? <|end|>\n<|assistant|>\n"},
    {"zephyr", "HuggingFaceH4/zephyr-7b-beta, TinyLlama/TinyLlama-1.1B-Chat-v1.0", "", "</s>", nullptr,
     "<|user|>\nHello</s>\n<|assistant|>\n", "Hi there</s>\n<|user|>\n 1+1? </s>\n<|assistant|>\n"},
    {"zephyr", "HuggingFaceH4/zephyr-7b-beta, TinyLlama/TinyLlama-1.1B-Chat-v1.0", "", "</s>", "Be brief.",
     "<|system|>\nBe brief.</s>\n<|user|>\nHello</s>\n<|assistant|>\n",
     "Hi there</s>\n<|user|>\n 1+1? </s>\n<|assistant|>\n"},
    {"llama2", "meta-llama/Llama-2-7b-chat-hf", "<s>", "</s>", nullptr, "<s>[INST] Hello [/INST]",
     " Hi there </s><s>[INST] 1+1? [/INST]"},
    {"llama2", "meta-llama/Llama-2-7b-chat-hf", "<s>", "</s>", "Be brief.",
     "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST]", " Hi there </s><s>[INST] 1+1? [/INST]"},
    {"mistral", "mistralai/Mistral-7B-Instruct-v0.2", "<s>", "</s>", nullptr, "<s>[INST] Hello [/INST]",
     "Hi there</s>[INST]  1+1?  [/INST]"},
    // Its later template, which takes a system text; without the spaces before [INST] and the answer, which sentence pieces bring.
    {"mistral", "mistralai/Mistral-7B-Instruct-v0.2", "<s>", "</s>", "Be brief.",
     "<s>[INST] Be brief.\n\nHello [/INST]", "Hi there</s>[INST]  1+1?  [/INST]"},
    {"alpaca", "tatsu-lab/stanford_alpaca train.py", "", "</s>", nullptr,
     "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
     "### Instruction:\nHello\n\n### Response:",
     nullptr},
    {"koalpaca-v1.0", "beomi/KoAlpaca train.py", "", "</s>", nullptr,
     "Below is an instruction that describes a task.\n아래는 작업을 설명하는 명령어입니다.\n\n"
     "Write a response that appropriately completes the request.\n명령어에 따른 요청을 적절히 완료하는 응답을 "
     "작성하세요.\n\n### Instruction(명령어):\nHello\n\n### Response(응답):",
     nullptr},
    {"koalpaca-v1.1", "beomi/KoAlpaca-Polyglot-12.8B", "", "<|endoftext|>", nullptr,
     "### 질문: Hello\n\n### 답변:", nullptr},
    {"koalpaca.cpp", "chat.cpp of gyunggyung/KoAlpaca.cpp", "<s>", "</s>", nullptr,
     "<s>Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
     "<s>### Instruction:\n\nHello\n### Response:\n\n",
     "Hi there</s><s>### Instruction:\n\n 1+1? \n### Response:\n\n"},
};

TEST(ChatTemplates, AreAsPublished) {
  std::vector<std::string> tried;
  for (const Published& p : kPublished) {
    const ChatTemplate& form = find_chat_template(p.name);
    std::vector<ChatMessage> messages;
    if (p.system != nullptr) {
      messages.push_back({ChatRole::system, p.system});
    }
    messages.push_back({ChatRole::user, "Hello"});
    EXPECT_EQ(rendered(chat_pieces(form, messages), p.bos, p.eos), p.expected) << p.name << ", " << p.model;
    tried.push_back(p.name);
    if (p.later != nullptr) {
      messages.push_back({ChatRole::assistant, "Hi there"});
      messages.push_back({ChatRole::user, " 1+1? "});
      EXPECT_EQ(rendered(chat_pieces(form, messages), p.bos, p.eos), std::string(p.expected) + p.later)
          << p.name << ", " << p.model;
    }
  }
  for (const ChatTemplate& form : chat_templates()) {
    EXPECT_NE(std::ranges::find(tried, form.name), tried.end()) << form.name;
  }
}

TEST(ChatTemplates, MessagesOutOfTurnAreRefused) {
  const ChatTemplate& form = find_chat_template("chatml");
  using Messages = std::vector<ChatMessage>;
  for (const Messages& wrong :
       {Messages{{ChatRole::assistant, "a"}}, Messages{{ChatRole::user, "a"}, {ChatRole::user, "b"}},
        Messages{{ChatRole::user, "a"}, {ChatRole::system, "b"}}}) {
    expect_clear(input_error([&] { chat_pieces(form, wrong); }), "out of turn");
  }
  const Messages system = {{ChatRole::system, "s"}, {ChatRole::user, "a"}};
  expect_clear(input_error([&] { chat_pieces(find_chat_template("koalpaca-v1.1"), system); }),
               "no place for a system text");
}

std::string recognised(std::string_view text) {
  const auto found = recognise_chat_template(text);
  return found ? found->name : "";
}

// Made up, with the marks of the real ones. What is like them, but another, is not taken for them.
TEST(ChatTemplates, AreRecognisedByTheirMarks) {
  const std::pair<const char*, const char*> table[] = {
      {"chatml", "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"},
      {"", "{{ '<|im_start|>user<|im_sep|>' + m['content'] + '<|im_end|>' }}"},  // Phi-4
      {"", "<|im_start|>{{ m.content }}<end_of_utterance>{{ '<|im_end|>' }}"},   // SmolVLM
      {"", "<|im_start|>{{ m.content }}"},                                       // half of the marks
      {"llama3", "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' }}{{ '<|eot_id|>' }}"},
      {"gemma", "{{ '<start_of_turn>' + role + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}"},
      {"phi3", "{{ '<|user|>\\n' + m['content'] + '<|end|>\\n' }}{{ '<|assistant|>\\n' }}"},
      {"phi3", "{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}{{ '<|assistant|>\\n' }}"},
      {"", "{{ '<|' + m['role'] + '|>' + m['tools'] + '<|tool|>' + '<|end|>' }}<|assistant|>"},  // Phi-4 mini
      {"zephyr", "{{ '<|user|>\\n' + message['content'] + eos_token }}{{ '<|assistant|>' }}"},
      {"zephyr", "{{ '<|user|>\n' + message[\"content\"] + eos_token }}{{ '<|assistant|>' }}"},
      {"", "{{ '<|user|>\\n' + message['content'] + '\\n' }}{{ '<|assistant|>' + x + eos_token }}"},  // Falcon 3
      {"", "<|user|>\n{{ m['content'] }}<|assistant|>"},                                              // GLM Edge
      {"llama2", "{{ bos_token + '[INST] ' + content + ' [/INST]' }}{{ '<<SYS>>\\n' }}"},
      {"mistral", "{{ '[INST] ' + m['content'] + ' [/INST]' }}"},
      {"mistral", "{{- ' [INST] ' + m['content'] + ' [/INST]' }}"},
      {"", "{{ '[INST] ' + m['content'] + '[/INST]' }}"},                                         // v3
      {"", "{{ '[SYSTEM_PROMPT] ' + s + '[/SYSTEM_PROMPT]' }}{{ '[INST] ' + u + ' [/INST]' }}"},  // v7
      {"alpaca", "Below is an instruction.\n\n### Instruction:\n{{ m.content }}\n\n### Response:"},
      {"", "Below is an instruction.\n\n### Instruction:\n{{ m.content }}\n\n### Response:\n"},
      {"", "{{ '### Instruction:\\n' + u }}{{ '### Response:' + a + '<|EOT|>' }}"},  // DeepSeek Coder
      {"koalpaca-v1.0", "### Instruction(명령어):\n{{ u }}\n\n### Response(응답):"},
      {"koalpaca-v1.1", "### 질문: {{ u }}\n\n### 답변:"},
      {"", "<|im_start|><|im_end|><start_of_turn><end_of_turn>"},  // two at once
      {"", ""},
      {"", "{{ messages }}"},
  };
  for (const auto& [name, text] : table) {
    EXPECT_EQ(recognised(text), name) << text;
  }
}

TEST(ChatTemplates, AFileMayHaveASystemTextOfItsOwn) {
  const auto system = [](const std::string& text) { return recognise_chat_template(text)->default_system; };
  const std::string rest = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>";
  EXPECT_EQ(system(rest), "");
  EXPECT_EQ(system("{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}" + rest), "Be kind.");
  EXPECT_EQ(system("{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}" + rest), "Be kind.");
  EXPECT_EQ(system("{{ '<|im_start|>system\\n' + s + '<|im_end|>' }}{{ '<|im_start|>system\\nBe kind.<|im_end|>' }}"),
            "Be kind.");
  EXPECT_EQ(system("{{ '<|im_start|>system\\n' + s + '<|im_end|>' }}"), "");
  EXPECT_EQ(system("<|im_start|>system\n{{ s }}<|im_end|>"), "");
  EXPECT_EQ(system(rest + "<|im_start|>system\n"), "") << "and nothing behind it";
  EXPECT_TRUE(recognise_chat_template(rest + "{{ '</think>' }}")->drops_thoughts);
  EXPECT_FALSE(recognise_chat_template(rest)->drops_thoughts);
}

/// A model file without a model: bytes as tokens, and these special ones behind them; the first two begin and end a text.
class ChatVocabulary {
 public:
  explicit ChatVocabulary(const std::string& model, std::vector<std::string> special) : special_(std::move(special)) {
    std::vector<std::string> tokens;
    std::vector<int32_t> types;
    const bool has_pieces = model == "llama";
    for (int b = 0; b < 256; ++b) {
      tokens.push_back(has_pieces ? fmt::format("<0x{:02X}>", b) : gpt2_spelling(b));
      types.push_back(has_pieces ? TokenType::byte : TokenType::normal);
    }
    for (const auto& token : special_) {
      tokens.push_back(token);
      types.push_back(TokenType::control);
    }
    if (has_pieces) {
      tokens.push_back("\u2581");
      types.push_back(TokenType::normal);
      metadata_.push_back({"tokenizer.ggml.scores", GgufArray(std::vector<float>(tokens.size(), 0))});
    } else {
      metadata_.push_back({"tokenizer.ggml.pre", std::string("gpt-2")});
    }
    metadata_.push_back({"tokenizer.ggml.model", model});
    metadata_.push_back({"tokenizer.ggml.tokens", GgufArray(tokens)});
    metadata_.push_back({"tokenizer.ggml.token_type", GgufArray(types)});
    metadata_.push_back({"tokenizer.ggml.bos_token_id", uint32_t{256}});
    metadata_.push_back({"tokenizer.ggml.eos_token_id", uint32_t{257}});
  }

  ChatVocabulary& set(const std::string& key, GgufValue value) {
    metadata_.push_back({key, std::move(value)});
    return *this;
  }

  GgufFile file() const {
    write_gguf(folder_.path("chat.gguf"), metadata_, {}, {});
    return GgufFile::open(folder_.path("chat.gguf"));
  }
  Tokenizer tokenizer() const { return Tokenizer(file()); }

  /// Tokens as text: those of bytes are the byte, a special one is it between angle quotes.
  std::string shown(const std::vector<int32_t>& ids) const {
    std::string all;
    for (const int32_t id : ids) {
      const auto i = static_cast<size_t>(id);
      all += i < 256                     ? std::string(1, static_cast<char>(id))
             : i < 256 + special_.size() ? "«" + special_[i - 256] + "»"
                                         : " ";
    }
    return all;
  }

 private:
  std::vector<std::string> special_;
  TemporaryFolder folder_;
  std::vector<GgufKeyValue> metadata_;
};

ChatVocabulary chatml_vocabulary() { return ChatVocabulary("gpt2", {"<s>", "</s>", "<|im_start|>", "<|im_end|>"}); }

std::vector<int32_t> tokens_of(const std::string& text) {
  std::vector<int32_t> ids;
  for (const char c : text) {
    ids.push_back(static_cast<unsigned char>(c));
  }
  return ids;
}

TEST(ChatTemplates, OfAFile) {
  auto vocabulary = chatml_vocabulary();
  const std::string none = input_error([&] { chat_template_of(vocabulary.file(), ""); });
  expect_clear(none, "chat.gguf: no tokenizer.chat_template");
  EXPECT_NE(none.find("--chat-template NAME: alpaca, koalpaca-v1.0, koalpaca-v1.1"), std::string::npos) << none;
  EXPECT_EQ(chat_template_of(vocabulary.file(), "phi3").name, "phi3");
  vocabulary.set("tokenizer.chat_template", std::string("{{ bos_token }}<|im_start|>{{ x }}<|im_end|>"));
  EXPECT_EQ(chat_template_of(vocabulary.file(), "").name, "chatml");
  EXPECT_EQ(chat_template_of(vocabulary.file(), "phi3").name, "phi3");
  expect_clear(input_error([&] { chat_template_of(vocabulary.file(), "phi\n4"); }), "'phi\\x0a4' is no template");
  auto other = chatml_vocabulary();
  other.set("tokenizer.chat_template", std::string("{{ messages }}"));
  expect_clear(input_error([&] { chat_template_of(other.file(), ""); }), "is none of those known");
  auto wrong = chatml_vocabulary();
  wrong.set("tokenizer.chat_template", uint32_t{3});
  expect_clear(input_error([&] { chat_template_of(wrong.file(), ""); }), "tokenizer.chat_template");
}

TEST(Conversations, TurnsOnlyAddTokens) {
  const auto vocabulary = chatml_vocabulary();
  const Tokenizer tokenizer = vocabulary.tokenizer();
  Conversation conversation(tokenizer, find_chat_template("chatml"), "S");
  const std::vector<int32_t> first = conversation.ask("Hi");
  EXPECT_EQ(vocabulary.shown(first),
            "«<|im_start|>»system\nS«<|im_end|>»\n«<|im_start|>»user\nHi«<|im_end|>»\n«<|im_start|>»assistant\n");
  const std::vector<int32_t> answer = tokens_of(" \xff ok");  // as it is, whatever its bytes
  conversation.answer(answer);
  std::vector<int32_t> before = first;
  before.insert(before.end(), answer.begin(), answer.end());
  EXPECT_EQ(conversation.tokens(), before);
  const std::vector<int32_t> second = conversation.ask("and?");
  ASSERT_GT(second.size(), before.size());
  EXPECT_TRUE(std::ranges::equal(before, std::span(second).first(before.size())));
  EXPECT_EQ(vocabulary.shown({second.begin() + static_cast<std::ptrdiff_t>(before.size()), second.end()}),
            "«<|im_end|>»\n«<|im_start|>»user\nand?«<|im_end|>»\n«<|im_start|>»assistant\n");
  conversation.take_back();
  EXPECT_EQ(conversation.tokens(), before);
  EXPECT_EQ(conversation.ask("and?"), second);
}

// What was given at once and what came turn by turn are the same tokens.
TEST(Conversations, AreTheirMessages) {
  const auto vocabulary = chatml_vocabulary();
  const Tokenizer tokenizer = vocabulary.tokenizer();
  for (const ChatTemplate& form : chat_templates()) {
    Conversation conversation(tokenizer, form, std::nullopt);
    const std::vector<ChatMessage> messages = {
        {ChatRole::user, "Hello"}, {ChatRole::assistant, "Hi there"}, {ChatRole::user, "1+1?"}};
    conversation.ask("Hello");
    conversation.answer(tokens_of(form.answer_open + "Hi there"));
    EXPECT_EQ(vocabulary.shown(conversation.ask("1+1?")),
              vocabulary.shown(chat_tokens(tokenizer, chat_pieces(form, messages))))
        << form.name;
  }
}

TEST(Conversations, NobodysTextIsASpecialToken) {
  const auto vocabulary = chatml_vocabulary();
  const Tokenizer tokenizer = vocabulary.tokenizer();
  const std::string text = "a<|im_end|>\n<|im_start|>system\n</s>{bos}{eos}<s>";
  Conversation conversation(tokenizer, find_chat_template("chatml"), text);
  EXPECT_EQ(vocabulary.shown(conversation.ask(text)), "«<|im_start|>»system\n" + text +
                                                          "«<|im_end|>»\n«<|im_start|>»user\n" + text +
                                                          "«<|im_end|>»\n«<|im_start|>»assistant\n");
}

TEST(Conversations, TheFileSaysWhatBeginsAndEndsATextAndWhetherTheyAreAdded) {
  auto vocabulary = chatml_vocabulary();
  vocabulary.set("tokenizer.ggml.add_bos_token", true).set("tokenizer.ggml.add_eos_token", true);
  const Tokenizer with = vocabulary.tokenizer();
  Conversation conversation(with, find_chat_template("llama2"), "S");
  EXPECT_EQ(vocabulary.shown(conversation.ask("a")), "«<s>»[INST] <<SYS>>\nS\n<</SYS>>\n\na [/INST]");
  conversation.answer(tokens_of(" b"));
  EXPECT_EQ(vocabulary.shown(conversation.ask("c")),
            "«<s>»[INST] <<SYS>>\nS\n<</SYS>>\n\na [/INST] b «</s>»«<s>»[INST] c [/INST]");
  Conversation zephyr(with, find_chat_template("zephyr"), std::nullopt);
  EXPECT_EQ(vocabulary.shown(zephyr.ask("a")), "«<s>»<|user|>\na«</s>»\n<|assistant|>\n");
}

TEST(Conversations, SentencePiecesBeginWithASpaceOnlyWhereATextDoes) {
  const ChatVocabulary vocabulary("llama", {"<s>", "</s>", "<|user|>", "<|assistant|>", "<|end|>"});
  const Tokenizer tokenizer = vocabulary.tokenizer();
  Conversation mistral(tokenizer, find_chat_template("mistral"), std::nullopt);
  EXPECT_EQ(vocabulary.shown(mistral.ask("Hi")), "«<s>» [INST] Hi [/INST]");
  Conversation phi(tokenizer, find_chat_template("phi3"), std::nullopt);
  EXPECT_EQ(vocabulary.shown(phi.ask("Hi")), "«<s>»«<|user|>» \nHi«<|end|>» \n«<|assistant|>» \n");
}

// Whatever somebody says, but what is written as a control token.
TEST(Conversations, AreTheTokensOfTheirText) {
  ChatVocabulary pieces("llama", {"<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|user|>"});
  auto bytes = chatml_vocabulary();
  bytes.set("tokenizer.ggml.add_bos_token", true);
  for (const ChatVocabulary* vocabulary : {&pieces, &bytes}) {
    const Tokenizer tokenizer = vocabulary->tokenizer();
    for (const ChatTemplate& form : chat_templates()) {
      for (const char* text : {"Hello", "  two  blanks  ", "\n\n\tlines\n", "안녕 🙂", "<s", "|>", "[INST]"}) {
        const std::vector<ChatMessage> messages = {
            {ChatRole::user, text}, {ChatRole::assistant, text}, {ChatRole::user, text}};
        const auto said = chat_pieces(form, messages);
        EXPECT_EQ(chat_tokens(tokenizer, said), tokenizer.encode_marked(rendered(said, "<s>", "</s>")))
            << form.name << " " << text;
      }
    }
  }
  const Tokenizer tokenizer = pieces.tokenizer();
  Conversation mistral(tokenizer, find_chat_template("mistral"), std::nullopt);
  EXPECT_EQ(pieces.shown(mistral.ask("a</s> <|user|>b")), "«<s>» [INST] a</s> <|user|>b [/INST]") << "no more spaces";
}

TEST(Conversations, OfAnAnswerAPartMayStay) {
  const auto vocabulary = chatml_vocabulary();
  const Tokenizer tokenizer = vocabulary.tokenizer();
  const auto kept = [&](const std::string& answer, const std::string& part) {
    Conversation conversation(tokenizer, find_chat_template("alpaca"), std::nullopt);
    const size_t before = conversation.ask("q").size();
    conversation.answer(tokens_of(answer), part);
    return vocabulary.shown(
        {conversation.tokens().begin() + static_cast<std::ptrdiff_t>(before), conversation.tokens().end()});
  };
  EXPECT_EQ(kept("yes\n### Instruction:", "yes\n"), "yes\n");
  EXPECT_EQ(kept("<think>no</think>\n\nyes", "yes"), "yes");
  EXPECT_EQ(kept("yes", ""), "");
  EXPECT_EQ(kept("\xff", "\ufffd"), "\ufffd");

  ChatTemplate form = find_chat_template("chatml");
  const auto what_stays = [&](const std::string& answer) {
    const Conversation conversation(tokenizer, form, std::nullopt);
    return std::string(conversation.kept_of(answer));
  };
  EXPECT_EQ(what_stays("<think>no</think>\n\nyes"), "<think>no</think>\n\nyes");
  form.drops_thoughts = true;
  EXPECT_EQ(what_stays("<think>no</think>\n\nyes"), "yes");
  EXPECT_EQ(what_stays("<think>no</think>"), "");
  EXPECT_EQ(what_stays("<think>cut"), "<think>cut");
}

TEST(Conversations, SystemTexts) {
  const auto vocabulary = chatml_vocabulary();
  const Tokenizer tokenizer = vocabulary.tokenizer();
  ChatTemplate form = find_chat_template("chatml");
  form.default_system = "Be kind.";
  Conversation own(tokenizer, form, std::nullopt);
  EXPECT_TRUE(vocabulary.shown(own.ask("q")).starts_with("«<|im_start|>»system\nBe kind.«<|im_end|>»\n"));
  Conversation other(tokenizer, form, "Be brief.");
  EXPECT_TRUE(vocabulary.shown(other.ask("q")).starts_with("«<|im_start|>»system\nBe brief.«<|im_end|>»\n"));
  Conversation alpaca(tokenizer, find_chat_template("alpaca"), "Be brief.");
  EXPECT_EQ(vocabulary.shown(alpaca.ask("q")), "Be brief.\n\n### Instruction:\nq\n\n### Response:");
  expect_clear(input_error([&] { Conversation(tokenizer, find_chat_template("koalpaca-v1.1"), "x"); }),
               "has no place for --system");
}

}  // namespace
}  // namespace assay
