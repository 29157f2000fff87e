// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One step of the recurrent cells of ONNX: RNN, GRU, LSTM. B is the batch, I
// the size of the input, H of the hidden state, G the number of gates (1, 3,
// 4).
#ifndef CIM_LIB_IMPORT_ONNX_RECURRENTCELL_H
#define CIM_LIB_IMPORT_ONNX_RECURRENTCELL_H

#include "Binder.h"

namespace cim::onnx {

/// An activation function with its parameters.
struct CellActivation {
  std::string name; ///< In lower case.
  double alpha = 0, beta = 0;
};

/// Default parameters of the activation named in any case, those of the
/// operator of that name; nothing when ONNX does not define it. `usesAlpha`
/// and `usesBeta` say which of them the model may give.
std::optional<CellActivation>
findCellActivation(llvm::StringRef name, bool &usesAlpha, bool &usesBeta);

/// What the node says about a direction. Null values are absent.
struct CellWeights {
  /// H x G*H for RNN, LSTM, and a GRU that resets after the product; else
  /// H x 2*H, with H x H for the hidden gate in `recurrentHidden`.
  mlir::Value recurrent, recurrentHidden;
  /// Of the product with `recurrent`, G*H (GRU that resets after it).
  mlir::Value recurrentBias;
  /// H each, of input, output and forget gate.
  mlir::Value peepholes[3];
  llvm::SmallVector<CellActivation> activations;
};

struct CellOptions {
  int64_t hidden = 0; ///< H.
  std::optional<double> clip;
  bool resetAfter = false;   ///< GRU's linear_before_reset.
  bool coupleForget = false; ///< LSTM's input_forget.
};

/// B x H each; null is zero.
struct CellState {
  mlir::Value h, c;
};

/// The state after a step; `x` is the input's product with its weights and all
/// biases that may be added there, B x G*H.
using CellStep = mlir::FailureOr<CellState> (*)(NodeBinder &n,
                                                const CellOptions &options,
                                                const CellWeights &weights,
                                                mlir::Value x,
                                                const CellState &state);
mlir::FailureOr<CellState> stepRnn(NodeBinder &n, const CellOptions &options,
                                   const CellWeights &weights, mlir::Value x,
                                   const CellState &state);
mlir::FailureOr<CellState> stepGru(NodeBinder &n, const CellOptions &options,
                                   const CellWeights &weights, mlir::Value x,
                                   const CellState &state);
mlir::FailureOr<CellState> stepLstm(NodeBinder &n, const CellOptions &options,
                                    const CellWeights &weights, mlir::Value x,
                                    const CellState &state);

} // namespace cim::onnx

#endif // CIM_LIB_IMPORT_ONNX_RECURRENTCELL_H
