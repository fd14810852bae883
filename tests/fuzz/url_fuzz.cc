// URLs as requests bring them: a parameter's name on the first line, the URL on the others. Goal:
// decoding never grows nor loses what encoding made, and the ways to ask agree.
#include <cstdint>
#include <string>
#include <string_view>

#include "common/check.h"
#include "common/http.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fettle;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view name = input.substr(0, input.find('\n'));
  const std::string_view url = input.substr(std::min(input.size(), name.size() + 1));

  for (const bool plus_is_space : {false, true}) {
    FETTLE_CHECK(PercentDecode(PercentEncode(input), plus_is_space) == input);
    FETTLE_CHECK(PercentDecode(input, plus_is_space).size() <= input.size());
  }
  HttpRequest request;
  request.url = url;
  FETTLE_CHECK(!request.Path().empty());
  const std::optional<std::string> first = request.Query(name);
  const std::vector<std::string> all = request.QueryAll(name);
  FETTLE_CHECK(first.has_value() == !all.empty());
  FETTLE_CHECK(!first || *first == all.front());

  // What a sender encodes is what a handler reads, wherever it stands.
  request.url = "/api?a=1&" + PercentEncode(name) + "=" + PercentEncode(url) + "&b";
  FETTLE_CHECK(request.Path() == "/api");
  const std::string before = name == "a" ? "1" : std::string(url);
  FETTLE_CHECK(request.Query(name) == before || name.empty());
  return 0;
}
