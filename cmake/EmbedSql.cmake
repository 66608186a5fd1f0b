# Turns SQL files into C: every file is readable and runnable in psql, and no SQL text stands in C.
#   ganger_embed_sql(<target> <kind: statements|migrations> <files...>)
# statements -> generated/sql_queries.h + .c:  extern const SqlStatement SQL_<name>;
# migrations -> generated/migration_files.h + .c:  a table in version order
function(ganger_embed_sql target kind)
  set(files ${ARGN})
  set(out ${CMAKE_BINARY_DIR}/generated)
  if(kind STREQUAL "statements")
    set(base sql_queries)
  else()
    set(base migration_files)
  endif()
  list(JOIN files "|" joined)
  add_custom_command(
    OUTPUT ${out}/${base}.c ${out}/${base}.h
    COMMAND ${CMAKE_COMMAND} -DKIND=${kind} -DOUT=${out}/${base} "-DFILES=${joined}"
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_sql_script.cmake
    DEPENDS ${files} ${CMAKE_SOURCE_DIR}/cmake/embed_sql_script.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${out}/${base}.c ${out}/${base}.h)
endfunction()
