// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Importing ONNX models as tensor-level IR: one `func.func @main` of static
// ranked tensors with cim.conv, cim.matmul, linalg.generic and tensor ops, each
// located at the name of its ONNX node.
#ifndef CIM_IMPORT_ONNX_H
#define CIM_IMPORT_ONNX_H

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cim/Support/Npz.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringRef.h"

namespace cim {

struct ImportOptions {
  /// Shape of graph inputs by name. Needed for inputs with unknown dimensions,
  /// except that a leading symbolic dimension defaults to 1.
  std::vector<std::pair<std::string, std::vector<int64_t>>> inputShapes;
  /// Values of graph inputs by name: these inputs become constants and the
  /// program has none of that name. For what shapes depend on (axes, sizes,
  /// repeats, ...) and for specialising a model. The arrays also give the
  /// inputs' shapes. Element types are those of the model, stored as NumPy
  /// does, one byte per element of types narrower than 8 bits.
  std::map<std::string, NpyArray> bind;
  /// Called when the import fails because the model's shapes depend on values
  /// of these graph inputs (sorted); with them bound it gets further.
  std::function<void(const std::vector<std::string> &)> needsValues;
  /// Value of the module attribute `cim.model`; empty: the file's stem, or the
  /// graph's name for bytes.
  std::string modelName;
  /// Folder external data may lie in; empty: the model file's own folder
  /// (importOnnxFile) or none (importOnnxBytes).
  std::string externalDataDir;
  /// Nodes whose operands are constants and whose results have at most this
  /// many elements are computed by the importer.
  int64_t foldElements = 4096;
  /// Compare every result type with ONNX's own shape inference and fail on a
  /// difference. For tests.
  bool checkInferredTypes = false;
};

/// Imports a model file: binary protobuf or ONNX text (recognised by content).
/// Failure leaves one line "<node or file>: <what>; <limit and value>; <what to
/// do>" in `error`. Remarks (such as a defaulted batch size) go through the
/// context's diagnostic handler.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importOnnxFile(llvm::StringRef path, const ImportOptions &options,
               mlir::MLIRContext &context, std::string &error);

/// As above from memory. Weights are used in place: `owner` keeps `bytes`
/// alive; with a null owner they are copied.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importOnnxBytes(llvm::StringRef bytes, const ImportOptions &options,
                mlir::MLIRContext &context, std::string &error,
                std::shared_ptr<const void> owner = nullptr);

/// "x=1x3x224x224" as an entry of ImportOptions::inputShapes; false with
/// `error` (without the name of an option) set when it is not of that form.
bool parseInputShape(llvm::StringRef text, ImportOptions &options,
                     std::string &error);

/// One row per importable operator.
struct OnnxOpSupport {
  std::string domain, name;
  int sinceVersion; ///< First opset whose definition the handler implements.
  std::string notes;
};
std::vector<OnnxOpSupport> onnxSupport();

/// docs/onnx-support.md.
std::string onnxSupportTable();

/// Dialects an imported module uses.
void loadImportDialects(mlir::MLIRContext &context);

/// Registers `--import-onnx` (with `--input-shape`) for cim-translate.
void registerImportONNX();

} // namespace cim

#endif // CIM_IMPORT_ONNX_H
