// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The C API. Compiled with exceptions so that none (out of memory) gets out.
#include "cim-c/cim.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "cim/Program/ProgramIO.h"
#include "cim/Runtime/Report.h"
#include "cim/Runtime/Session.h"
#include "cim/Support/Status.h"
#include "cim/Support/Version.h"

struct cim_program {
  std::shared_ptr<const cim::Program> program;
};

struct cim_session {
  std::unique_ptr<cim::Session> session;
  cim::NamedArrays outputs;
  std::string text;
};

namespace {

using cim::invalidArgument;

static_assert(CIM_FLOAT64 == static_cast<int>(cim::DType::F64));
static_assert(CIM_MODE_TIMING == static_cast<int>(cim::Mode::Timing));

std::string &lastError() {
  thread_local std::string error;
  return error;
}

cim_status fail(cim_status code, std::string_view message) noexcept {
  try {
    lastError() = message;
  } catch (...) {
    lastError().clear();
  }
  return code;
}

cim_status toCode(const absl::Status &status) {
  switch (status.code()) {
  case absl::StatusCode::kOk:
    return CIM_OK;
  case absl::StatusCode::kInvalidArgument:
  case absl::StatusCode::kUnavailable:
  case absl::StatusCode::kOutOfRange:
  case absl::StatusCode::kFailedPrecondition:
    return CIM_INVALID_ARGUMENT;
  case absl::StatusCode::kNotFound:
    return CIM_NOT_FOUND;
  default:
    return CIM_INTERNAL;
  }
}

/// Runs \p body, which returns a status, and turns everything into a code.
template <typename Body>
cim_status guarded(Body body) noexcept {
  try {
    absl::Status status = body();
    if (status.ok())
      return CIM_OK;
    return fail(toCode(status), std::string(status.message()));
  } catch (const std::exception &e) {
    return fail(CIM_INTERNAL, e.what());
  } catch (...) {
    return fail(CIM_INTERNAL, "unknown exception");
  }
}

/// Copies what the caller's version of the structure has room for.
template <typename T>
absl::Status give(const T &value, T *to) {
  if (!to || to->struct_size < sizeof(size_t))
    return invalidArgument("structure: null, or struct_size not set; set it "
                           "to sizeof before the call");
  size_t size = std::min(to->struct_size, sizeof(T));
  std::memcpy(reinterpret_cast<char *>(to) + sizeof(size_t),
              reinterpret_cast<const char *>(&value) + sizeof(size_t),
              size - sizeof(size_t));
  return absl::OkStatus();
}

/// Reads a structure that may be shorter than ours; the rest stays zero.
template <typename T>
absl::Status take(const T *from, T &value) {
  value = T{};
  if (!from || from->struct_size < sizeof(size_t))
    return invalidArgument("structure: null, or struct_size not set; set it "
                           "to sizeof before the call");
  std::memcpy(&value, from, std::min(from->struct_size, sizeof(T)));
  return absl::OkStatus();
}

std::vector<const cim::TensorInfo *>
pointers(const std::vector<cim::TensorInfo> &list) {
  std::vector<const cim::TensorInfo *> result;
  for (const cim::TensorInfo &info : list)
    result.push_back(&info);
  return result;
}

absl::Status tensorInfo(const std::vector<const cim::TensorInfo *> &list,
                        size_t index, cim_tensor_info *to) {
  if (index >= list.size())
    return invalidArgument("tensor index: ", index, "; the program has ",
                           list.size(), "; use a smaller one");
  const cim::TensorInfo &info = *list[index];
  cim_tensor_info value = {};
  value.name = info.name.c_str();
  value.dtype = static_cast<cim_dtype>(info.type);
  value.rank = info.shape.size();
  value.shape = info.shape.data();
  value.scale = info.quant.scale;
  value.zero_point = info.quant.zeroPoint;
  return give(value, to);
}

absl::Status toArray(const cim_array &from, const std::string &name,
                     cim::Array &to) {
  if (static_cast<unsigned>(from.dtype) > CIM_FLOAT64 ||
      (from.rank > 0 && !from.shape) || from.rank > 64 ||
      (from.bytes > 0 && !from.data))
    return invalidArgument("input ", name,
                           ": unknown dtype, or null shape or data; fill in "
                           "the array");
  to.type = static_cast<cim::DType>(from.dtype);
  if (from.rank > 0)
    to.shape.assign(from.shape, from.shape + from.rank);
  uint64_t bytes = cim::byteSize(to.type);
  for (int64_t size : to.shape) {
    if (size < 0 || (size > 0 && bytes > (uint64_t(1) << 48) / uint64_t(size)))
      return invalidArgument("input ", name, ": dimension ", size,
                             "; 0 to 2^48 bytes in all; correct it");
    bytes *= static_cast<uint64_t>(size);
  }
  to.data =
      cim::Blob(static_cast<const char *>(from.data), from.bytes, nullptr);
  return absl::OkStatus();
}

absl::Status needs(const void *pointer, const char *what) {
  if (pointer)
    return absl::OkStatus();
  return invalidArgument(what, ": null; pass one");
}

} // namespace

