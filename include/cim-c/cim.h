/* Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * C API of the runtime (libcim_runtime.so).
 *
 * - Every function that can fail returns a cim_status; cim_last_error() then
 *   holds one line of text for the calling thread.
 * - Structures start with their size: set struct_size to sizeof of the
 *   structure before the call. Fields are only ever appended, so programs built
 *   against an older header keep working.
 * - Handles are opaque; release each with its function. Null is allowed there.
 * - A session may be used by one thread at a time; different sessions are
 *   independent. */
#ifndef CIM_C_CIM_H
#define CIM_C_CIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CIM_API __attribute__((visibility("default")))

typedef enum cim_status {
  CIM_OK = 0,
  CIM_INVALID_ARGUMENT = 1, /* The caller's or a file's mistake. */
  CIM_NOT_FOUND = 2,        /* No such file or name. */
  CIM_DEVICE_FAULT = 3,     /* The device stopped the program. */
  CIM_INTERNAL = 4          /* A bug, or out of memory. */
} cim_status;

/* Numbered like the program format. */
typedef enum cim_dtype {
  CIM_BOOL = 0,
  CIM_INT8,
  CIM_UINT8,
  CIM_INT16,
  CIM_UINT16,
  CIM_INT32,
  CIM_UINT32,
  CIM_INT64,
  CIM_UINT64,
  CIM_FLOAT16,
  CIM_BFLOAT16,
  CIM_FLOAT32,
  CIM_FLOAT64
} cim_dtype;

typedef enum cim_mode {
  CIM_MODE_FULL = 0,       /* Data and time. */
  CIM_MODE_FUNCTIONAL = 1, /* Data only. */
  CIM_MODE_TIMING = 2      /* Time only; no inputs, no outputs. */
} cim_mode;

typedef struct cim_program cim_program;
typedef struct cim_session cim_session;

/* A program input or output. Pointers live as long as the program. */
typedef struct cim_tensor_info {
  size_t struct_size;
  const char *name;
  cim_dtype dtype; /* Storage type. */
  size_t rank;
  const int64_t *shape;
  float scale; /* 0: not quantized. */
  int32_t zero_point;
} cim_tensor_info;

/* A dense row-major array. */
typedef struct cim_array {
  size_t struct_size;
  cim_dtype dtype;
  size_t rank;
  const int64_t *shape;
  const void *data;
  size_t bytes;
} cim_array;

typedef struct cim_session_options {
  size_t struct_size;
  cim_mode mode;
  int sanitize; /* Not 0: check for races and unwritten bytes. */
  int trace;    /* Not 0: keep what cim_session_trace needs. */
  int threads;  /* Host threads; 0 means 1. Results do not depend on it. */
} cim_session_options;

/* Cold: load stage and first run. Steady: latest run. */
typedef struct cim_profile {
  size_t struct_size;
  uint64_t runs;
  uint64_t cold_cycles, steady_cycles;
  double cold_seconds, steady_seconds;
  double cold_energy_j, steady_energy_j;
  uint64_t bound_cycles, predicted_cycles;
  double utilization;
} cim_profile;

/* "major.minor.patch" of the library. */
CIM_API const char *cim_version(void);
/* Message of the calling thread's last failed call; empty if none failed. Valid
 * until the thread's next call. */
CIM_API const char *cim_last_error(void);

CIM_API cim_status cim_program_load(const char *path, cim_program **program);
/* Copies the bytes. */
CIM_API cim_status cim_program_load_memory(const void *data, size_t bytes,
                                           cim_program **program);
/* Sessions keep what they need of a released program. */
CIM_API void cim_program_release(cim_program *program);
CIM_API const char *cim_program_model(const cim_program *program);
CIM_API const char *cim_program_target(const cim_program *program);
CIM_API size_t cim_program_input_count(const cim_program *program);
CIM_API size_t cim_program_output_count(const cim_program *program);
CIM_API cim_status cim_program_input(const cim_program *program, size_t index,
                                     cim_tensor_info *info);
CIM_API cim_status cim_program_output(const cim_program *program, size_t index,
                                      cim_tensor_info *info);

/* options may be null: full mode, nothing else. */
CIM_API cim_status cim_session_create(const cim_program *program,
                                      const cim_session_options *options,
                                      cim_session **session);
CIM_API void cim_session_release(cim_session *session);
/* Runs with one array per program input, in their order; a leading dimension n
 * times the compiled one means n runs. Data are only read during the call. In
 * timing mode count may be 0. */
CIM_API cim_status cim_session_run(cim_session *session,
                                   const cim_array *inputs, size_t count);
/* The result of the latest run; an output whose length a run decides has that
 * length here and the most it can be in cim_program_output. Valid until the
 * next run or release. */
CIM_API cim_status cim_session_output(cim_session *session, size_t index,
                                      cim_array *output);
CIM_API cim_status cim_session_profile(cim_session *session,
                                       cim_profile *profile);
/* Texts valid until the session's next call. */
CIM_API cim_status cim_session_report(cim_session *session, const char **json);
CIM_API cim_status cim_session_trace(cim_session *session, const char **json);

#ifdef __cplusplus
}
#endif

#endif /* CIM_C_CIM_H */
