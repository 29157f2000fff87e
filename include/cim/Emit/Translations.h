// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#ifndef CIM_EMIT_TRANSLATIONS_H
#define CIM_EMIT_TRANSLATIONS_H

namespace cim {

/// Registers with mlir-translate's registry: `--assemble` (alias
/// `--emit-program`), CIMISA text or bytecode to .cimb bytes, and
/// `--disassemble`, .cimb bytes to CIMISA text.
void registerEmitTranslations();

} // namespace cim

#endif // CIM_EMIT_TRANSLATIONS_H
