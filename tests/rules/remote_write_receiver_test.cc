#include "rules/remote_write_receiver.h"

#include <gtest/gtest.h>

#include <cstring>

#include "rules/samples/selection.h"
#include "rules/samples/shelves.h"
#include "tests/support/manual_clock.h"
#include "tests/support/recorded_log.h"
#include "tests/support/remote_write.h"

namespace fettle::rules {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

// A receiver, a store, and short words for what is sent.
struct Post {
  HttpResponse Send(std::string body, Headers headers = {}) {
    return receiver.Handle({.method = "POST", .headers = std::move(headers), .body = body});
  }
  HttpResponse Write(const std::vector<Sample>& samples) { return Send(RemoteWriteBody(samples)); }
  Sample Up(double value, Millis after = Millis(0)) const {
    return {{{"__name__", "up"}, {"job", "api"}}, value, clock.Now().wall + after};
  }
  std::string Stored() const {
    std::string out;
    const Selection all = store.Select({}, Time(Millis(0)), clock.Now().wall + hours(1));
    SampleColumns samples;
    for (std::size_t i = 0; i < all.size(); ++i) {
      all.Read(i, 0, ToMillis(clock.Now().wall + hours(1)), samples);
      out += all.labels(i)->ToString();
      for (const double value : samples.values) {
        out += IsStaleNaN(value) ? " stale" : fmt::format(" {}", value);
      }
      out += "\n";
    }
    return out;
  }

