#pragma once

#include "plan.hpp"

namespace study {

// Writes report.md, report.html, results.json, plots/*.svg and arrays/*.npy of all runs of the plan that are there.
void write_report(const Plan&);

}  // namespace study
