// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/InitAll.h"

#include "Pipelines.h"
#include "dialects/CIM/IR/CIM.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Quant/IR/Quant.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Transforms/Passes.h"
// Libraries that a build may be without are compiled in when their targets
// exist (lib/InitAll/CMakeLists.txt).
#ifdef CIM_HAVE_CIMISA
#include "dialects/CIMISA/IR/CIMISA.h"
#endif
#ifdef CIM_HAVE_EMIT
#include "cim/Emit/Translations.h"
#endif
#ifdef CIM_HAVE_IMPORT_ONNX
#include "cim/Import/ONNX.h"
#endif

namespace cim {

void registerAllDialects(mlir::DialectRegistry &registry) {
  registry.insert<mlir::affine::AffineDialect, mlir::arith::ArithDialect,
                  mlir::func::FuncDialect, mlir::linalg::LinalgDialect,
                  mlir::math::MathDialect, mlir::memref::MemRefDialect,
                  mlir::quant::QuantDialect, mlir::scf::SCFDialect,
                  mlir::tensor::TensorDialect, ir::CIMDialect>();
#ifdef CIM_HAVE_CIMISA
  registry.insert<isa::CIMISADialect>();
#endif
}

void registerAllPasses() {
  mlir::registerTransformsPasses();
  registerPhasePipelines();
}

void registerAllTranslations() {
#ifdef CIM_HAVE_EMIT
  registerEmitTranslations();
#endif
#ifdef CIM_HAVE_IMPORT_ONNX
  registerImportONNX();
#endif
}

} // namespace cim