const char *cim_version(void) { return cim::versionString(); }
const char *cim_last_error(void) { return lastError().c_str(); }

cim_status cim_program_load(const char *path, cim_program **program) {
  return guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(path, "path"));
    CIM_RETURN_IF_ERROR(needs(program, "program"));
    CIM_ASSIGN_OR_RETURN(auto loaded, cim::readProgram(path));
    *program = new cim_program{std::move(loaded)};
    return absl::OkStatus();
  });
}

cim_status cim_program_load_memory(const void *data, size_t bytes,
                                   cim_program **program) {
  return guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(data, "data"));
    CIM_RETURN_IF_ERROR(needs(program, "program"));
    auto copy =
        std::make_shared<std::string>(static_cast<const char *>(data), bytes);
    CIM_ASSIGN_OR_RETURN(auto loaded,
                         cim::parseProgram(*copy, copy, "program"));
    *program = new cim_program{std::move(loaded)};
    return absl::OkStatus();
  });
}

void cim_program_release(cim_program *program) { delete program; }

const char *cim_program_model(const cim_program *program) {
  return program ? program->program->model.c_str() : "";
}
const char *cim_program_target(const cim_program *program) {
  return program ? program->program->target.name.c_str() : "";
}
size_t cim_program_input_count(const cim_program *program) {
  return program ? program->program->inputs.size() : 0;
}
size_t cim_program_output_count(const cim_program *program) {
  return program ? cim::visibleOutputs(*program->program).size() : 0;
}

cim_status cim_program_input(const cim_program *program, size_t index,
                             cim_tensor_info *info) {
  return guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(program, "program"));
    return tensorInfo(pointers(program->program->inputs), index, info);
  });
}

cim_status cim_program_output(const cim_program *program, size_t index,
                              cim_tensor_info *info) {
  return guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(program, "program"));
    return tensorInfo(cim::visibleOutputs(*program->program), index, info);
  });
}

cim_status cim_session_create(const cim_program *program,
                              const cim_session_options *options,
                              cim_session **session) {
  return guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(program, "program"));
    CIM_RETURN_IF_ERROR(needs(session, "session"));
    cim_session_options given = {};
    if (options)
      CIM_RETURN_IF_ERROR(take(options, given));
    if (static_cast<unsigned>(given.mode) > CIM_MODE_TIMING ||
        given.threads < 0)
      return invalidArgument("session options: mode ", int(given.mode),
                             ", threads ", given.threads,
                             "; a known mode and at least 0; correct them");
    cim::RunOptions run;
    run.mode = static_cast<cim::Mode>(given.mode);
    run.sanitize = given.sanitize != 0;
    run.trace = given.trace != 0;
    run.threads = std::max(1, given.threads);
    auto made = std::make_unique<cim_session>();
    CIM_ASSIGN_OR_RETURN(made->session,
                         cim::Session::create(program->program, run));
    *session = made.release();
    return absl::OkStatus();
  });
}

