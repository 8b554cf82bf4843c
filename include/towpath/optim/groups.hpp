#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace towpath {

// Does a name fit a pattern in which '*' stands for any run of characters?
constexpr bool matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// A learning rate belongs to a family of modules: the parameters whose names fit `pattern` take their rate and decay times these
// factors; where several groups fit, the factors multiply.
struct Group {
  std::string pattern;
  double rate = 1, decay = 1;
};
using Groups = std::vector<Group>;

// No decay on biases and norms, as everybody who trains BERT does.
inline Groups usual_groups() { return {{"*bias", 1, 0}, {"*LayerNorm.weight", 1, 0}}; }

}  // namespace towpath
