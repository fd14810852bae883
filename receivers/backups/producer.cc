#include "receivers/backups/producer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/http.h"
#include "common/number.h"
#include "common/postgres.h"

namespace fettle::receivers::backups {
namespace {

constexpr Millis kQueryTimeout{30'000};
constexpr Millis kVersionTimeout{10'000};

std::string Program(const PostgresSource& source, const std::string& name) {
  return ProgramIn(source.client_dir, name);
}

// 15 of "pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
Result<int> ClientMajor(const std::string& program) {
  const Result<ProcessResult> ran =
      RunProcess({.argv = {program, "--version"}, .timeout = kVersionTimeout});
  if (!ran) return While("running " + program + " --version", ran.error());
  const std::size_t at = ran->output.find("(PostgreSQL) ");
  int major = 0;
  if (!ran->succeeded() || at == std::string::npos) {
    return Fail("{} --version says \"{}\"", program, ran->output);
  }
  std::from_chars(ran->output.data() + at + 13, ran->output.data() + ran->output.size(), major);
  return major;
}

struct Database {
  std::string name;
  std::int64_t size_bytes = 0;
};

Result<std::vector<Database>> Databases(Postgres& server, const PostgresSource& source) {
  const Result<PostgresRows> rows = server.Query(
      "select datname, pg_database_size(datname) from pg_database "
      "where datallowconn and not datistemplate order by datname",
      {}, kQueryTimeout);
  if (!rows) return While("listing databases", rows.error());
  std::vector<Database> all;
  for (const auto& row : rows->rows) {
    Database database{row.at(0).value_or(""), 0};
    const std::string size = row.at(1).value_or("0");
    std::from_chars(size.data(), size.data() + size.size(), database.size_bytes);
    all.push_back(std::move(database));
  }
  if (source.databases.empty()) {
    if (all.empty()) return Fail(Cause::kNotFound, "the server shows no database to back up");
    return all;
  }
  std::vector<Database> wanted;
  for (const std::string& name : source.databases) {
    const auto at = std::find_if(all.begin(), all.end(),
                                 [&](const Database& database) { return database.name == name; });
    if (at == all.end()) return Fail(Cause::kNotFound, "the server has no database \"{}\"", name);
    wanted.push_back(*at);
  }
  return wanted;
}

std::string MissingInArchive(std::string_view head, std::string_view) {
  return head.starts_with("PGDMP") ? "" : "its output does not begin as a custom-format archive";
}

std::string MissingInGlobals(std::string_view, std::string_view tail) {
  // Not the very last line since 15.14: a \unrestrict follows.
  return tail.find("-- PostgreSQL database cluster dump complete") != std::string_view::npos
             ? ""
             : "its output does not say \"dump complete\"";
}

std::string MissingInTar(std::string_view head, std::string_view) {
  return head.size() < 512 ? "it wrote no tar" : "";
}

Product PhysicalProduct(const PostgresSource& source, const std::vector<Database>& databases) {
  Product product{.object_name = "base.tar", .format = Format::kPostgresPhysical};
  for (const Database& database : databases) product.size_bytes += database.size_bytes;
  product.process.argv = {Program(source, "pg_basebackup"),
                          "--pgdata=-",
                          "--format=tar",
                          "--wal-method=fetch",
                          "--checkpoint=fast",
                          "--no-password"};
  product.missing = MissingInTar;
  return product;
}

std::vector<Product> LogicalProducts(const PostgresSource& source,
                                     const std::vector<Database>& databases) {
  std::vector<Product> products;
  for (const Database& database : databases) {
    Product product{.object_name = PercentEncode(database.name) + ".pgc",
                    .format = Format::kPostgresCustom,
                    .subject = database.name,
                    .size_bytes = database.size_bytes};
    product.process.argv = {Program(source, "pg_dump"), "--format=custom", "--compress=0",
                            "--no-password"};
    // By the environment: an argument with "=" in it would be read as a connection string.
    product.process.environment["PGDATABASE"] = database.name;
    product.missing = MissingInArchive;
    products.push_back(std::move(product));
  }
  if (source.globals) {
    Product product{.object_name = "globals.sql", .format = Format::kPostgresGlobals};
    product.process.argv = {Program(source, "pg_dumpall"), "--globals-only", "--no-password"};
    product.missing = MissingInGlobals;
    products.push_back(std::move(product));
  }
  return products;
}

Plan PlanCommand(const CommandSource& source) {
  Product product{.object_name = source.file_name};
  product.process.argv = source.argv;
  product.process.environment = source.environment;
  product.process.directory = source.directory;
  product.missing = [](std::string_view head, std::string_view) {
    return head.empty() ? std::string("it wrote nothing") : std::string();
  };
  Plan plan;
  plan.facts["program"] = source.argv.front();
  plan.products.push_back(std::move(product));
  return plan;
}

}  // namespace

std::string ProgramIn(const std::string& directory, const std::string& name) {
  return directory.empty() ? name : directory + "/" + name;
}

Result<Plan> PlanPostgres(const PostgresSource& source, Millis timeout) {
  const char* program = source.physical ? "pg_basebackup" : "pg_dump";
  const Result<int> client = ClientMajor(Program(source, program));
  if (!client) return tl::unexpected(client.error());
  Result<Postgres> server = Postgres::Connect(source.server.dsn, std::min(timeout, kQueryTimeout));
  if (!server) return tl::unexpected(server.error());
  const int server_major = server->ServerVersion() / 10'000;
  if (*client < server_major) {
    return Fail(Cause::kConflict,
                "{} {} is older than the server {}, which it would refuse; set client_dir", program,
                *client, server_major);
  }
  const Result<std::vector<Database>> databases = Databases(*server, source);
  if (!databases) return tl::unexpected(databases.error());
  Result<std::map<std::string, std::string>> environment = PostgresEnvironment(source.server.dsn);
  if (!environment) return tl::unexpected(environment.error());
  (*environment)["PGAPPNAME"] = "fettle";
  // A dump waits for locks, but not for ever, and is never cut by a role's statement_timeout.
  (*environment)["PGOPTIONS"] = "-c statement_timeout=0 -c lock_timeout=300000";

  Plan plan;
  plan.facts["server_version"] = std::to_string(server->ServerVersion());
  plan.facts["client_major"] = std::to_string(*client);
  for (const Database& database : *databases) {
    plan.facts["database_bytes." + database.name] = std::to_string(database.size_bytes);
  }
  if (source.physical) {
    // Replication takes no such options.
    environment->erase("PGOPTIONS");
    plan.products.push_back(PhysicalProduct(source, *databases));
  } else {
    plan.products = LogicalProducts(source, *databases);
  }
  for (Product& product : plan.products) {
    product.process.environment.insert(environment->begin(), environment->end());
  }
  return plan;
}

Result<Plan> MakePlan(const Source& source, Millis timeout) {
  struct Makers {
    const Millis timeout;
    Result<Plan> operator()(const PostgresSource& one) const { return PlanPostgres(one, timeout); }
    Result<Plan> operator()(const MariadbSource& one) const { return PlanMariadb(one, timeout); }
    Result<Plan> operator()(const RedisSource& one) const { return PlanRedis(one, timeout); }
    Result<Plan> operator()(const DirectorySource& one) const { return PlanDirectory(one); }
    Result<Plan> operator()(const CommandSource& one) const { return PlanCommand(one); }
  };
  return std::visit(Makers{timeout}, source);
}

}  // namespace fettle::receivers::backups
