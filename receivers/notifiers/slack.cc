#include "receivers/notifiers/slack.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "common/json.h"
#include "common/utf8.h"

namespace fettle::receivers {
namespace {

constexpr const char* kUpdateUrl = "https://slack.com/api/chat.update";
constexpr const char* kThread = "threadTs";
constexpr const char* kChannel = "channelId";

// Slack says ok:false with a 200, too.
Outcome ReadAnswer(const HttpResponse& response, bool remember) {
  if (!response.headers.Get("Content-Type").starts_with("application/json")) {
    if (response.body == "ok") return Outcome::Done();
    return Outcome::Failed(
        {fmt::format("received an error response from Slack: {}", response.body)}, false,
        "clientError");
  }
  const Result<Json> json = Json::Parse(response.body);
  if (!json) {
    return Outcome::Failed({fmt::format("could not unmarshal JSON response {}: {}",
                                        Quote(response.body), json.error().message)},
                           true, "clientError");
  }
  if (!(*json)["ok"].BoolOr(false)) {
    return Outcome::Failed(
        {fmt::format("error response from Slack: {}", (*json)["error"].StringOr(""))}, false,
        "clientError");
  }
  Outcome outcome = Outcome::Done();
  const std::string thread = (*json)["ts"].StringOr("");
  const std::string channel = (*json)["channel"].StringOr("");
  if (remember && !thread.empty() && !channel.empty()) {
    outcome.data = {{kThread, thread}, {kChannel, channel}};
  }
  return outcome;
}

void FieldUnlessEmpty(JsonWriter& writer, std::string_view key, const std::string& value) {
  if (!value.empty()) writer.Field(key, value);
}

}  // namespace

// The templates of one receiver, parsed.
struct SlackNotifier::Texts {
  struct Field {
    Text title, value;
    bool is_short = false;
  };
  struct Confirm {
    Text text, title, ok_text, dismiss_text;
  };
  struct Action {
    Text type, text, url, style, name, value;
    std::optional<Confirm> confirm;
  };
  Text channel, username, color, title, title_link, pretext, text, message_text, footer, fallback,
      callback_id, icon_emoji, icon_url, image_url, thumb_url;
  std::vector<Field> fields;
  std::vector<Action> actions;

  Texts(const SlackReceiver& c, const Templates& templates) {
    const auto make = [&](const char* name, const std::string& value) {
      return Text(templates, name, value);
    };
    channel = make("channel", c.channel);
    username = make("username", c.username);
    color = make("color", c.color);
    title = make("title", c.title);
    title_link = make("title_link", c.title_link);
    pretext = make("pretext", c.pretext);
    text = make("text", c.text);
    message_text = make("message_text", c.message_text);
    footer = make("footer", c.footer);
    fallback = make("fallback", c.fallback);
    callback_id = make("callback_id", c.callback_id);
    icon_emoji = make("icon_emoji", c.icon_emoji);
    icon_url = make("icon_url", c.icon_url);
    image_url = make("image_url", c.image_url);
    thumb_url = make("thumb_url", c.thumb_url);
    for (const SlackField& f : c.fields) {
      fields.push_back({make("fields.title", f.title), make("fields.value", f.value),
                        f.is_short.value_or(c.short_fields)});
    }
    for (const SlackAction& a : c.actions) {
      Action action{make("actions.type", a.type),
                    make("actions.text", a.text),
                    make("actions.url", a.url),
                    make("actions.style", a.style),
                    make("actions.name", a.name),
                    make("actions.value", a.value),
                    std::nullopt};
      if (a.confirm) {
        action.confirm =
            Confirm{make("confirm.text", a.confirm->text), make("confirm.title", a.confirm->title),
                    make("confirm.ok_text", a.confirm->ok_text),
                    make("confirm.dismiss_text", a.confirm->dismiss_text)};
      }
      actions.push_back(std::move(action));
    }
  }
};

SlackNotifier::SlackNotifier(PostDeps deps, SlackReceiver config, const Templates& templates)
    : config_(std::move(config)),
      texts_(std::make_shared<const Texts>(config_, templates)),
      poster_(std::move(deps), config_.http) {}

// One message being written: renders texts into fields and keeps the first mistake.
class SlackNotifier::Writing {
 public:
  Writing(const Texts& texts, const Notification& notification)
      : texts_(texts), data_(TemplateData(notification)), now_(notification.now) {}

  JsonWriter& json() { return json_; }
  const std::optional<Error>& error() const { return error_; }

  std::string Render(const Text& text) {
    Result<std::string> rendered = text.Render(data_, now_);
    if (rendered) return *std::move(rendered);
    if (!error_) error_ = rendered.error();
    return "";
  }
  void Optional(std::string_view key, const Text& text) {
    FieldUnlessEmpty(json_, key, Render(text));
  }
  void Always(std::string_view key, const Text& text) { json_.Field(key, Render(text)); }

