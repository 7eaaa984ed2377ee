# Build helpers: one function per kind of target, so that a room, a test folder or a fuzzer is one
# line wherever it is declared.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(GTest REQUIRED)

add_library(ringpost_options INTERFACE)
target_include_directories(ringpost_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(ringpost_options INTERFACE
  -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  -fno-omit-frame-pointer)
if(NOT RINGPOST_UNITY)
  # Otherwise what one source calls its own is in sight of the next.
  target_compile_options(ringpost_options INTERFACE -Wshadow)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Optimised g++ 12 reports these falsely inside its own string and vector code.
  target_compile_options(ringpost_options INTERFACE
    $<$<CONFIG:Release>:-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds>)
endif()
target_link_libraries(ringpost_options INTERFACE Threads::Threads)

if(RINGPOST_SANITIZE STREQUAL "address")
  target_compile_options(ringpost_options INTERFACE -fsanitize=address,undefined
    -fno-sanitize-recover=all)
  target_link_options(ringpost_options INTERFACE -fsanitize=address,undefined)
elseif(RINGPOST_SANITIZE STREQUAL "thread")
  target_compile_options(ringpost_options INTERFACE -fsanitize=thread)
  target_link_options(ringpost_options INTERFACE -fsanitize=thread)
endif()
if(RINGPOST_FUZZ)
  target_compile_options(ringpost_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Names of SYSTEM libraries a room may ask for, each bound once here.
pkg_check_modules(uring REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(cares REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(idn2 REQUIRED IMPORTED_TARGET libidn2)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(systemd REQUIRED IMPORTED_TARGET libsystemd)
pkg_check_modules(fmt REQUIRED IMPORTED_TARGET fmt)
pkg_check_modules(microhttpd REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(zlib REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(curl REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(openssl REQUIRED IMPORTED_TARGET openssl>=3.0)
pkg_check_modules(pam REQUIRED IMPORTED_TARGET pam)
pkg_check_modules(crypto REQUIRED IMPORTED_TARGET libcrypto>=3.0)

# With RINGPOST_UNITY several sources of a folder are one translation unit: from nothing, that takes
# a third of the time. scripts/tidy.py sees to it that their private names differ.
function(ringpost_unite target)
  if(RINGPOST_UNITY)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)
    # Tables of options, whose private names are alike on purpose; classes with private bases;
    # a source that has a library keep quiet; one in which g++ 12, inlining further, warns of what
    # cannot be.
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX "/(options_[a-z_]+|openssl_tls|sha256|scheduler_jobs)\\.cpp$")
    if(sources)
      set_source_files_properties(${sources} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endif()
endfunction()

# ringpost_room(NAME FOLDER [LINKS rooms...] [SYSTEM libraries...])
# A static library ringpost_NAME of all sources in FOLDER.
function(ringpost_room name folder)
  cmake_parse_arguments(ROOM "" "" "LINKS;SYSTEM" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cpp)
  if(NOT sources)
    add_library(ringpost_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(ringpost_${name} STATIC ${sources})
    set(scope PUBLIC)
    ringpost_unite(ringpost_${name})
  endif()
  target_link_libraries(ringpost_${name} ${scope} ringpost_options)
  foreach(room ${ROOM_LINKS})
    target_link_libraries(ringpost_${name} ${scope} ringpost_${room})
  endforeach()
  foreach(library ${ROOM_SYSTEM})
    target_link_libraries(ringpost_${name} ${scope} PkgConfig::${library})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY RINGPOST_ROOM_FOLDERS ${folder})
endfunction()

# Code of unit tests runs once, so compiling it is what costs: it is not optimised, and where no
# compiler cache serves it shares one precompiled header.
add_library(ringpost_unit_options INTERFACE)
target_link_libraries(ringpost_unit_options INTERFACE ringpost_options GTest::gtest)
# -pthread: some libraries bring it along, and a precompiled header must fit all.
target_compile_options(ringpost_unit_options INTERFACE -O0 -pthread)
if(RINGPOST_PCH)
  add_library(ringpost_unit_pch OBJECT ${CMAKE_SOURCE_DIR}/tests/precompiled.cpp)
  target_link_libraries(ringpost_unit_pch PRIVATE ringpost_unit_options)
  target_precompile_headers(ringpost_unit_pch PRIVATE ${CMAKE_SOURCE_DIR}/tests/precompiled.h)
endif()

# ringpost_unit_tests(FOLDER rooms...): one binary unit_FOLDER of tests/unit/FOLDER/*.cpp.
function(ringpost_unit_tests folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  # Simulations run for thousands of seeds and are optimised. They come first because linkers keep
  # the first copy of an inline function.
  set(simulations ${sources})
  list(FILTER simulations INCLUDE REGEX "/crowd[a-z_]*\\.cpp$")
  list(FILTER simulations EXCLUDE REGEX "_test\\.cpp$")
  if(simulations)
    set_source_files_properties(${simulations} PROPERTIES COMPILE_OPTIONS -O2
      SKIP_PRECOMPILE_HEADERS ON)
  endif()
  list(PREPEND sources ${simulations})
  list(REMOVE_DUPLICATES sources)
  add_executable(unit_${folder} ${sources})
  ringpost_unite(unit_${folder})
  foreach(room ${ARGN})
    target_link_libraries(unit_${folder} PRIVATE ringpost_${room})
  endforeach()
  target_link_libraries(unit_${folder} PRIVATE GTest::gtest_main ringpost_unit_options)
  if(RINGPOST_PCH)
    target_precompile_headers(unit_${folder} REUSE_FROM ringpost_unit_pch)
  endif()
  # Only where it is used: objects of the other tests then do not depend on where the clone lies.
  foreach(source ${sources})
    file(STRINGS ${source} uses REGEX RINGPOST_SOURCE_DIR LIMIT_COUNT 1)
    if(uses)
      set_property(SOURCE ${source} APPEND PROPERTY
        COMPILE_DEFINITIONS RINGPOST_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    endif()
  endforeach()
  if(NOT simulations)
    add_test(NAME unit_${folder} COMMAND unit_${folder})
    set_tests_properties(unit_${folder} PROPERTIES LABELS unit TIMEOUT 300)
    return()
  endif()
  foreach(part 0 1)  # of the longest one, side by side
    add_test(NAME unit_${folder}_${part} COMMAND unit_${folder})
    set_tests_properties(unit_${folder}_${part} PROPERTIES LABELS unit TIMEOUT 300
      ENVIRONMENT "GTEST_TOTAL_SHARDS=2;GTEST_SHARD_INDEX=${part}")
  endforeach()
endfunction()

# ringpost_fuzzer(NAME SOURCE CORPUS rooms...): libFuzzer target, or with other compilers a binary
# that replays the corpus, so that every build with a compiler cache can run the known inputs.
function(ringpost_fuzzer name source corpus)
  if(RINGPOST_PCH AND NOT RINGPOST_FUZZ)
    return()  # Nothing here runs it, and without a compiler cache each target counts.
  endif()
  add_executable(fuzz_${name} ${source})
  foreach(room ${ARGN})
    target_link_libraries(fuzz_${name} PRIVATE ringpost_${room})
  endforeach()
  if(RINGPOST_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cpp)
    add_test(NAME fuzz_${name}_corpus COMMAND fuzz_${name} ${corpus})
    set_tests_properties(fuzz_${name}_corpus PROPERTIES LABELS fuzz TIMEOUT 120)
  endif()
endfunction()
