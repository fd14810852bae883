#include "receivers/notification.h"

#include <algorithm>
#include <functional>

#include "common/duration.h"

namespace fettle::receivers {
namespace {

bool AlertBefore(const NotifiedAlert& a, const NotifiedAlert& b) {
  for (const std::string_view name : {"job", "instance"}) {
    const bool a_has = a.labels().Has(name);
    const bool b_has = b.labels().Has(name);
    if (!a_has && !b_has) continue;
    if (a_has != b_has) return a_has;
    const std::string_view a_value = a.labels().Get(name);
    const std::string_view b_value = b.labels().Get(name);
    if (a_value != b_value) return a_value < b_value;
  }
  return LabelsBefore(a.labels(), b.labels());
}

template <typename Get>
Labels Common(const std::vector<NotifiedAlert>& alerts, const Get& get) {
  if (alerts.empty()) return {};
  std::vector<Labels::Pair> pairs(get(alerts[0]).begin(), get(alerts[0]).end());
  for (const NotifiedAlert& alert : alerts) {
    std::erase_if(
        pairs, [&](const Labels::Pair& pair) { return get(alert).Get(pair.first) != pair.second; });
  }
  return Labels(std::move(pairs));
}

}  // namespace

bool LabelsBefore(const Labels& a, const Labels& b) {
  if (a.size() != b.size()) return a.size() < b.size();
  auto x = a.begin();
  auto y = b.begin();
  for (; x != a.end() && y != b.end(); ++x, ++y) {
    // The set that lacks the smaller name comes first.
    if (x->first != y->first) return x->first > y->first;
    if (x->second != y->second) return x->second < y->second;
  }
  return false;
}

bool Notification::firing() const {
  return std::any_of(alerts.begin(), alerts.end(),
                     [](const NotifiedAlert& alert) { return !alert.resolved; });
}

Labels Notification::CommonLabels() const {
  return Common(alerts, std::mem_fn(&NotifiedAlert::labels));
}

Labels Notification::CommonAnnotations() const {
  return Common(alerts, std::mem_fn(&NotifiedAlert::annotations));
}

void SortAlerts(std::vector<NotifiedAlert>& alerts) {
  std::stable_sort(alerts.begin(), alerts.end(), AlertBefore);
}

std::string QuoteMeta(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (std::string_view(R"re(\.+*?()|[]{}^$)re").find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

std::string GoTime(Time time) {
  std::string text = FormatRfc3339(time);
  const std::size_t point = text.find('.');
  if (point == std::string::npos) return text;
  std::size_t end = text.size() - 1;  // at the Z
  while (text[end - 1] == '0') --end;
  if (text[end - 1] == '.') --end;
  return text.substr(0, end) + "Z";
}

}  // namespace fettle::receivers
