#include "receivers/notifiers/email.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "common/digest.h"
#include "common/random.h"
#include "common/utf8.h"

namespace fettle::receivers {
namespace {

constexpr std::size_t kLineMax = 76;
constexpr std::size_t kWordMax = 75;

std::string HostName() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0')
    return "localhost.localdomain";
  return name.data();
}

// Thu, 01 Jan 2026 00:00:00 +0000
std::string MailDate(Time now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const std::size_t size =
      std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S +0000", &parts);
  return {text.data(), size};
}

std::string Day(Time now) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 16> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts)};
}

// A value must not begin a header of its own.
std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
  return text;
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::string QuotedPrintable(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  const auto put = [&](std::string_view piece) {
    if (column + piece.size() > kLineMax - 1) {
      out += "=\r\n";
      column = 0;
    }
    out += piece;
    column += piece.size();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n' || text.substr(i).starts_with("\r\n")) {
      if (c == '\r') ++i;
      out += "\r\n";
      column = 0;
      continue;
    }
    const bool last = i + 1 == text.size() || text[i + 1] == '\n' || text[i + 1] == '\r';
    const bool plain = (c > ' ' && c <= '~' && c != '=') || (IsBlank(c) && !last);
    if (plain) {
      put(std::string_view(&c, 1));
    } else {
      put(fmt::format("={:02X}", static_cast<unsigned char>(c)));
    }
  }
  return out;
}

std::string EncodeHeader(std::string_view value) {
  const bool plain = std::all_of(value.begin(), value.end(),
                                 [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; });
  if (plain) return std::string(value);
  constexpr std::string_view kBegin = "=?utf-8?q?";
  std::string out(kBegin);
  std::size_t column = kBegin.size();
  for (std::size_t at = 0; at < value.size();) {
    const std::size_t length = std::max<std::size_t>(DecodeRune(value, at).length, 1);
    std::string piece;
    for (const char c : value.substr(at, length)) {
      const bool as_it_is = c > ' ' && c <= '~' && c != '=' && c != '?' && c != '_';
      if (c == ' ') {
        piece += '_';
      } else if (as_it_is) {
        piece += c;
      } else {
        piece += fmt::format("={:02X}", static_cast<unsigned char>(c));
      }
    }
    if (column + piece.size() + 2 > kWordMax) {
      out += "?= ";
      out += kBegin;
      column = kBegin.size();
    }
    out += piece;
    column += piece.size();
    at += length;
  }
  return out + "?=";
}

Result<std::vector<std::string>> ParseAddresses(std::string_view list) {
  std::vector<std::string> addresses;
  std::string entry;
  bool quoted = false;
  const auto finish = [&]() -> Status {
    std::string_view text = Trim(entry);
    if (const std::size_t open = text.rfind('<'); open != std::string_view::npos) {
      const std::size_t close = text.find('>', open);
      if (close != std::string_view::npos && close + 1 != text.size()) {
        return Fail(Cause::kInvalid, "no mail address: {}", Quote(text));
      }
      if (close == std::string_view::npos)
        return Fail(Cause::kInvalid, "missing > in {}", Quote(text));
      text = text.substr(open + 1, close - open - 1);
    }
    const std::size_t at = text.rfind('@');
    const bool right = at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
                       text.find_first_of(" \t\r\n<>") == std::string_view::npos;
    if (!right) return Fail(Cause::kInvalid, "no mail address: {}", Quote(text));
    addresses.emplace_back(text);
    entry.clear();
    return {};
  };
  for (const char c : list) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) {
      if (Status status = finish(); !status) return tl::unexpected<Error>(status.error());
      continue;
    }
    entry += c;
  }
  if (Status status = finish(); !status) return tl::unexpected<Error>(status.error());
  return addresses;
}

EmailNotifier::EmailNotifier(KindReceiver config, std::shared_ptr<const Templates> templates,
                             Send send)
    : config_(std::move(config)), templates_(std::move(templates)), send_(std::move(send)) {}

Result<std::string> EmailNotifier::Body(const Notification& notification,
                                        const std::string& boundary) const {
  const gotemplate::Value data = TemplateData(notification);
  std::string body;
  for (const auto& [key, type] :
       {std::pair{"text", "text/plain"}, std::pair{"html", "text/html"}}) {
    const std::string& source = config_.settings.Text(key);
    if (source.empty()) continue;
    const Text text(*templates_, key, source);
    const bool html = std::string_view(key) == "html";
    const Result<std::string> rendered =
        html ? text.RenderHtml(data, notification.now) : text.Render(data, notification.now);
    if (!rendered) return While(fmt::format("executing email {} template", key), rendered.error());
    body += fmt::format(
        "{}--{}\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: {}; "
        "charset=UTF-8\r\n\r\n",
        body.empty() ? "" : "\r\n", boundary, type);
    body += QuotedPrintable(*rendered);
  }
  return body + "\r\n--" + boundary + "--\r\n";
}

