// The sources beside PostgreSQL: MariaDB and MySQL, Redis, directories.
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "common/http.h"
#include "common/redis.h"
#include "receivers/backups/producer.h"

namespace fettle::receivers::backups {
namespace {

constexpr Millis kQueryTimeout{30'000};

// The words that every program of MariaDB or MySQL needs to find the server.
std::vector<std::string> MariadbArguments(const MariadbSource& source, const std::string& program) {
  const std::string name = program == "client" ? (source.mysql ? "mysql" : "mariadb")
                                               : (source.mysql ? "mysqldump" : "mariadb-dump");
  std::vector<std::string> argv = {ProgramIn(source.client_dir, name), "--no-defaults",
                                   "--user=" + source.user};
  if (source.socket.empty()) {
    argv.insert(argv.end(), {"--protocol=tcp", "--host=" + source.host,
                             "--port=" + std::to_string(source.port)});
  } else {
    argv.push_back("--socket=" + source.socket);
  }
  return argv;
}

// The password by the environment: everybody on the machine can read arguments.
Result<std::map<std::string, std::string>> MariadbEnvironment(const MariadbSource& source) {
  if (source.password.empty()) return std::map<std::string, std::string>{};
  const Result<std::string> password = source.password.Reveal();
  if (!password) return tl::unexpected(password.error());
  return std::map<std::string, std::string>{{"MYSQL_PWD", *password}};
}

Error WhyRefused(const std::string& text) {
  const bool denied = text.find("ERROR 1045") != std::string::npos ||
                      text.find("ERROR 1044") != std::string::npos ||
                      text.find("ERROR 1698") != std::string::npos;
  const bool unreachable = text.find("ERROR 2002") != std::string::npos ||
                           text.find("ERROR 2003") != std::string::npos ||
                           text.find("ERROR 2005") != std::string::npos ||
                           text.find("ERROR 2013") != std::string::npos;
  return {text, denied ? Cause::kDenied : unreachable ? Cause::kUnavailable : Cause::kFailed};
}

struct Schema {
  std::string name;
  std::int64_t size_bytes = 0;
};

Result<std::vector<Schema>> Schemas(const MariadbSource& source,
                                    const std::map<std::string, std::string>& environment,
                                    Millis timeout) {
  ProcessSpec spec{.argv = MariadbArguments(source, "client"),
                   .environment = environment,
                   .timeout = std::min(timeout, kQueryTimeout)};
  spec.argv.insert(
      spec.argv.end(),
      {"--batch", "--skip-column-names", "--connect-timeout=10",
       "--execute=select s.schema_name, coalesce(sum(t.data_length + t.index_length), 0) "
       "from information_schema.schemata s left join information_schema.tables t on "
       "t.table_schema = s.schema_name where s.schema_name not in ('information_schema', "
       "'performance_schema', 'mysql', 'sys') group by 1 order by 1"});
  const Result<ProcessResult> ran = RunProcess(spec);
  if (!ran) return While("listing databases", ran.error());
  if (!ran->succeeded()) return While("listing databases", WhyRefused(ran->Describe()));
  std::vector<Schema> all;
  std::istringstream lines(ran->output);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.rfind('\t');
    if (tab == std::string::npos) continue;
    Schema schema{line.substr(0, tab), 0};
    std::from_chars(line.data() + tab + 1, line.data() + line.size(), schema.size_bytes);
    all.push_back(std::move(schema));
  }
  std::vector<Schema> wanted;
  for (const std::string& name : source.databases) {
    const auto at = std::find_if(all.begin(), all.end(),
                                 [&](const Schema& schema) { return schema.name == name; });
    if (at == all.end()) return Fail(Cause::kNotFound, "the server has no database \"{}\"", name);
    wanted.push_back(*at);
  }
  if (source.databases.empty()) wanted = std::move(all);
  if (wanted.empty()) return Fail(Cause::kNotFound, "the server shows no database to back up");
  return wanted;
}

std::string MissingInDump(std::string_view, std::string_view tail) {
  return tail.find("-- Dump completed") != std::string_view::npos
             ? ""
             : "its output does not say \"Dump completed\"";
}

}  // namespace

Result<Plan> PlanMariadb(const MariadbSource& source, Millis timeout) {
  const auto environment = MariadbEnvironment(source);
  if (!environment) return tl::unexpected(environment.error());
  const Result<std::vector<Schema>> schemas = Schemas(source, *environment, timeout);
  if (!schemas) return tl::unexpected(schemas.error());
  Plan plan;
  for (const Schema& schema : *schemas) {
    Product product{.object_name = PercentEncode(schema.name) + ".sql",
                    .format = Format::kMariadb,
                    .subject = schema.name,
                    .size_bytes = schema.size_bytes};
    product.process = {.argv = MariadbArguments(source, "dump"), .environment = *environment};
    product.process.argv.insert(
        product.process.argv.end(),
        {"--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob",
         "--default-character-set=utf8mb4", "--databases", schema.name});
    product.missing = MissingInDump;
    plan.facts["database_bytes." + schema.name] = std::to_string(schema.size_bytes);
    plan.products.push_back(std::move(product));
  }
  // Oracle's dumper has no such part: its accounts are in the database mysql.
  if (source.globals && !source.mysql) {
    Product product{.object_name = "accounts.sql", .format = Format::kMariadb};
    product.process = {.argv = MariadbArguments(source, "dump"), .environment = *environment};
    product.process.argv.insert(product.process.argv.end(), {"--system=users", "--insert-ignore"});
    product.missing = MissingInDump;
    plan.products.push_back(std::move(product));
  }
  return plan;
}

Result<Plan> PlanRedis(const RedisSource& source, Millis timeout) {
  Result<Redis> server = Redis::Connect(source.server, std::min(timeout, kQueryTimeout));
  if (!server) return tl::unexpected(server.error());
  const Result<RedisReply> size = server->Command({"DBSIZE"}, kQueryTimeout);
  if (!size) return While("asking for its size", size.error());
  const std::string& address = source.server.address;
  const std::size_t colon = address.rfind(':');
  Product product{.object_name = "dump.rdb", .format = Format::kRedis};
  product.process.argv = {"redis-cli", "-h", address.substr(0, colon)};
  if (colon != std::string::npos) {
    product.process.argv.insert(product.process.argv.end(), {"-p", address.substr(colon + 1)});
  }
  if (!source.server.username.empty()) {
    product.process.argv.insert(product.process.argv.end(), {"--user", source.server.username});
  }
  if (source.server.tls) {
    product.process.argv.push_back("--tls");
    if (!source.server.ca_file.empty()) {
      product.process.argv.insert(product.process.argv.end(), {"--cacert", source.server.ca_file});
    }
  }
  // Into a pipe it cannot take back the mark of 40 bytes that ends the transfer: it stays behind
  // the RDB, where Redis and redis-check-rdb do not look.
  product.process.argv.insert(product.process.argv.end(), {"--rdb", "-"});
  if (!source.server.password.empty()) {
    const Result<std::string> password = source.server.password.Reveal();
    if (!password) return tl::unexpected(password.error());
    product.process.environment["REDISCLI_AUTH"] = *password;
  }
  product.missing = [](std::string_view head, std::string_view) {
    return head.starts_with("REDIS") ? std::string() : std::string("its output is no RDB");
  };
  Plan plan;
  plan.facts["keys"] = std::to_string(size->integer);
  plan.products.push_back(std::move(product));
  return plan;
}

Result<Plan> PlanDirectory(const DirectorySource& source) {
  struct stat info {};
  if (stat(source.path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return Fail(Cause::kNotFound, "there is no directory {}", source.path);
  }
  Product product{.object_name = "files.tar", .format = Format::kTar};
  product.process.argv = {"tar", "--create", "--file=-", "--directory=" + source.path};
  for (const std::string& pattern : source.exclude) {
    product.process.argv.push_back("--exclude=" + pattern);
  }
  product.process.argv.insert(product.process.argv.end(), {"--", "."});
  // tar says 1 for a file that changed while it was read, and 2 for what it could not read.
  if (source.changing) product.exit_codes_good = {0, 1};
  product.missing = [](std::string_view head, std::string_view) {
    return head.size() < 512 ? std::string("it wrote no tar") : std::string();
  };
  Plan plan;
  plan.facts["directory"] = source.path;
  plan.products.push_back(std::move(product));
  return plan;
}

}  // namespace fettle::receivers::backups
