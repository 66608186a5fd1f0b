find_program(GANGER_NPM npm)

#   ganger_npm_packages(<target> COMMENT <text> LEFT_OUT <what goes without them>)
# Fetches what package.json and package-lock.json of this folder name into node_modules of its build folder; nothing of npm is in the
# repository. <target> does it; what depends on the file ${<target>_stamp} comes after.
function(ganger_npm_packages target)
  cmake_parse_arguments(PACKAGES "" "COMMENT;LEFT_OUT" "" ${ARGN})
  set(script ${PROJECT_SOURCE_DIR}/cmake/npm_packages_script.cmake)
  set(stamp ${CMAKE_CURRENT_BINARY_DIR}/packages.stamp)
  set(lists ${CMAKE_CURRENT_SOURCE_DIR}/package.json ${CMAKE_CURRENT_SOURCE_DIR}/package-lock.json)
  # npm ci wants the two files in the folder where it puts the packages.
  add_custom_command(OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -E copy ${lists} ${CMAKE_CURRENT_BINARY_DIR}
    COMMAND ${CMAKE_COMMAND} -DNPM=${GANGER_NPM} -DFOLDER=${CMAKE_CURRENT_BINARY_DIR} "-DLEFT_OUT=${PACKAGES_LEFT_OUT}" -P ${script}
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${lists} ${script}
    COMMENT ${PACKAGES_COMMENT} VERBATIM)
  add_custom_target(${target} ALL DEPENDS ${stamp})
  set(${target}_stamp ${stamp} PARENT_SCOPE)
endfunction()