Result<Mail> EmailNotifier::Render(const Notification& notification, const std::string& id) const {
  const Settings& s = config_.settings;
  const gotemplate::Value data = TemplateData(notification);
  const auto render = [&](const std::string& name, const std::string& text) {
    return Text(*templates_, name, text).Render(data, notification.now);
  };
  Mail mail;
  const Result<std::string> from = render("from", s.Text("from"));
  if (!from) return While("failed to template 'from'", from.error());
  const Result<std::string> to = render("to", s.Text("to"));
  if (!to) return While("failed to template 'to'", to.error());
  Result<std::vector<std::string>> senders = ParseAddresses(*from);
  if (!senders) return While("parsing from addresses", senders.error());
  if (senders->size() != 1) return Fail(Cause::kInvalid, "must be exactly one from address");
  Result<std::vector<std::string>> receivers = ParseAddresses(*to);
  if (!receivers) return While("parsing to addresses", receivers.error());
  mail.from = senders->front();
  mail.to = *std::move(receivers);

  std::map<std::string, std::string> headers = {
      {"From", s.Text("from")},
      {"Subject", R"({{ template "email.default.subject" . }})"},
      {"To", s.Text("to")}};
  for (const auto& [name, text] : s.TextMap("headers")) headers[CanonicalHeader(name)] = text;
  for (const auto& [name, text] : headers) {
    const Result<std::string> value = render(name, text);
    if (!value)
      return While(fmt::format("executing {} header template", Quote(name)), value.error());
    mail.message += name + ": " + EncodeHeader(OneLine(*value)) + "\r\n";
  }
  const std::string host = HostName();
  if (!headers.contains("Message-Id"))
    mail.message += fmt::format("Message-Id: <{}@{}>\r\n", id, host);
  if (const Settings& threading = s.Object("threading"); threading.Flag("enabled")) {
    // All messages of a group, or of its day, answer one that was never sent.
    std::string root = Hex(Sha256(notification.group_key)).substr(0, 16);
    if (threading.Text("thread_by_date") == "daily") root += Day(notification.now);
    const std::string reference = fmt::format("<alert-{}@alertmanager>", root);
    mail.message += "References: " + reference + "\r\nIn-Reply-To: " + reference + "\r\n";
  }
  const std::string boundary = Hex(Sha256("boundary " + id)).substr(0, 60);
  mail.message += "Date: " + MailDate(notification.now) + "\r\n";
  mail.message += "Content-Type: multipart/alternative;  boundary=" + boundary + "\r\n";
  mail.message += "MIME-Version: 1.0\r\n\r\n";
  const Result<std::string> body = Body(notification, boundary);
  if (!body) return tl::unexpected<Error>(body.error());
  mail.message += *body;
  return mail;
}

Outcome EmailNotifier::Notify(const Notification& notification, Millis timeout,
                              const std::stop_token& stop) {
  const Settings& s = config_.settings;
  SystemRandom random;
  const Result<Mail> mail = Render(notification, random.Uuid());
  if (!mail) return Outcome::Failed(mail.error(), false);
  SmtpOptions options;
  const std::string& smarthost = s.Text("smarthost");
  const std::size_t colon = smarthost.rfind(':');
  options.host = smarthost.substr(0, colon);
  options.port = smarthost.substr(colon + 1);
  if (!s.Text("hello").empty()) options.hello = s.Text("hello");
  const std::string& implicit = s.Text("force_implicit_tls");
  options.implicit_tls = implicit.empty() ? options.port == "465" : implicit == "true";
  options.require_tls = s.Flag("require_tls");
  options.tls = s.http.tls;
  options.username = s.Text("auth_username");
  options.identity = s.Text("auth_identity");
  const bool secret = s.GetSecret("auth_password").empty() && !s.GetSecret("auth_secret").empty();
  const Result<std::string> password =
      s.GetSecret(secret ? "auth_secret" : "auth_password").Reveal();
  if (!options.username.empty()) {
    if (!password)
      return Outcome::Failed(While("reading the password", password.error()).value(), false);
    options.password = *password;
    options.mechanisms =
        secret ? std::vector<std::string>{"CRAM-MD5"} : std::vector<std::string>{"PLAIN", "LOGIN"};
  }
  options.timeout = timeout;
  options.stop = stop;
  const Status sent = send_(*mail, options);
  if (sent) return Outcome::Done();
  // Alertmanager tries again whatever the server said.
  return Outcome::Failed(
      sent.error(), true,
      sent.error().cause == Cause::kTimeout ? "contextDeadlineExceeded" : "other");
}

}  // namespace fettle::receivers