  void Attachment(const std::vector<std::string>& mrkdwn_in) {
    json_.BeginObject();
    FieldUnlessEmpty(json_, "title", TruncateRunes(Render(texts_.title), kTitleRunesMax));
    Optional("title_link", texts_.title_link);
    Optional("pretext", texts_.pretext);
    Always("text", texts_.text);
    Always("fallback", texts_.fallback);
    Always("callback_id", texts_.callback_id);
    Fields();
    Actions();
    Optional("image_url", texts_.image_url);
    Optional("thumb_url", texts_.thumb_url);
    Always("footer", texts_.footer);
    Optional("color", texts_.color);
    json_.Key("mrkdwn_in").BeginArray();
    for (const std::string& field : mrkdwn_in) json_.String(field);
    if (mrkdwn_in.empty()) json_.String("fallback").String("pretext").String("text");
    json_.EndArray().EndObject();
  }

 private:
  void Fields() {
    if (texts_.fields.empty()) return;
    json_.Key("fields").BeginArray();
    for (const Texts::Field& field : texts_.fields) {
      json_.BeginObject();
      Optional("title", field.title);
      Optional("value", field.value);
      json_.Field("short", field.is_short).EndObject();
    }
    json_.EndArray();
  }

  void Actions() {
    if (texts_.actions.empty()) return;
    json_.Key("actions").BeginArray();
    for (const Texts::Action& action : texts_.actions) {
      json_.BeginObject();
      Optional("type", action.type);
      Optional("text", action.text);
      Optional("url", action.url);
      Optional("style", action.style);
      Optional("name", action.name);
      Optional("value", action.value);
      if (action.confirm) {
        json_.Key("confirm").BeginObject();
        Optional("text", action.confirm->text);
        Optional("title", action.confirm->title);
        Optional("ok_text", action.confirm->ok_text);
        Optional("dismiss_text", action.confirm->dismiss_text);
        json_.EndObject();
      }
      json_.EndObject();
    }
    json_.EndArray();
  }

  const Texts& texts_;
  const gotemplate::Value data_;
  const Time now_;
  JsonWriter json_{JsonWriter::Options{.escape_html = true}};
  std::optional<Error> error_;
};

Result<SlackNotifier::Message> SlackNotifier::Render(const Notification& notification) const {
  const auto thread = notification.data.find(kThread);
  const auto channel = notification.data.find(kChannel);
  Message message;
  message.update = config_.update_message && thread != notification.data.end() &&
                   channel != notification.data.end();
  Writing writing(*texts_, notification);
  message.channel = message.update ? channel->second : writing.Render(texts_->channel);
  JsonWriter& json = writing.json();
  json.BeginObject();
  FieldUnlessEmpty(json, "channel", message.channel);
  if (message.update) json.Field("ts", thread->second);
  writing.Optional("username", texts_->username);
  writing.Optional("icon_emoji", texts_->icon_emoji);
  writing.Optional("icon_url", texts_->icon_url);
  if (config_.link_names) json.Field("link_names", true);
  writing.Optional("text", texts_->message_text);
  json.Key("attachments").BeginArray();
  writing.Attachment(config_.mrkdwn_in);
  json.EndArray().EndObject();
  if (writing.error()) return tl::unexpected<Error>(*writing.error());
  message.body = json.Take() + "\n";
  return message;
}

Outcome SlackNotifier::Notify(const Notification& notification, Millis timeout,
                              const std::stop_token& stop) {
  Result<Message> message = Render(notification);
  if (!message) return Outcome::Failed(message.error(), false);
  const Result<std::string> url =
      message->update ? Result<std::string>(kUpdateUrl) : config_.url.Reveal();
  if (!url) return Outcome::Failed(While("reading api_url_file", url.error()).value(), false);
  Headers headers;
  if (!config_.app_token.empty()) {
    const Result<std::string> token = config_.app_token.Reveal();
    if (!token) return Outcome::Failed(While("reading app_token", token.error()).value(), false);
    headers.Set("Authorization", "Bearer " + *token);
  }
  const Poster::Answer answer =
      poster_.Post({.url = *url, .body = std::move(message->body), .headers = std::move(headers)},
                   timeout, config_.timeout, stop);
  Outcome outcome = answer.outcome;
  if (outcome.status) outcome = ReadAnswer(answer.response, config_.update_message);
  if (!outcome.status) {
    outcome.status =
        While(fmt::format("channel {}", Quote(message->channel)), outcome.status.error());
  }
  return outcome;
}

}  // namespace fettle::receivers
