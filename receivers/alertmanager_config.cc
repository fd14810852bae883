#include "receivers/alertmanager_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "receivers/alertmanager_show.h"

namespace fettle::receivers {
namespace {

using yaml::Mapping;
using yaml::Node;

bool IsList(const Node* node) { return node != nullptr && node->kind == Node::Kind::kSequence; }

// match / match_re: {name: value} with classic label names.
void AddMap(Mapping& m, std::string_view key, Matcher::Type type, Matchers& matchers) {
  m.ForEachEntry(key, [&](const Node& name, const Node& value) {
    if (!IsLabelName(name.text)) {
      m.Complain(name.place, fmt::format("invalid label name {}", Quote(name.text)));
      return;
    }
    if (value.kind != Node::Kind::kScalar && value.kind != Node::Kind::kNull) {
      m.Complain(value.place, fmt::format("{}.{} must be a word", key, name.text));
      return;
    }
    // Anchored once more, because Alertmanager's route keys show match_re so.
    const bool regexp = type == Matcher::Type::kRegexp;
    const std::string pattern = regexp ? "^(?:" + value.text + ")$" : value.text;
    Result<Matcher> matcher = Matcher::Make(type, name.text, pattern);
    if (matcher) {
      matchers.push_back(*std::move(matcher));
    } else {
      m.Complain(value.place, matcher.error().message);
    }
  });
}

void AddList(Mapping& m, std::string_view key, MatcherSyntax syntax, Matchers& matchers) {
  m.ForEach(key, [&](const Node& item) {
    const Result<std::string> text = yaml::Decode<std::string>(item);
    if (!text) {
      m.Complain(item.place, fmt::format("{} {}", key, text.error().message));
      return;
    }
    Result<Matchers> parsed = ParseMatchers(*text, syntax);
    if (parsed) {
      matchers.insert(matchers.end(), parsed->begin(), parsed->end());
    } else {
      m.Complain(item.place, parsed.error().message);
    }
  });
}

Matchers ReadMatchers(Mapping& m, const std::string& prefix, MatcherSyntax syntax) {
  Matchers matchers;
  AddMap(m, prefix + "match", Matcher::Type::kEqual, matchers);
  AddMap(m, prefix + "match_re", Matcher::Type::kRegexp, matchers);
  AddList(m, prefix + "matchers", syntax, matchers);
  SortMatchers(matchers);
  return matchers;
}

void ReadGroupBy(Mapping& m, RouteConfig& route) {
  const Node* node = m.Child("group_by");
  std::vector<std::string> labels;
  for (const std::string& label : m.List<std::string>("group_by")) {
    if (label == "...") {
      route.group_by_all = true;
    } else if (label.empty() || !IsUtf8(label)) {
      m.Complain(node->place, fmt::format("invalid label name {} in group_by list", Quote(label)));
    } else if (std::find(labels.begin(), labels.end(), label) != labels.end()) {
      m.Complain(node->place, fmt::format("duplicated label {} in group_by", Quote(label)));
    } else {
      labels.push_back(label);
    }
  }
  if (!labels.empty() && route.group_by_all) {
    m.Complain(node->place,
               "cannot have wildcard group_by (`...`) and other labels at the same time");
  }
  if (IsList(node) && !route.group_by_all) route.group_by = std::move(labels);
}

std::optional<Millis> ReadInterval(Mapping& m, const std::string& key) {
  std::optional<Millis> interval = m.Find<Millis>(key);
  if (interval && *interval == Millis(0)) {
    m.Complain(m.Child(key)->place, key + " cannot be zero");
  }
  return interval;
}

RouteConfig ReadRoute(const Node& node, const std::string& what, MatcherSyntax syntax,
                      yaml::Complaints& complaints) {
  RouteConfig route;
  route.place = node.place;
  Mapping m(node, what, complaints);
  route.receiver = m.Get<std::string>("receiver", "");
  ReadGroupBy(m, route);
  route.matchers = ReadMatchers(m, "", syntax);
  route.mute_time_intervals = m.List<std::string>("mute_time_intervals");
  route.active_time_intervals = m.List<std::string>("active_time_intervals");
  route.continues = m.Get("continue", false);
  route.group_wait = m.Find<Millis>("group_wait");
  route.group_interval = ReadInterval(m, "group_interval");
  route.repeat_interval = ReadInterval(m, "repeat_interval");
  m.ForEach("routes", [&](const Node& child) {
    const std::string name = fmt::format("{}.routes[{}]", what, route.routes.size());
    route.routes.push_back(ReadRoute(child, name, syntax, complaints));
  });
  return route;
}

void CheckRoot(Mapping& top, const RouteConfig& root) {
  const auto complain = [&](std::string_view text) { top.Complain(root.place, std::string(text)); };
  if (root.receiver.empty()) complain("root route must specify a default receiver");
  if (!root.matchers.empty()) complain("root route must not have any matchers");
  if (!root.mute_time_intervals.empty()) {
    complain("root route must not have any mute time intervals");
  }
  if (!root.active_time_intervals.empty()) {
    complain("root route must not have any active time intervals");
  }
  if (root.continues) complain("cannot have continue in root route");
}

void CheckNames(Mapping& top, const RouteConfig& route, const AlertmanagerConfig& config) {
  if (!route.receiver.empty() && config.FindReceiver(route.receiver) == nullptr) {
    std::vector<std::string> known;
    for (const ReceiverConfig& receiver : config.receivers) known.push_back(receiver.name);
    top.Complain(route.place,
                 fmt::format("undefined receiver {} used in route{}", Quote(route.receiver),
                             yaml::Suggestion(route.receiver, known)));
  }
  for (const auto* names : {&route.active_time_intervals, &route.mute_time_intervals}) {
    for (const std::string& name : *names) {
      if (config.time_intervals.contains(name)) continue;
      top.Complain(route.place,
                   fmt::format("undefined time interval {} used in route", Quote(name)));
    }
  }
  for (const RouteConfig& child : route.routes) CheckNames(top, child, config);
}

InhibitRule ReadInhibitRule(const Node& node, const std::string& what, MatcherSyntax syntax,
                            yaml::Complaints& complaints) {
  InhibitRule rule;
  Mapping m(node, what, complaints);
  rule.name = m.Get<std::string>("name", "");
  rule.source = ReadMatchers(m, "source_", syntax);
  rule.target = ReadMatchers(m, "target_", syntax);
  m.ForEach("equal", [&](const Node& item) {
    if (item.kind != Node::Kind::kScalar || item.text.empty() || !IsUtf8(item.text)) {
      m.Complain(item.place, fmt::format("invalid label name {} in equal list", Quote(item.text)));
    } else {
      rule.equal.push_back(item.text);
    }
  });
  return rule;
}

TimeInterval::Ranges ReadRanges(Mapping& m, std::string_view key,
                                Result<Range> (*parse)(std::string_view)) {
  if (!IsList(m.Child(key))) {
    m.ForEach(key, [](const Node&) {});  // complains unless it is absent
    return std::nullopt;
  }
  std::vector<Range> ranges;
  m.ForEach(key, [&](const Node& item) {
    const Result<std::string> text = yaml::Decode<std::string>(item);
    const Result<Range> range = text ? parse(*text) : tl::unexpected<Error>(text.error());
    if (range) {
      ranges.push_back(*range);
    } else {
      m.Complain(item.place, fmt::format("{}: {}", key, range.error().message));
    }
  });
  return ranges;
}

TimeInterval::Ranges ReadTimes(Mapping& m) {
  if (!IsList(m.Child("times"))) {
    m.ForEach("times", [](const Node&) {});
    return std::nullopt;
  }
  std::vector<Range> ranges;
  m.ForEach("times", [&](const Node& item) {
    Mapping time(item, m.what() + ".times", m.complaints());
    const std::string start = time.Get<std::string>("start_time", "");
    const std::string end = time.Get<std::string>("end_time", "");
    if (start.empty() || end.empty()) {
      time.Complain(item.place, "both start and end times must be provided");
      return;
    }
    const Result<Range> range = ParseTimes(start, end);
    if (range) {
      ranges.push_back(*range);
    } else {
      time.Complain(item.place, range.error().message);
    }
  });
  return ranges;
}

TimeInterval ReadTimeInterval(const Node& node, const std::string& what,
                              yaml::Complaints& complaints) {
  TimeInterval interval;
  Mapping m(node, what, complaints);
  interval.times = ReadTimes(m);
  interval.weekdays = ReadRanges(m, "weekdays", ParseWeekdays);
  interval.days_of_month = ReadRanges(m, "days_of_month", ParseDaysOfMonth);
  interval.months = ReadRanges(m, "months", ParseMonths);
  interval.years = ReadRanges(m, "years", ParseYears);
  interval.location = m.Get<std::string>("location", "UTC");
  if (const Status known = CheckLocation(interval.location); !known) {
    m.Complain(m.Child("location")->place, known.error().message);
  }
  return interval;
}

// Both lists share one name space; `kind` is how Alertmanager calls its members.
void ReadTimeIntervals(Mapping& top, const std::string& key, const std::string& kind,
                       TimeIntervals& intervals) {
  top.ForEach(key, [&](const Node& node) {
    Mapping m(node, key, top.complaints());
    const std::string name = m.Get<std::string>("name", "");
    std::vector<TimeInterval> members;
    m.ForEach("time_intervals", [&](const Node& item) {
      members.push_back(
          ReadTimeInterval(item, fmt::format("{}[{}]", name, members.size()), top.complaints()));
    });
    if (name.empty()) {
      m.Complain(node.place, "missing name in " + kind);
    } else if (!intervals.emplace(name, std::move(members)).second) {
      m.Complain(node.place, fmt::format("{} {} is not unique", kind, Quote(name)));
    }
  });
}

// Understood, so that a file that has it loads; no spans are sent.
void CheckTracing(Mapping& top) {
  const Node* node = top.Child("tracing");
  if (node == nullptr || node->kind == Node::Kind::kNull) return;
  Mapping m(*node, "tracing", top.complaints());
  const std::string type = m.Get<std::string>("client_type", "grpc");
  if (type != "grpc" && type != "http") {
    m.Complain(node->place,
               "expected tracing client type to be to be http or grpc, but got " + type);
  }
  if (m.Get<std::string>("endpoint", "").empty()) {
    m.Complain(node->place, "tracing endpoint must be set");
  }
  m.Get<double>("sampling_fraction", 0);
  m.Get("insecure", false);
  m.Get<std::string>("compression", "");
  m.Get<Millis>("timeout", Millis(0));
  (void)m.Child("tls_config");
  m.ForEachEntry("headers", [](const Node&, const Node&) {});
}

std::string DirectoryOf(const std::string& file) {
  return std::filesystem::path(file).parent_path().string();
}

std::string Resolve(const std::string& directory, const std::string& path) {
  if (path.empty() || path.front() == '/' || directory.empty()) return path;
  return (std::filesystem::path(directory) / path).string();
}

}  // namespace

const ReceiverConfig* AlertmanagerConfig::FindReceiver(const std::string& name) const {
  const auto found = std::find_if(receivers.begin(), receivers.end(),
                                  [&](const ReceiverConfig& r) { return r.name == name; });
  return found == receivers.end() ? nullptr : &*found;
}

std::optional<AlertmanagerConfig> ReadAlertmanagerConfig(std::string_view text,
                                                         const std::string& file,
                                                         yaml::Complaints& complaints,
                                                         MatcherSyntax syntax) {
  const std::size_t before = complaints.size();
  yaml::LoadOptions options;
  options.expand_environment = false;
  const std::optional<Node> node = yaml::Load(text, file, complaints, options);
  if (!node) return std::nullopt;
  AlertmanagerConfig config;
  {
    Mapping top(*node, "", complaints);
    const GlobalConfig global = ReadGlobal(top.Child("global"), DirectoryOf(file), complaints);
    config.resolve_timeout = global.resolve_timeout;
    for (const std::string& glob : top.List<std::string>("templates")) {
      config.templates.push_back(Resolve(global.directory, glob));
    }
    config.receivers = ReadReceivers(top, global);
    top.ForEach("inhibit_rules", [&](const Node& item) {
      const std::string what = fmt::format("inhibit_rules[{}]", config.inhibit_rules.size());
      config.inhibit_rules.push_back(ReadInhibitRule(item, what, syntax, complaints));
    });
    ReadTimeIntervals(top, "mute_time_intervals", "mute time interval", config.time_intervals);
    ReadTimeIntervals(top, "time_intervals", "time interval", config.time_intervals);
    CheckTracing(top);
    if (const Node* later = top.Child("event_recorder");
        later != nullptr && later->kind != Node::Kind::kNull) {
      top.Complain(later->place, "event_recorder is not supported by this version");
    }
    const Node* route = top.Child("route");
    if (route == nullptr || route->kind == Node::Kind::kNull) {
      top.Complain(node->place, "no route provided in config");
    } else {
      config.route = ReadRoute(*route, "route", syntax, complaints);
      CheckRoot(top, config.route);
      CheckNames(top, config.route, config);
    }
  }
  if (complaints.size() > before) return std::nullopt;
  config.original = ShowAlertmanagerConfig(*node, config.templates);
  return config;
}

std::optional<AlertmanagerConfig> ReadAlertmanagerFile(const std::string& path,
                                                       yaml::Complaints& complaints,
                                                       MatcherSyntax syntax) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) {
    complaints.Add({path, 0, 0}, "cannot be read");
    return std::nullopt;
  }
  return ReadAlertmanagerConfig(text.str(), path, complaints, syntax);
}

}  // namespace fettle::receivers
