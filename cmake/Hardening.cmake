# Hardening flags, one reason each; left out under sanitizers, which bring their own checks.
include(CheckCCompilerFlag)
add_library(ganger_hardening INTERFACE)

if(GANGER_SANITIZE)
  target_compile_options(ganger_hardening INTERFACE
    -fsanitize=${GANGER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(ganger_hardening INTERFACE -fsanitize=${GANGER_SANITIZE})
  target_compile_definitions(ganger_hardening INTERFACE GANGER_SANITIZED=1)
  if(GANGER_FUZZER)
    target_compile_options(ganger_hardening INTERFACE -fsanitize=fuzzer-no-link) # counts what an input reaches
  endif()
elseif(GANGER_COVERAGE)
  target_compile_options(ganger_hardening INTERFACE --coverage)
  target_link_options(ganger_hardening INTERFACE --coverage)
else()
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(ganger_hardening INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3) # buffer lengths checked at run time
  endif()
  foreach(flag
      -fstack-protector-strong          # a smashed stack aborts
      -fstack-clash-protection          # the stack cannot jump its guard page
      -fcf-protection                   # indirect jumps land where they should
      -ftrivial-auto-var-init=zero)     # a forgotten local is zero, not the last secret
    string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
    check_c_compiler_flag(${flag} ${have})
    if(${have})
      target_compile_options(ganger_hardening INTERFACE ${flag})
    endif()
  endforeach()
  target_link_options(ganger_hardening INTERFACE
    LINKER:-z,relro LINKER:-z,now       # no writable function table
    LINKER:-z,noexecstack)              # data is not code
endif()

# Everything a target of ours needs: warnings, hardening, the include root.
function(ganger_target name)
  target_link_libraries(${name} PRIVATE ganger_warnings ganger_hardening)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE GANGER_VERSION="${PROJECT_VERSION}"
    $<$<BOOL:${GANGER_FAULT_POINTS}>:GANGER_FAULT_POINTS=1>)
  get_target_property(type ${name} TYPE)
  if(type STREQUAL "EXECUTABLE" AND NOT GANGER_SANITIZE)
    target_link_options(${name} PRIVATE -pie)
  endif()
endfunction()
