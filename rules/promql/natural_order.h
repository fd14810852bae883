// The order people expect of names with numbers in them: node2 before node10. Pure.
#pragma once

#include <string_view>

namespace fettle::promql {

// Runs of digits compare as numbers, the rest byte by byte; as github.com/facette/natsort.
bool NaturallyBefore(std::string_view a, std::string_view b);

}  // namespace fettle::promql
