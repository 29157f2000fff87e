# Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Fails unless LIBRARY defines cim_* symbols and no others.
execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY}
  OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" lines "${symbols}")
set(count 0)
foreach(line ${lines})
  string(REGEX REPLACE "^.* " "" name "${line}")
  if(NOT name MATCHES "^cim_[a-z_]+$")
    message(FATAL_ERROR "exported: ${name}")
  endif()
  math(EXPR count "${count} + 1")
endforeach()
if(count LESS 15)
  message(FATAL_ERROR "only ${count} symbols are exported")
endif()
