#include "fettle_backups.h"

#include "common/s3.h"

namespace fettle {

std::unique_ptr<receivers::backups::Destination> OpenPlace(const PlaceDeps& deps,
                                                           const receivers::backups::Target& target,
                                                           const std::stop_token& stop) {
  namespace backups = receivers::backups;
  if (const auto* directory = std::get_if<backups::DirectoryTarget>(&target)) {
    return backups::MakeDirectoryDestination(*directory);
  }
  const auto& s3 = std::get<backups::S3Target>(target);
  const auto client = [&](const std::string& name, const S3Connection& connection) {
    return std::make_unique<S3>(S3::Deps{.transport = deps.transport,
                                         .clock = deps.clock,
                                         .random = deps.random,
                                         .metrics = deps.metrics,
                                         .log = Log(deps.log, "s3"),
                                         .stop = stop},
                                name, connection);
  };
  return backups::MakeS3Destination(
      s3, client(s3.connection, s3.server),
      s3.prune_connection.empty() ? nullptr : client(s3.prune_connection, s3.pruner));
}

}  // namespace fettle
