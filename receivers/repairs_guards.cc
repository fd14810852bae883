// Names, windows and guards of repairs.
#include <algorithm>
#include <charconv>

#include "common/duration.h"
#include "receivers/repairs_parts.h"

namespace fettle::receivers::repairs {

const std::vector<std::pair<std::string, Mode>>& ModeWords() {
  static const std::vector<std::pair<std::string, Mode>> words{{"off", Mode::kOff},
                                                               {"observe", Mode::kObserve},
                                                               {"approve", Mode::kApprove},
                                                               {"auto", Mode::kAuto}};
  return words;
}

namespace {

constexpr std::size_t kNameBytesMax = 64;

// Names are parts of keys, paths of the API and labels of metrics.
bool IsName(std::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

}  // namespace

std::string ReadName(yaml::Mapping& mapping, std::set<std::string>& taken) {
  std::string name = mapping.Require<std::string>("name");
  const yaml::Node* node = mapping.Child("name");
  if (node == nullptr) return name;
  if (!IsName(name)) {
    mapping.Complain(
        node->place,
        "name " + Quote(name) + " must be 1 to 64 of letters, digits, \"_\", \"-\" and \".\"");
  } else if (!taken.insert(name).second) {
    mapping.Complain(node->place, "name " + Quote(name) + " is taken already");
  }
  return name;
}

void CheckName(yaml::Mapping& mapping, const yaml::Place& place, const std::string& what,
               const std::string& name, const References::Names& known) {
  if (!known || std::find(known->begin(), known->end(), name) != known->end()) return;
  mapping.Complain(
      place, fmt::format("no {} is named {}{}", what, Quote(name), yaml::Suggestion(name, *known)));
}

void RefuseLater(yaml::Mapping& mapping, std::span<const std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (const yaml::Node* node = mapping.Child(key)) {
      mapping.Complain(node->place, Quote(key) + " is not supported by this version");
    }
  }
}

void RefuseLater(yaml::Mapping& mapping, std::initializer_list<std::string_view> keys) {
  RefuseLater(mapping, std::span<const std::string_view>(keys.begin(), keys.size()));
}

void CheckExpression(yaml::Mapping& mapping, std::string_view key, const std::string& expr,
                     const References& references) {
  const yaml::Node* node = mapping.Child(key);
  if (node == nullptr || !references.check_expression) return;
  if (const Status status = references.check_expression(expr); !status) {
    mapping.Complain(node->place, fmt::format("{}: {}", key, status.error().message));
  }
}

namespace {

Result<Window> ParseWindow(const std::string& text) {
  const std::size_t slash = text.find('/');
  int attempts = 0;
  const char* const end = text.data() + std::min(slash, text.size());
  const auto [stopped, error] = std::from_chars(text.data(), end, attempts);
  if (slash == std::string::npos || error != std::errc() || stopped != end) {
    return Fail(Cause::kInvalid, "{} must look like 3/1h", Quote(text));
  }
  const Result<Millis> span = ParseDuration(text.substr(slash + 1));
  if (!span) return While(Quote(text), span.error());
  if (attempts < 1 || attempts > kAttemptsMax) {
    return Fail(Cause::kInvalid, "{} must allow 1 to {} attempts", Quote(text), kAttemptsMax);
  }
  if (*span <= Millis(0) || *span > kWindowSpanMax) {
    return Fail(Cause::kInvalid, "{} must span more than 0s and at most {}", Quote(text),
                FormatDuration(kWindowSpanMax));
  }
  return Window{attempts, *span};
}

void ReadWindows(yaml::Mapping& mapping, std::vector<Window>& windows) {
  if (!mapping.Has("attempts")) return;
  windows.clear();
  mapping.ForEach("attempts", [&](const yaml::Node& item) {
    if (item.kind != yaml::Node::Kind::kScalar) {
      mapping.Complain(item.place, "attempts must be a list like [3/1h, 7/24h]");
      return;
    }
    const Result<Window> window = ParseWindow(item.text);
    if (window) {
      windows.push_back(*window);
    } else {
      mapping.Complain(item.place, "attempts " + window.error().message);
    }
  });
}

void ReadIntervals(yaml::Mapping& mapping, const References& references,
                   std::vector<std::string>& names) {
  mapping.ForEach("mute_time_intervals", [&](const yaml::Node& item) {
    if (item.kind != yaml::Node::Kind::kScalar) {
      mapping.Complain(item.place, "mute_time_intervals must be a list of names");
      return;
    }
    CheckName(mapping, item.place, "time interval", item.text, references.time_intervals);
    names.push_back(item.text);
  });
}

void ReadStorm(yaml::Mapping& guards, GlobalGuards& spec) {
  const yaml::Node* node = guards.Child("storm");
  if (node == nullptr) return;
  yaml::Mapping mapping(*node, guards.what() + ".storm", guards.complaints());
  StormSpec storm;
  storm.share = mapping.Get<double>("share", storm.share);
  storm.window = mapping.Get<Millis>("window", storm.window);
  storm.cooldown = mapping.Get<Millis>("cooldown", storm.cooldown);
  if (!(storm.share > 0 && storm.share <= 1)) {
    mapping.Complain(mapping.Child("share")->place, "share must be more than 0 and at most 1");
  }
  spec.storm = storm;
}

void ReadFlapping(yaml::Mapping& mapping, RepairGuards& guards) {
  const yaml::Node* node = mapping.Child("flapping");
  if (node == nullptr) return;
  if (node->text == "off") {
    guards.flapping.reset();
    return;
  }
  const Result<Window> window = ParseWindow(node->text);
  if (window) {
    guards.flapping = *window;
  } else {
    mapping.Complain(node->place, "flapping " + window.error().message + ", or off");
  }
}

void ReadActiveBackups(yaml::Mapping& mapping, const References& references, RepairGuards& guards) {
  const yaml::Node* node = mapping.Child("active_backups");
  if (node == nullptr) return;
  if (node->kind == yaml::Node::Kind::kScalar && (node->text == "hold" || node->text == "ignore")) {
    guards.any_backup_holds = node->text == "hold";
    return;
  }
  if (node->kind != yaml::Node::Kind::kSequence) {
    mapping.Complain(node->place, "active_backups must be hold, ignore or a list of backups");
    return;
  }
  for (const yaml::Node& item : node->items) {
    CheckName(mapping, item.place, "backup", item.text, references.backups);
    guards.backups_that_hold.push_back(item.text);
  }
}

}  // namespace

GlobalGuards ReadGlobalGuards(yaml::Mapping& receivers, const References& references) {
  GlobalGuards guards;
  const yaml::Node* node = receivers.Child("guards");
  if (node == nullptr) return guards;
  yaml::Mapping mapping(*node, "receivers.guards", receivers.complaints());
  guards.mode = mapping.OneOf("mode", guards.mode, ModeWords());
  guards.kill_switch_file = mapping.Get<std::string>("kill_switch_file", "");
  ReadWindows(mapping, guards.attempts);
  guards.concurrent = mapping.Get<int>("concurrent", guards.concurrent);
  if (guards.concurrent < 1) {
    mapping.Complain(mapping.Child("concurrent")->place,
                     fmt::format("concurrent must be at least 1, not {}", guards.concurrent));
  }
  ReadIntervals(mapping, references, guards.mute_time_intervals);
  guards.control = mapping.Get<std::string>("control", "");
  CheckExpression(mapping, "control", guards.control, references);
  ReadStorm(mapping, guards);
  guards.after_deploy = mapping.Get<Millis>("after_deploy", guards.after_deploy);
  RefuseLater(mapping, {"rate"});
  return guards;
}

void ReadRepairGuards(yaml::Mapping& repair, const References& references, RepairGuards& guards) {
  const yaml::Node* node = repair.Child("guards");
  if (node == nullptr) return;
  yaml::Mapping mapping(*node, repair.what() + ".guards", repair.complaints());
  guards.cooldown = mapping.Get<Millis>("cooldown", guards.cooldown);
  ReadWindows(mapping, guards.attempts);
  guards.min_healthy = mapping.Get<int>("min_healthy", guards.min_healthy);
  if (guards.min_healthy < 0) {
    mapping.Complain(mapping.Child("min_healthy")->place,
                     fmt::format("min_healthy must be at least 0, not {}", guards.min_healthy));
  }
  ReadIntervals(mapping, references, guards.mute_time_intervals);
  guards.quorum = mapping.Get<int>("quorum", guards.quorum);
  if (guards.quorum < 1) {
    mapping.Complain(mapping.Child("quorum")->place,
                     fmt::format("quorum must be at least 1, not {}", guards.quorum));
  }
  ReadFlapping(mapping, guards);
  ReadActiveBackups(mapping, references, guards);
  guards.after_deploy = mapping.Get<Millis>("after_deploy", guards.after_deploy);
  RefuseLater(mapping, {"gate"});
}

}  // namespace fettle::receivers::repairs
