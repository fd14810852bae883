#include "rules/template_functions.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/duration.h"
#include "common/gotemplate_texts.h"

namespace fettle::rules {
namespace {

using gotemplate::Functions;
using gotemplate::List;
using gotemplate::Map;
using gotemplate::Object;
using gotemplate::TextArgument;
using gotemplate::Value;
using gotemplate::WantArguments;
using Arguments = std::vector<Value>;

// As Go names the struct in its messages.
constexpr const char* kDataType =
    "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; "
    "Value interface {} }";
constexpr const char* kSampleType = "*template.sample";
constexpr const char* kPrelude =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}";

constexpr const char* kEndPrelude = "{{$resolved := .Resolved}}";

Value NumberOf(const promql::Element& element) {
  if (element.histogram == nullptr) return Value(element.value);
  Object histogram;
  histogram.type_name = "*histogram.FloatHistogram";
  histogram.printed = "histogram";
  return histogram;
}

Value SampleOf(const promql::Element& element) {
  Object sample;
  sample.type_name = kSampleType;
  sample.fields["Labels"] = Value::From(*element.labels);
  sample.fields["Value"] = NumberOf(element);
  return sample;
}

Value ResultOf(const promql::Vector& vector) {
  List samples;
  samples.reserve(vector.size());
  for (const promql::Element& element : vector) samples.push_back(SampleOf(element));
  Object result;
  result.type_name = "template.queryResult";
  result.items = std::make_shared<const List>(std::move(samples));
  return result;
}

// A field of a query's sample; the complaint if the value is no sample.
Result<Value> SampleField(const Value& value, const std::string& field) {
  const auto* const object = std::get_if<std::shared_ptr<const Object>>(&value.variant());
  if (object == nullptr || (*object)->type_name != kSampleType) {
    return Fail(Cause::kInvalid, "wrong type for value; expected {}; got {}", kSampleType,
                TypeName(value));
  }
  return (*object)->fields.at(field);
}

std::string LabelOf(const Value& labels, const std::string& name) {
  const Map* map = labels.AsMap();
  if (map == nullptr) return {};
  const auto entry = map->find(name);
  return entry == map->end() ? std::string() : Print(entry->second);
}

Result<Value> First(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  const List* samples = arguments[0].AsList();
  if (samples == nullptr) {
    return Fail(Cause::kInvalid, "wrong type for value; expected template.queryResult; got {}",
                TypeName(arguments[0]));
  }
  if (samples->empty()) {
    return Fail(Cause::kInvalid, "first() called on vector with no elements");
  }
  return samples->front();
}

Result<Value> Label(const Arguments& arguments) {
  if (Status two = WantArguments(arguments, 2); !two) return tl::unexpected(two.error());
  const Result<std::string> name = TextArgument(arguments, 0);
  if (!name) return tl::unexpected(name.error());
  const Result<Value> labels = SampleField(arguments[1], "Labels");
  if (!labels) return labels;
  return Value(LabelOf(*labels, *name));
}

Result<Value> SampleValue(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  return SampleField(arguments[0], "Value");
}

Result<Value> StringValue(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  const Result<Value> labels = SampleField(arguments[0], "Labels");
  if (!labels) return labels;
  return Value(LabelOf(*labels, "__value__"));
}

Result<Value> SortByLabel(const Arguments& arguments) {
  if (Status two = WantArguments(arguments, 2); !two) return tl::unexpected(two.error());
  const Result<std::string> name = TextArgument(arguments, 0);
  if (!name) return tl::unexpected(name.error());
  const List* samples = arguments[1].AsList();
  if (samples == nullptr) {
    return Fail(Cause::kInvalid, "wrong type for value; expected template.queryResult; got {}",
                TypeName(arguments[1]));
  }
  std::vector<std::pair<std::string, const Value*>> keyed;
  for (const Value& sample : *samples) {
    const Result<Value> labels = SampleField(sample, "Labels");
    if (!labels) return labels;
    keyed.emplace_back(LabelOf(*labels, *name), &sample);
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  List sorted;
  for (const auto& [key, sample] : keyed) sorted.push_back(*sample);
  Object result;
  result.type_name = "template.queryResult";
  result.items = std::make_shared<const List>(std::move(sorted));
  return Value(result);
}

Result<Value> Args(const Arguments& arguments) {
  Map map;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    map.emplace("arg" + std::to_string(i), arguments[i]);
  }
  return Value(std::move(map));
}

struct HostPort {
  std::string_view host;
  std::string_view port;
};
// Go's net.SplitHostPort; nullopt where it has an error.
std::optional<HostPort> SplitHostPort(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  if (text[0] == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || close + 1 != colon) return std::nullopt;
    const std::string_view inside = text.substr(1, close - 1);
    if (inside.find('[') != std::string_view::npos) return std::nullopt;
    return HostPort{inside, text.substr(colon + 1)};
  }
  const std::string_view host = text.substr(0, colon);
  if (host.find_first_of(":[]") != std::string_view::npos) return std::nullopt;
  return HostPort{host, text.substr(colon + 1)};
}

