#include "receivers/backups/catalogue.h"

#include <algorithm>
#include <set>
#include <utility>

namespace fettle::receivers::backups {
namespace {

using Files = std::map<std::string, std::int64_t>;  // of one set: name and size

// By run, in order; what does not look like a set is not ours.
std::map<std::string, Files> ByRun(const std::map<std::string, std::int64_t>& keys) {
  constexpr std::string_view kTop = "sets/";
  std::map<std::string, Files> runs;
  for (const auto& [key, size] : keys) {
    if (!key.starts_with(kTop)) continue;
    const std::size_t slash = key.find('/', kTop.size());
    if (slash == std::string::npos || key.find('/', slash + 1) != std::string::npos) continue;
    const std::string run = key.substr(kTop.size(), slash - kTop.size());
    if (IsRunId(run)) runs[run][key.substr(slash + 1)] = size;
  }
  return runs;
}

Orphans CountOf(const Files& files) {
  Orphans orphans;
  for (const auto& [name, size] : files) {
    ++orphans.objects;
    orphans.bytes += size;
  }
  return orphans;
}

StoredSet Compare(Manifest manifest, Files& files) {
  StoredSet set{.manifest = std::move(manifest), .held = files.contains(std::string(kHoldName))};
  for (const StoredObject& object : set.manifest.objects) {
    const auto at = files.find(object.name);
    if (at == files.end() || at->second != object.size_bytes) set.missing.push_back(object.name);
    files.erase(object.name);
  }
  return set;
}

}  // namespace

const StoredSet* Catalogue::Find(const std::string& run_id) const {
  const auto at = std::find_if(sets.begin(), sets.end(),
                               [&](const StoredSet& set) { return set.manifest.run_id == run_id; });
  return at == sets.end() ? nullptr : &*at;
}

Result<Manifest> FetchManifest(Destination& destination, const std::string& run_id) {
  std::string text;
  bool too_long = false;
  const Status read =
      destination.Read(SetPrefix(run_id) + std::string(kManifestName), [&](std::string_view piece) {
        text += piece;
        too_long = text.size() > Manifest::kBytesMax;
        return !too_long;
      });
  if (too_long) return Fail(Cause::kInvalid, "the manifest of {} is too long", run_id);
  if (!read) return While("reading the manifest of " + run_id, read.error());
  Result<Manifest> manifest = ReadManifest(text);
  if (!manifest) return While("reading the manifest of " + run_id, manifest.error());
  if (manifest->run_id != run_id) {
    return Fail(Cause::kInvalid, "the manifest of {} is that of {}", run_id, manifest->run_id);
  }
  return manifest;
}

Result<Catalogue> ReadCatalogue(Destination& destination, const Catalogue& known) {
  Catalogue catalogue{.place = destination.Place()};
  const auto keys = destination.Inventory("sets/");
  // A place that is made by its first run is empty until then, and gone if it is missed later.
  const bool new_place = known.sets.empty() && known.orphans.empty();
  if (!keys && keys.error().cause == Cause::kNotFound && new_place) return catalogue;
  if (!keys) return While("listing " + destination.Place(), keys.error());
  std::map<std::string, Files> runs = ByRun(*keys);
  if (runs.size() > Catalogue::kSetsMax) {
    return Fail(Cause::kLimit, "{} holds more than {} sets", destination.Place(),
                Catalogue::kSetsMax);
  }
  for (auto& [run, files] : runs) {
    if (files.erase(std::string(kManifestName)) == 0) {
      catalogue.orphans[run] = CountOf(files);
      continue;
    }
    const StoredSet* before = known.Find(run);
    Result<Manifest> manifest =
        before != nullptr ? Result<Manifest>(before->manifest) : FetchManifest(destination, run);
    if (manifest) {
      catalogue.sets.push_back(Compare(*std::move(manifest), files));
      continue;
    }
    // Gone since it was listed is gone; that it is none is a finding; all else is half a list.
    const Cause cause = manifest.error().cause;
    if (cause == Cause::kNotFound) continue;
    if (cause != Cause::kInvalid) return tl::unexpected(manifest.error());
    catalogue.unreadable[run] = manifest.error().message;
    catalogue.orphans[run] = CountOf(files);
  }
  std::sort(catalogue.sets.begin(), catalogue.sets.end(),
            [](const StoredSet& a, const StoredSet& b) {
              return std::pair(a.manifest.started, a.manifest.run_id) <
                     std::pair(b.manifest.started, b.manifest.run_id);
            });
  return catalogue;
}

}  // namespace fettle::receivers::backups
