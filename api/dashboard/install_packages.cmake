# Fetches the packages of package-lock.json into FOLDER/node_modules. Without a network the build goes on, without a dashboard.
if(NOT NPM)
  message(WARNING "npm is not installed: the packages in ${FOLDER}/node_modules are taken as they are")
  return()
endif()
execute_process(COMMAND ${NPM} ci --ignore-scripts --no-audit --no-fund --prefer-offline WORKING_DIRECTORY ${FOLDER}
                RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 300)
if(failed)
  message(WARNING "npm ci has failed: the dashboard is left out, and ganger-api says so at /. Build again when it can reach the registry.\n${said}")
endif()
