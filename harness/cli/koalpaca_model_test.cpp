// The second shipped model, KoAlpaca in small: in each of its files it answers what README says that it does, whatever the variants. The
// questions and answers are made here from their rules; nothing is read of what reference/train made for training.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "runner/conversation.h"
#include "runner/testing.h"

namespace assay {
namespace {

const std::string kFolder = ASSAY_SOURCE_DIR "/models/";
constexpr const char* kForms[] = {"koalpaca-q8_0.gguf", "koalpaca-q4_0.gguf", "koalpaca-q4_0.bin"};
constexpr const char* kPrompts[] = {"alpaca", "koalpaca-v1.0", "koalpaca-v1.1", "koalpaca.cpp"};
constexpr int kLargestNumber = 99;

struct Question {
  std::string kind, text, answer;
  bool unseen;  ///< by training
};

/// Whether a syllable of Hangul, or the name of a number's last digit, ends with a consonant: those without are each 28th from U+AC00 on.
bool ends_with_consonant(const std::string& word) {
  static constexpr const char* kDigits[] = {"십", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"};
  const std::string text = word.back() >= '0' && word.back() <= '9' ? kDigits[word.back() - '0'] : word;
  unsigned point = 0;
  for (const char c : text.substr(text.size() - 3)) {  // each is three bytes of UTF-8
    point = (point << 6) | (static_cast<unsigned char>(c) & 0x3f);
  }
  return ((point & 0xffff) - 0xac00) % 28 != 0;
}

std::string with_particle(const std::string& word, const char* after_consonant, const char* after_vowel) {
  return word + (ends_with_consonant(word) ? after_consonant : after_vowel);
}
std::string with_particle(int number, const char* after_consonant, const char* after_vowel) {
  return with_particle(fmt::format("{}", number), after_consonant, after_vowel);
}

/// A fifth of the pairs of numbers, in either order, that training left out: by the 32-bit FNV-1a hash of "sum 5 7".
bool was_left_out(const std::string& kind, int a, int b) {
  uint32_t hash = 0x811c9dc5;
  for (const char c : fmt::format("{} {} {}", kind, std::min(a, b), std::max(a, b))) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x01000193u;
  }
  return hash % 5 == 0;
}

void add_questions_of_numbers(int a, int b, std::vector<Question>& all) {
  const auto add = [&](const char* kind, const std::string& text, int answer) {
    all.push_back({kind, text, fmt::format("{}", answer), was_left_out(kind, a, b)});
  };
  add("sum", fmt::format("{} 더하기 {}?", a, with_particle(b, "은", "는")), a + b);
  add("sum", fmt::format("{}에 {} 더하면?", a, with_particle(b, "을", "를")), a + b);
  add("sum", fmt::format("What is {} plus {}?", a, b), a + b);
  add("sum", fmt::format("Add {} and {}.", a, b), a + b);
  add("sum", fmt::format("{}+{}=", a, b), a + b);
  if (a >= b) {
    add("difference", fmt::format("{} 빼기 {}?", a, with_particle(b, "은", "는")), a - b);
    add("difference", fmt::format("What is {} minus {}?", a, b), a - b);
    add("difference", fmt::format("{}-{}=", a, b), a - b);
  }
  if (a != b) {
    add("larger", fmt::format("{} {} 중 더 큰 수는?", with_particle(a, "과", "와"), b), std::max(a, b));
    add("larger", fmt::format("Which is larger, {} or {}?", a, b), std::max(a, b));
  }
}

using Pairs = std::vector<std::pair<const char*, const char*>>;

void add_questions_of_words(std::vector<Question>& all) {
  const auto add = [&](const std::string& text, const char* answer) { all.push_back({"words", text, answer, false}); };
  for (const auto& [a, b] : Pairs{{"크다", "작다"},
                                  {"길다", "짧다"},
                                  {"높다", "낮다"},
                                  {"빠르다", "느리다"},
                                  {"뜨겁다", "차갑다"},
                                  {"밝다", "어둡다"},
                                  {"무겁다", "가볍다"},
                                  {"쉽다", "어렵다"},
                                  {"많다", "적다"},
                                  {"넓다", "좁다"}}) {
    add(fmt::format("{}의 반대말은?", a), b);
    add(fmt::format("{}의 반대말은?", b), a);
  }
  for (const auto& [a, b] : Pairs{{"big", "small"},
                                  {"long", "short"},
                                  {"high", "low"},
                                  {"fast", "slow"},
                                  {"hot", "cold"},
                                  {"bright", "dark"},
                                  {"heavy", "light"},
                                  {"easy", "difficult"},
                                  {"many", "few"},
                                  {"wide", "narrow"}}) {
    add(fmt::format("What is the opposite of {}?", a), b);
    add(fmt::format("What is the opposite of {}?", b), a);
  }
  constexpr const char* kDays[] = {"월요일", "화요일", "수요일", "목요일", "금요일", "토요일", "일요일"};
  constexpr const char* kEnglishDays[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
  for (size_t i = 0; i < 7; ++i) {
    add(fmt::format("{} 다음 날은?", kDays[i]), kDays[(i + 1) % 7]);
    add(fmt::format("What day comes after {}?", kEnglishDays[i]), kEnglishDays[(i + 1) % 7]);
  }
  struct Capital {
    const char *land, *korean, *country, *english;
  };
  for (const auto& c : {Capital{"한국", "서울", "Korea", "Seoul"},
                        {"일본", "도쿄", "Japan", "Tokyo"},
                        {"중국", "베이징", "China", "Beijing"},
                        {"프랑스", "파리", "France", "Paris"},
                        {"독일", "베를린", "Germany", "Berlin"},
                        {"영국", "런던", "England", "London"},
                        {"이탈리아", "로마", "Italy", "Rome"},
                        {"스페인", "마드리드", "Spain", "Madrid"},
                        {"러시아", "모스크바", "Russia", "Moscow"},
                        {"이집트", "카이로", "Egypt", "Cairo"},
                        {"태국", "방콕", "Thailand", "Bangkok"},
                        {"베트남", "하노이", "Vietnam", "Hanoi"},
                        {"미국", "워싱턴", "the United States", "Washington"}}) {
    add(fmt::format("{}의 수도는?", c.land), c.korean);
    add(fmt::format("What is the capital of {}?", c.country), c.english);
  }
  for (const auto& [animal, sound] : Pairs{{"고양이", "야옹"},
                                           {"강아지", "멍멍"},
                                           {"오리", "꽥꽥"},
                                           {"소", "음매"},
                                           {"돼지", "꿀꿀"},
                                           {"닭", "꼬끼오"},
                                           {"병아리", "삐약삐약"},
                                           {"개구리", "개굴개굴"},
                                           {"참새", "짹짹"}}) {
    add(fmt::format("{} 어떻게 우나요?", with_particle(animal, "은", "는")), sound);
  }
  for (const auto& [animal, sound] : Pairs{{"cat", "meow"},
                                           {"dog", "woof"},
                                           {"duck", "quack"},
                                           {"cow", "moo"},
                                           {"pig", "oink"},
                                           {"sheep", "baa"},
                                           {"frog", "ribbit"},
                                           {"lion", "roar"},
                                           {"bird", "tweet"}}) {
    add(fmt::format("What does a {} say?", animal), sound);
  }
}

/// All that is claimed.
const std::vector<Question>& all_questions() {
  static const std::vector<Question> all = [] {
    std::vector<Question> questions;
    for (int a = 0; a <= kLargestNumber; ++a) {
      for (int b = 0; b <= kLargestNumber; ++b) {
        add_questions_of_numbers(a, b, questions);
      }
    }
    add_questions_of_words(questions);
    return questions;
  }();
  return all;
}

/// How many questions were asked and how many answered right: of all, and of those that training never saw.
struct Score {
  size_t asked = 0, right = 0, unseen = 0, unseen_right = 0;

  void add(const Question& question, bool is_right) {
    ++asked;
    right += is_right;
    unseen += question.unseen;
    unseen_right += question.unseen && is_right;
  }
};

/// Asks the questions, each by one of the prompts in turn, and prints the score of each kind. Returns that of all.
Score score_of(const std::string& form, const std::string& variant, const std::vector<Question>& questions) {
  GreedyModel model(kFolder + form, variant, {.n_ctx = 128});
  std::map<std::string, Score> by_kind;
  Score all;
  for (size_t turn = 0; turn < std::size(kPrompts); ++turn) {  // one prompt after the other: its beginning is read once
    const ChatTemplate& prompt = find_chat_template(kPrompts[turn]);
    for (size_t i = turn; i < questions.size(); i += std::size(kPrompts)) {
      const Question& q = questions[i];
      Conversation conversation(model.tokenizer(), prompt, std::nullopt);
      const bool is_right = model.answer(conversation.ask(q.text), 40) == prompt.answer_open + q.answer;
      by_kind[q.kind].add(q, is_right);
      all.add(q, is_right);
    }
  }
  by_kind["all"] = all;
  for (const auto& [kind, s] : by_kind) {
    fmt::print("{} {}: {}: {} of {} right; unseen by training: {} of {}\n", form, variant.empty() ? "chosen" : variant,
               kind, s.right, s.asked, s.unseen_right, s.unseen);
  }
  model.expect_variant();
  return all;
}

/// README has what was counted on one CPU; other variants round otherwise. `slack`: what a small share of the questions may differ.
void expect_claims(const Score& score, double slack = 0) {
  constexpr double kRight = 0.997;
  EXPECT_GE(static_cast<double>(score.right), (kRight - slack) * static_cast<double>(score.asked));
  EXPECT_GE(static_cast<double>(score.unseen_right), (kRight - slack) * static_cast<double>(score.unseen));
}

void expect_drawn(const std::string& variant, size_t n, double slack) {
  Rng rng(14);
  std::vector<Question> drawn;
  for (size_t i = 0; i < n; ++i) {
    drawn.push_back(all_questions()[rng.below(all_questions().size())]);
  }
  for (const char* form : kForms) {
    expect_claims(score_of(form, variant, drawn), slack);
  }
}

TEST(KoAlpacaModel, IsUnderOneAndAHalfMegabytes) {
  for (const char* form : kForms) {
    EXPECT_LT(std::filesystem::file_size(kFolder + form), 1'500'000u) << form;
  }
}

TEST(KoAlpacaModel, AFifthOfTheNumbersWasLeftOut) {
  std::map<std::string, Score> by_kind;
  for (const Question& q : all_questions()) {
    by_kind[q.kind].add(q, true);
  }
  for (const char* kind : {"sum", "difference", "larger"}) {
    EXPECT_NEAR(static_cast<double>(by_kind[kind].unseen), 0.2 * static_cast<double>(by_kind[kind].asked),
                0.02 * static_cast<double>(by_kind[kind].asked))
        << kind;
  }
  EXPECT_EQ(was_left_out("sum", 3, 90), was_left_out("sum", 90, 3));
}

TEST(KoAlpacaModel, ParticlesFollowTheSound) {
  EXPECT_EQ(with_particle(7, "은", "는"), "7은");
  EXPECT_EQ(with_particle(4, "은", "는"), "4는");
  EXPECT_EQ(with_particle(10, "은", "는"), "10은");
  EXPECT_EQ(with_particle("소", "은", "는"), "소는");
  EXPECT_EQ(with_particle("닭", "은", "는"), "닭은");
}

TEST(KoAlpacaModel, ADrawnShareThroughTheChosenVariants) { expect_drawn("", 400, 0.01); }
TEST(KoAlpacaModel, ADrawnShareThroughScalar) { expect_drawn("scalar", 60, 0.05); }
TEST(KoAlpacaModel, ADrawnShareThroughX87) { expect_drawn("x87", 40, 0.05); }

/// `assay chat` with the model, on a script.
std::string said(const std::string& form, const std::string& questions, const std::vector<std::string>& options) {
  const TemporaryFile script(questions);
  std::vector<std::string> line = {"chat", "-q", "-m", kFolder + form, "-f", script.path()};
  line.insert(line.end(), options.begin(), options.end());
  const Run run = run_assay(line);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
  return run.out;
}

TEST(KoAlpacaModel, ChatKnowsFiveAndSeven) {
  const std::string question = "5 더하기 7은?\n";
  for (const std::string form : kForms) {
    EXPECT_EQ(said(form, question, {"--koalpaca"}), "12\n") << form;
    EXPECT_EQ(said(form, question, {"--chat-template", "alpaca"}), "12\n") << form;
    EXPECT_EQ(said(form, question, {"--chat-template", "koalpaca-v1.1"}), " 12\n") << form;
  }
  for (const char* form : {"koalpaca-q8_0.gguf", "koalpaca-q4_0.gguf"}) {
    EXPECT_EQ(said(form, question, {}), "12\n") << form << ", whose template is told by the file";
  }
}

TEST(KoAlpacaModel, AConversationGoesOn) {
  const std::string questions = "5 더하기 7은?\nWhat is the capital of Korea?\n한국의 수도는?\n12 빼기 4는?\n";
  for (const std::string form : kForms) {
    EXPECT_EQ(said(form, questions, {"--chat-template", "koalpaca-v1.0"}), "12\nSeoul\n서울\n8\n") << form;
  }
}

TEST(DeepKoAlpacaModel, AllOfQ8_0) { expect_claims(score_of(kForms[0], "", all_questions())); }
TEST(DeepKoAlpacaModel, AllOfQ4_0) { expect_claims(score_of(kForms[1], "", all_questions())); }
TEST(DeepKoAlpacaModel, AllOf2023) { expect_claims(score_of(kForms[2], "", all_questions())); }
TEST(DeepKoAlpacaModel, ADrawnShareThroughScalar) { expect_drawn("scalar", 4000, 0.003); }
TEST(DeepKoAlpacaModel, ADrawnShareThroughX87) { expect_drawn("x87", 2000, 0.005); }

}  // namespace
}  // namespace assay
