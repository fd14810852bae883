// The code of window_lanes.cc, which includes it once for every processor it is compiled for, each
// time in a namespace of its own; FETTLE_TARGET names the processor to the compiler. So there is no
// guard, and nothing that could be taken from one of them for the other.

// The windows computed side by side.
struct Batch {
  const double* from[kLanes];
  std::size_t length;  // of the shortest
  bool side_by_side;   // each window begins a sample after the one before
};

FETTLE_TARGET inline Batch MakeBatch(const WindowSpans& windows, const Steps& steps) {
  Batch batch{.from = {}, .length = windows.values.size(), .side_by_side = true};
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t begin = windows.begins[steps[lane]];
    const std::size_t length = windows.ends[steps[lane]] - begin;
    batch.from[lane] = windows.values.data() + begin;
    batch.side_by_side = batch.side_by_side && batch.from[lane] == batch.from[0] + lane;
    if (length < batch.length) batch.length = length;
  }
  return batch;
}

// The sample at this place of four of the windows. (Returned by value it would be an ABI of its
// own.)
template <bool kSideBySide>
FETTLE_TARGET inline void Load(const double* const* from, std::size_t place, Four& to) {
  if constexpr (kSideBySide) {
    std::memcpy(&to, from[0] + place, sizeof(to));
  } else {
    to = Four{from[0][place], from[1][place], from[2][place], from[3][place]};
  }
}

struct FourSums {
  Four sum;
  Four lost;
};

// Knuth's exact error of a sum: where nothing overflows it is what Neumaier's two cases give.
FETTLE_TARGET inline void AddFour(FourSums& to, const Four& value) {
  const Four total = to.sum + value;
  const Four added = total - to.sum;
  to.lost += (to.sum - (total - added)) + (value - added);
  to.sum = total;
}

template <bool kSideBySide>
FETTLE_TARGET void SumLanes(const Batch& batch, bool from_first, CompensatedSum* out) {
  FourSums left{};
  FourSums right{};
  std::size_t place = 0;
  if (from_first) {
    Load<kSideBySide>(batch.from, place, left.sum);
    Load<kSideBySide>(batch.from + 4, place, right.sum);
    ++place;
  }
  Four value;
  for (; place < batch.length; ++place) {
    Load<kSideBySide>(batch.from, place, value);
    AddFour(left, value);
    Load<kSideBySide>(batch.from + 4, place, value);
    AddFour(right, value);
  }
  for (std::size_t lane = 0; lane < 4; ++lane) {
    out[lane] = {left.sum[lane], left.lost[lane]};
    out[4 + lane] = {right.sum[lane], right.lost[lane]};
  }
}

FETTLE_TARGET inline void SumBatch(const WindowSpans& windows, const Steps& steps, bool from_first,
                                   std::span<CompensatedSum> out) {
  const Batch batch = MakeBatch(windows, steps);
  CompensatedSum sums[kLanes];
  if (batch.side_by_side) {
    SumLanes<true>(batch, from_first, sums);
  } else {
    SumLanes<false>(batch, from_first, sums);
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    CompensatedSum& one = sums[lane];
    const double* const end = windows.values.data() + windows.ends[steps[lane]];
    for (const double* at = batch.from[lane] + batch.length; at != end; ++at) one.Add(*at);
    out[steps[lane]] = one;
  }
}

struct FourSmooth {
  Four by;
  Four trend_by;
  Four before{};
  Four now{};
  Four trend{};
};

FETTLE_TARGET inline void SmoothFour(FourSmooth& to, const Four& value, bool first) {
  if (!first) to.trend = to.trend_by * (to.now - to.before) + (1 - to.trend_by) * to.trend;
  const Four x = to.by * value;
  const Four y = (1 - to.by) * (to.now + to.trend);
  to.before = to.now;
  to.now = x + y;
}

FETTLE_TARGET inline void SmoothBatch(const WindowSpans& windows, const Steps& steps,
                                      std::span<const double> smoothing,
                                      std::span<const double> trending, std::span<double> out) {
  const Batch batch = MakeBatch(windows, steps);
  FourSmooth halves[2];
  for (std::size_t half = 0; half < 2; ++half) {
    FourSmooth& four = halves[half];
    for (std::size_t lane = 0; lane < 4; ++lane) {
      four.by[lane] = smoothing[steps[4 * half + lane]];
      four.trend_by[lane] = trending[steps[4 * half + lane]];
    }
    Load<false>(batch.from + 4 * half, 0, four.now);
    Load<false>(batch.from + 4 * half, 1, four.trend);
    four.trend -= four.now;
  }
  FourSmooth left = halves[0];
  FourSmooth right = halves[1];
  Four value;
  for (std::size_t place = 1; place < batch.length; ++place) {
    Load<false>(batch.from, place, value);
    SmoothFour(left, value, place == 1);
    Load<false>(batch.from + 4, place, value);
    SmoothFour(right, value, place == 1);
  }
  halves[0] = left;
  halves[1] = right;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const FourSmooth& four = halves[lane / 4];
    const double by = four.by[lane % 4];
    const double trend_by = four.trend_by[lane % 4];
    double last = four.before[lane % 4];
    double now = four.now[lane % 4];
    double trend = four.trend[lane % 4];
    const double* const end = windows.values.data() + windows.ends[steps[lane]];
    for (const double* at = batch.from[lane] + batch.length; at != end; ++at) {
      trend = trend_by * (now - last) + (1 - trend_by) * trend;
      last = now;
      now = by * *at + (1 - by) * (last + trend);
    }
    out[steps[lane]] = now;
  }
}
