// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cim-interp: runs tensor-level IR on the reference interpreter.

#include <algorithm>
#include <cstring>

#include "../CommandLine.h"
#include "cim/IR/Constants.h"
#include "cim/IR/StoredType.h"
#include "cim/InitAll.h"
#include "cim/Interp/Interpreter.h"
#include "cim/Program/Program.h"
#include "cim/Support/Npz.h"
#include "cim/Support/Progress.h"
#include "cim/Support/Status.h"
#include "cim/Support/Version.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
namespace cl = llvm::cl;

namespace {

cl::OptionCategory category("cim-interp options");
cl::opt<std::string> inputFile(cl::Positional, cl::desc("PHASE.mlir"),
                               cl::Optional, cl::cat(category));
cl::opt<std::string>
    inputArrays("input",
                cl::desc("Inputs by name; without it, inputs are zero. A first "
                         "dimension n times the compiled one means n runs"),
                cl::value_desc("in.npz"), cl::cat(category));
cl::opt<std::string> outputArrays("output", cl::desc("Where outputs go"),
                                  cl::value_desc("out.npz"), cl::cat(category));
cl::opt<bool> print("print", cl::desc("Print the outputs of every run"),
                    cl::cat(category));
cl::opt<bool> fast("fast",
                   cl::desc("Float convolutions and products in any order of "
                            "additions: not bit-exact"),
                   cl::cat(category));

/// NumPy's name of a stored element type; empty when it has none.
std::string npyNameOf(Type elementType) {
  std::optional<cim::DType> type = cim::dtypeOf(elementType);
  return type ? cim::npyName(*type) : "";
}

/// An argument or result of the function with its arrays over all runs.
struct Port {
  std::string name;
  RankedTensorType type;
  cim::NpyArray array; ///< Input.
  std::string results; ///< Output of all runs, one after the other.
  std::vector<int64_t> resultShape;
  int64_t bytes() const {
    return type.getNumElements() * cim::storedBytes(type.getElementType());
  }
};

absl::StatusOr<Port> makePort(Type type, DictionaryAttr attributes,
                              const std::string &fallback) {
  Port port;
  port.type = dyn_cast<RankedTensorType>(type);
  auto name = attributes ? attributes.getAs<StringAttr>("cim.name") : nullptr;
  port.name = name ? name.str() : fallback;
  if (!port.type || !port.type.hasStaticShape())
    return cim::invalidArgument(port.name, ": not a tensor of static shape; ",
                                "fix the shapes when importing");
  if (npyNameOf(port.type.getElementType()).empty())
    return cim::invalidArgument(port.name,
                                ": its element type does not exist in NumPy; ",
                                "cast it in the model");
  return port;
}

std::string shapeText(llvm::ArrayRef<int64_t> shape) {
  std::string text = "(";
  for (auto [i, dim] : llvm::enumerate(shape))
    text += (i ? ", " : "") + std::to_string(dim);
  return text + ")";
}

/// Unsigned and signed arrays of one width are the same to signless types.
bool sameType(const std::string &have, const std::string &want) {
  if (have == want)
    return true;
  bool ints =
      (have[0] == 'u' || have[0] == 'i') && (want[0] == 'u' || want[0] == 'i');
  bool bools = (have == "u1" && want == "b1") || (have == "b1" && want == "u1");
  return bools || (ints && have.substr(1) == want.substr(1));
}

/// How many runs the array holds for this input.
absl::StatusOr<int64_t> countRuns(const Port &port) {
  std::string want = npyNameOf(port.type.getElementType());
  llvm::ArrayRef<int64_t> shape(port.array.shape), base(port.type.getShape());
  bool fits = shape.size() == base.size();
  for (size_t d = 1; fits && d < base.size(); ++d)
    fits = shape[d] == base[d];
  int64_t runs = 1;
  if (fits && !base.empty() && shape[0] != base[0]) {
    fits = base[0] > 0 && shape[0] % base[0] == 0;
    runs = fits ? shape[0] / base[0] : 1;
  }
  if (!fits || !sameType(port.array.dtype, want))
    return cim::invalidArgument(
        port.name, ": the array is ", port.array.dtype, " ", shapeText(shape),
        "; ", want, " ", shapeText(base),
        " is needed, or a multiple of its first dimension; convert it");
  return runs;
}

absl::StatusOr<int64_t> readInputs(std::vector<Port> &ports) {
  if (inputArrays.empty())
    return 1;
  CIM_ASSIGN_OR_RETURN(cim::NpzFile file, cim::NpzFile::open(inputArrays));
  int64_t runs = -1;
  for (Port &port : ports) {
    std::string name = port.name;
    if (!file.contains(name) && ports.size() == 1 && file.names().size() == 1)
      name = file.names()[0];
    if (!file.contains(name))
      return cim::invalidArgument(std::string(inputArrays), ": no array ", name,
                                  "; every input needs one; add it");
    CIM_ASSIGN_OR_RETURN(port.array, file.read(name));
    CIM_ASSIGN_OR_RETURN(int64_t count, countRuns(port));
    if (runs >= 0 && count != runs)
      return cim::invalidArgument(std::string(inputArrays), ": ", name,
                                  " holds ", count, " runs and others ", runs,
                                  "; give equally many");
    runs = count;
  }
  return std::max<int64_t>(runs, 0);
}

/// The slice of run `run`, in memory of its own.
cim::TensorValue inputOf(const Port &port, int64_t run) {
  cim::TensorValue value;
  value.type = port.type;
  value.bytes = std::make_shared<std::vector<char>>(port.bytes());
  if (!port.array.bytes.empty() && port.bytes() > 0)
    std::memcpy(value.bytes->data(),
                port.array.bytes.data() + run * port.bytes(), port.bytes());
  value.data = value.bytes->data();
  return value;
}

/// "name = dense<...> : type", values by type (of quantized types: as stored).
void printOutput(const Port &port, const cim::TensorValue &value) {
  Type stored = cim::storedType(port.type.getElementType());
  int64_t bytes = value.elements() * cim::storedBytes(stored);
  ElementsAttr attr = cim::ir::makeConstant(
      RankedTensorType::get(value.type.getShape(), stored),
      ArrayRef<char>(value.data, bytes), port.name);
  llvm::outs() << port.name << " = ";
  if (auto dense = dyn_cast<DenseElementsAttr>(attr))
    dense.print(llvm::outs());
  else
    DenseElementsAttr::getFromRawBuffer(attr.getShapedType(),
                                        cim::ir::rawBytes(attr))
        .print(llvm::outs());
  llvm::outs() << "\n";
}

absl::Status writeOutputs(std::vector<Port> &ports, int64_t runs) {
  if (outputArrays.empty())
    return absl::OkStatus();
  std::vector<std::pair<std::string, cim::NpyArray>> arrays;
  for (Port &port : ports) {
    cim::NpyArray array;
    array.dtype = npyNameOf(port.type.getElementType());
    array.shape = port.resultShape;
    if (runs == 0) {
      array.shape.assign(port.type.getShape().begin(),
                         port.type.getShape().end());
      array.shape.resize(std::max<size_t>(1, array.shape.size()));
      array.shape[0] = 0;
    }
    array.bytes = {port.results.data(), port.results.size()};
    arrays.emplace_back(port.name, array);
  }
  return cim::writeNpz(outputArrays, arrays);
}

absl::Status run(func::FuncOp func) {
  std::vector<Port> inputs, outputs;
  for (unsigned i = 0; i < func.getNumArguments(); ++i) {
    CIM_ASSIGN_OR_RETURN(Port port, makePort(func.getArgumentTypes()[i],
                                             func.getArgAttrDict(i),
                                             "input" + std::to_string(i)));
    inputs.push_back(std::move(port));
  }
  for (unsigned i = 0; i < func.getNumResults(); ++i) {
    CIM_ASSIGN_OR_RETURN(Port port, makePort(func.getResultTypes()[i],
                                             func.getResultAttrDict(i),
                                             "output" + std::to_string(i)));
    if (!cim::isHiddenResult(func, i))
      outputs.push_back(std::move(port));
  }
  CIM_ASSIGN_OR_RETURN(int64_t runs, readInputs(inputs));
  cim::InterpretOptions options;
  options.fastFloat = fast;
  cim::Progress progress("interpreting", runs);
  for (int64_t i = 0; i < runs; ++i) {
    std::vector<cim::TensorValue> values;
    for (const Port &port : inputs)
      values.push_back(inputOf(port, i));
    auto results = cim::interpret(func, std::move(values), options);
    if (succeeded(results))
      results = cim::visibleResults(func, std::move(*results));
    if (failed(results)) // reported
      return absl::AbortedError("");
    for (auto [port, value] : llvm::zip_equal(outputs, *results)) {
      if (!cim::appendRun(value, i == 0, port.resultShape, port.results))
        return cim::invalidArgument("output ", port.name, ": ",
                                    cim::kDifferentLengths);
      if (print)
        printOutput(port, value);
    }
    progress.update(i + 1);
  }
  return writeOutputs(outputs, runs);
}

/// Node names of a location, else its place in the file.
std::string where(Location loc) {
  std::string names, place;
  loc->walk([&](Location inner) {
    if (auto name = dyn_cast<NameLoc>(inner))
      names += (names.empty() ? "" : ", ") + name.getName().str();
    else if (auto file = dyn_cast<FileLineColLoc>(inner); file && place.empty())
      place = file.getFilename().str() + ":" + std::to_string(file.getLine()) +
              ":" + std::to_string(file.getColumn());
    return WalkResult::advance();
  });
  return names.empty() ? place : names;
}

/// "error: node or place: message", on one line.
void report(Diagnostic &diagnostic) {
  bool isError = diagnostic.getSeverity() == DiagnosticSeverity::Error;
  std::string at = where(diagnostic.getLocation()), text = diagnostic.str();
  std::replace(text.begin(), text.end(), '\n', ' ');
  llvm::errs() << (isError ? "error: " : "warning: ") << at
               << (at.empty() ? "" : ": ") << text << "\n";
}

absl::Status mainStatus() {
  if (inputFile.empty())
    return cim::invalidArgument("no module given; give the .mlir of a phase; "
                                "see --help");
  DialectRegistry registry;
  cim::registerAllDialects(registry);
  MLIRContext context(registry);
  ScopedDiagnosticHandler handler(&context, report);
  ParserConfig config(&context);
  auto module = parseSourceFile<ModuleOp>(inputFile, config);
  if (!module) // reported
    return absl::AbortedError("");
  auto func = module->lookupSymbol<func::FuncOp>("main");
  if (!func)
    return cim::invalidArgument(std::string(inputFile),
                                ": no function @main; a module has one; give "
                                "the IR of a phase");
  return run(func);
}

} // namespace

int main(int argc, char **argv) {
  cl::HideUnrelatedOptions(category);
  cl::SetVersionPrinter([](llvm::raw_ostream &os) {
    os << "cim-interp " << cim::versionString() << "\n";
  });
  if (!cim::parseCommandLine(
          argc, argv, "runs tensor-level IR on the reference interpreter\n"))
    return 1;
  absl::Status status = mainStatus();
  if (status.ok())
    return 0;
  if (!status.message().empty())
    llvm::errs() << cim::errorLine(status) << "\n";
  return 1;
}
