#include <algorithm>
#include <optional>
#include <utility>

#include "common/matcher.h"
#include "common/utf8.h"

namespace fettle {
namespace {

// What a grammar understood, before regular expressions are compiled.
struct Parsed {
  Matcher::Type type = Matcher::Type::kEqual;
  std::string name;
  std::string value;
  bool operator==(const Parsed&) const = default;
};
using ParsedList = std::vector<Parsed>;

Result<Matchers> MakeAll(const Result<ParsedList>& list) {
  if (!list) return tl::unexpected(list.error());
  Matchers out;
  for (const Parsed& parsed : *list) {
    Result<Matcher> matcher = Matcher::Make(parsed.type, parsed.name, parsed.value);
    if (!matcher) return tl::unexpected(matcher.error());
    out.push_back(*std::move(matcher));
  }
  return out;
}

std::optional<Matcher::Type> TakeOperator(std::string_view& text) {
  using Type = Matcher::Type;
  for (const auto& [word, type] : {std::pair<std::string_view, Type>{"=~", Type::kRegexp},
                                   {"=", Type::kEqual},
                                   {"!=", Type::kNotEqual},
                                   {"!~", Type::kNotRegexp}}) {
    if (!text.starts_with(word)) continue;
    text.remove_prefix(word.size());
    return type;
  }
  return std::nullopt;
}

// ---- The classic grammar --------------------------------------------------------------------

constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:";
constexpr std::string_view kBlanks = "\t\n\f\r ";  // what \s matches

std::string_view Trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// Without Unicode's spaces at both ends. REQUIRES: valid UTF-8.
std::string_view TrimmedOfAllSpaces(std::string_view text) {
  while (!text.empty() && IsSpace(DecodeRune(text, 0).value)) {
    text.remove_prefix(DecodeRune(text, 0).length);
  }
  while (!text.empty()) {
    std::size_t last = text.size() - 1;
    while ((static_cast<unsigned char>(text[last]) & 0xc0) == 0x80) --last;
    if (!IsSpace(DecodeRune(text, last).value)) break;
    text = text.substr(0, last);
  }
  return text;
}

// OpenMetrics' escapes; other backslashes are literal. nullopt if a bare quote stands inside.
std::optional<std::string> UnescapeClassic(std::string_view raw) {
  const bool quoted = raw.starts_with('"');
  if (quoted) raw.remove_prefix(1);
  bool closed = !quoted;
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const bool last = i + 1 == raw.size();
    if (raw[i] == '"') {
      if (closed || !last) return std::nullopt;
      closed = true;
    } else if (raw[i] == '\\' && !last) {
      ++i;
      if (raw[i] != 'n' && raw[i] != '"' && raw[i] != '\\') out += '\\';
      out += raw[i] == 'n' ? '\n' : raw[i];
    } else {
      out += raw[i];
    }
  }
  if (!closed) return std::nullopt;
  return out;
}

Result<Parsed> ParseOneClassic(std::string_view text) {
  Parsed parsed;
  std::string_view rest = Trimmed(text);
  const std::size_t length = std::min(rest.find_first_not_of(kNameCharacters), rest.size());
  parsed.name = rest.substr(0, length);
  rest = Trimmed(rest.substr(length));
  const std::optional<Matcher::Type> type = TakeOperator(rest);
  if (!IsMetricName(parsed.name) || !type) {
    return Fail(Cause::kInvalid, "bad matcher format: {}", text);
  }
  parsed.type = *type;
  const std::string_view raw = Trimmed(rest);
  std::optional<std::string> value = UnescapeClassic(raw);
  if (!value) {
    return Fail(Cause::kInvalid, "matcher value contains unescaped double quote: {}", raw);
  }
  parsed.value = *std::move(value);
  return parsed;
}

// Splits at commas outside of quotes. A blank last piece is none; only the last loses more spaces
// than \s matches, as in Alertmanager.
std::vector<std::string_view> SplitClassic(std::string_view text) {
  std::vector<std::string_view> pieces;
  bool inside_quotes = false;
  bool escaped = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',') {
      // It does not end an escape: so does Alertmanager.
      if (inside_quotes) continue;
      pieces.push_back(text.substr(begin, i - begin));
      begin = i + 1;
      continue;
    }
    if (c == '"' && !escaped) inside_quotes = !inside_quotes;
    escaped = c == '\\' && !escaped;
  }
  const std::string_view last = TrimmedOfAllSpaces(text.substr(begin));
  if (!last.empty()) pieces.push_back(last);
  return pieces;
}

Result<ParsedList> ParseClassic(std::string_view text) {
  // Each brace on its own, so that half a pair is understood too.
  if (text.starts_with('{')) text.remove_prefix(1);
  if (text.ends_with('}')) text.remove_suffix(1);
  ParsedList out;
  for (const std::string_view piece : SplitClassic(text)) {
    Result<Parsed> parsed = ParseOneClassic(piece);
    if (!parsed) return tl::unexpected(parsed.error());
    out.push_back(*std::move(parsed));
  }
  return out;
}