bool IsAddress(const std::string& host) {
  in_addr four{};
  in6_addr six{};
  return inet_pton(AF_INET, host.c_str(), &four) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &six) == 1;
}

std::string StripPort(const std::string& text) {
  const std::optional<HostPort> split = SplitHostPort(text);
  return split ? std::string(split->host) : text;
}

std::string StripDomain(const std::string& text) {
  const std::optional<HostPort> split = SplitHostPort(text);
  std::string host = split ? std::string(split->host) : text;
  if (IsAddress(host)) return text;
  host = host.substr(0, host.find('.'));
  if (split && !split->port.empty()) return host + ":" + std::string(split->port);
  return host;
}

std::string QueryEscape(const std::string& text) {
  const auto escape = gotemplate::Template::Parse("urlquery", "{{urlquery .}}", {});
  const Result<std::string> escaped = escape ? escape->Execute(text) : std::string();
  return escaped.value_or("");
}

// A function of one text.
template <std::string (*kOf)(const std::string&)>
Result<Value> OfText(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  const Result<std::string> text = TextArgument(arguments, 0);
  if (!text) return tl::unexpected(text.error());
  return Value(kOf(*text));
}

Result<Value> ParsedDuration(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  const Result<std::string> text = TextArgument(arguments, 0);
  if (!text) return tl::unexpected(text.error());
  const bool negative = text->starts_with('-');
  const Result<Millis> duration = ParseDuration(std::string_view(*text).substr(negative ? 1 : 0));
  if (!duration) return tl::unexpected(duration.error());
  return Value(negative ? -ToSeconds(*duration) : ToSeconds(*duration));
}

Result<Value> ToDuration(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  const Result<double> seconds = gotemplate::NumberArgument(arguments, 0);
  if (!seconds) return tl::unexpected(seconds.error());
  if (!(std::abs(*seconds) < 9.2e9)) {
    return Fail(Cause::kInvalid,
                "{} cannot be represented as a nanoseconds duration since it overflows int64",
                gotemplate::Print(Value(*seconds)));
  }
  return Value(gotemplate::Duration(static_cast<std::int64_t>(*seconds * 1e9)));
}

Result<Value> ToTime(const Arguments& arguments) {
  if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
  const Result<double> seconds = gotemplate::NumberArgument(arguments, 0);
  if (!seconds) return tl::unexpected(seconds.error());
  const Result<gotemplate::Timestamp> time = gotemplate::TimeFromSeconds(*seconds);
  if (!time) return tl::unexpected(time.error());
  return Value(*time);
}

gotemplate::Function Constant(std::string text) {
  return [text = std::move(text)](const Arguments& arguments) -> Result<Value> {
    if (Status none = WantArguments(arguments, 0); !none) return tl::unexpected(none.error());
    return Value(text);
  };
}

