// What needs what, read from labels as Compose 2.26 writes them, from shared namespaces and from
// the configuration.
#include "receivers/dependencies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "receivers/own_parts.h"

namespace fettle::receivers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Container Of(const std::string& service, const std::string& depends_on = "",
             const std::string& network_mode = "default") {
  Container one;
  one.id = "id-" + service;
  one.name = "shop-" + service + "-1";
  one.network_mode = network_mode;
  one.labels = {{"com.docker.compose.project", "shop"}, {"com.docker.compose.service", service}};
  if (!depends_on.empty()) one.labels["com.docker.compose.depends_on"] = depends_on;
  return one;
}
Place At(const std::string& service) { return {"local", "shop", service}; }
std::vector<std::string> Names(const std::vector<Place>& places) {
  std::vector<std::string> names;
  for (const Place& place : places) names.push_back(place.service);
  return names;
}

TEST(DependenciesTest, ComposesLabelNamesServicesAndWhatOnlyHasToCompleteIsNone) {
  EXPECT_THAT(ComposeDependencies(Of("web",
                                     "db:service_healthy:false,redis:service_started:true,"
                                     "migrate:service_completed_successfully:false")),
              ElementsAre("db", "redis"));
  EXPECT_THAT(ComposeDependencies(Of("db")), IsEmpty());
  EXPECT_THAT(ComposeDependencies(Of("odd", ",,a,:x")), ElementsAre("a"));
}

TEST(DependenciesTest, WhatItNeedsComesNearestFirstAndWhoNeedsItInTheOrderOfStarting) {
  Dependencies stack;
  stack.Learn("local",
              {Of("web", "api:service_started:false"), Of("api", "db:service_healthy:false"),
               Of("worker", "db:service_healthy:false,redis:service_started:false"), Of("db"),
               Of("redis")});
  EXPECT_THAT(Names(stack.Above(At("web"))), ElementsAre("api", "db"));
  EXPECT_THAT(Names(stack.Above(At("db"))), IsEmpty());
  EXPECT_THAT(Names(stack.Below(At("db"))), ElementsAre("api", "worker", "web"));
  EXPECT_THAT(Names(stack.Above({"other", "shop", "web"})), IsEmpty()) << "another engine";
}

TEST(DependenciesTest, WhoeverLivesInAnothersNetworkNeedsIt_D19) {
  Dependencies stack;
  stack.Learn("local", {Of("vpn"), Of("torrent", "", "container:id-vpn"),
                        Of("search", "", "container:shop-torrent-1")});
  EXPECT_THAT(Names(stack.Above(At("search"))), ElementsAre("torrent", "vpn"));
  EXPECT_THAT(Names(stack.Below(At("vpn"))), ElementsAre("torrent", "search"));
}

TEST(DependenciesTest, ACircleHasNoRootSoNothingInItWaits_D21) {
  Dependencies stack;
  stack.Learn("local", {Of("a", "b:service_started:false"), Of("b", "c:service_started:false"),
                        Of("c", "a:service_started:false,db:service_started:false"), Of("db"),
                        Of("self", "self:service_started:false")});
  EXPECT_THAT(Names(stack.Above(At("a"))), ElementsAre("db"));
  EXPECT_THAT(Names(stack.Below(At("db"))), testing::UnorderedElementsAre("a", "b", "c"));
  EXPECT_THAT(Names(stack.Above(At("self"))), IsEmpty());
}

TEST(DependenciesTest, TheConfigurationAddsWhatNoLabelSays) {
  RepairsConfig config;
  config.targets = {{.name = "web",
                     .connection = "local",
                     .project = "shop",
                     .service = "web",
                     .depends_on = {"queue"}},
                    {.name = "queue", .connection = "local", .container = "rabbit"}};
  Dependencies stack;
  stack.Use(config);
  EXPECT_THAT(Names(stack.Above(At("web"))), ElementsAre("rabbit"));
  Container rabbit = Of("mq");
  rabbit.name = "rabbit";
  stack.Learn("local", {rabbit});
  EXPECT_THAT(Names(stack.Above(At("web"))), ElementsAre("mq")) << "by its name, of a project";
  EXPECT_EQ(stack.PlaceOfSubject({"queue", config.targets[1], ""}), At("mq"));
}

TEST(OwnPartsTest, AContainerKnowsItselfByWhereItsHostsFileComesFrom_S16) {
  const std::string id(64, 'a');
  const std::string other(64, 'b');
  const OwnParts inside = FindOwnParts(
      "1 2 0:1 / / rw - overlay overlay rw\n"
      "3 1 8:1 /var/lib/docker/containers/" +
          id + "/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n",
      {"tcp://engine-proxy:2375", "unix:///var/run/docker.sock"});
  EXPECT_EQ(inside.container_id, id);
  Container self = Of("fettle");
  self.id = id;
  EXPECT_EQ(inside.Why(self), "fettle itself");
  EXPECT_EQ(inside.Why(Of("engine-proxy")), "what fettle reaches the engine by");
  EXPECT_EQ(inside.Why(Of("web")), std::nullopt);
  const OwnParts host = FindOwnParts(
      "3 1 0:7 / /var/lib/docker/containers/" + other + "/mounts/shm rw - tmpfs shm rw\n", {});
  EXPECT_EQ(host.container_id, "") << "a machine that runs containers is none of them";
  EXPECT_EQ(host.Why(self), std::nullopt);
}

}  // namespace
}  // namespace fettle::receivers