// ---- The UTF-8 grammar ----------------------------------------------------------------------

struct Token {
  enum class Kind { kEnd, kOpen, kClose, kComma, kOperator, kQuoted, kUnquoted };
  Kind kind = Kind::kEnd;
  std::string_view text;
  // Columns count characters from 0, as Alertmanager's messages do.
  std::size_t begin = 0;
  std::size_t end = 0;
};
using Kind = Token::Kind;

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  // The next token, without taking it. An error stays.
  Result<Token> Peek() const {
    Lexer copy = *this;
    return copy.Take();
  }
  std::size_t column() const { return column_; }

  Result<Token> Take() {
    while (at_ < text_.size() && IsSpace(Here().value)) Advance();
    Token token;
    token.begin = column_;
    const std::size_t begin = at_;
    const auto finish = [&](Kind kind) {
      token.kind = kind;
      token.text = text_.substr(begin, at_ - begin);
      token.end = column_;
      return token;
    };
    if (at_ == text_.size()) return token;
    const char32_t c = Here().value;
    Advance();
    switch (c) {
      case '{':
        return finish(Kind::kOpen);
      case '}':
        return finish(Kind::kClose);
      case ',':
        return finish(Kind::kComma);
      case '=':
        if (At('~')) Advance();
        return finish(Kind::kOperator);
      case '!':
        if (!At('=') && !At('~')) {
          if (at_ == text_.size()) {
            return Fail(Cause::kInvalid, "{}:{}: unexpected end of input, expected one of '=~'",
                        token.begin, column_);
          }
          return Fail(Cause::kInvalid, "{}:{}: !: expected one of '=~'", token.begin, column_);
        }
        Advance();
        return finish(Kind::kOperator);
      case '"':
        if (!SkipQuoted()) {
          return Fail(Cause::kInvalid, "{}:{}: {}: missing end \"", token.begin, column_,
                      text_.substr(begin));
        }
        return finish(Kind::kQuoted);
      default:
        break;
    }
    if (IsReservedInMatchers(c)) {
      return Fail(Cause::kInvalid, "{}:{}: {}: invalid input", token.begin, column_,
                  text_.substr(begin, at_ - begin));
    }
    while (at_ < text_.size() && !IsReservedInMatchers(Here().value)) Advance();
    return finish(Kind::kUnquoted);
  }

 private:
  Rune Here() const { return DecodeRune(text_, at_); }
  bool At(char c) const { return at_ < text_.size() && text_[at_] == c; }
  void Advance() {
    at_ += Here().length;
    ++column_;
  }
  bool SkipQuoted() {
    bool escaped = false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      Advance();
      if (c == '"' && !escaped) return true;
      escaped = c == '\\' && !escaped;
    }
    return false;
  }

  std::string_view text_;  // valid UTF-8
  std::size_t at_ = 0;
  std::size_t column_ = 0;
};

class Utf8Parser {
 public:
  explicit Utf8Parser(std::string_view text) : lexer_(text) {}

  Result<ParsedList> Parse() {
    Result<Token> first = lexer_.Peek();
    if (!first) return tl::unexpected(first.error());
    if (first->kind == Kind::kEnd) return ParsedList{};
    if (first->kind == Kind::kOpen) {
      open_ = true;
      static_cast<void>(lexer_.Take());
      first = lexer_.Peek();
      if (!first) return tl::unexpected(first.error());
    }
    Status status;
    if (first->kind != Kind::kEnd && first->kind != Kind::kClose) status = ParseList();
    if (status) status = ParseClose();
    if (!status) return tl::unexpected(status.error());
    return std::move(list_);
  }

 private:
  // The next token if it is one of these; else the error, with what was expected behind it.
  Result<Token> Expect(std::initializer_list<Kind> kinds, std::string_view expected) {
    Result<Token> token = lexer_.Peek();
    if (!token) return Wanted(token.error().message, expected);
    for (const Kind kind : kinds) {
      if (token->kind == kind) return lexer_.Take();
    }
    if (token->kind == Kind::kEnd) {
      return Wanted(fmt::format("0:{}: end of input", lexer_.column()), expected);
    }
    return Wanted(fmt::format("{}:{}: unexpected {}", token->begin, token->end, token->text),
                  expected);
  }
  static tl::unexpected<Error> Wanted(const std::string& reason, std::string_view expected) {
    return Fail(Cause::kInvalid, "{}: expected {}", reason, expected);
  }
  bool NextIs(Kind kind) const {
    const Result<Token> token = lexer_.Peek();
    return token && token->kind == kind;
  }

