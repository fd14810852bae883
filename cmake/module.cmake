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
      -Wno-stringop-overflow -Wno-stringop-overread -Wno-maybe-uninitialized
      # A file that is compiled among others is no header for that.
      $<$<BOOL:${FETTLE_UNITY}>:-Wno-subobject-linkage>)
  endif()
  if(FETTLE_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  if(FETTLE_SANITIZE)
    target_compile_options(${target} PRIVATE
      -fsanitize=${FETTLE_SANITIZE} -fno-omit-frame-pointer)
    if(FETTLE_SANITIZE MATCHES undefined)
      # What object-size finds, the address sanitizer finds too, and it doubles clang's compile time.
      target_compile_options(${target} PRIVATE -fno-sanitize-recover=undefined
        "$<$<CXX_COMPILER_ID:Clang>:-fno-sanitize=object-size>")
    endif()
    target_link_options(${target} PUBLIC -fsanitize=${FETTLE_SANITIZE})
  endif()
endfunction()

# fettle_batches(out apart source...): what unity_batches.awk says, as a list of "batch<TAB>file".
function(fettle_batches out apart)
  file(GLOB headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/*.h)
  foreach(room common exporter rules receivers tests)
    file(GLOB_RECURSE more CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${room}/*.h)
    list(APPEND headers ${more})
  endforeach()
  list(LENGTH headers count)
  execute_process(
    COMMAND ${FETTLE_AWK} -f ${CMAKE_SOURCE_DIR}/cmake/unity_batches.awk -v headers=${count}
      -v root=${CMAKE_SOURCE_DIR}/ -v apart=${apart} ${headers} ${ARGN}
    OUTPUT_VARIABLE lines OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" lines "${lines}")
  set(${out} ${lines} PARENT_SCOPE)
endfunction()

# fettle_unity(target [APART]): with FETTLE_UNITY, files that can be compiled together are, because most of a
# file's time goes into the headers that its neighbours include too. dev compiles each file by itself and
# so finds the includes that are missing. To be called where the target is made.
find_program(FETTLE_AWK awk)
function(fettle_unity target)
  if("APART" IN_LIST ARGN)
    set(apart 1)
  else()
    set(apart 0)
  endif()
  if(NOT FETTLE_UNITY OR NOT FETTLE_AWK)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  list(SORT sources)
  fettle_batches(lines ${apart} ${sources})
  foreach(line ${lines})
    string(REGEX MATCH "^([0-9]+)\t(.*)$" line "${line}")
    set_source_files_properties(${CMAKE_MATCH_2} PROPERTIES UNITY_GROUP batch_${CMAKE_MATCH_1})
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
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
  fettle_unity(fettle_${name})
endfunction()
