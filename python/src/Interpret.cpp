// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Named arrays around the reference interpreter.
#include <optional>

#include "Compile.h"
#include "cim/IR/StoredType.h"
#include "cim/Interp/Interpreter.h"
#include "cim/Pipeline/Compiler.h"
#include "cim/Support/Status.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

using namespace mlir;

namespace cim::python {
namespace {

/// An argument or result of the function as the caller sees it.
struct Slot {
  std::string name;
  RankedTensorType type;
  DType dtype = DType::F32;

  size_t bytes() const { return type.getNumElements() * byteSize(dtype); }
};

absl::StatusOr<Slot> makeSlot(Type type, StringAttr name, unsigned index,
                              bool isUnsigned) {
  Slot slot;
  slot.name = name ? name.getValue().str() : std::to_string(index);
  slot.type = dyn_cast<RankedTensorType>(type);
  std::optional<DType> dtype = slot.type && slot.type.hasStaticShape()
                                   ? dtypeOf(slot.type.getElementType())
                                   : std::nullopt;
  if (!dtype) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return invalidArgument("@main: '", slot.name, "' is ", text,
                           "; tensors of static shape and a type NumPy has are "
                           "needed; interpret a phase up to schedule");
  }
  slot.dtype = isUnsigned ? asUnsigned(*dtype) : *dtype;
  return slot;
}

class Interpretation {
public:
  Interpretation()
      : context(MLIRContext::Threading::DISABLED),
        handler(&context, [this](Diagnostic &d) {
          if (error.empty() && d.getSeverity() == DiagnosticSeverity::Error)
            error = where(d.getLocation()) + d.str();
        }) {
    prepareContext(context);
  }

  absl::Status parse(std::string_view text);
  absl::StatusOr<std::vector<std::pair<std::string, Array>>>
  run(const NamedArrays &inputs);

private:
  static std::string where(mlir::Location loc) {
    if (auto at = dyn_cast<FileLineColLoc>(loc))
      return "line " + std::to_string(at.getLine()) + ": ";
    if (auto name = dyn_cast<NameLoc>(loc))
      return name.getName().str() + ": ";
    return "";
  }
  absl::Status failed(std::string_view what) const {
    return invalidArgument(error.empty() ? std::string(what) : error);
  }
  absl::Status check(const Slot &slot, const Array &array, int64_t &runs) const;

  MLIRContext context;
  std::string error;
  ScopedDiagnosticHandler handler;
  OwningOpRef<ModuleOp> module;
  func::FuncOp function;
  std::vector<Slot> arguments, results;
};

absl::Status Interpretation::parse(std::string_view text) {
  module = parseSourceString<ModuleOp>({text.data(), text.size()}, &context);
  if (!module)
    return failed("the text cannot be read as MLIR");
  function = module->lookupSymbol<func::FuncOp>("main");
  if (!function || function.isDeclaration())
    return invalidArgument("the module has no function @main to interpret; "
                           "give the text of a phase up to schedule");
  for (auto [i, type] : llvm::enumerate(function.getArgumentTypes())) {
    auto name = function.getArgAttrOfType<StringAttr>(i, "cim.name");
    CIM_ASSIGN_OR_RETURN(
        Slot slot,
        makeSlot(type, name, i, !!function.getArgAttr(i, "cim.unsigned")));
    arguments.push_back(std::move(slot));
  }
  for (auto [i, type] : llvm::enumerate(function.getResultTypes())) {
    auto name = function.getResultAttrOfType<StringAttr>(i, "cim.name");
    CIM_ASSIGN_OR_RETURN(
        Slot slot,
        makeSlot(type, name, i, !!function.getResultAttr(i, "cim.unsigned")));
    if (!isHiddenResult(function, i))
      results.push_back(std::move(slot));
  }
  return absl::OkStatus();
}

/// Raises `runs` to the number of runs this array is for.
absl::Status Interpretation::check(const Slot &slot, const Array &array,
                                   int64_t &runs) const {
  ArrayRef<int64_t> want = slot.type.getShape(), have = array.shape;
  auto mismatch = [&](std::string_view todo) {
    return invalidArgument(
        "input ", slot.name, ": ", describe(array.type, array.shape),
        "; the function takes ", describe(slot.dtype, want.vec()), "; ", todo);
  };
  if (array.type != slot.dtype)
    return mismatch("convert it");
  if (have == want)
    return absl::OkStatus();
  bool fits = !want.empty() && have.size() == want.size() &&
              have.drop_front() == want.drop_front() && want[0] > 0 &&
              have[0] > 0 && have[0] % want[0] == 0;
  if (!fits || (runs != 1 && runs != have[0] / want[0]))
    return mismatch("give that shape, or the same multiple of the first "
                    "dimension for every input");
  runs = have[0] / want[0];
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::pair<std::string, Array>>>
Interpretation::run(const NamedArrays &inputs) {
  int64_t runs = 1;
  for (const Slot &slot : arguments) {
    auto found = inputs.find(slot.name);
    if (found == inputs.end())
      return invalidArgument(
          "input ", slot.name, ": not given; the function takes ",
          describe(slot.dtype, slot.type.getShape().vec()), "; add it");
    CIM_RETURN_IF_ERROR(check(slot, found->second, runs));
  }
  if (inputs.size() != arguments.size())
    return invalidArgument("inputs: ", inputs.size(),
                           " arrays; the function takes ", arguments.size(),
                           "; remove the others");
  std::vector<std::string> collected(results.size());
  std::vector<std::vector<int64_t>> shapes(results.size());
  for (int64_t i = 0; i < runs; ++i) {
    std::vector<TensorValue> values;
    for (const Slot &slot : arguments) {
      const Array &array = inputs.at(slot.name);
      size_t offset = ArrayRef<int64_t>(array.shape) == slot.type.getShape()
                          ? 0
                          : i * slot.bytes();
      TensorValue value;
      value.type = slot.type;
      value.bytes = std::make_shared<std::vector<char>>(
          array.data.data() + offset,
          array.data.data() + offset + slot.bytes());
      value.data = value.bytes->data();
      values.push_back(std::move(value));
    }
    FailureOr<std::vector<TensorValue>> outputs =
        cim::interpret(function, std::move(values));
    if (mlir::succeeded(outputs))
      outputs = visibleResults(function, std::move(*outputs));
    if (mlir::failed(outputs))
      return failed("the interpreter failed");
    for (auto [bytes, shape, slot, output] :
         llvm::zip_equal(collected, shapes, results, *outputs))
      if (!appendRun(output, i == 0, shape, bytes))
        return invalidArgument("output ", slot.name, ": ", kDifferentLengths);
  }
  std::vector<std::pair<std::string, Array>> named;
  for (auto [bytes, shape, slot] :
       llvm::zip_equal(collected, shapes, results)) {
    Array array;
    array.type = slot.dtype;
    array.shape = shape;
    array.data = Blob(std::move(bytes));
    named.emplace_back(slot.name, std::move(array));
  }
  return named;
}

} // namespace

absl::StatusOr<std::vector<std::pair<std::string, Array>>>
interpret(std::string_view text, const NamedArrays &inputs) {
  Interpretation interpretation;
  CIM_RETURN_IF_ERROR(interpretation.parse(text));
  return interpretation.run(inputs);
}

} // namespace cim::python
