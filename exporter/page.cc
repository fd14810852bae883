#include "exporter/page.h"

#include <zlib.h>

#include <set>
#include <utility>

#include "common/check.h"

namespace fettle::exporter {
namespace {

// A scrape is compressed in this process's spare time: fast beats small.
constexpr int kLevel = 3;

std::uint32_t Crc(std::string_view text) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size())));
}

// Raw deflate that can stand between other such blocks: it ends at a byte boundary (full flush)
// and refers to nothing before it. The last block of a stream is finished instead.
std::string Deflate(std::string_view text, int flush) {
  z_stream stream{};
  constexpr int kRawWindowBits = -15;
  constexpr int kMemory = 8;
  FETTLE_CHECK(deflateInit2(&stream, kLevel, Z_DEFLATED, kRawWindowBits, kMemory,
                            Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, static_cast<uLong>(text.size())) + 16, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, flush);
  FETTLE_CHECK(result == (flush == Z_FINISH ? Z_STREAM_END : Z_OK) && stream.avail_in == 0);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

void AppendLittleEndian(std::string& out, std::uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>((value >> shift) & 0xff);
}

}  // namespace

void Page::Update(const std::string& source, Families families) {
  const std::lock_guard lock(mutex_);
  Families old = std::exchange(sources_[source], families);
  std::set<std::string> touched;
  if (old) {
    for (const MetricFamily& family : *old) {
      families_[family.name].parts.erase(source);
      touched.insert(family.name);
    }
  }
  if (families) {
    for (const MetricFamily& family : *families) {
      families_[family.name].parts[source] = &family;
      touched.insert(family.name);
    }
  } else {
    sources_.erase(source);
  }
  for (const std::string& name : touched) {
    const auto at = families_.find(name);
    at->second.blocks.clear();
    if (at->second.parts.empty()) families_.erase(at);
  }
}

Page::Block& Page::BlockOf(Family& family, Format format) {
  const auto [at, added] = family.blocks.try_emplace(format);
  if (added) {
    std::vector<const MetricFamily*> parts;
    parts.reserve(family.parts.size());
    for (const auto& [source, part] : family.parts) parts.push_back(part);
    AppendFamily(at->second.text, parts, format);
  }
  return at->second;
}

std::vector<MetricMetadata> Page::Metadata() {
  const std::lock_guard lock(mutex_);
  std::vector<MetricMetadata> all;
  for (const auto& [name, family] : families_) {
    if (family.parts.empty()) continue;
    const MetricFamily& first = *family.parts.begin()->second;
    all.push_back({name, first.type, first.help});
  }
  return all;
}

std::string Page::Render(Format format, bool gzip, const std::vector<MetricFamily>& fresh,
                         const ExemplarBoard* exemplars) {
  std::string tail;
  std::set<std::string> shown_fresh;
  for (const MetricFamily& family : fresh) {
    AppendFamily(tail, {&family}, format, exemplars);
    shown_fresh.insert(family.name);
  }
  tail += Ending(format);

  const std::lock_guard lock(mutex_);
  if (!gzip) {
    std::size_t size = tail.size();
    for (auto& [name, family] : families_) size += BlockOf(family, format).text.size();
    std::string out;
    out.reserve(size);
    for (auto& [name, family] : families_) {
      if (!shown_fresh.contains(name)) out += BlockOf(family, format).text;
    }
    out += tail;
    return out;
  }
  // RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system.
  std::string out("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", 10);
  std::uint32_t crc = 0;
  std::size_t size = 0;
  for (auto& [name, family] : families_) {
    if (shown_fresh.contains(name)) continue;
    Block& block = BlockOf(family, format);
    if (block.deflated.empty()) {
      block.deflated = Deflate(block.text, Z_FULL_FLUSH);
      block.crc = Crc(block.text);
    }
    out += block.deflated;
    crc = static_cast<std::uint32_t>(
        crc32_combine(crc, block.crc, static_cast<z_off_t>(block.text.size())));
    size += block.text.size();
  }
  out += Deflate(tail, Z_FINISH);
  crc =
      static_cast<std::uint32_t>(crc32_combine(crc, Crc(tail), static_cast<z_off_t>(tail.size())));
  AppendLittleEndian(out, crc);
  AppendLittleEndian(out, static_cast<std::uint32_t>(size + tail.size()));
  return out;
}

}  // namespace fettle::exporter
