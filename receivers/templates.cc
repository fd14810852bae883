#include "receivers/templates.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <utility>

namespace fettle::receivers {
namespace {

using gotemplate::Functions;
using gotemplate::List;
using gotemplate::Map;
using gotemplate::Object;
using gotemplate::Value;
using Arguments = std::vector<Value>;

List ToList(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

// By name, but alertname first.
std::vector<Labels::Pair> SortedPairs(const Labels& labels) {
  std::vector<Labels::Pair> pairs(labels.begin(), labels.end());
  std::stable_partition(pairs.begin(), pairs.end(),
                        [](const Labels::Pair& pair) { return pair.first == "alertname"; });
  return pairs;
}

std::vector<std::string> Names(const Labels& labels) {
  std::vector<std::string> names;
  for (const auto& [name, value] : SortedPairs(labels)) names.push_back(name);
  return names;
}

std::vector<std::string> Values(const Labels& labels) {
  std::vector<std::string> values;
  for (const auto& [name, value] : SortedPairs(labels)) values.push_back(value);
  return values;
}

std::string Printed(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : SortedPairs(labels)) {
    if (!text.empty()) text += ", ";
    text += name + "=" + value;
  }
  return text;
}

Value PairsValue(const std::shared_ptr<const Labels>& labels) {
  auto items = std::make_shared<List>();
  for (const auto& [name, value] : SortedPairs(*labels)) {
    Object pair;
    pair.type_name = "template.Pair";
    pair.fields = {{"Name", name}, {"Value", value}};
    items->push_back(std::move(pair));
  }
  Object pairs;
  pairs.type_name = "template.Pairs";
  pairs.items = std::move(items);
  pairs.printed = Printed(*labels);
  pairs.methods = {
      {"Names",
       [labels](const Arguments&) -> Result<Value> { return Value(ToList(Names(*labels))); }},
      {"Values",
       [labels](const Arguments&) -> Result<Value> { return Value(ToList(Values(*labels))); }},
  };
  return pairs;
}

Value KvValue(const std::shared_ptr<const Labels>& labels);

Result<Value> Remove(const Labels& labels, const Arguments& arguments) {
  if (const Status one = gotemplate::WantArguments(arguments, 1); !one) {
    return tl::unexpected<Error>(one.error());
  }
  Labels rest = labels;
  const List* names = arguments[0].AsList();
  if (names == nullptr) {
    return Fail(Cause::kInvalid, "wrong type for value; expected []string; got {}",
                gotemplate::TypeName(arguments[0]));
  }
  for (const Value& name : *names) {
    if (const std::string* text = name.AsString()) rest.Remove(*text);
  }
  return KvValue(std::make_shared<const Labels>(std::move(rest)));
}

Value KvValue(const std::shared_ptr<const Labels>& labels) {
  Object kv;
  kv.type_name = "template.KV";
  kv.keyed = true;
  for (const auto& [name, value] : *labels) kv.fields.emplace(name, value);
  kv.printed = Printed(*labels);
  kv.methods = {
      {"SortedPairs", [labels](const Arguments&) -> Result<Value> { return PairsValue(labels); }},
      {"Names",
       [labels](const Arguments&) -> Result<Value> { return Value(ToList(Names(*labels))); }},
      {"Values",
       [labels](const Arguments&) -> Result<Value> { return Value(ToList(Values(*labels))); }},
      {"Remove", [labels](const Arguments& arguments) { return Remove(*labels, arguments); }},
  };
  return kv;
}

Value KvValue(Labels labels) { return KvValue(std::make_shared<const Labels>(std::move(labels))); }

Value AlertValue(const NotifiedAlert& alert) {
  Object object;
  object.type_name = "template.Alert";
  object.fields = {
      {"Status", alert.resolved ? "resolved" : "firing"},
      {"Labels", KvValue(alert.labels())},
      {"Annotations", KvValue(alert.annotations())},
      {"StartsAt", alert.live->alert.starts_at},
      {"EndsAt", alert.ends_at()},
      {"GeneratorURL", alert.live->alert.generator_url},
      {"Fingerprint", fmt::format("{:016x}", alert.live->fingerprint)},
  };
  return object;
}

Value AlertsValue(const std::vector<NotifiedAlert>& alerts) {
  auto all = std::make_shared<List>();
  auto firing = std::make_shared<List>();
  auto resolved = std::make_shared<List>();
  for (const NotifiedAlert& alert : alerts) {
    Value value = AlertValue(alert);
    (alert.resolved ? resolved : firing)->push_back(value);
    all->push_back(std::move(value));
  }
  const auto part = [](const std::shared_ptr<List>& items) {
    return [items](const Arguments&) -> Result<Value> { return Value(*items); };
  };
  Object object;
  object.type_name = "template.Alerts";
  object.items = std::move(all);
  object.methods = {{"Firing", part(firing)}, {"Resolved", part(resolved)}};
  return object;
}

Result<std::vector<std::string>> Files(const std::vector<std::string>& globs) {
  std::vector<std::string> files;
  for (const std::string& pattern : globs) {
    glob_t found{};
    const int outcome = glob(pattern.c_str(), 0, nullptr, &found);
    if (outcome == 0) files.insert(files.end(), found.gl_pathv, found.gl_pathv + found.gl_pathc);
    globfree(&found);
    if (outcome != 0 && outcome != GLOB_NOMATCH) return Fail("reading templates {}", pattern);
  }
  return files;
}

Result<std::string> ReadTemplate(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(gotemplate::kTextBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || !in.is_open()) return Fail("template file {} cannot be read", path);
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > gotemplate::kTextBytesMax) {
    return Fail(Cause::kLimit, "template file {} is larger than {} bytes", path,
                gotemplate::kTextBytesMax);
  }
  return text;
}

}  // namespace

