#include "tests/common/store_contract.h"

namespace fettle {

INSTANTIATE_TEST_SUITE_P(Stores, StoreContractTest, ::testing::ValuesIn(StoreBenches()),
                         [](const auto& tested) { return tested.param; });

}  // namespace fettle