  // matcher {"," matcher} [","], up to the end or a brace
  Status ParseList() {
    for (;;) {
      const Status one = ParseOne();
      if (!one) return one;
      if (NextIs(Kind::kEnd) || NextIs(Kind::kClose)) return {};
      const Result<Token> comma = Expect({Kind::kComma}, "a comma or close brace");
      if (!comma) return tl::unexpected(comma.error());
      if (NextIs(Kind::kEnd) || NextIs(Kind::kClose)) return {};
      if (NextIs(Kind::kQuoted) || NextIs(Kind::kUnquoted)) continue;
      const Result<Token> next = Expect({}, "a matcher or close brace after comma");
      return tl::unexpected(next.error());
    }
  }

  Status ParseOne() {
    Parsed parsed;
    const Result<std::string> name = ParseText("label name");
    if (!name) return tl::unexpected(name.error());
    Result<Token> symbol = Expect({Kind::kOperator}, "an operator such as '=', '!=', '=~' or '!~'");
    if (!symbol) return tl::unexpected(symbol.error());
    const Result<std::string> value = ParseText("label value");
    if (!value) return tl::unexpected(value.error());
    list_.push_back({*TakeOperator(symbol->text), *name, *value});
    return {};
  }

  Result<std::string> ParseText(std::string_view expected) {
    const Result<Token> token = Expect({Kind::kQuoted, Kind::kUnquoted}, expected);
    if (!token) return tl::unexpected(token.error());
    if (token->kind == Kind::kUnquoted) return std::string(token->text);
    std::optional<std::string> text = Unquote(token->text);
    if (!text || !IsUtf8(*text)) {
      return Fail(Cause::kInvalid, "{}:{}: {}: invalid input", token->begin, token->end,
                  token->text);
    }
    return *std::move(text);
  }

  Status ParseClose() {
    if (open_) {
      const Result<Token> brace = Expect({Kind::kClose}, "close brace");
      if (!brace) return tl::unexpected(brace.error());
    } else if (NextIs(Kind::kClose)) {
      static_cast<void>(lexer_.Take());
      return Fail(Cause::kInvalid, "0:{}: }}: expected opening brace", lexer_.column());
    }
    const Result<Token> end = lexer_.Peek();
    if (!end) return Wanted(end.error().message, "end of input");
    if (end->kind == Kind::kEnd) return {};
    return Fail(Cause::kInvalid, "{}:{}: {}: expected end of input", end->begin, end->end,
                end->text);
  }

  Lexer lexer_;
  bool open_ = false;
  ParsedList list_;
};

// ---- Both -----------------------------------------------------------------------------------

Result<Matchers> Choose(const Result<ParsedList>& utf8, const Result<ParsedList>& classic,
                        MatcherSyntax syntax) {
  if (syntax == MatcherSyntax::kUtf8) return MakeAll(utf8);
  // Wherever classic understands it has the last word: alone, or because the two differ.
  Result<Matchers> from_classic = MakeAll(classic);
  if (from_classic || syntax == MatcherSyntax::kClassic) return from_classic;
  Result<Matchers> from_utf8 = MakeAll(utf8);
  return from_utf8 ? from_utf8 : from_classic;
}

Status CheckText(std::string_view text) {
  if (IsUtf8(text)) return {};
  return Fail(Cause::kInvalid, "matcher is not valid UTF-8: {}", Quote(text));
}

Status CheckNames(const Matchers& matchers) {
  for (const Matcher& matcher : matchers) {
    if (matcher.name().empty()) return Fail(Cause::kInvalid, "a matcher has an empty label name");
  }
  return {};
}

}  // namespace

Result<Matchers> ParseMatchers(std::string_view text, MatcherSyntax syntax) {
  if (const Status valid = CheckText(text); !valid) return tl::unexpected(valid.error());
  Result<Matchers> out = Choose(Utf8Parser(text).Parse(), ParseClassic(text), syntax);
  if (!out) return out;
  if (const Status named = CheckNames(*out); !named) return tl::unexpected(named.error());
  return out;
}

Result<Matcher> ParseMatcher(std::string_view text, MatcherSyntax syntax) {
  if (const Status valid = CheckText(text); !valid) return tl::unexpected(valid.error());
  if (syntax != MatcherSyntax::kClassic && (text.starts_with('{') || text.ends_with('}'))) {
    return Fail(Cause::kInvalid, "unexpected open or close brace: {}", text);
  }
  Result<ParsedList> utf8 = Utf8Parser(text).Parse();
  if (utf8 && utf8->empty()) utf8 = Fail(Cause::kInvalid, "no matchers");
  if (utf8 && utf8->size() > 1) {
    utf8 = Fail(Cause::kInvalid, "expected 1 matcher, found {}", utf8->size());
  }
  Result<ParsedList> classic;
  if (Result<Parsed> one = ParseOneClassic(text); one) {
    classic->push_back(*std::move(one));
  } else {
    classic = tl::unexpected(one.error());
  }
  const Result<Matchers> out = Choose(utf8, classic, syntax);
  if (!out) return tl::unexpected(out.error());
  if (const Status named = CheckNames(*out); !named) return tl::unexpected(named.error());
  return out->front();
}

}  // namespace fettle
