#include "runner/stop_strings.h"

#include <gtest/gtest.h>

#include <optional>

#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

using Texts = std::vector<std::string>;

/// What is shown after each piece, up to the stop, and at the end.
Texts shown(StopStrings stops, const Texts& pieces) {
  Texts all;
  for (const auto& piece : pieces) {
    all.push_back(stops.add(piece));
    if (stops.stopped()) {
      break;
    }
  }
  all.push_back(stops.finish());
  return all;
}

TEST(StopStrings, WithoutAnyTheyShowWholeCharacters) {
  EXPECT_EQ(shown(StopStrings({}), {"a\xec", "\x95", "\x88!", "\xed"}), (Texts{"a", "", "안!", "", "\ufffd"}));
}

TEST(StopStrings, TheAnswerEndsBeforeOne) {
  StopStrings stops({"END"});
  EXPECT_EQ(stops.add("one EN"), "one ");
  EXPECT_EQ(stops.add("Two E"), "ENTwo ");
  EXPECT_FALSE(stops.stopped());
  EXPECT_EQ(stops.add("N"), "");
  EXPECT_EQ(stops.add("D of it"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.add("more"), "");
  EXPECT_EQ(stops.finish(), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, WhatOnlyBeganOneIsShownAtTheEnd) {
  EXPECT_EQ(shown(StopStrings({"END"}), {"the EN"}), (Texts{"the ", "EN"}));
  EXPECT_EQ(shown(StopStrings({"\n\n"}), {"a\n", "b\n"}), (Texts{"a", "\nb", "\n"}));
  StopStrings stops({"END"});
  stops.add("EN");
  EXPECT_EQ(stops.finish(), "EN");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, TheFirstToEndCounts) {
  EXPECT_EQ(shown(StopStrings({"bcd", "c"}), {"abcd"}), (Texts{"ab", ""})) << "what another one began is shown";
  EXPECT_EQ(shown(StopStrings({"c", "bc"}), {"abc"}), (Texts{"a", ""})) << "of two that end together the longer";
  EXPECT_EQ(shown(StopStrings({"abc", "bx"}), {"ab", "x"}), (Texts{"", "a", ""}));
  EXPECT_EQ(shown(StopStrings({"aab"}), {"a", "a", "a", "b"}), (Texts{"", "", "a", "", ""}));
  EXPECT_EQ(shown(StopStrings({"abababc"}), {"abababab", "abc"}), (Texts{"ab", "ab", ""}));
}

TEST(StopStrings, KoreanAcrossPieces) {
  // 안 is ec 95 88, 녕 eb 85 95, 히 ed 9e 88.
  EXPECT_EQ(shown(StopStrings({"녕"}), {"안", "\xeb", "\x85", "\x95히"}), (Texts{"안", "", "", "", ""}));
  EXPECT_EQ(shown(StopStrings({"녕히"}), {"안녕", "\xed\x9e", "\x88 "}), (Texts{"안", "", "", ""}));
  // 녔 is eb 85 94: two bytes of it are the beginning of the stop string.
  EXPECT_EQ(shown(StopStrings({"녕"}), {"안\xeb\x85", "\x94"}), (Texts{"안", "녔", ""}));
  EXPECT_EQ(shown(StopStrings({"녕히"}), {"녕\xed", "\x95", "\x98"}), (Texts{"", "녕", "하", ""}));
  EXPECT_EQ(shown(StopStrings({"사용자:"}), {"답입니다.\n사용", "자", ": 다음"}), (Texts{"답입니다.\n", "", "", ""}));
  EXPECT_EQ(shown(StopStrings({"🙂"}), {"\xf0\x9f\x99\x83\xf0\x9f", "\x99\x82"}), (Texts{"🙃", "", ""}));
}

TEST(StopStrings, BadOnesAreErrors) {
  EXPECT_NE(input_error([] { StopStrings({"a", ""}); }).find("empty"), std::string::npos);
  for (const char* bad : {"\x95", "a\xec\x95", "\xff", "\xed\xa0\x80"}) {
    expect_clear(input_error([&] { StopStrings({"a", bad}); }), "no UTF-8");
  }
}

/// Where the first stop string begins that a text of `n` bytes has whole, if there is one: by trying all.
std::optional<size_t> stop_of(std::string_view text, const Texts& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    size_t longest = 0;
    for (const auto& stop : stops) {
      longest = text.substr(0, end).ends_with(stop) ? std::max(longest, stop.size()) : longest;
    }
    if (longest > 0) {
      return end - longest;
    }
  }
  return std::nullopt;
}

/// How many bytes of a text without a stop can be shown: not the longest end that begins a stop string, nor half a character.
size_t safe_length(std::string_view text, const Texts& stops) {
  size_t safe = text.size();
  for (const auto& stop : stops) {
    for (size_t n = 1; n < stop.size(); ++n) {
      safe = text.ends_with(std::string_view(stop).substr(0, n)) ? std::min(safe, text.size() - n) : safe;
    }
  }
  size_t whole = 0;
  while (whole < safe && first_character(text.substr(whole, safe - whole)).length > 0) {
    whole += first_character(text.substr(whole, safe - whole)).length;
  }
  return whole;
}

TEST(StopStrings, RandomTextsAsByTryingAll) {
  const Texts alphabet = {"a", "b", "안", "앉", "앙", "é"};  // 안, 앉 and 앙 differ in the last byte
  Rng rng(21);
  const auto random_text = [&](size_t characters) {
    std::string text;
    for (; characters > 0; --characters) {
      text += alphabet[rng.below(alphabet.size())];
    }
    return text;
  };
  int stopped = 0;
  for (int i = 0; i < 3000; ++i) {
    Texts stops(1 + rng.below(3));
    for (auto& stop : stops) {
      stop = random_text(1 + rng.below(4));
    }
    const std::string text = random_text(rng.below(20));
    StopStrings tried(stops);
    std::string all;
    size_t read = 0;
    while (read < text.size() && !tried.stopped()) {
      const size_t n = std::min<size_t>(rng.below(6), text.size() - read);
      all += tried.add(std::string_view(text).substr(read, n));
      read += n;
      const auto so_far = std::string_view(text).substr(0, read);
      const auto stop = stop_of(so_far, stops);
      EXPECT_EQ(tried.stopped(), stop.has_value()) << i;
      EXPECT_EQ(all, so_far.substr(0, stop.value_or(safe_length(so_far, stops)))) << i << " " << text;
    }
    all += tried.finish();
    EXPECT_EQ(all, text.substr(0, stop_of(text, stops).value_or(text.size()))) << i;
    stopped += tried.stopped() ? 1 : 0;
  }
  EXPECT_GT(stopped, 500);
  EXPECT_LT(stopped, 2500);
}

// It would take hours if each piece looked at all that waits.
TEST(StopStrings, LongOnesTakeLinearTime) {
  const size_t n = 1 << 20;
  StopStrings stops({std::string(n, 'a') + "b", "aac"});
  size_t shown_bytes = 0;
  for (size_t i = 0; i < 2 * n; ++i) {
    shown_bytes += stops.add("a").size();
  }
  EXPECT_EQ(shown_bytes, n);
  EXPECT_EQ(stops.add("b"), "");
  EXPECT_TRUE(stops.stopped());
}

}  // namespace
}  // namespace assay
