// The mender on fakes: one thread, a clock that stands still, a store and an engine in memory.
#include "receivers/mender.h"

#include "tests/receivers/workshop.h"

namespace fettle::receivers {
namespace {

class MenderTest : public testing::Test {
 protected:
  // One sick web container and an alert about it.
  void SickWeb(Workshop& shop) {
    shop.engine.AddService("shop", "web");
    shop.Boot();
    shop.engine.TurnUnhealthy("shop-web-1");
  }
};

TEST_F(MenderTest, RestartsASickContainerAtOnceAndVerifiesIt) {
  Workshop shop;
  SickWeb(shop);
  ASSERT_TRUE(shop.Fire("WebDown").has_value());
  EXPECT_THAT(shop.engine.Acts(), ElementsAre("restart shop-web-1 t=10"));
  EXPECT_EQ(shop.StateOf("heal-web"), "verifying");
  shop.engine.TurnHealthy("shop-web-1");
  shop.Pass(1s);
  EXPECT_EQ(shop.StateOf("heal-web"), "holding");
  shop.Pass(30s);
  EXPECT_EQ(shop.StateOf("heal-web"), "held");
  ASSERT_TRUE(shop.Resolve("WebDown").has_value());
  EXPECT_EQ(shop.StateOf("heal-web"), "closed repaired");
  EXPECT_THAT(shop.Attempts("heal-web"), ElementsAre("restart shop-web-1 done helped"));
  EXPECT_EQ(shop.engine.Starts("shop-web-1"), 1);
  EXPECT_THAT(shop.AuditTrail(),
              ElementsAre("intent", "outcome done", "verified", "closed repaired"));
}

}  // namespace
}  // namespace fettle::receivers