  ManualClock clock;
  Metrics metrics;
  RecordedLog log;
  SampleStore store{{.series_max = 3}, &metrics};
  RemoteWriteReceiver receiver{
      {.samples = store, .clock = clock, .metrics = metrics, .log = log.For("remote write")}};
};

TEST(RemoteWriteReceiverTest, StoresWhatIsSentWithStaleMarkers) {
  Post post;
  const HttpResponse answer = post.Write({post.Up(1),
                                          post.Up(2, Millis(15'000)),
                                          post.Up(StaleNaN(), Millis(30'000)),
                                          {{{"__name__", "down"}}, 7, post.clock.Now().wall}});
  EXPECT_EQ(answer.status, 204) << answer.body;
  EXPECT_EQ(post.Stored(), "down 7\nup{job=\"api\"} 1 2 stale\n");
}

TEST(RemoteWriteReceiverTest, TakesTheSameWriteAgain) {
  Post post;
  EXPECT_EQ(post.Write({post.Up(1)}).status, 204);
  EXPECT_EQ(post.Write({post.Up(1)}).status, 204);
  EXPECT_EQ(post.Stored(), "up{job=\"api\"} 1\n");
}

TEST(RemoteWriteReceiverTest, RefusesWhatItCannotTakeAndStoresTheRest) {
  Post post;
  ASSERT_EQ(post.Write({post.Up(1, minutes(1))}).status, 204);
  const Sample other{{{"__name__", "other"}}, 5, post.clock.Now().wall};
  struct {
    Sample bad;
    std::string says;
  } const cases[] = {
      {post.Up(1), "out of order: the series has a newer sample"},
      {post.Up(2, minutes(1)), "duplicate: the series has another value at this time"},
      {post.Up(3, minutes(11)), "out of bounds: too far in the future"},
  };
  for (const auto& [bad, says] : cases) {
    const HttpResponse answer = post.Write({bad, other});
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(answer.body.find(says), std::string::npos) << answer.body;
  }
  EXPECT_EQ(post.Stored(), "up{job=\"api\"} 1\nother 5\n");
}

TEST(RemoteWriteReceiverTest, NamesTheSeriesLimitAndGoesOnWithKnownSeries) {
  Post post;
  for (const std::string name : {"a", "b", "up"}) {
    const Labels labels = name == "up" ? post.Up(1).labels : Labels{{"__name__", name}};
    ASSERT_EQ(post.Write({{labels, 1, post.clock.Now().wall}}).status, 204);
  }
  const HttpResponse answer =
      post.Write({{{{"__name__", "c"}}, 1, post.clock.Now().wall}, post.Up(2, Millis(1'000))});
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("series limit: 3 series"), std::string::npos) << answer.body;
  EXPECT_EQ(post.Stored(), "a 1\nb 1\nup{job=\"api\"} 1 2\n");
}

TEST(RemoteWriteReceiverTest, RefusesInvalidLabels) {
  const Time now = Post().clock.Now().wall;
  const auto bytes = [](const std::string& content, char tag) {
    return std::string{tag, static_cast<char>(content.size())} + content;
  };
  const auto label = [&](const std::string& name, const std::string& value) {
    return bytes(bytes(name, '\x0a') + bytes(value, '\x12'), '\x0a');
  };
  const std::string good = EncodeRemoteWrite({{{{"__name__", "good"}}, 1, now}});
  struct {
    std::string labels;
    std::string says;
  } const cases[] = {
      {label("job", "x"), "invalid metric name or labels, got {job=\"x\"}"},
      {label("__name__", "x") + label("a", "1") + label("a", "2"), "duplicated label a"},
      {label("__name__", "x") + label("", "1"), "invalid metric name or labels"},
      {label("__name__", "x\xff"), "invalid metric name or labels"},
  };
  for (const auto& [labels, says] : cases) {
    Post post;
    const HttpResponse answer = post.Send(Snappy(bytes(labels + bytes("", '\x12'), '\x0a') + good));
    EXPECT_EQ(answer.status, 400);
    EXPECT_NE(answer.body.find(says), std::string::npos) << answer.body;
    EXPECT_EQ(post.Stored(), "good 1\n");
  }
}

TEST(RemoteWriteReceiverTest, SortsLabelsAndDropsEmptyOnes) {
  Post post;
  // job="api", empty="", __name__="up"; value 1 at 1767225600000.
  std::string series;
  series +=
      "\x0a\x0a\x0a\x03job\x12\x03"
      "api";
  series +=
      "\x0a\x07\x0a\x05"
      "empty";
  series += "\x0a\x0e\x0a\x08__name__\x12\x02up";
  const std::string whole = EncodeRemoteWrite({post.Up(1)});
  const std::size_t sample = whole.find("\x12\x10\x09", 0, 3);
  ASSERT_NE(sample, std::string::npos);
  series += whole.substr(sample);
  EXPECT_EQ(
      post.Send(Snappy(std::string("\x0a") + static_cast<char>(series.size()) + series)).status,
      204);
  EXPECT_EQ(post.Stored(), "up{job=\"api\"} 1\n");
}

TEST(RemoteWriteReceiverTest, RefusesWhatIsNoRemoteWrite) {
  Post post;
  const std::string good = RemoteWriteBody({post.Up(1)});
  struct {
    std::string body;
    Headers headers;
    int status;
  } const cases[] = {
      {"not snappy", {}, 400},
      {Snappy("not protobuf"), {}, 400},
      {Snappy(std::string(RemoteWriteReceiver::kMessageBytesMax + 1, '\0')), {}, 413},
      {good, {{"Content-Encoding", "gzip"}}, 415},
      {good, {{"Content-Type", "application/json"}}, 415},
      {good,
       {{"Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"}},
       415},
  };
  for (const auto& [body, headers, status] : cases) {
    const HttpResponse answer = post.Send(body, headers);
    EXPECT_EQ(answer.status, status) << answer.body;
  }
  EXPECT_EQ(post.Stored(), "");
  const Headers full = {{"Content-Encoding", "snappy"},
                        {"Content-Type", "application/x-protobuf;proto=prometheus.WriteRequest"}};
  EXPECT_EQ(post.Send(good, full).status, 204);
}

// A series "up" with what is given beside its labels, and metadata of it.
std::string Message(const std::string& beside, const std::string& after = "") {
  const std::string name = "\x0a\x0e\x0a\x08__name__\x12\x02up";
  const std::string whole = name + beside;
  return std::string("\x0a") + static_cast<char>(whole.size()) + whole + after;
}
std::string Field(char tag, const std::string& bytes) {
  return std::string{tag, static_cast<char>(bytes.size())} + bytes;
}
std::string Eight(char tag, double value) {
  std::string out(9, tag);
  std::memcpy(out.data() + 1, &value, 8);
  return out;
}
// 1767225600000 as a varint.
const std::string kNow = "\x80\xd0\xea\xb6\xb7\x33";

TEST(RemoteWriteReceiverTest, KeepsExemplarsAndMetadata) {
  Post post;
  const std::string exemplar =
      Field('\x1a', Field('\x0a', Field('\x0a', "trace_id") + Field('\x12', "abc")) +
                        Eight('\x11', 0.5) + "\x18" + kNow);
  const std::string metadata =
      Field('\x1a', std::string("\x08\x02") + Field('\x12', "up") + Field('\x22', "Whether."));
  ASSERT_EQ(post.Send(Snappy(Message(exemplar, metadata))).status, 204);
  const auto found =
      post.store.shelves().exemplars.Find({{}}, post.clock.Now().wall, post.clock.Now().wall);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].series.ToString(), "up");
  EXPECT_EQ(found[0].exemplars[0].labels.ToString(), "{trace_id=\"abc\"}");
  EXPECT_EQ(found[0].exemplars[0].value, 0.5);
  const std::vector<MetricMetadata> known = post.store.shelves().metadata.All();
  ASSERT_EQ(known.size(), 1U);
  EXPECT_EQ(known[0].name, "up");
  EXPECT_EQ(known[0].type, MetricType::kGauge);
  EXPECT_EQ(known[0].help, "Whether.");
}

TEST(RemoteWriteReceiverTest, StoresNativeHistogramsAndRefusesThoseThatContradictThemselves) {
  // Whole numbers: 6 observations of sum 9.5, schema 1, one in the zero bucket, buckets 1, 2, 2.
  const auto histogram = [](const std::string& deltas) {
    return Field('\x22', std::string("\x08\x06") + Eight('\x19', 9.5) + "\x20\x02" +
                             Eight('\x29', 0.001) + "\x30\x01" + Field('\x5a', "\x08\x02\x10\x03") +
                             Field('\x62', deltas) + "\x78" + kNow);
  };
  Post post;
  const HttpResponse bad = post.Send(Snappy(Message(histogram("\x02\x02"))));
  EXPECT_EQ(bad.status, 400);
  EXPECT_NE(bad.body.find("invalid histogram"), std::string::npos) << bad.body;
  const HttpResponse good = post.Send(Snappy(Message(histogram(std::string("\x02\x02\x00", 3)))));
  ASSERT_EQ(good.status, 204) << good.body;
  const auto stored = post.store.Latest({{"__name__", "up"}});
  ASSERT_TRUE(stored && stored->histogram);
  EXPECT_EQ(stored->histogram->count, 6);
  EXPECT_EQ(stored->histogram->positive.counts, (std::vector<double>{1, 2, 2}));
  EXPECT_EQ(stored->histogram->positive.spans[0].offset, 1);
}

TEST(ExemplarShelfTest, KeepsTheNewestOfASeriesInOrder) {
  ExemplarShelf shelf;
  using enum ExemplarShelf::Outcome;
  const Labels up{{"__name__", "up"}};
  const auto at = [](std::int64_t t) { return Exemplar{{{"t", "x"}}, 1, TimeFromMillis(t)}; };
  EXPECT_EQ(shelf.Add(up, at(5)), kKept);
  EXPECT_EQ(shelf.Add(up, at(5)), kKnown);
  EXPECT_EQ(shelf.Add(up, at(4)), kOutOfOrder);
  EXPECT_EQ(shelf.Add(up, {{{"t", std::string(128, 'x')}}, 1, TimeFromMillis(9)}), kTooLong);
  for (std::size_t i = 0; i < ExemplarShelf::kExemplarsMax; ++i) {
    EXPECT_EQ(shelf.Add({{"__name__", "other"}}, at(static_cast<std::int64_t>(i))), kKept);
  }
  EXPECT_EQ(shelf.size(), ExemplarShelf::kExemplarsMax);
  EXPECT_TRUE(shelf
                  .Find({{*Matcher::Make(Matcher::Type::kEqual, "__name__", "up")}},
                        TimeFromMillis(0), TimeFromMillis(100'000))
                  .empty())
      << "the oldest went";
}

TEST(RemoteWriteReceiverTest, WakesNoReactiveRule) {
  Post post;
  int woken = 0;
  post.store.OnEventChange([&](std::span<const LabelsPtr>, Time) { ++woken; });
  ASSERT_EQ(post.Write({post.Up(1)}).status, 204);
  ASSERT_EQ(post.Write({post.Up(0, Millis(1'000))}).status, 204);
  EXPECT_EQ(woken, 0);
  ASSERT_TRUE(post.store.Append({{post.Up(1, Millis(2'000))}, Origin::kEvent}));
  EXPECT_EQ(woken, 1);
}

}  // namespace
}  // namespace fettle::rules
