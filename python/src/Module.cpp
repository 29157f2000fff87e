// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The extension module `cim._cim`: thin bindings that python/cim makes
// pleasant. Long calls release the interpreter lock.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "Compile.h"
#include "cim/Program/ProgramIO.h"
#include "cim/Runtime/Report.h"
#include "cim/Runtime/Session.h"
#include "cim/Support/File.h"
#include "cim/Support/Status.h"
#include "cim/Support/Version.h"
#include "cim/Target/TargetFields.h"

namespace py = pybind11;

namespace {

using cim::DType;

//===----------------------------------------------------------------------===//
// Errors.
//===----------------------------------------------------------------------===//

/// Live as long as the module, which is never unloaded.
struct Errors {
  PyObject *base = nullptr, *compile = nullptr, *load = nullptr, *run = nullptr;
};
Errors errors;

[[noreturn]] void fail(PyObject *type, std::string_view message) {
  std::string line(message);
  for (char &c : line)
    if (c == '\n')
      c = ' ';
  PyErr_SetString(type, line.c_str());
  throw py::error_already_set();
}

/// A CompileError that names the inputs whose values are missing.
[[noreturn]] void failUnknown(const std::string &message,
                              const std::vector<std::string> &inputs) {
  py::object error =
      py::reinterpret_borrow<py::object>(errors.compile)(message);
  error.attr("unknown_inputs") = py::tuple(py::cast(inputs));
  PyErr_SetObject(errors.compile, error.ptr());
  throw py::error_already_set();
}

void check(PyObject *type, const absl::Status &status) {
  if (!status.ok())
    fail(type, std::string(status.message()));
}

template <typename T>
T take(PyObject *type, absl::StatusOr<T> value) {
  check(type, value.status());
  return *std::move(value);
}

//===----------------------------------------------------------------------===//
// Arrays.
//===----------------------------------------------------------------------===//

constexpr const char *kNumpyNames[] = {
    "bool",  "int8",   "uint8",   "int16",    "uint16",  "int32",  "uint32",
    "int64", "uint64", "float16", "bfloat16", "float32", "float64"};

std::string dtypeName(const py::array &array) {
  return py::str(array.dtype().attr("name"));
}

/// A view of a contiguous array of native byte order, which the caller keeps.
cim::Array view(const std::string &name, const py::array &array) {
  cim::Array result;
  std::string dtype = dtypeName(array);
  auto known = std::find(std::begin(kNumpyNames), std::end(kNumpyNames), dtype);
  if (known == std::end(kNumpyNames))
    fail(errors.run, "input " + name + ": dtype " + dtype +
                         "; numbers and booleans are taken; convert it");
  result.type = static_cast<DType>(known - std::begin(kNumpyNames));
  result.shape.assign(array.shape(), array.shape() + array.ndim());
  result.data = cim::Blob(static_cast<const char *>(array.data()),
                          static_cast<size_t>(array.nbytes()), nullptr);
  return result;
}

cim::NamedArrays views(const std::map<std::string, py::array> &arrays) {
  cim::NamedArrays result;
  for (const auto &[name, array] : arrays)
    result[name] = view(name, array);
  return result;
}

/// NumPy has no bfloat16: such arrays become float32, exactly.
cim::Array widen(const cim::Array &array) {
  std::string bytes(2 * array.data.size(), '\0');
  for (size_t i = 0; i < array.data.size(); i += 2)
    std::memcpy(bytes.data() + 2 * i + 2, array.data.data() + i, 2);
  return {DType::F32, array.shape, cim::Blob(std::move(bytes))};
}

py::array toNumpy(const cim::Array &array) {
  if (array.type == DType::BF16)
    return toNumpy(widen(array));
  auto *blob = new cim::Blob(array.data);
  py::capsule owner(blob, [](void *p) { delete static_cast<cim::Blob *>(p); });
  return py::array(py::dtype(kNumpyNames[static_cast<size_t>(array.type)]),
                   array.shape, blob->data(), owner);
}

/// "f4" and the like, as .npz files say it.
cim::NpyArray npyView(const py::array &array) {
  cim::NpyArray result;
  bool bfloat = dtypeName(array) == "bfloat16";
  result.dtype =
      (bfloat ? std::string("V") : std::string(1, array.dtype().kind())) +
      std::to_string(array.itemsize());
  result.shape.assign(array.shape(), array.shape() + array.ndim());
  result.bytes = {static_cast<const char *>(array.data()),
                  static_cast<size_t>(array.nbytes())};
  return result;
}

//===----------------------------------------------------------------------===//
// Targets.
//===----------------------------------------------------------------------===//

py::object fieldValue(const cim::TargetField &field,
                      const cim::TargetSpec &spec) {
  double value = field.get(spec);
  if (field.isBool())
    return py::bool_(value != 0);
  if (field.isInteger())
    return py::int_(static_cast<uint64_t>(value));
  return py::float_(value);
}

py::dict targetFields(const cim::TargetSpec &spec) {
  py::dict result;
  for (const cim::TargetField &field : cim::targetFields())
    result[py::str(std::string(field.key))] = fieldValue(field, spec);
  return result;
}

/// A copy with other values; `name`, `description` and the fields' keys.
cim::TargetSpec replace(const cim::TargetSpec &spec, const py::kwargs &values) {
  cim::TargetSpec result = spec;
  for (auto [keyObject, value] : values) {
    std::string key = py::str(keyObject);
    if (key == "name" || key == "description") {
      (key == "name" ? result.name : result.description) = py::str(value);
      continue;
    }
    const cim::TargetField *field = cim::findTargetField(key);
    if (!field)
      fail(errors.load, key + ": unknown field; a target has " +
                            std::to_string(cim::targetFields().size()) +
                            ", see Target.fields");
    double number = py::float_(py::reinterpret_borrow<py::object>(value));
    bool integral = field->isInteger() || field->isBool();
    if (!(number >= field->min && number <= field->max) ||
        (integral && number != std::floor(number)))
      fail(errors.load, key + ": " + cim::formatNumber(number) + "; " +
                            (integral ? "an integer " : "") + "from " +
                            cim::formatNumber(field->min) + " to " +
                            cim::formatNumber(field->max) + "; correct it");
    field->set(result, number);
    result.provenance.erase(key);
    result.notes.erase(key);
  }
  check(errors.load, result.validate());
  return result;
}

void bindTarget(py::module_ &m) {
  using cim::TargetSpec;
  py::class_<TargetSpec>(m, "Target",
                         "What a device looks like; meaning of the fields: "
                         "docs/device.md.")
      .def_static(
          "load",
          [](const py::object &nameOrPath) {
            std::string text =
                py::str(py::module_::import("os").attr("fspath")(nameOrPath));
            return take(errors.load, TargetSpec::load(text));
          },
          py::arg("name_or_path"), "A preset by name, or a YAML file.")
      .def_static(
          "from_yaml",
          [](const std::string &text) {
            return take(errors.load, TargetSpec::fromYaml(text, "target"));
          },
          py::arg("text"))
      .def("to_yaml", &TargetSpec::toYaml,
           "Every field with its provenance; from_yaml reads it back.")
      .def("replace", &replace, "A copy with other values of some fields.")
      .def_readonly("name", &TargetSpec::name)
      .def_readonly("description", &TargetSpec::description)
      .def_property_readonly("fields", &targetFields, "Values by name.")
      .def_property_readonly(
          "provenance",
          [](const TargetSpec &spec) {
            py::dict result;
            for (const cim::TargetField &field : cim::targetFields()) {
              std::string key(field.key);
              auto it = spec.provenance.find(key);
              result[py::str(key)] = cim::name(it == spec.provenance.end()
                                                   ? cim::Provenance::Assumed
                                                   : it->second);
            }
            return result;
          },
          "published, measured or assumed, by field.")
      .def_property_readonly_static(
          "documentation",
          [](const py::object &) {
            py::dict result;
            for (const cim::TargetField &field : cim::targetFields())
              result[py::str(std::string(field.key))] = std::string(field.doc);
            return result;
          })
      .def("__getattr__",
           [](const TargetSpec &spec, const std::string &key) {
             const cim::TargetField *field = cim::findTargetField(key);
             if (!field)
               throw py::attribute_error("a target has no field '" + key + "'");
             return fieldValue(*field, spec);
           })
      .def("__eq__",
           [](const TargetSpec &a, const TargetSpec &b) { return a == b; })
      .def("__hash__", &TargetSpec::hash)
      .def("__repr__", [](const TargetSpec &spec) {
        return "<cim.Target " + spec.name + ">";
      });
  m.def("targets", &TargetSpec::presets, "Names of the shipped targets.");
}

//===----------------------------------------------------------------------===//
// Programs.
//===----------------------------------------------------------------------===//

/// Shared with every session that runs it.
struct ProgramHandle {
  std::shared_ptr<const cim::Program> program;
};

py::list tensorInfos(const std::vector<cim::TensorInfo> &infos) {
  py::list result;
  for (const cim::TensorInfo &info : infos) {
    if (info.hidden)
      continue;
    py::list variable;
    for (const cim::OutputLength &length : info.lengths)
      variable.append(length.dim);
    result.append(
        py::make_tuple(info.name, kNumpyNames[static_cast<size_t>(info.type)],
                       py::tuple(py::cast(info.shape)), info.quant.scale,
                       info.quant.zeroPoint, py::tuple(variable)));
  }
  return result;
}

py::list layerInfos(const cim::Program &program) {
  py::list result;
  for (const cim::LayerInfo &layer : program.layers) {
    py::dict row;
    row["name"] = layer.name;
    row["op"] = layer.op;
    row["format"] = layer.format;
    row["nodes"] = layer.nodes;
    row["macs"] = layer.macs;
    row["predicted_cycles"] = layer.predictedCycles;
    row["schedule"] = layer.schedule;
    row["note"] = layer.note;
    result.append(std::move(row));
  }
  return result;
}

/// (stage, chip, core, engine, index, first, last, node, layer) of every run of
/// instructions of one queue that come from one place.
py::list sourceRanges(const cim::Program &program) {
  py::list result;
  auto add = [&](const char *stageName, const cim::Stage &stage) {
    for (const cim::Queue &queue : stage.queues) {
      size_t count = queue.instructions.size();
      for (size_t first = 0, last; first < count; first = last + 1) {
        uint32_t loc = queue.instructions[first].loc;
        for (last = first;
             last + 1 < count && queue.instructions[last + 1].loc == loc;)
          ++last;
        const cim::Location &from = program.locations[loc];
        result.append(py::make_tuple(stageName, int(queue.chip),
                                     int(queue.core), cim::name(queue.engine),
                                     int(queue.index), first, last, from.node,
                                     from.layer));
      }
    }
  };
  add("load", program.load);
  add("run", program.run);
  return result;
}

py::bytes programBytes(const ProgramHandle &self) {
  absl::StatusOr<std::string> bytes = [&] {
    py::gil_scoped_release release;
    return cim::serializeProgram(*self.program);
  }();
  return py::bytes(take(errors.load, std::move(bytes)));
}

void bindProgram(py::module_ &m) {
  py::class_<ProgramHandle>(m, "Program")
      .def_static("load",
                  [](const std::string &path) {
                    auto program = [&] {
                      py::gil_scoped_release release;
                      return cim::readProgram(path);
                    }();
                    return ProgramHandle{take(errors.load, std::move(program))};
                  })
      .def_static("parse",
                  [](const std::string &bytes) {
                    auto program = [&] {
                      py::gil_scoped_release release;
                      auto copy = std::make_shared<std::string>(bytes);
                      return cim::parseProgram(*copy, copy, "program");
                    }();
                    return ProgramHandle{take(errors.load, std::move(program))};
                  })
      .def("save",
           [](const ProgramHandle &self, const std::string &path) {
             absl::Status status = [&] {
               py::gil_scoped_release release;
               return cim::writeProgram(*self.program, path);
             }();
             check(errors.load, status);
           })
      .def("bytes", &programBytes)
      .def("disassemble",
           [](const ProgramHandle &self, bool elide) {
             auto text = [&] {
               py::gil_scoped_release release;
               return cim::python::disassemble(*self.program, elide);
             }();
             return take(errors.compile, std::move(text));
           })
      .def_property_readonly(
          "model", [](const ProgramHandle &p) { return p.program->model; })
      .def_property_readonly(
          "producer",
          [](const ProgramHandle &p) { return p.program->producer; })
      .def_property_readonly(
          "target", [](const ProgramHandle &p) { return p.program->target; })
      .def_property_readonly(
          "inputs",
          [](const ProgramHandle &p) { return tensorInfos(p.program->inputs); })
      .def_property_readonly("outputs",
                             [](const ProgramHandle &p) {
                               return tensorInfos(p.program->outputs);
                             })
      .def_property_readonly(
          "layers",
          [](const ProgramHandle &p) { return layerInfos(*p.program); })
      .def_property_readonly(
          "source_ranges",
          [](const ProgramHandle &p) { return sourceRanges(*p.program); })
      .def_property_readonly(
          "predicted_cycles",
          [](const ProgramHandle &p) { return p.program->predictedCycles; })
      .def_property_readonly(
          "predicted_load_cycles",
          [](const ProgramHandle &p) { return p.program->predictedLoadCycles; })
      .def_property_readonly(
          "bound_cycles",
          [](const ProgramHandle &p) { return p.program->lowerBoundCycles; })
      .def_property_readonly(
          "dram_bytes",
          [](const ProgramHandle &p) { return p.program->dramBytes; })
      .def_property_readonly("report_json", [](const ProgramHandle &p) {
        return p.program->reportJson;
      });
}

//===----------------------------------------------------------------------===//
// Sessions.
//===----------------------------------------------------------------------===//

/// One session and the options it was made with.
struct SessionHandle {
  std::unique_ptr<cim::Session> session;
};

SessionHandle makeSession(const ProgramHandle &program, const std::string &mode,
                          bool sanitize, bool trace, int threads) {
  cim::RunOptions options;
  if (mode == "functional")
    options.mode = cim::Mode::Functional;
  else if (mode == "timing")
    options.mode = cim::Mode::Timing;
  else if (mode != "full")
    fail(errors.run,
         "mode: '" + mode + "'; full, functional or timing; give one of them");
  if (threads < 1 || threads > 1024)
    fail(errors.run,
         "threads: " + std::to_string(threads) + "; 1 to 1024; correct it");
  options.sanitize = sanitize;
  options.trace = trace;
  options.threads = threads;
  auto session = [&] {
    py::gil_scoped_release release;
    return cim::Session::create(program.program, options);
  }();
  return {take(errors.run, std::move(session))};
}

py::dict runSession(SessionHandle &self,
                    const std::map<std::string, py::array> &inputs) {
  cim::NamedArrays arrays = views(inputs);
  auto outputs = [&] {
    py::gil_scoped_release release;
    return self.session->run(arrays);
  }();
  cim::NamedArrays values = take(errors.run, std::move(outputs));
  py::dict result;
  for (const cim::TensorInfo &info : self.session->program().outputs)
    if (auto it = values.find(info.name); it != values.end())
      result[py::str(info.name)] = toNumpy(it->second);
  return result;
}

void bindSession(py::module_ &m) {
  py::class_<SessionHandle>(m, "Session")
      .def(py::init(&makeSession), py::arg("program"), py::arg("mode"),
           py::arg("sanitize"), py::arg("trace"), py::arg("threads"))
      .def("run", &runSession)
      .def("report_json",
           [](const SessionHandle &self) {
             return cim::reportJson(self.session->program(),
                                    self.session->profile());
           })
      .def("report_text",
           [](const SessionHandle &self, size_t layers) {
             return cim::reportText(self.session->program(),
                                    self.session->profile(), layers);
           })
      .def("write_trace",
           [](const SessionHandle &self, const std::string &path) {
             absl::Status status = [&] {
               py::gil_scoped_release release;
               return cim::writeFileAtomic(
                   path, cim::traceJson(self.session->program(),
                                        self.session->profile()));
             }();
             check(errors.run, status);
           });
}

//===----------------------------------------------------------------------===//
// Compilation.
//===----------------------------------------------------------------------===//

template <typename T>
void set(T &to, const py::dict &from, const char *key) {
  if (from.contains(key))
    to = py::cast<T>(from[key]);
}

/// Keys: the fields of CompileRequest, in Python's spelling.
py::dict compile(const cim::TargetSpec &target, const py::dict &arguments) {
  cim::python::CompileRequest request;
  request.target = target;
  set(request.path, arguments, "path");
  set(request.modelName, arguments, "model_name");
  set(request.externalDataDir, arguments, "external_data");
  set(request.options, arguments, "options");
  set(request.phase, arguments, "phase");
  set(request.allTexts, arguments, "all_texts");
  set(request.elideConstants, arguments, "elide_constants");
  py::object bytes;
  if (arguments.contains("bytes")) {
    bytes = arguments["bytes"];
    request.bytes = py::cast<std::string_view>(bytes);
  }
  std::map<std::string, py::array> calibration;
  set(calibration, arguments, "calibration");
  for (const auto &[name, array] : calibration)
    request.calibration[name].push_back(npyView(array));
  std::map<std::string, py::array> bind;
  set(bind, arguments, "bind");
  for (const auto &[name, array] : bind)
    request.bind[name] = npyView(array);
  std::vector<std::string> unknown;
  auto outcome = [&] {
    py::gil_scoped_release release;
    return cim::python::compile(request, &unknown);
  }();
  if (!outcome.ok() && !unknown.empty())
    failUnknown(std::string(outcome.status().message()), unknown);
  cim::python::CompileOutcome value = take(errors.compile, std::move(outcome));
  py::dict seconds, texts, result;
  for (const auto &[phase, text] : value.texts)
    texts[py::str(phase)] = text;
  for (const auto &[phase, time] : value.seconds)
    seconds[py::str(phase)] = time;
  result["program"] = py::bytes(value.program);
  result["texts"] = texts;
  result["seconds"] = seconds;
  result["peak_rss_bytes"] = value.peakRssBytes;
  result["remarks"] = value.remarks;
  return result;
}

py::list options() {
  py::list result;
  for (const cim::python::OptionFacts &option : cim::python::options())
    result.append(py::make_tuple(option.flag, option.argument, option.kind,
                                 option.initial, option.form, option.help));
  return result;
}

py::dict interpret(const std::string &text,
                   const std::map<std::string, py::array> &inputs) {
  cim::NamedArrays arrays = views(inputs);
  auto outputs = [&] {
    py::gil_scoped_release release;
    return cim::python::interpret(text, arrays);
  }();
  py::dict result;
  for (const auto &[name, array] : take(errors.run, std::move(outputs)))
    result[py::str(name)] = toNumpy(array);
  return result;
}

py::list values(const std::string &text) {
  py::list result;
  for (const auto &value : take(errors.compile, cim::python::values(text)))
    result.append(py::make_tuple(value.id, value.nodes, value.op, value.format,
                                 value.type, py::tuple(py::cast(value.shape)),
                                 value.isFloat, value.scale, value.zero,
                                 value.low, value.high));
  return result;
}

std::string expose(const std::string &text, const std::vector<int64_t> &results,
                   const std::vector<int64_t> &cuts) {
  return take(errors.compile, cim::python::expose(text, results, cuts));
}

PyObject *newError(py::module_ &m, const char *name, const char *doc,
                   PyObject *base) {
  std::string full = std::string("cim.") + name;
  PyObject *type = PyErr_NewExceptionWithDoc(full.c_str(), doc, base, nullptr);
  if (!type)
    throw py::error_already_set();
  m.attr(name) = py::reinterpret_borrow<py::object>(type);
  return type;
}

} // namespace

PYBIND11_MODULE(_cim, m) {
  m.doc() = "Bindings of cim-compiler; use the package `cim`.";
  m.attr("__version__") = cim::versionString();
  errors.base = newError(m, "Error", "Base of the package's errors.", nullptr);
  errors.compile =
      newError(m, "CompileError",
               "A model, or an argument of compile, that cannot be compiled. "
               "unknown_inputs names the inputs on whose values the model's "
               "shapes depend: with them in `bind` compilation gets further.",
               errors.base);
  py::reinterpret_borrow<py::object>(errors.compile).attr("unknown_inputs") =
      py::tuple();
  errors.load = newError(m, "LoadError",
                         "A program or target that cannot be read or written.",
                         errors.base);
  errors.run = newError(m, "RunError",
                        "Inputs that do not fit, or a fault of the device.",
                        errors.base);
  bindTarget(m);
  bindProgram(m);
  bindSession(m);
  m.def("compile", &compile);
  m.def("options", &options,
        "Per option of the compiler: flag, argument, kind, default, form, "
        "help.");
  m.def("interpret", &interpret);
  m.def("values", &values, "The fields of ValueFacts, per value.");
  m.def("expose", &expose);
  m.def("phases", &cim::python::phases);
}
