// Tells people by mail: a text and an HTML part, headers as templates, one thread a group if
// wanted. Source: prometheus.io/docs/alerting/latest/configuration/#email_config, RFC 2045 to 2047.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/smtp.h"
#include "receivers/kinds.h"
#include "receivers/notifier.h"
#include "receivers/templates.h"

namespace fettle::receivers {

class EmailNotifier final : public Notifier {
 public:
  using Send = std::function<Status(const Mail& mail, const SmtpOptions& options)>;
  EmailNotifier(KindReceiver config, std::shared_ptr<const Templates> templates,
                Send send = SendMail);
  Outcome Notify(const Notification& notification, Millis timeout,
                 const std::stop_token& stop) override;
  // The whole message; `id` makes it one of a kind.
  Result<Mail> Render(const Notification& notification, const std::string& id) const;

 private:
  Result<std::string> Body(const Notification& notification, const std::string& boundary) const;

  const KindReceiver config_;
  const std::shared_ptr<const Templates> templates_;
  const Send send_;
};

// RFC 2045: lines of 76 characters at most, ended by CR LF.
std::string QuotedPrintable(std::string_view text);
// RFC 2047: as it is if all is printable ASCII, else =?utf-8?q?…?= in words of 75 characters.
std::string EncodeHeader(std::string_view value);
// "Team <a@b.c>, d@e.f": the addresses alone.
Result<std::vector<std::string>> ParseAddresses(std::string_view list);

}  // namespace fettle::receivers