std::string PathOf(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t from = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t slash = url.find('/', from);
  if (slash == std::string::npos) return {};
  return url.substr(slash, url.find_first_of("?#", slash) - slash);
}

Result<Value> Unbound(const Arguments&) {
  return Fail(Cause::kInvalid, "is only known while a rule is evaluated");
}

}  // namespace

Functions AlertFunctions(const std::string& external_url) {
  Functions functions = gotemplate::TextFunctions();
  functions["args"] = Args;
  functions["externalURL"] = Constant(external_url);
  functions["first"] = First;
  functions["graphLink"] = OfText<GraphLink>;
  functions["label"] = Label;
  functions["now"] = Unbound;
  functions["parseDuration"] = ParsedDuration;
  functions["pathPrefix"] = Constant(PathOf(external_url));
  functions["query"] = Unbound;
  functions["sortByLabel"] = SortByLabel;
  functions["stripDomain"] = OfText<StripDomain>;
  functions["stripPort"] = OfText<StripPort>;
  functions["strvalue"] = StringValue;
  functions["tableLink"] = OfText<TableLink>;
  functions["toDuration"] = ToDuration;
  functions["toTime"] = ToTime;
  functions["urlQueryEscape"] = OfText<QueryEscape>;
  functions["value"] = SampleValue;
  return functions;
}

Functions BindFunctions(Time now, TemplateQuery query) {
  return {{"now",
           [now](const Arguments& arguments) -> Result<Value> {
             if (Status none = WantArguments(arguments, 0); !none) {
               return tl::unexpected(none.error());
             }
             return Value(ToSeconds(now));
           }},
          {"query", [query = std::move(query)](const Arguments& arguments) -> Result<Value> {
             if (Status one = WantArguments(arguments, 1); !one) return tl::unexpected(one.error());
             const Result<std::string> expression = TextArgument(arguments, 0);
             if (!expression) return tl::unexpected(expression.error());
             const Result<promql::Vector> vector = query(*expression);
             if (!vector) return tl::unexpected(vector.error());
             return ResultOf(*vector);
           }}};
}

Value AlertData(const Labels& labels, const Value& external_labels, const std::string& external_url,
                const promql::Element& element, bool resolved) {
  Object data;
  data.type_name = kDataType;
  data.fields["Labels"] = Value::From(labels);
  data.fields["ExternalLabels"] = external_labels;
  data.fields["ExternalURL"] = external_url;
  data.fields["Value"] = NumberOf(element);
  data.fields["Resolved"] = resolved;
  return data;
}

std::string GraphLink(const std::string& expression) {
  return "/graph?g0.expr=" + QueryEscape(expression) + "&g0.tab=0";
}
std::string TableLink(const std::string& expression) {
  return "/graph?g0.expr=" + QueryEscape(expression) + "&g0.tab=1";
}

Result<AlertText> AlertText::Parse(const std::string& alert, const std::string& text,
                                   const Functions& functions) {
  AlertText out;
  out.name_ = "__alert_" + alert;
  out.text_ = text;
  if (text.find("{{") == std::string::npos) return out;
  const bool variable = text.find("$resolved") != std::string::npos;
  out.knows_end_ = variable || text.find(".Resolved") != std::string::npos;
  // Only where it is needed: it moves the columns that errors name.
  const std::string prelude = variable ? std::string(kPrelude) + kEndPrelude : kPrelude;
  Result<gotemplate::Template> parsed =
      gotemplate::Template::Parse(out.name_, prelude + text, functions);
  if (!parsed) return tl::unexpected(parsed.error());
  out.template_ = *std::move(parsed);
  return out;
}

Result<std::string> AlertText::Expand(const Value& data, const Functions& bound) const {
  if (!template_) return text_;
  Result<std::string> text = template_->Execute(data, bound);
  if (!text) return While("error executing template " + name_, text.error());
  return text;
}

}  // namespace fettle::rules
