// Jira: one issue a group, found again by its label; created, updated, reopened and resolved as
// Alertmanager 0.33 was recorded to do it.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "receivers/notifiers/kinds_tell.h"
#include "receivers/notifiers/payload.h"

namespace fettle::receivers {
namespace {

using Options = JsonWriter::Options;

constexpr Options kHtml{.escape_html = true};
constexpr std::size_t kSummaryRunesMax = 255;
constexpr std::size_t kDescriptionRunesMax = 32'767;

std::string BaseUrl(const Talk& talk) {
  std::string url = talk.settings().Text("api_url");
  while (url.ends_with('/')) url.pop_back();
  return url;
}

// What the search found.
struct Issue {
  std::string key;
  std::string status_category;  // "" if it is unknown
};

Poster::Answer Ask(Talk& talk, const std::string& method, const std::string& url,
                   const std::string& body) {
  Poster::Message message{.url = url, .body = body, .method = method};
  message.headers.Set("Accept-Language", "en");
  Poster::Answer answer = talk.Send(std::move(message), {429});
  // As there, a broken way waits for the next turn.
  if (answer.response.status == 0) answer.outcome.retry = false;
  return answer;
}

Outcome Because(const std::string& intention, Outcome outcome) {
  outcome.status = While(intention, outcome.status.error());
  return outcome;
}

std::string IssueLabel(const Talk& talk) { return "ALERT{" + talk.key() + "}"; }

// Text, or {template, enable_update}.
std::string Template(const Settings& settings, const char* field, const char* fallback) {
  const yaml::Node* node = settings.Any(field);
  if (node == nullptr || node->kind == yaml::Node::Kind::kNull) return fallback;
  if (node->kind == yaml::Node::Kind::kScalar) return node->text;
  const yaml::Node* text = node->Find("template");
  return text == nullptr ? "" : text->text;
}

bool MayUpdate(const Settings& settings, const char* field) {
  const yaml::Node* node = settings.Any(field);
  const yaml::Node* may = node == nullptr ? nullptr : node->Find("enable_update");
  return may == nullptr || may->text != "false";
}

std::string Jql(Talk& talk) {
  const Settings& s = talk.settings();
  std::string jql;
  if (const std::string& wont = s.Text("wont_fix_resolution"); !wont.empty()) {
    jql += fmt::format("(resolution is EMPTY or resolution != {}) and ", Quote(wont));
  }
  const auto minutes = s.Duration("reopen_duration").count() / 60'000;
  if (talk.firing() && !s.Text("reopen_transition").empty() && minutes > 0) {
    jql += fmt::format("(resolutiondate is EMPTY OR resolutiondate >= -{}m) and ", minutes);
  } else {
    jql += "statusCategory != Done and ";
  }
  return jql + fmt::format("project={} and labels={} order by status ASC,resolutiondate DESC",
                           Quote(talk.Text("project")), Quote(IssueLabel(talk)));
}

// Jira's cloud has another search than its data center.
std::string SearchUrl(const Talk& talk) {
  const std::string base = BaseUrl(talk);
  const std::string& type = talk.settings().Text("api_type");
  const std::size_t host = base.find("://") + 3;
  const bool atlassian =
      std::string_view(base).substr(host, base.find('/', host) - host).ends_with("atlassian.net");
  if (type != "cloud" && !(type == "auto" && atlassian)) return base + "/search";
  std::string url = base + "/search/jql";
  constexpr std::string_view kOld = "/rest/api/2/";
  if (const std::size_t at = url.find(kOld); at != std::string::npos) {
    url.replace(at, kOld.size(), "/rest/api/3/");
  }
  return url;
}

// The issue, if there is one; the outcome if it could not be found out.
struct Found {
  Outcome outcome;
  std::optional<Issue> issue;
};

Found Search(Talk& talk) {
  JsonWriter json(kHtml);
  json.BeginObject().Key("fields").BeginArray().String("status").EndArray();
  json.Field("jql", Jql(talk)).Field("maxResults", std::int64_t{2}).EndObject();
  const Poster::Answer answer = Ask(talk, "POST", SearchUrl(talk), json.Take() + "\n");
  if (!answer.outcome.status) {
    return {Because("failed to look up existing issues: HTTP request to JIRA API", answer.outcome),
            {}};
  }
  const Result<Json> found = Json::Parse(answer.response.body);
  if (!found) {
    return {Outcome::Failed({"failed to look up existing issues: " + found.error().message}, false),
            {}};
  }
  const std::vector<Json> issues = (*found)["issues"].Items();
  if (issues.empty()) return {};
  return {Outcome::Done(),
          Issue{issues.front()["key"].StringOr(""),
                issues.front()["fields"]["status"]["statusCategory"]["key"].StringOr("")}};
}

std::string Named(const char* key, const std::string& value) {
  JsonWriter json(kHtml);
  return json.BeginObject().Field(key, value).EndObject().Take();
}

std::string JsonText(const std::string& text) {
  JsonWriter json(kHtml);
  return json.String(text).Take();
}

// The fields of the issue by their names, each as JSON: what the configuration adds wins.
std::map<std::string, std::string> Fields(Talk& talk, bool update) {
  const Settings& s = talk.settings();
  std::map<std::string, std::string> fields;
  if (!update || MayUpdate(s, "summary")) {
    const std::string text = Template(s, "summary", R"({{ template "jira.default.summary" . }})");
    fields["summary"] = JsonText(TruncateRunes(talk.Render(text), kSummaryRunesMax));
  }
  std::string description = TruncateRunes(
      talk.Render(Template(s, "description", R"({{ template "jira.default.description" . }})")),
      kDescriptionRunesMax);
  if (BaseUrl(talk).ends_with("/3")) {
    // Its version 3 takes documents, not texts.
    if (!description.empty() && !Json::Parse(description)) {
      talk.Fail({"description template: invalid JSON for API v3", Cause::kInvalid});
    }
  } else if (!description.empty()) {
    description = JsonText(description);
  }
  if (!description.empty() && (!update || MayUpdate(s, "description"))) {
    fields["description"] = description;
  }
  fields["project"] = Named("key", talk.Text("project"));
  fields["issuetype"] = Named("name", talk.Text("issue_type"));
  std::vector<std::string> labels;
  if (const yaml::Node* given = s.Any("labels")) {
    for (const yaml::Node& label : given->items) labels.push_back(talk.Render(label.text));
  }
  labels.push_back(IssueLabel(talk));
  std::sort(labels.begin(), labels.end());
  JsonWriter list(kHtml);
  list.BeginArray();
  for (const std::string& label : labels) list.String(label);
  fields["labels"] = list.EndArray().Take();
  if (const std::string priority = talk.Text("priority"); !priority.empty()) {
    fields["priority"] = Named("name", priority);
  }
  if (const yaml::Node* given = s.Any("fields")) {
    for (const auto& [key, value] : given->entries) {
      Result<std::string> rendered =
          RenderPayload(value, talk.templates(), talk.data(), talk.notification().now);
      if (!rendered) {
        talk.Fail(While("fields template", rendered.error()).value());
      } else {
        fields[key.text] = *std::move(rendered);
      }
    }
  }
  return fields;
}

// Reopens what fires again and resolves what is over.
Outcome Transition(Talk& talk, const Issue& issue) {
  const bool done = issue.status_category == "done";
  if (issue.status_category.empty() || talk.firing() != done) return Outcome::Done();
  const std::string& wanted =
      talk.settings().Text(talk.firing() ? "reopen_transition" : "resolve_transition");
  const std::string url = BaseUrl(talk) + "/issue/" + issue.key + "/transitions";
  const Poster::Answer known = Ask(talk, "GET", url, "");
  if (!known.outcome.status) return known.outcome;
  const Result<Json> json = Json::Parse(known.response.body);
  if (!json) return Outcome::Failed(json.error(), false);
  for (const Json& transition : (*json)["transitions"].Items()) {
    if (transition["name"].StringOr("") != wanted) continue;
    const std::string body =
        R"({"transition":)" + Named("id", transition["id"].StringOr("")) + "}\n";
    return Ask(talk, "POST", url, body).outcome;
  }
  return Outcome::Failed({fmt::format("can't find transition {} for issue {}", wanted, issue.key)},
                         false);
}

}  // namespace

Outcome TellJira(Talk& talk) {
  const Found found = Search(talk);
  if (!found.outcome.status) return found.outcome;
  if (!found.issue && !talk.firing()) return Outcome::Done();
  JsonWriter json(kHtml);
  json.BeginObject().Key("fields").BeginObject();
  for (const auto& [name, value] : Fields(talk, found.issue.has_value())) json.Key(name).Raw(value);
  json.EndObject().EndObject();
  const std::string method = found.issue ? "PUT" : "POST";
  const std::string path = found.issue ? "issue/" + found.issue->key : "issue";
  const Poster::Answer answer = Ask(talk, method, BaseUrl(talk) + "/" + path, json.Take() + "\n");
  if (!answer.outcome.status) {
    return Because(fmt::format("failed to {} request to {}", method, Quote(path)), answer.outcome);
  }
  return found.issue ? Transition(talk, *found.issue) : Outcome::Done();
}

}  // namespace fettle::receivers