Value TemplateData(const Notification& notification) {
  Object data;
  data.type_name = "*template.Data";
  data.fields = {
      {"Receiver", QuoteMeta(notification.receiver)},
      {"Status", notification.firing() ? "firing" : "resolved"},
      {"Alerts", AlertsValue(notification.alerts)},
      {"NotificationReason", notification.reason},
      {"GroupLabels", KvValue(notification.group_labels)},
      {"CommonLabels", KvValue(notification.CommonLabels())},
      {"CommonAnnotations", KvValue(notification.CommonAnnotations())},
      {"ExternalURL", notification.external_url},
  };
  return data;
}

Result<std::shared_ptr<const Templates>> Templates::Load(const std::vector<std::string>& globs) {
  const Result<std::vector<std::string>> files = Files(globs);
  if (!files) return tl::unexpected<Error>(files.error());
  if (files->size() > kFilesMax) {
    return Fail(Cause::kLimit, "{} template files, more than {}", files->size(), kFilesMax);
  }
  Result<gotemplate::Template> base = gotemplate::Template::Parse(
      "default.tmpl", "", TemplateFunctions(), {std::string(DefaultTemplates())});
  if (!base) return tl::unexpected<Error>(base.error());
  std::vector<std::string> definitions = {std::string(DefaultTemplates())};
  for (const std::string& path : *files) {
    Result<std::string> text = ReadTemplate(path);
    if (!text) return tl::unexpected<Error>(text.error());
    // Alone first, so that a mistake is said with its file's name.
    const Result<gotemplate::Template> alone = base->With(path, *text);
    if (!alone) return tl::unexpected<Error>(alone.error());
    definitions.push_back(*std::move(text));
  }
  base = gotemplate::Template::Parse("", "", TemplateFunctions(), definitions);
  if (!base) return tl::unexpected<Error>(base.error());
  return std::shared_ptr<const Templates>(new Templates(*std::move(base)));
}

Text::Text(const Templates& templates, std::string name, std::string text)
    : plain_(std::move(text)) {
  if (plain_.find("{{") == std::string::npos) return;
  parsed_ = std::make_shared<const Result<gotemplate::Template>>(
      templates.Parse(std::move(name), plain_));
}

Status Text::problem() const {
  if (parsed_ == nullptr || parsed_->has_value()) return {};
  return tl::unexpected<Error>(parsed_->error());
}

Result<std::string> Text::Render(const Value& data, Time now) const {
  if (parsed_ == nullptr) return plain_;
  if (!*parsed_) return tl::unexpected<Error>(parsed_->error());
  return (*parsed_)->Execute(data, TemplateFunctionsAt(now));
}

Result<std::string> Text::RenderHtml(const Value& data, Time now) const {
  if (parsed_ == nullptr) return plain_;
  if (!*parsed_) return tl::unexpected<Error>(parsed_->error());
  Functions functions = TemplateFunctionsAt(now);
  functions["safeHtml"] = [](const std::vector<Value>& arguments) -> Result<Value> {
    Result<std::string> text = gotemplate::TextArgument(arguments, 0);
    if (!text) return tl::unexpected<Error>(text.error());
    Object html;
    html.type_name = "template.HTML";
    html.printed = *std::move(text);
    return Value(std::move(html));
  };
  return (*parsed_)->Execute(data, functions, EscapeHtml);
}

std::string EscapeHtml(std::string_view text) {
  static constexpr std::array<std::pair<char, std::string_view>, 6> kEscapes = {{{'&', "&amp;"},
                                                                                 {'<', "&lt;"},
                                                                                 {'>', "&gt;"},
                                                                                 {'"', "&#34;"},
                                                                                 {'\'', "&#39;"},
                                                                                 {'+', "&#43;"}}};
  std::string escaped;
  for (const char c : text) {
    const auto* const found = std::find_if(kEscapes.begin(), kEscapes.end(),
                                           [c](const auto& entry) { return entry.first == c; });
    if (found == kEscapes.end()) {
      escaped += c;
    } else {
      escaped += found->second;
    }
  }
  return escaped;
}

}  // namespace fettle::receivers
