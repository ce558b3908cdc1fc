#include "runner/special_tokens.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "harness/runtime/rng.h"

namespace assay {
namespace {

using TokenPlaces = std::vector<std::pair<size_t, int32_t>>;

TokenPlaces places_of(const SpecialTokens& tokens, std::span<const TextPart> parts) {
  std::string text;
  for (const TextPart& part : parts) {
    text += part.text;
  }
  TokenPlaces all;
  for (const SpecialTokens::Place& place : tokens.find(text, parts)) {
    all.emplace_back(place.at, place.id);
  }
  return all;
}

TokenPlaces places_of(const SpecialTokens& tokens, std::string_view text, bool is_marked = true) {
  const TextPart part{text, is_marked};
  return places_of(tokens, std::span(&part, 1));
}

TEST(SpecialTokensTest, TheLongerIsFoundFirst) {
  const SpecialTokens t({{"ab", 0, false}, {"bcd", 1, false}, {"abcd", 2, false}, {"xa", 3, false}});
  EXPECT_EQ(places_of(t, "abc"), (TokenPlaces{{0, 0}}));
  EXPECT_EQ(places_of(t, "abcd-ab"), (TokenPlaces{{0, 2}, {5, 0}}));
  EXPECT_EQ(places_of(t, "abxbcd"), (TokenPlaces{{0, 0}, {3, 1}}));
  EXPECT_EQ(places_of(t, "xabcd"), (TokenPlaces{{1, 2}})) << "though another begins before it";
  EXPECT_EQ(places_of(t, "xab"), (TokenPlaces{{1, 0}})) << "of equal lengths that of the lower ID";
  EXPECT_EQ(places_of(t, ""), TokenPlaces{});
  EXPECT_EQ(places_of(SpecialTokens(), "abcd"), TokenPlaces{});
}

TEST(SpecialTokensTest, ControlTokensStandWhereTheTextIsMarked) {
  const SpecialTokens t({{"<a>", 0, false}, {"<a", 1, true}, {"\n\n", 2, true}});
  EXPECT_EQ(places_of(t, "<a>", false), (TokenPlaces{{0, 1}}));
  const std::vector<TextPart> reaching = {{"x<", true}, {"a>\n", false}, {"\n<a", true}, {"><a>", true}};
  EXPECT_EQ(places_of(t, reaching), (TokenPlaces{{1, 1}, {4, 2}, {6, 0}, {9, 0}})) << "none into what is not marked";
}

// One token after the other, as llama.cpp looks for them.
TEST(SpecialTokensTest, AgreesWithTheDefinition) {
  Rng rng(1);
  const auto letters = [&](uint64_t most) {
    std::string text;
    for (uint64_t n = rng.below(most + 1); n > 0; --n) {
      text += "ab<"[rng.below(3)];
    }
    return text;
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<SpecialToken> tokens;
    std::set<std::string> texts;
    while (tokens.size() < 8) {
      const std::string text = "a" + letters(5);
      if (texts.insert(text).second) {
        tokens.push_back({text, static_cast<int32_t>(tokens.size()), rng.below(2) == 0});
      }
    }
    std::vector<std::string> parts;
    std::vector<TextPart> given;
    std::string text, marked;
    for (int i = 0; i < 6; ++i) {
      parts.push_back(letters(12));
    }
    for (const std::string& part : parts) {
      given.push_back({part, rng.below(2) == 0});
      text += part;
      marked += std::string(part.size(), given.back().is_marked ? '1' : '0');
    }
    const SpecialTokens t(tokens);
    std::ranges::stable_sort(tokens, std::ranges::greater(), [](const SpecialToken& s) { return s.text.size(); });
    std::string rest = text;
    TokenPlaces expected;
    for (const SpecialToken& token : tokens) {
      for (size_t at = 0; (at = rest.find(token.text, at)) != std::string::npos;) {
        if (token.anywhere || marked.find('0', at) >= at + token.text.size()) {
          rest.replace(at, token.text.size(), std::string(token.text.size(), '-'));
          expected.emplace_back(at, token.id);
        } else {
          ++at;
        }
      }
    }
    std::ranges::sort(expected);
    EXPECT_EQ(places_of(t, given), expected) << text << "\n" << marked;
  }
}

// A search for each of them would read the text a hundred thousand times.
TEST(SpecialTokensTest, ManyTokensAndMegabytesTakeOnePass) {
  std::vector<SpecialToken> tokens;
  for (int32_t id = 0; id < 100'000; ++id) {
    tokens.push_back({fmt::format("<|{}|>", id), id, id % 2 == 0});
  }
  const SpecialTokens t(tokens);
  std::string text;
  TokenPlaces expected;
  Rng rng(2);
  while (text.size() < 4'000'000) {
    const auto id = static_cast<int32_t>(rng.below(200'000));
    if (id < 100'000) {
      expected.emplace_back(text.size(), id);
    }
    text += fmt::format("<|{}|> ", id);
  }
  EXPECT_EQ(places_of(t, text), expected);
  // And where each place has many candidates, of which most do not fit.
  tokens.clear();
  for (size_t n = 2; n <= 32; ++n) {
    tokens.push_back({std::string(n, ' '), static_cast<int32_t>(n), true});
  }
  EXPECT_EQ(places_of(SpecialTokens(tokens), std::string(2'000'003, ' ')).size(), 62'501u);
}

}  // namespace
}  // namespace assay