void cim_session_release(cim_session *session) { delete session; }

cim_status cim_session_run(cim_session *session, const cim_array *inputs,
                           size_t count) {
  cim_status code = guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(session, "session"));
    const auto &infos = session->session->program().inputs;
    bool timing = session->session->options().mode == cim::Mode::Timing;
    if (count != infos.size() && !(timing && count == 0))
      return invalidArgument("inputs: ", count, " arrays; the program takes ",
                             infos.size(), "; pass one per input");
    if (count > 0)
      CIM_RETURN_IF_ERROR(needs(inputs, "inputs"));
    cim::NamedArrays arrays;
    const char *next = reinterpret_cast<const char *>(inputs);
    for (size_t i = 0; i < count; ++i) {
      // The caller's structures may be shorter than ours.
      auto *from = reinterpret_cast<const cim_array *>(next);
      cim_array array;
      CIM_RETURN_IF_ERROR(take(from, array));
      next += from->struct_size;
      CIM_RETURN_IF_ERROR(toArray(array, infos[i].name, arrays[infos[i].name]));
    }
    session->outputs.clear();
    CIM_ASSIGN_OR_RETURN(session->outputs, session->session->run(arrays));
    return absl::OkStatus();
  });
  bool faulted = code != CIM_OK && session && session->session->fault();
  return faulted ? CIM_DEVICE_FAULT : code;
}

cim_status cim_session_output(cim_session *session, size_t index,
                              cim_array *output) {
  return guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(session, "session"));
    auto infos = cim::visibleOutputs(session->session->program());
    if (index >= infos.size())
      return invalidArgument("output index: ", index, "; the program has ",
                             infos.size(), "; use a smaller one");
    auto found = session->outputs.find(infos[index]->name);
    if (found == session->outputs.end())
      return invalidArgument("output ", infos[index]->name,
                             ": no data; run first, in a mode with data");
    const cim::Array &array = found->second;
    cim_array value = {};
    value.dtype = static_cast<cim_dtype>(array.type);
    value.rank = array.shape.size();
    value.shape = array.shape.data();
    value.data = array.data.data();
    value.bytes = array.data.size();
    return give(value, output);
  });
}

cim_status cim_session_profile(cim_session *session, cim_profile *profile) {
  return guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(session, "session"));
    const cim::Program &program = session->session->program();
    const cim::Profile &from = session->session->profile();
    cim::StageStats cold;
    cold.cycles = from.load.cycles + from.first.cycles;
    cim::Derived steady = derive(program, from.last);
    cim_profile value = {};
    value.runs = from.runs;
    value.cold_cycles = cold.cycles;
    value.steady_cycles = from.last.cycles;
    value.cold_seconds = derive(program, cold).seconds;
    value.steady_seconds = steady.seconds;
    value.cold_energy_j = from.load.energyJ + from.first.energyJ;
    value.steady_energy_j = from.last.energyJ;
    value.bound_cycles = program.lowerBoundCycles;
    value.predicted_cycles = program.predictedCycles;
    value.utilization = steady.utilization;
    return give(value, profile);
  });
}

cim_status cim_session_report(cim_session *session, const char **json) {
  return guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(session, "session"));
    CIM_RETURN_IF_ERROR(needs(json, "json"));
    session->text =
        reportJson(session->session->program(), session->session->profile());
    *json = session->text.c_str();
    return absl::OkStatus();
  });
}

cim_status cim_session_trace(cim_session *session, const char **json) {
  return guarded([&]() -> absl::Status {
    CIM_RETURN_IF_ERROR(needs(session, "session"));
    CIM_RETURN_IF_ERROR(needs(json, "json"));
    if (!session->session->options().trace)
      return invalidArgument("trace: not recorded; set trace in the session "
                             "options");
    session->text =
        traceJson(session->session->program(), session->session->profile());
    *json = session->text.c_str();
    return absl::OkStatus();
  });
}
