// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Arrays in .npz files.
#ifndef CIM_RUNTIME_ARRAYIO_H
#define CIM_RUNTIME_ARRAYIO_H

#include <string>

#include "cim/Runtime/Session.h"

namespace cim {

/// The program's inputs from a .npz (by name), or from a .npy or a .npz with a
/// single array when the program has a single input. Arrays the program does
/// not take are ignored. Errors name the file and the input.
absl::StatusOr<NamedArrays> readInputs(const std::string &path,
                                       const Program &program);

/// Writes arrays in the order of the program's outputs. bfloat16, which NumPy
/// does not have, is widened to float32.
absl::Status writeOutputs(const std::string &path, const Program &program,
                          const NamedArrays &outputs);

/// The only array of a file, or the one named "labels": integer class numbers.
absl::StatusOr<std::vector<int64_t>> readLabels(const std::string &path);

/// How many rows of `scores` (argmax over the last dimension, first of equals)
/// hit their label. Errors: no last dimension, another number of rows.
absl::StatusOr<uint64_t> countTop1(const Array &scores,
                                   const std::vector<int64_t> &labels);

} // namespace cim

#endif // CIM_RUNTIME_ARRAYIO_H
