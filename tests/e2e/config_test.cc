// Configurations as operators write them: every mistake is named, all at once, with its place, the
// offending text and what was meant; and what deploy/ ships has none.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>

#include "common/web_config.h"
#include "fettle_config.h"
#include "tests/support/case_file.h"
#include "tests/support/child.h"
#include "tests/support/temp_dir.h"

namespace fettle {
namespace {

// For every case whose own it does not say.
constexpr char kPeople[] = R"(
route: {receiver: team}
receivers: [{name: team}, {name: oncall}]
time_intervals: [{name: nights}]
)";

std::string Without(std::string text, const std::string& what) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos;) {
    text.erase(at, what.size());
  }
  return text;
}

TEST(ConfigTest, NamesEveryMistakeWithItsPlace) {
  setenv("FIVE", "5", 1);
  unsetenv("HOME_OF_NOTHING");
  std::ptrdiff_t mistakes = 0;
  for (const TextCase& one : LoadCases("config")) {
    SCOPED_TRACE(one.name);
    const TempDir dir;
    dir.Write("alertmanager.yml", kPeople);
    for (const auto& [name, text] : one.parts) {
      if (name != "complains") dir.Write(name, text);
    }
    yaml::Complaints complaints;
    ReadFettleConfig(dir.Write("fettle.yml", one.input), complaints);
    const std::string said = Without(complaints.ToString(), dir.path() + "/");
    EXPECT_EQ(said, one.Has("complains") ? one.parts.at("complains") : "");
    mistakes += static_cast<std::ptrdiff_t>(complaints.size());
  }
  EXPECT_GE(mistakes, 100);
}

std::string Shipped(const std::string& name) {
  std::ifstream in(FETTLE_SOURCE "/deploy/" + name, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << name;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Where people who copied deploy/'s examples have them.
class DeployTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"fettle", "alertmanager", "web"}) {
      dir_.Write(name + std::string(".yml"), Shipped(name + std::string(".example.yml")));
    }
  }
  FettleConfig Read() {
    yaml::Complaints complaints;
    FettleConfig config = ReadFettleConfig(dir_ / "fettle.yml", complaints);
    EXPECT_EQ(complaints.ToString(), "");
    return config;
  }
  TempDir dir_;
};

TEST_F(DeployTest, TheExamplesHaveNoMistakes) {
  setenv("FETTLE_DOCKER", "unix:///var/run/docker.sock", 1);
  setenv("FETTLE_LEADS_DSN", "host=127.0.0.1", 1);
  setenv("FETTLE_ALERTMANAGER_YML", (dir_ / "alertmanager.yml").c_str(), 1);
  setenv("FETTLE_BACKUP_DIR", "/backups/leads", 1);
  const FettleConfig config = Read();
  EXPECT_TRUE(config.alertmanager);
  EXPECT_EQ(config.repairs.repairs.size(), 2U);
  EXPECT_EQ(config.backups.size(), 1U);
  yaml::Complaints complaints;
  const auto web = yaml::LoadFile(dir_ / "web.yml", complaints, {.expand_environment = false});
  ASSERT_TRUE(web);
  EXPECT_TRUE(ReadWebConfig(*web, complaints).HasAuthentication());
  EXPECT_EQ(complaints.ToString(), "");
}

// As compose.yml says how to make it, with what it puts into the environment.
TEST_F(DeployTest, ComposesConfigurationHasNoMistakes) {
  yaml::Complaints complaints;
  const auto compose =
      yaml::Load(Shipped("compose.yml"), "compose.yml", complaints, {.expand_environment = false});
  ASSERT_TRUE(compose);
  EXPECT_EQ(complaints.ToString(), "");
  const yaml::Node* environment = compose->Find("services")->Find("fettle")->Find("environment");
  ASSERT_NE(environment, nullptr);
  std::set<std::string> given;
  for (const char* name :
       {"FETTLE_DOCKER", "FETTLE_LEADS_DSN", "FETTLE_ALERTMANAGER_YML", "FETTLE_BACKUP_DIR"}) {
    unsetenv(name);
  }
  for (const auto& [name, value] : environment->entries) {
    setenv(name.text.c_str(), value.text.c_str(), 1);
    given.insert(name.text);
  }
  EXPECT_EQ(given.count("FETTLE_ALERTMANAGER_YML"), 1U);
  setenv("FETTLE_ALERTMANAGER_YML", (dir_ / "alertmanager.yml").c_str(), 1);
  // The command by which it says to take the password from a file.
  const std::string text = Shipped("compose.yml");
  const std::size_t at = text.find("sed -i ");
  ASSERT_NE(at, std::string::npos);
  const std::string command = text.substr(at, text.find('\n', at) - at);
  ASSERT_EQ(Child::Run({.argv = {"sh", "-c", "cd " + dir_.path() + " && " + command}}), 0);
  const FettleConfig config = Read();
  EXPECT_EQ(config.connections.docker.at("local").endpoint, "tcp://engine-proxy:2375");
  EXPECT_EQ(config.connections.postgres.count("leads"), 1U);
}

}  // namespace
}  // namespace fettle
