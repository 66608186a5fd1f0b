# Fetches the packages of package-lock.json into FOLDER/node_modules. Without a network the build goes on, without LEFT_OUT.
if(NOT NPM)
  message(WARNING "npm is not installed: the packages in ${FOLDER}/node_modules are taken as they are")
  return()
endif()
execute_process(COMMAND ${NPM} ci --ignore-scripts --no-audit --no-fund --prefer-offline WORKING_DIRECTORY ${FOLDER}
                RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 300)
if(failed)
  message(WARNING "npm ci has failed, so this is left out: ${LEFT_OUT}. Build again when npm can reach its registry.\n${said}")
endif()
