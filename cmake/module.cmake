# What every target of ours is compiled with, and how a module becomes a library.

function(fettle_settings target)
  target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Werror
    # Designated initializers leave out what has a default; that is what defaults are for.
    -Wno-missing-field-initializers
    # PromQL's compensated sums are compared bit for bit with Prometheus'.
    -ffp-contract=off)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # What GCC 12's optimizer believes of std::string and std::vector is often not so; clang and the
    # sanitizers look for the real mistakes of these kinds.
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-array-bounds
      -Wno-stringop-overflow -Wno-stringop-overread -Wno-maybe-uninitialized)
  endif()
  if(FETTLE_SANITIZE)
    target_compile_options(${target} PRIVATE
      -fsanitize=${FETTLE_SANITIZE} -fno-omit-frame-pointer)
    # GCC 12 sees ghosts in instrumented code; the dev preset has looked at the same code already.
    target_compile_options(${target} PRIVATE "$<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds;-Wno-restrict;-Wno-stringop-overflow;-Wno-stringop-overread;-Wno-maybe-uninitialized>")
    if(FETTLE_SANITIZE MATCHES undefined)
      target_compile_options(${target} PRIVATE -fno-sanitize-recover=undefined)
    endif()
    target_link_options(${target} PUBLIC -fsanitize=${FETTLE_SANITIZE})
  endif()
  if(FETTLE_PCH)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <chrono> <cstdint> <functional> <map> <memory> <mutex> <optional> <set> <span>
      <string> <string_view> <thread> <unordered_map> <utility> <variant> <vector>
      <fmt/format.h> <tl/expected.hpp>)
  endif()
endfunction()

# fettle_module(name): every .cc under name/ becomes the static library fettle_<name>.
function(fettle_module name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.cc)
  if(NOT sources)
    file(WRITE ${CMAKE_BINARY_DIR}/${name}_is_empty.cc "")
    set(sources ${CMAKE_BINARY_DIR}/${name}_is_empty.cc)
  endif()
  add_library(fettle_${name} STATIC ${sources})
  fettle_settings(fettle_${name})
endfunction()
