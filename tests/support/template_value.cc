#include "tests/support/template_value.h"

#include <simdjson.h>

#include <string>

namespace fettle {
namespace {

namespace dom = simdjson::dom;
using gotemplate::Value;

Value Convert(dom::element element) {
  switch (element.type()) {
    case dom::element_type::ARRAY: {
      gotemplate::List list;
      for (dom::element item : element.get_array()) list.push_back(Convert(item));
      return list;
    }
    case dom::element_type::OBJECT: {
      gotemplate::Map map;
      for (const auto& [key, item] : dom::object(element)) map[std::string(key)] = Convert(item);
      return map;
    }
    case dom::element_type::INT64:
      return Value(std::int64_t{element});
    case dom::element_type::UINT64:
      return Value(static_cast<double>(std::uint64_t{element}));
    case dom::element_type::DOUBLE:
      return Value(double{element});
    case dom::element_type::STRING:
      return Value(std::string_view{element});
    case dom::element_type::BOOL:
      return Value(bool{element});
    case dom::element_type::NULL_VALUE:
      return {};
  }
  return {};
}

}  // namespace

Result<Value> TemplateValueFromJson(std::string_view json) {
  dom::parser parser;
  dom::element element;
  const auto failed = parser.parse(json.data(), json.size()).get(element);
  if (failed) return Fail("{}", simdjson::error_message(failed));
  return Convert(element);
}

}  // namespace fettle
