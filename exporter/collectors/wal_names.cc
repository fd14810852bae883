#include "exporter/collectors/wal_names.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/duration.h"
#include "common/json.h"

namespace fettle::exporter {
namespace {

constexpr std::array<std::string_view, 7> kCompressed = {".gz",  ".zst", ".lz4", ".br",
                                                         ".bz2", ".lzo", ".xz"};
constexpr std::uint32_t kSegmentsOfLogMax = 4'096;  // where they are smallest, of 1 MiB
constexpr std::size_t kLinesMax = 100'000;

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789ABCDEF") == std::string_view::npos;
}

std::uint32_t Hex32(std::string_view text) {
  std::uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, 16);
  return value;
}

std::optional<WalName> Segment(std::string_view text) {
  if (text.size() < 24 || !IsHex(text.substr(0, 24))) return std::nullopt;
  WalName name{.timeline = Hex32(text.substr(0, 8)),
               .log = Hex32(text.substr(8, 8)),
               .segment = Hex32(text.substr(16, 8))};
  if (name.timeline == 0 || name.segment >= kSegmentsOfLogMax) return std::nullopt;
  return name;
}

// pgBackRest appends the SHA-1 of the content.
std::string_view WithoutSha1(std::string_view file) {
  constexpr std::size_t kSha1 = 40;
  if (file.size() <= kSha1 || file[file.size() - kSha1 - 1] != '-') return file;
  const std::string_view digits = file.substr(file.size() - kSha1);
  const bool is_hex = digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return is_hex ? file.substr(0, file.size() - kSha1 - 1) : file;
}

std::string_view WithoutCompression(std::string_view file) {
  for (const std::string_view ending : kCompressed) {
    if (file.ends_with(ending)) return file.substr(0, file.size() - ending.size());
  }
  return file;
}

// "key=value" and "key = value" lines.
template <typename Visit>
void EachLine(std::string_view text, const Visit& visit) {
  for (std::size_t lines = 0; !text.empty() && lines < kLinesMax; ++lines) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    visit(line);
  }
}

}  // namespace

std::uint64_t WalName::Number(std::uint64_t segment_bytes) const {
  return log * (0x1'0000'0000ULL / segment_bytes) + segment;
}

std::optional<WalName> ParseWalName(std::string_view file) {
  const std::string_view bare = WithoutSha1(WithoutCompression(file));
  if (bare.ends_with(".history")) {
    const std::string_view digits = bare.substr(0, bare.size() - 8);
    if (digits.size() != 8 || !IsHex(digits) || Hex32(digits) == 0) return std::nullopt;
    return WalName{.kind = WalKind::kHistory, .timeline = Hex32(digits)};
  }
  std::optional<WalName> name = Segment(bare);
  if (!name) return std::nullopt;
  const std::string_view rest = bare.substr(24);
  if (rest.empty()) return name;
  if (rest == ".partial") {
    name->kind = WalKind::kPartial;
    return name;
  }
  const bool backup = rest.size() == 16 && rest[0] == '.' && IsHex(rest.substr(1, 8)) &&
                      rest.substr(9) == ".backup";
  if (!backup) return std::nullopt;
  name->kind = WalKind::kBackup;
  return name;
}

std::string WalFileName(std::uint32_t timeline, std::uint64_t number, std::uint64_t segment_bytes) {
  const std::uint64_t per_log = 0x1'0000'0000ULL / segment_bytes;
  return fmt::format("{:08X}{:08X}{:08X}", timeline, number / per_log, number % per_log);
}

std::optional<std::uint64_t> ParseLsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  std::array<std::uint32_t, 2> halves{};
  const std::array<std::string_view, 2> texts = {text.substr(0, slash), text.substr(slash + 1)};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto [end, error] =
        std::from_chars(texts[i].data(), texts[i].data() + texts[i].size(), halves[i], 16);
    if (error != std::errc{} || end != texts[i].data() + texts[i].size()) return std::nullopt;
  }
  return (std::uint64_t{halves[0]} << 32U) | halves[1];
}

