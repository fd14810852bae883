#include "rules/histogram_json.h"

#include "rules/promql/native_histogram.h"
#include "rules/query_json.h"

namespace fettle::rules {
namespace {

void AppendQuoted(double value, std::string& out) {
  out += '"';
  AppendSampleValue(value, out);
  out += '"';
}

int KindOf(const promql::NativeBucket& bucket) {
  if (bucket.lower_inclusive) return bucket.upper_inclusive ? 3 : 1;
  return bucket.upper_inclusive ? 0 : 2;
}

}  // namespace

void AppendHistogramPoint(std::int64_t at, const FloatHistogram& histogram, std::string& out) {
  out += '[';
  AppendTimestamp(at, out);
  out += ",{\"count\":";
  AppendQuoted(histogram.count, out);
  out += ",\"sum\":";
  AppendQuoted(histogram.sum, out);
  bool any = false;
  for (const promql::NativeBucket& bucket : promql::AllBuckets(histogram)) {
    if (bucket.count == 0) continue;
    out += any ? ",[" : ",\"buckets\":[[";
    any = true;
    out += static_cast<char>('0' + KindOf(bucket));
    for (const double value : {bucket.lower, bucket.upper, bucket.count}) {
      out += ',';
      AppendQuoted(value, out);
    }
    out += ']';
  }
  out += any ? "]}]" : "}]";
}

}  // namespace fettle::rules
