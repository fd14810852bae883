// What a place holds: its sets, by their manifests and by what is really there. Complete or an
// error: nobody decides by half a list. Blocks; a hand's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/result.h"
#include "receivers/backups/destination.h"
#include "receivers/backups/manifest.h"

namespace fettle::receivers::backups {

struct StoredSet {
  Manifest manifest;
  std::vector<std::string> missing;  // objects that are gone, or have another size
  bool held = false;
  // As far as a list can tell.
  bool Whole() const { return missing.empty(); }
};

// Objects under a run's name without a readable manifest.
struct Orphans {
  std::int64_t objects = 0;
  std::int64_t bytes = 0;
};

struct Catalogue {
  static constexpr std::size_t kSetsMax = 100'000;

  std::string place;
  std::vector<StoredSet> sets;                    // oldest run first
  std::map<std::string, Orphans> orphans;         // by run
  std::map<std::string, std::string> unreadable;  // manifests that are none, by run: why

  const StoredSet* Find(const std::string& run_id) const;
  const StoredSet* Newest() const { return sets.empty() ? nullptr : &sets.back(); }
};

// Manifests that `known` holds are not read again: they never change. A place that is not there is
// empty if nothing was known of it, and an error otherwise.
Result<Catalogue> ReadCatalogue(Destination& destination, const Catalogue& known = {});

// The manifest of one set; kNotFound, kInvalid.
Result<Manifest> FetchManifest(Destination& destination, const std::string& run_id);

}  // namespace fettle::receivers::backups
