// One notification being told by HTTP: renders fields, keeps the first mistake, sends. What a kind
// of receiver needs, so that each is only its message. Used by one hand at a time; Memory is shared
// by the hands of one receiver.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/json.h"
#include "receivers/kinds.h"
#include "receivers/notifier.h"
#include "receivers/notifiers/post.h"
#include "receivers/templates.h"

namespace fettle::receivers {

class Talk {
 public:
  // What a receiver remembers between notifications, such as an access token.
  struct Memory {
    std::mutex mutex;
    std::string token;
    BootTime token_until{};
  };
  struct Deps {
    const Settings& settings;
    const Templates& templates;
    const Poster& poster;
    const Clock& clock;
    Memory& memory;
    const Notification& notification;
    BootTime deadline;
    const std::stop_token& stop;
  };
  explicit Talk(const Deps& deps);

  const Settings& settings() const { return deps_.settings; }
  const Notification& notification() const { return deps_.notification; }
  const Templates& templates() const { return deps_.templates; }
  const gotemplate::Value& data() const { return data_; }
  Memory& memory() { return deps_.memory; }
  Moment now() const { return deps_.clock.Now(); }
  bool firing() const { return firing_; }
  // SHA-256 of the group's key: what keeps a receiver's messages of one group together.
  const std::string& key() const { return key_; }

  // Rendered; "" after a mistake.
  std::string Render(const std::string& text);
  std::string RenderHtml(const std::string& text);
  std::string Text(std::string_view field) { return Render(deps_.settings.Text(field)); }
  std::string Reveal(std::string_view field);
  // "Text" as a field of a JSON message unless it is empty.
  void TextField(JsonWriter& json, std::string_view key, const Settings& from,
                 std::string_view field);
  void Fail(Error error);
  const std::optional<Error>& error() const { return error_; }

  // The answer's outcome is by its status, 5xx and those of `retry` to be tried again; a mistake
  // before is the outcome instead, and nothing is sent.
  Poster::Answer Send(Poster::Message message, const std::set<int>& retry = {});

 private:
  const Deps deps_;
  const gotemplate::Value data_;
  const bool firing_;
  const std::string key_;
  std::optional<Error> error_;
};

// Tells one kind of receiver.
using TellKind = Outcome (*)(Talk& talk);
// The function of a kind, by its name; every kind has one.
TellKind TellOf(std::string_view kind);

class KindNotifier final : public Notifier {
 public:
  KindNotifier(PostDeps deps, KindReceiver config, std::shared_ptr<const Templates> templates);
  Outcome Notify(const Notification& notification, Millis timeout,
                 const std::stop_token& stop) override;

 private:
  const KindReceiver config_;
  const TellKind tell_;
  const std::shared_ptr<const Templates> templates_;
  const Poster poster_;
  const SystemClock clock_;
  Talk::Memory memory_;
};

// "text" + "a b&c" as a form's or query's value: spaces become +.
std::string FormEncode(std::string_view text);
// a=b&c=d, sorted by name.
std::string FormBody(const std::map<std::string, std::string>& values);

}  // namespace fettle::receivers
