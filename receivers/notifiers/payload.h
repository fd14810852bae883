// A webhook's own payload: YAML of the configuration whose texts are templates, sent as JSON.
//
// As Alertmanager 0.32 and later: a rendered text that reads as YAML of another type becomes that
// ("5" is a number, "true" a bool, "" null, "{a: b}" an object); keys are rendered too, keys that
// are no texts are left out. Unlike there, what a template rendered is never a template again, so
// that a label cannot bring one in.
#pragma once

#include <string>

#include "common/gotemplate.h"
#include "common/result.h"
#include "common/yaml.h"
#include "receivers/templates.h"

namespace fettle::receivers {

Result<std::string> RenderPayload(const yaml::Node& payload, const Templates& templates,
                                  const gotemplate::Value& data, Time now);

}  // namespace fettle::receivers
