# Warning flags, one reason each. `ganger_warnings` is linked by every target of ours.
include(CheckCCompilerFlag)
add_library(ganger_warnings INTERFACE)

function(ganger_warn flag)
  string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
  check_c_compiler_flag(${flag} ${have})
  if(${have})
    target_compile_options(ganger_warnings INTERFACE $<$<COMPILE_LANGUAGE:C>:${flag}>)
  endif()
endfunction()

ganger_warn(-Wall)                   # the usual mistakes
ganger_warn(-Wextra)                 # the usual mistakes, second half
ganger_warn(-Wpedantic)              # ISO C, so that both compilers mean the same
ganger_warn(-Wshadow)                # a name that hides another is read as the other
ganger_warn(-Wconversion)            # lengths and times must not shrink silently
ganger_warn(-Wsign-conversion)       # a negative length is a huge length
ganger_warn(-Wcast-qual)             # const is a promise
ganger_warn(-Wcast-align)            # the scoreboard is read through pointers
ganger_warn(-Wformat=2)              # no format string from data
ganger_warn(-Wformat-signedness)     # %d of an unsigned prints nonsense in a log
ganger_warn(-Wstrict-prototypes)     # f() is not f(void)
ganger_warn(-Wmissing-prototypes)    # what is not in a header is static
ganger_warn(-Wold-style-definition)  # as above
ganger_warn(-Wpointer-arith)         # no arithmetic on void *
ganger_warn(-Wwrite-strings)         # literals are const
ganger_warn(-Wundef)                 # a misspelt #if is 0
ganger_warn(-Wvla)                   # stack use must be known
ganger_warn(-Wswitch-enum)           # a new state must be looked at everywhere
ganger_warn(-Wimplicit-fallthrough)  # falling through is said
ganger_warn(-Wredundant-decls)       # one declaration, in the header
ganger_warn(-Wduplicated-cond)       # copy-paste
ganger_warn(-Wduplicated-branches)   # copy-paste
ganger_warn(-Wlogical-op)            # && of constants
ganger_warn(-Wnull-dereference)      # found by flow analysis

if(GANGER_WERROR)
  target_compile_options(ganger_warnings INTERFACE -Werror)
endif()
if(GANGER_ANALYZER)
  target_compile_options(ganger_warnings INTERFACE $<$<COMPILE_LANGUAGE:C>:-fanalyzer>)
endif()
