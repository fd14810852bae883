// The fuzz targets as a table, for the test that replays their corpora; the build writes the table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fettle {

struct FuzzSubject {
  const char* name;  // tests/fuzz/<name>_fuzz.cc, tests/fuzz/corpus/<name>/
  int (*feed)(const std::uint8_t* data, std::size_t size);
};

const std::vector<FuzzSubject>& FuzzSubjects();

}  // namespace fettle
