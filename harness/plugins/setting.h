// What stands behind a plug-in's colon where its library does one thing in a process: "SETTING[:LIBRARY]".
#pragma once
#include <string>

namespace adapters {

struct Setting {
  std::string setting;  // or "": what the library chooses
  std::string library;  // its path, or "": the system's
};

inline Setting parse_setting(const std::string& argument) {
  const size_t colon = argument.find(':');
  return {argument.substr(0, colon), colon == std::string::npos ? "" : argument.substr(colon + 1)};
}

}  // namespace adapters
