# Helpers that every folder's CMakeLists.txt uses.

# Flags of all our own code; outside headers come in as SYSTEM.
add_library(assay_flags INTERFACE)
target_include_directories(assay_flags INTERFACE ${CMAKE_SOURCE_DIR})
# GCC 12 takes std::string's short form for an overrun where it comes out of a precompiled header.
target_compile_options(assay_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-pthread -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers>
  $<$<CXX_COMPILER_ID:GNU>:$<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict>>
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:$<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${ASSAY_WERROR}>>:-Werror>)
if(ASSAY_SANITIZE)
  # The checks of each pointer's use cost a third of the compile time and find what AddressSanitizer finds.
  target_compile_options(assay_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=address,undefined -fno-sanitize=null,alignment,object-size,vptr>
    $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=undefined -fno-omit-frame-pointer>)
  target_link_options(assay_flags INTERFACE -fsanitize=address,undefined)
endif()

# assay_library(NAME [OWN_HEADERS] SOURCES a.cc b.cc LINKS other ...): a static library with our flags.
# The headers that nearly every file reads are parsed once, in core/CMakeLists.txt; OWN_HEADERS is for a library whose
# compiler flags differ, so that it can't share them. ALONE: each file by itself also in a build that compiles several
# as one (the release and asan presets); for files that read themselves once per instruction set, and for CUDA.
function(assay_library name)
  cmake_parse_arguments(arg "OWN_HEADERS;ALONE" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  if(arg_ALONE)
    set_target_properties(${name} PROPERTIES UNITY_BUILD OFF)
  endif()
  target_link_libraries(${name} PUBLIC assay_flags ${arg_LINKS})
  if(NOT arg_OWN_HEADERS AND NOT name STREQUAL assay_core)
    target_precompile_headers(${name} REUSE_FROM assay_core)
  endif()
endfunction()

# assay_test(NAME SOURCES a_test.cc LINKS lib ...): a Catch2 program, one CTest entry.
# Tests find ../shared through the environment variable ASSAY_SHARED or beside the source tree; see tests/support.h.
# SERIAL: no other test runs meanwhile. LABELS slow: too slow under the sanitizers, left out of that build.
function(assay_test name)
  cmake_parse_arguments(arg "OWN_HEADERS;SERIAL" "TIMEOUT" "SOURCES;LINKS;LABELS" ${ARGN})
  if(ASSAY_SANITIZE AND "slow" IN_LIST arg_LABELS)
    message(STATUS "Left out of the sanitizers' build, too slow there: ${name}")
    return()
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE assay_test_support ${arg_LINKS})
  if(NOT arg_OWN_HEADERS)
    target_precompile_headers(${name} REUSE_FROM assay_test_support)
  endif()
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  set_tests_properties(${name} PROPERTIES RUN_SERIAL ${arg_SERIAL} TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()
