// Lines of a run and of judgements, as tests write them down.
#pragma once

#include "towpath/base/config.hpp"

#include <string>

using towpath::Index;

struct Result {
  std::string query, document;
  double score;
};
struct Judgement {
  std::string query, document;
  Index grade;
};
