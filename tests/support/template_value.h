// Template data from JSON, for tests of templates and of what uses them.
#pragma once

#include <string_view>

#include "common/gotemplate.h"
#include "common/result.h"

namespace fettle {

// Objects become maps, whole numbers int, other numbers float64.
Result<gotemplate::Value> TemplateValueFromJson(std::string_view json);

}  // namespace fettle
