#include "common/discovery.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/json.h"

namespace fettle {
namespace {

Labels WithAddress(std::string address) {
  return Labels{{std::string(kAddressLabel), std::move(address)}};
}

class FileDiscoverer final : public Discoverer {
 public:
  explicit FileDiscoverer(FileDiscovery config) : config_(std::move(config)) {}

  std::string Name() const override {
    return "file_sd " + (config_.patterns.empty() ? "" : config_.patterns.front());
  }

  // A file that cannot be read, or is broken for a moment, leaves what it said before.
  Result<std::vector<TargetGroup>> Find() override {
    std::map<std::string, std::vector<TargetGroup>> next;
    std::optional<Error> first;
    for (const std::string& path : Paths()) {
      auto groups = Read(path);
      if (groups) {
        next[path] = *std::move(groups);
        continue;
      }
      if (!first) first = groups.error();
      if (const auto old = known_.find(path); old != known_.end()) next[path] = old->second;
    }
    known_ = std::move(next);
    std::vector<TargetGroup> all;
    for (const auto& [path, groups] : known_) all.insert(all.end(), groups.begin(), groups.end());
    if (first && all.empty()) return tl::unexpected(*first);
    return all;
  }

 private:
  static Result<std::vector<TargetGroup>> Read(const std::string& path) {
    yaml::Complaints complaints;
    const auto node = yaml::LoadFile(path, complaints, {.expand_environment = false});
    return Groups(node, path, complaints);
  }

  std::vector<std::string> Paths() const {
    std::vector<std::string> paths;
    for (const std::string& pattern : config_.patterns) {
      glob_t found{};
      if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
        for (std::size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
      }
      globfree(&found);
    }
    return paths;
  }

 public:
  static Result<std::vector<TargetGroup>> Groups(const std::optional<yaml::Node>& node,
                                                 const std::string& path,
                                                 yaml::Complaints& complaints) {
    std::vector<TargetGroup> groups;
    if (node && node->kind == yaml::Node::Kind::kSequence) {
      for (const yaml::Node& item : node->items) {
        TargetGroup group{.source = fmt::format("{}:{}", path, groups.size())};
        yaml::Mapping m(item, "", complaints);
        for (std::string& target : m.List<std::string>("targets")) {
          group.targets.push_back(WithAddress(std::move(target)));
        }
        std::vector<Labels::Pair> labels{{"__meta_filepath", path}};
        for (const auto& [name, value] : m.StringMap("labels")) labels.emplace_back(name, value);
        group.labels = Labels(std::move(labels));
        groups.push_back(std::move(group));
      }
    } else if (node && node->kind != yaml::Node::Kind::kNull) {
      complaints.Add(node->place, "must be a list of {targets, labels}");
    }
    if (complaints.empty()) return groups;
    return Fail(Cause::kInvalid, "{}", complaints.ToString());
  }

 private:
  const FileDiscovery config_;
  std::map<std::string, std::vector<TargetGroup>> known_;  // by path
};

class DnsDiscoverer final : public Discoverer {
 public:
  DnsDiscoverer(DnsDiscovery config, const NameLookup& lookup)
      : config_(std::move(config)), lookup_(lookup) {}

  std::string Name() const override {
    return "dns_sd " + (config_.names.empty() ? "" : config_.names.front());
  }

  Result<std::vector<TargetGroup>> Find() override {
    std::vector<TargetGroup> groups;
    for (const std::string& name : config_.names) {
      const auto answers = lookup_.Find(name, config_.kind);
      // A name that is gone has no targets; one that cannot be asked leaves all as it was.
      if (!answers && answers.error().cause != Cause::kNotFound) {
        return tl::unexpected(answers.error());
      }
      TargetGroup group{.source = name, .labels = {{"__meta_dns_name", name}}};
      if (answers) {
        for (const NameLookup::Answer& answer : *answers) group.targets.push_back(TargetOf(answer));
      }
      groups.push_back(std::move(group));
    }
    return groups;
  }

 private:
  Labels TargetOf(const NameLookup::Answer& answer) const {
    using Kind = NameLookup::Kind;
    const bool six = answer.host.find(':') != std::string::npos;
    const std::string host = six ? "[" + answer.host + "]" : answer.host;
    const int port = config_.kind == Kind::kSrv ? answer.port : config_.port;
    Labels labels = WithAddress(fmt::format("{}:{}", host, port));
    if (config_.kind == Kind::kSrv) {
      labels.Set("__meta_dns_srv_record_target", answer.host + ".");
      labels.Set("__meta_dns_srv_record_port", std::to_string(answer.port));
    } else if (config_.kind == Kind::kMx) {
      labels.Set("__meta_dns_mx_record_target", answer.host + ".");
    } else if (config_.kind == Kind::kNs) {
      labels.Set("__meta_dns_ns_record_target", answer.host + ".");
    }
    return labels;
  }

