#include "common/replicas.h"

#include <cerrno>
#include <fstream>
#include <system_error>

#include "common/directory.h"

namespace fettle {

Result<std::string> ReplicaId(const std::string& directory, Random& random) {
  const std::string path = directory + "/replica";
  std::string id;
  if (std::ifstream in(path); in >> id && !id.empty()) {
    // In ids of records it is followed by a dot.
    if (id.size() <= 64 && id.find_first_not_of("0123456789abcdef-") == std::string::npos)
      return id;
    return Fail(Cause::kInvalid, "{} does not hold the name of a replica", path);
  }
  id = random.Uuid();
  errno = 0;
  std::ofstream out(path);
  out << id << "\n";
  out.close();
  if (!out) return Fail("write {}: {}", path, std::generic_category().message(errno));
  if (Status synced = SyncDirectory(directory); !synced) {
    return tl::unexpected<Error>(synced.error());
  }
  return id;
}

}  // namespace fettle