std::string FormatLsn(std::uint64_t lsn) {
  return fmt::format("{:X}/{:X}", lsn >> 32U, lsn & 0xffff'ffffU);
}

std::optional<WalName> ParseWalgSentinel(std::string_view file) {
  if (!file.starts_with("base_") || !file.ends_with("_backup_stop_sentinel.json")) {
    return std::nullopt;
  }
  std::optional<WalName> name = Segment(file.substr(5));
  if (name) name->kind = WalKind::kBackup;
  return name;
}

Result<std::vector<WalAncestor>> ParseHistory(std::string_view text) {
  if (text.size() > kHistoryBytesMax) return Fail(Cause::kLimit, "the history is too long");
  std::vector<WalAncestor> all;
  bool good = true;
  EachLine(text, [&](std::string_view line) {
    if (line.empty() || line.starts_with('#')) return;
    WalAncestor ancestor;
    const auto [end, error] =
        std::from_chars(line.data(), line.data() + line.size(), ancestor.timeline);
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    const std::size_t begin = line.find_first_not_of(" \t");
    if (error != std::errc{} || begin == 0 || begin == std::string_view::npos) {
      good = false;
      return;
    }
    line.remove_prefix(begin);
    const auto lsn = ParseLsn(line.substr(0, line.find_first_of(" \t")));
    good =
        good && lsn && ancestor.timeline > 0 &&
        (all.empty() || (all.back().timeline < ancestor.timeline && all.back().switch_lsn <= *lsn));
    ancestor.switch_lsn = lsn.value_or(0);
    all.push_back(ancestor);
  });
  if (!good) return Fail(Cause::kInvalid, "it is no history of timelines");
  return all;
}

Result<std::optional<WalBase>> ParseBarmanInfo(std::string_view text) {
  std::string status;
  std::string begins;
  std::string ended;
  EachLine(text, [&](std::string_view line) {
    const auto take = [&](std::string_view key, std::string& into) {
      if (line.starts_with(key)) into = line.substr(key.size());
    };
    take("status=", status);
    take("begin_wal=", begins);
    take("end_time=", ended);
  });
  if (status.empty()) return Fail(Cause::kInvalid, "it is no backup.info of barman");
  if (status != "DONE") return std::optional<WalBase>();
  const std::optional<WalName> name = ParseWalName(begins);
  // Python's isoformat with a blank: 2026-01-02 03:04:05.123456+00:00
  if (const std::size_t blank = ended.find(' '); blank != std::string::npos) ended[blank] = 'T';
  const Result<Time> at = ParseRfc3339(ended);
  if (!name || !at) return Fail(Cause::kInvalid, "it lacks begin_wal or end_time");
  return std::optional(WalBase{*name, ToSeconds(*at)});
}

Result<std::vector<WalBase>> ParsePgbackrestInfo(std::string_view text) {
  std::vector<WalBase> all;
  bool inside = false;
  bool seen = false;
  bool good = true;
  EachLine(text, [&](std::string_view line) {
    if (line.starts_with('[')) {
      inside = line == "[backup:current]";
      seen = seen || line == "[backrest]";
      return;
    }
    const std::size_t equal = line.find('=');
    if (!inside || equal == std::string_view::npos) return;
    const Result<Json> json = Json::Parse(line.substr(equal + 1));
    if (!json) {
      good = false;
      return;
    }
    if ((*json)["backup-error"].BoolOr(false)) return;
    const auto begins = ParseWalName((*json)["backup-archive-start"].StringOr(""));
    const auto ended = (*json)["backup-timestamp-stop"].Number();
    // A backup made with archive-check off names no WAL: it cannot begin a recovery to a moment.
    if (begins && ended) all.push_back({*begins, *ended});
  });
  if (!seen || !good) return Fail(Cause::kInvalid, "it is no backup.info of pgBackRest");
  return all;
}

}  // namespace fettle::exporter