  const DnsDiscovery config_;
  const NameLookup& lookup_;
};

}  // namespace

std::unique_ptr<Discoverer> MakeFileDiscoverer(FileDiscovery config) {
  return std::make_unique<FileDiscoverer>(std::move(config));
}

std::unique_ptr<Discoverer> MakeDnsDiscoverer(DnsDiscovery config, const NameLookup& lookup) {
  return std::make_unique<DnsDiscoverer>(std::move(config), lookup);
}

Result<std::vector<TargetGroup>> ReadTargetFile(std::string_view text, const std::string& path) {
  yaml::Complaints complaints;
  const auto node = yaml::Load(text, path, complaints, {.expand_environment = false});
  return FileDiscoverer::Groups(node, path, complaints);
}

std::vector<Labels> TargetGroup::Whole() const {
  std::vector<Labels> all;
  all.reserve(targets.size());
  for (const Labels& target : targets) {
    Labels one = labels;
    for (const auto& [name, value] : target) one.Set(name, value);
    all.push_back(std::move(one));
  }
  return all;
}

// One discoverer and what it found last.
struct Discovery::Source {
  std::unique_ptr<Discoverer> discoverer;
  Millis every{0};
  std::vector<TargetGroup> groups;
  std::string last_error;
};

Discovery::Discovery(Deps deps, const DiscoveryConfig& config, Changed changed)
    : deps_(std::move(deps)),
      fixed_(config.fixed),
      changed_(std::move(changed)),
      self_(std::make_shared<Discovery*>(this)) {
  const auto add = [this](std::unique_ptr<Discoverer> discoverer, Millis every) {
    auto source = std::make_shared<Source>();
    source->discoverer = std::move(discoverer);
    source->every = every;
    sources_.push_back(std::move(source));
  };
  for (const FileDiscovery& files : config.files) {
    add(MakeFileDiscoverer(files), std::min(files.refresh, kFilesEvery));
  }
  for (const DnsDiscovery& dns : config.dns) add(MakeDnsDiscoverer(dns, deps_.lookup), dns.refresh);
  for (const DockerDiscovery& docker : config.docker) {
    std::unique_ptr<Engine> engine = deps_.make_engine ? deps_.make_engine(docker) : nullptr;
    if (engine) add(MakeDockerDiscoverer(docker, std::move(engine)), docker.refresh);
  }
}

Discovery::~Discovery() { *self_ = nullptr; }

void Discovery::Start(const Moment& now) {
  Tell(now);
  for (const auto& source : sources_) Look(source, now);
}

void Discovery::Look(const std::shared_ptr<Source>& source, const Moment& now) {
  const auto again = [self = self_, source](const Moment& then) {
    if (*self != nullptr) (*self)->Look(source, then);
  };
  // The source lives as long as the looking; the brain as long as the hands.
  const bool taken =
      deps_.hands.Do([self = self_, source, again, &brain = deps_.brain, every = source->every] {
        auto found = source->discoverer->Find();
        brain.Finish([self, source, again, every, found = std::move(found)](const Moment& then) {
          if (*self == nullptr) return;
          (*self)->Learn(*source, found, then);
          (*self)->deps_.brain.At(then.boot + every, again);
        });
      });
  if (!taken) deps_.brain.At(now.boot + source->every, again);
}

void Discovery::Learn(Source& source, Result<std::vector<TargetGroup>> found, const Moment& now) {
  if (!found) {
    // Said once, not at every look.
    if (source.last_error != found.error().message) {
      deps_.log.Warn("looking for targets failed; those known before stay",
                     {{"discovery", source.discoverer->Name()}, {"err", found.error().message}});
    }
    source.last_error = found.error().message;
    return;
  }
  source.last_error.clear();
  std::size_t targets = 0;
  for (TargetGroup& group : *found) {
    const std::size_t room = kTargetsMax - std::min(kTargetsMax, targets);
    if (group.targets.size() > room) {
      deps_.log.Warn("too many targets; the rest is left out",
                     {{"discovery", source.discoverer->Name()}, {"max", kTargetsMax}});
      group.targets.resize(room);
    }
    targets += group.targets.size();
  }
  if (*found == source.groups) return;
  source.groups = *std::move(found);
  Tell(now);
}

void Discovery::Tell(const Moment& now) const {
  std::vector<TargetGroup> all = fixed_;
  for (const auto& source : sources_) {
    all.insert(all.end(), source->groups.begin(), source->groups.end());
  }
  changed_(all, now);
}

}  // namespace fettle
