// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Emit/Translations.h"

#include "cim/Emit/ISA.h"
#include "cim/Program/ProgramIO.h"
#include "dialects/CIMISA/IR/CIMISA.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Tools/mlir-translate/Translation.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

namespace cim {
namespace {

llvm::StringRef toRef(absl::string_view text) {
  return {text.data(), text.size()};
}

llvm::LogicalResult assemble(mlir::Operation *op, llvm::raw_ostream &output) {
  auto module = llvm::dyn_cast<mlir::ModuleOp>(op);
  if (!module)
    return mlir::emitError(op->getLoc(),
                           "expected a module that holds a cimisa.program");
  // The program does not outlive the context here. Serializing validates.
  mlir::FailureOr<Program> program =
      exportProgram(module, {.copySegments = false, .validate = true});
  if (failed(program))
    return mlir::failure();
  absl::StatusOr<std::string> bytes = serializeProgram(*program);
  if (!bytes.ok())
    return mlir::emitError(op->getLoc(), toRef(bytes.status().message()));
  output << *bytes;
  return mlir::success();
}

llvm::LogicalResult disassemble(const std::shared_ptr<llvm::SourceMgr> &sources,
                                llvm::raw_ostream &output,
                                mlir::MLIRContext *context) {
  const llvm::MemoryBuffer *buffer =
      sources->getMemoryBuffer(sources->getMainFileID());
  absl::StatusOr<std::shared_ptr<const Program>> program =
      parseProgram({buffer->getBufferStart(), buffer->getBufferSize()}, sources,
                   std::string(buffer->getBufferIdentifier()));
  if (!program.ok())
    return mlir::emitError(mlir::UnknownLoc::get(context))
           << toRef(program.status().message());
  mlir::OwningOpRef<mlir::ModuleOp> module = buildISA(**program, context);
  if (!module)
    return mlir::failure();
  module->print(output);
  output << '\n';
  return mlir::success();
}

} // namespace

void registerEmitTranslations() {
  auto dialects = [](mlir::DialectRegistry &registry) {
    registry.insert<isa::CIMISADialect>();
  };
  mlir::TranslateFromMLIRRegistration(
      "assemble", "CIMISA to a program file (.cimb)", assemble, dialects);
  mlir::TranslateFromMLIRRegistration("emit-program", "same as --assemble",
                                      assemble, dialects);
  mlir::TranslateRegistration("disassemble", "program file (.cimb) to CIMISA",
                              disassemble);
}

} // namespace cim
