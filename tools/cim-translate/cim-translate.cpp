// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// mlir-translate with the project's translations registered: --import-onnx,
// --assemble (alias --emit-program), --disassemble.

#include "cim/InitAll.h"
#include "mlir/Support/LogicalResult.h"
#include "mlir/Tools/mlir-translate/MlirTranslateMain.h"

int main(int argc, char **argv) {
  cim::registerAllTranslations();
  return mlir::failed(
      mlir::mlirTranslateMain(argc, argv, "cim-compiler translation driver"));
}
