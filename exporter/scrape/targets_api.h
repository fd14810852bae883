// /api/v1/targets and /api/v1/scrape_pools, as Prometheus answers them. Safe from any thread.
#pragma once

#include "common/http.h"
#include "common/router.h"
#include "exporter/scrape/scraper.h"

namespace fettle::exporter {

class TargetsApi {
 public:
  // nullptr: nothing is scraped, and the answers are empty.
  explicit TargetsApi(const Scraper* scraper) : scraper_(scraper) {}

  // This must outlive the router.
  void AddRoutes(Router& router) const;

  // state=active|dropped|any, scrapePool=NAME.
  HttpResponse Targets(const HttpRequest& request) const;
  HttpResponse ScrapePools(const HttpRequest& request) const;

 private:
  const Scraper* const scraper_;
};

}  // namespace fettle::exporter
