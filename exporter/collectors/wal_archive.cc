#include "exporter/collectors/wal_archive.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <utility>

#include "exporter/collectors/configured.h"

namespace fettle::exporter {
namespace {

constexpr Millis kAskTimeout{10'000};
constexpr std::size_t kSegmentBytesMin = 1024 * 1024;
constexpr std::size_t kSegmentBytesMax = 1024 * 1024 * 1024;

bool CanBeSegment(std::uint64_t bytes) {
  return bytes >= kSegmentBytesMin && bytes <= kSegmentBytesMax && std::has_single_bit(bytes);
}

std::optional<double> NumberIn(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size()) return std::nullopt;
  return value;
}

// schema.table or table, of plain names: it stands in statements as it is.
bool IsTableName(const std::string& name) {
  const auto plain = [](std::string_view part) {
    return !part.empty() && part.size() <= 63 && !(part[0] >= '0' && part[0] <= '9') &&
           part.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") ==
               std::string_view::npos;
  };
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos) return plain(name);
  return plain(std::string_view(name).substr(0, dot)) &&
         plain(std::string_view(name).substr(dot + 1));
}

void ReadPlace(yaml::Mapping& mapping, const Connections& connections, WalArchiveConfig& config) {
  const yaml::Node* s3 = mapping.Child("s3");
  const yaml::Node* directory = mapping.Child("directory");
  if ((s3 == nullptr) == (directory == nullptr)) {
    mapping.Complain(mapping.place(), "say where it is: s3 or directory");
  }
  if (directory != nullptr) {
    yaml::Mapping inner(*directory, mapping.what() + ".directory", mapping.complaints());
    config.directory = inner.Require<std::string>("path");
  }
  if (s3 != nullptr) {
    yaml::Mapping inner(*s3, mapping.what() + ".s3", mapping.complaints());
    std::tie(config.objects.connection_name, config.objects.connection) =
        ReadConnection(inner, connections.s3);
    config.objects.bucket = inner.Require<std::string>("bucket");
    config.objects.prefix = inner.Get<std::string>("prefix", "");
  }
}

void ReadHeartbeat(const yaml::Node& node, yaml::Complaints& complaints, WalArchiveConfig& config) {
  yaml::Mapping mapping(node, "exporter.wal_archives.heartbeat", complaints);
  config.heartbeat = mapping.Get<std::string>("table", "heartbeat_of_fettle");
  config.heartbeat_every = mapping.Get<Millis>("every", config.heartbeat_every);
  if (!IsTableName(config.heartbeat)) {
    mapping.Complain(PlaceOf(mapping, "table"),
                     yaml::Shown(config.heartbeat) + " must be a plain table or schema.table");
  }
  if (config.heartbeat_every < Millis(1'000)) {
    mapping.Complain(PlaceOf(mapping, "every"), "every must be at least 1s");
  }
}

WalArchiveConfig ReadOne(yaml::Mapping& mapping, const Connections& connections) {
  WalArchiveConfig config;
  std::tie(config.target, config.server) = ReadConnection(mapping, connections.postgres);
  ReadPlace(mapping, connections, config);
  config.layout = mapping.OneOf<WalLayout>("layout", config.layout,
                                           {{"plain", WalLayout::kPlain},
                                            {"pgbackrest", WalLayout::kPgbackrest},
                                            {"wal_g", WalLayout::kWalg},
                                            {"barman", WalLayout::kBarman}});
  config.stanza = mapping.Get<std::string>("stanza", "");
  if (config.stanza.empty() && config.layout == WalLayout::kPgbackrest) {
    mapping.Complain(mapping.place(), "\"stanza\" is missing");
  }
  for (const std::string& gap : mapping.List<std::string>("acknowledged_gaps")) {
    const auto name = ParseWalName(gap);
    if (!name || name->kind != WalKind::kSegment || gap.size() != 24) {
      mapping.Complain(PlaceOf(mapping, "acknowledged_gaps"),
                       yaml::Shown(gap) + " is no segment's name");
    }
    config.acknowledged.insert(gap);
  }
  config.segment_bytes = mapping.Get<std::size_t>("segment_size", config.segment_bytes);
  if (!CanBeSegment(config.segment_bytes)) {
    mapping.Complain(PlaceOf(mapping, "segment_size"),
                     "segment_size must be a power of two from 1MiB to 1GiB");
    config.segment_bytes = kSegmentBytesMin;
  }
  if (const yaml::Node* heartbeat = mapping.Child("heartbeat")) {
    ReadHeartbeat(*heartbeat, mapping.complaints(), config);
  }
  config.rpo = mapping.Get<Millis>("rpo", config.rpo);
  config.interval = ReadInterval(mapping, config.interval);
  config.timeout = mapping.Get<Millis>("timeout", config.timeout);
  return config;
}

}  // namespace

std::vector<WalArchiveConfig> ReadWalArchives(yaml::Mapping& exporter,
                                              const Connections& connections) {
  std::vector<WalArchiveConfig> all;
  std::set<std::string> seen;
  exporter.ForEach("wal_archives", [&](const yaml::Node& node) {
    yaml::Mapping mapping(node, "exporter.wal_archives", exporter.complaints());
    WalArchiveConfig config = ReadOne(mapping, connections);
    if (!config.target.empty() && !seen.insert(config.target).second) {
      mapping.Complain(PlaceOf(mapping, "connection"),
                       yaml::Shown(config.target) + " has two archives");
    }
    all.push_back(std::move(config));
  });
  return all;
}

WalArchiveCollector::WalArchiveCollector(Deps deps, WalArchiveConfig config)
    : deps_(std::move(deps)), config_(std::move(config)), segment_bytes_(config_.segment_bytes) {}

WalArchiveCollector::Server WalArchiveCollector::AskServer() {
  Server server{.segment_bytes = segment_bytes_};
  Result<std::unique_ptr<SqlSession>> session = deps_.connect(kAskTimeout);
  if (!session) return server;
  session_ = *std::move(session);
  const Result<PostgresRows> rows = session_->Query(
      "select pg_size_bytes(current_setting('wal_segment_size')), last_archived_wal, "
      "archived_count from pg_stat_archiver",
      kAskTimeout);
  if (!rows || rows->rows.size() != 1 || rows->rows[0].size() != 3) {
    session_.reset();
    return server;
  }
  const auto& row = rows->rows[0];
  const auto bytes = static_cast<std::uint64_t>(NumberIn(row[0]).value_or(0));
  if (CanBeSegment(bytes)) segment_bytes_ = bytes;
  server.up = true;
  server.segment_bytes = segment_bytes_;
  server.archived_count = NumberIn(row[2]).value_or(0);
  if (row[1]) server.archived = ParseWalName(*row[1]);
  if (server.archived && server.archived->kind == WalKind::kHistory) server.archived.reset();
  return server;
}

std::optional<double> WalArchiveCollector::Protected(const WalPoint& reachable,
                                                     std::uint64_t segment_bytes) {
  if (config_.heartbeat.empty() || session_ == nullptr) return std::nullopt;
  const std::string end = FormatLsn((reachable.number + 1) * segment_bytes);
  const Result<PostgresRows> rows =
      session_->Query("select extract(epoch from max(at)) from " + config_.heartbeat +
                          " where lsn < '" + end + "'::pg_lsn",
                      kAskTimeout);
  if (!rows || rows->rows.size() != 1 || rows->rows[0].empty()) return std::nullopt;
  return NumberIn(rows->rows[0][0]);
}

Result<std::vector<MetricFamily>> WalArchiveCollector::Collect(const CollectContext&) {
  // The server first: what it has archived by now must be in the list that comes after.
  const Server server = AskServer();
  const Result<WalInventory> inventory =
      ReadWalArchive(*deps_.files, config_.layout, config_.stanza, server.segment_bytes);
  if (!inventory) return tl::unexpected(inventory.error());
  std::vector<MetricFamily> all;
  const auto show = [&](const char* name, const char* help, double value) {
    all.push_back({name, help, MetricType::kGauge, {{"", {{"target", config_.target}}, value}}});
  };
  if (!config_.heartbeat.empty()) {
    show("fettle_rpo_objective_seconds", "How much may be lost.", ToSeconds(config_.rpo));
  }
  show("fettle_wal_archive_segments", "Segments in the archive.",
       static_cast<double>(inventory->Segments()));
  const std::uint32_t timeline = inventory->NewestTimeline();
  std::vector<WalAncestor> ancestors;
  bool known = timeline <= 1;
  if (const auto at = inventory->histories.find(timeline); at != inventory->histories.end()) {
    const Result<std::string> bytes = deps_.files->Read(at->second);
    if (!bytes && bytes.error().retryable()) return tl::unexpected(bytes.error());
    const Result<std::string> text = bytes ? Unpacked(at->second, *bytes) : bytes;
    Result<std::vector<WalAncestor>> history =
        text ? ParseHistory(*text) : Result<std::vector<WalAncestor>>(tl::unexpected(text.error()));
    known = history.has_value();
    if (history) ancestors = *std::move(history);
    if (!known) {
      deps_.log.Warn("a timeline's history cannot be read; what is missing is not known",
                     {{"target", config_.target}, {"file", at->second}});
    }
  }
  show("fettle_wal_archive_timeline_known", "1 if the newest timeline's history is there.",
       known ? 1 : 0);
  if (!known) return all;
  const WalVerdict verdict =
      JudgeWal(*inventory, ancestors, server.segment_bytes, config_.acknowledged);
  show("fettle_wal_archive_base_backups", "Base backups from which a recovery could begin.",
       static_cast<double>(verdict.bases));
  show("fettle_wal_archive_gaps", "Runs of segments that are missing and not acknowledged.",
       static_cast<double>(verdict.Unacknowledged()));
  show("fettle_wal_archive_missing_segments", "Segments of those runs.",
       static_cast<double>(verdict.Missing()));
  if (verdict.newest) {
    show("fettle_wal_archive_newest_segment_timestamp_seconds",
         "When the newest segment was stored.", verdict.newest->stored);
  }
  if (server.archived) {
    const auto said = static_cast<double>(server.archived->Number(server.segment_bytes));
    show("fettle_wal_archive_lag_segments",
         "Segments that the server says are archived, and are not there.",
         verdict.newest ? std::max(0.0, said - static_cast<double>(verdict.newest->number))
                        : std::max(1.0, server.archived_count));
  }
  if (verdict.earliest && verdict.reachable) {
    const std::optional<double> beat = Protected(*verdict.reachable, server.segment_bytes);
    show("fettle_pitr_earliest_timestamp_seconds",
         "The earliest moment that a recovery can end at.", *verdict.earliest);
    show("fettle_pitr_latest_timestamp_seconds", "The latest moment that a recovery can end at.",
         beat.value_or(verdict.reachable->stored));
    if (beat) {
      show("fettle_rpo_last_protected_timestamp_seconds",
           "The newest heartbeat that a recovery would bring back.", *beat);
    }
  }
  session_.reset();
  return all;
}

Status HeartbeatCollector::Prepare() {
  // A table that is there needs no right to make one.
  const auto there =
      session_->Query("select to_regclass('" + table_ + "') is not null", kAskTimeout);
  if (!there) return tl::unexpected(there.error());
  if (there->rows.size() == 1 && there->rows[0][0] == "t") return {};
  const auto made =
      session_->Query("create table " + table_ +
                          " (id int primary key, at timestamptz not null, lsn pg_lsn not null)",
                      kAskTimeout);
  return made ? Status{} : tl::unexpected(made.error());
}

Result<std::vector<MetricFamily>> HeartbeatCollector::Collect(const CollectContext&) {
  Result<std::vector<MetricFamily>> beat = Beat();
  if (!beat) {
    session_.reset();
    return While("writing a heartbeat", beat.error());
  }
  return beat;
}

Result<std::vector<MetricFamily>> HeartbeatCollector::Beat() {
  if (session_ != nullptr && !session_->Query("select 1", kAskTimeout)) session_.reset();
  if (session_ == nullptr) {
    Result<std::unique_ptr<SqlSession>> session = connect_(kAskTimeout);
    if (!session) return tl::unexpected(session.error());
    session_ = *std::move(session);
    prepared_ = false;
  }
  // It may have become a standby, which beats no more.
  const auto standby = session_->Query("select pg_is_in_recovery()", kAskTimeout);
  if (!standby) return tl::unexpected(standby.error());
  if (standby->rows.size() == 1 && standby->rows[0][0] == "t") return std::vector<MetricFamily>{};
  if (!prepared_) {
    if (Status prepared = Prepare(); !prepared) return tl::unexpected(prepared.error());
    prepared_ = true;
  }
  const Result<PostgresRows> written = session_->Query(
      fmt::format("insert into {0} values ((extract(epoch from now())::bigint / {2} % {1})::int, "
                  "now(), pg_current_wal_insert_lsn()) on conflict (id) do update set at = "
                  "excluded.at, lsn = excluded.lsn returning extract(epoch from at)",
                  table_, WalArchiveCollector::kHeartbeatsKept,
                  std::max<std::int64_t>(1, every_.count() / 1'000)),
      kAskTimeout);
  if (!written) return tl::unexpected(written.error());
  std::vector<MetricFamily> all;
  const auto at = written->rows.empty() ? std::nullopt : NumberIn(written->rows[0][0]);
  if (at) {
    all.push_back({"fettle_pg_heartbeat_timestamp_seconds",
                   "The newest heartbeat that was written.",
                   MetricType::kGauge,
                   {{"", {{"target", target_}}, *at}}});
  }
  return all;
}

}  // namespace fettle::exporter
