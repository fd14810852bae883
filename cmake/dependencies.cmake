# Everything we link with is packaged in Debian 12; docs/architecture.md says why each is here.
# Third-party headers are SYSTEM: our warnings are about our own code.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)
pkg_check_modules(DEPS REQUIRED IMPORTED_TARGET
  libcurl yaml-cpp openssl libpq fmt simdjson re2 zlib libzstd liblz4 sqlite3 expat libxxhash libcrypt)
find_library(FETTLE_CIVETWEB civetweb REQUIRED)
find_library(FETTLE_CCTZ cctz REQUIRED)
find_library(FETTLE_SNAPPY snappy REQUIRED)

# civetweb's TLS, made to work with OpenSSL 3; before civetweb, and found beside the program.
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib/fettle")
add_subdirectory(common/tls_shim)

add_library(fettle_third_party INTERFACE)
target_link_libraries(fettle_third_party INTERFACE
  PkgConfig::DEPS prometheus-cpp::core Threads::Threads
  fettle_ssl_shim fettle_crypto_shim ${FETTLE_CIVETWEB} ${FETTLE_CCTZ} ${FETTLE_SNAPPY} resolv ${CMAKE_DL_LIBS})
add_library(fettle::third_party ALIAS fettle_third_party)

# Part of our own headers, so public; both are header-only or a plain library.
add_library(fettle_fmt INTERFACE)
target_link_libraries(fettle_fmt INTERFACE fmt)
add_library(fettle::fmt ALIAS fettle_fmt)
add_library(fettle_expected INTERFACE)
add_library(fettle::expected ALIAS fettle_expected)
