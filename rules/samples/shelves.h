// What the store keeps beside samples. Each is safe from any thread.
#pragma once

#include "rules/samples/exemplar_shelf.h"
#include "rules/samples/metadata_shelf.h"

namespace fettle::rules {

struct Shelves {
  ExemplarShelf exemplars;
  MetadataShelf metadata;
};

}  // namespace fettle::rules
