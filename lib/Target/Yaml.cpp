// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// YAML to TargetSpec and back. yaml-cpp throws: this file is compiled with
// exceptions and lets none out.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "Presets.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "cim/Support/File.h"
#include "cim/Support/Status.h"
#include "cim/Target/TargetFields.h"
#include "cim/Target/TargetSpec.h"
#include "yaml-cpp/yaml.h"

namespace cim {
namespace {

constexpr uint64_t kMaxYamlBytes = 256 * 1024;
constexpr size_t kMaxTextLength = 4096;
constexpr int kMaxNesting = 16;

/// Reads one document; every message starts with "<origin>:<line>: ".
class Reader {
public:
  explicit Reader(std::string_view origin) : origin(origin) {}

  absl::StatusOr<TargetSpec> read(std::string_view text);

private:
  template <typename... Args>
  absl::Status error(const YAML::Node &at, const Args &...what) {
    return invalidArgument(origin, ":", at.Mark().line + 1, ": ", what...);
  }
  absl::Status readEntry(const YAML::Node &key, const YAML::Node &value);
  absl::Status readField(const TargetField &field, const YAML::Node &node);
  absl::Status readValue(const TargetField &field, const YAML::Node &node);
  absl::Status readText(std::string_view key, const YAML::Node &node,
                        std::string &text);

  std::string_view origin;
  TargetSpec spec;
  std::set<std::string> seen;
};

absl::Status Reader::readText(std::string_view key, const YAML::Node &node,
                              std::string &text) {
  if (!node.IsScalar())
    return error(node, key, ": not a text; write a string");
  text = node.Scalar();
  if (text.size() > kMaxTextLength)
    return error(node, key, ": ", text.size(), " characters; at most ",
                 kMaxTextLength, "; shorten it");
  return absl::OkStatus();
}

absl::Status Reader::readValue(const TargetField &field,
                               const YAML::Node &node) {
  const char *wanted = field.isBool()      ? "true or false"
                       : field.isInteger() ? "an integer"
                                           : "a number";
  if (!node.IsScalar())
    return error(node, field.key, ": not a number; write ", wanted);
  const std::string &text = node.Scalar();
  double value = 0;
  if (field.isBool()) {
    if (text != "true" && text != "false")
      return error(node, field.key, ": \"", absl::CHexEscape(text),
                   "\" is not ", wanted, "; write ", wanted);
    value = text == "true";
  } else {
    auto [end, code] =
        std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() ||
        (field.isInteger() && value != std::floor(value)))
      return error(node, field.key, ": \"", absl::CHexEscape(text),
                   "\" is not ", wanted, "; write ", wanted);
  }
  if (!(value >= field.min && value <= field.max))
    return error(node, field.key, ": value ", formatNumber(value),
                 " is out of range; ", formatNumber(field.min), " to ",
                 formatNumber(field.max), " is allowed; correct it");
  field.set(spec, value);
  return absl::OkStatus();
}

absl::Status Reader::readField(const TargetField &field,
                               const YAML::Node &node) {
  std::string key(field.key);
  // A value of this file is assumed unless the file says otherwise.
  spec.provenance.erase(key);
  spec.notes.erase(key);
  if (!node.IsMap())
    return readValue(field, node);
  bool hasValue = false;
  for (const auto &entry : node) {
    std::string part;
    CIM_RETURN_IF_ERROR(readText(key, entry.first, part));
    if (part == "value") {
      hasValue = true;
      CIM_RETURN_IF_ERROR(readValue(field, entry.second));
    } else if (part == "note") {
      CIM_RETURN_IF_ERROR(readText(key, entry.second, spec.notes[key]));
    } else if (part == "provenance") {
      std::string text;
      CIM_RETURN_IF_ERROR(readText(key, entry.second, text));
      if (text == "published")
        spec.provenance[key] = Provenance::Published;
      else if (text == "measured")
        spec.provenance[key] = Provenance::Measured;
      else if (text != "assumed")
        return error(entry.second, key, ": unknown provenance \"",
                     absl::CHexEscape(text),
                     "\"; write published, measured or assumed");
    } else {
      return error(entry.first, key, ": unknown entry \"",
                   absl::CHexEscape(part),
                   "\"; write value, provenance and note");
    }
  }
  if (!hasValue)
    return error(node, key, ": no value; add \"value: ...\"");
  return absl::OkStatus();
}

absl::Status Reader::readEntry(const YAML::Node &keyNode,
                               const YAML::Node &value) {
  std::string key;
  CIM_RETURN_IF_ERROR(readText("key", keyNode, key));
  if (!seen.insert(key).second)
    return error(keyNode, absl::CHexEscape(key),
                 ": given twice; remove one of them");
  if (key == "name")
    return readText(key, value, spec.name);
  if (key == "description")
    return readText(key, value, spec.description);
  if (const TargetField *field = findTargetField(key))
    return readField(*field, value);
  return error(keyNode, "unknown field \"", absl::CHexEscape(key),
               "\"; correct the spelling (the presets in lib/Target/presets "
               "show every field)");
}

absl::StatusOr<TargetSpec> Reader::read(std::string_view text) {
  YAML::Node root = YAML::Load(std::string(text));
  if (!root.IsMap())
    return invalidArgument(origin, ":1: not a target description; write "
                                   "\"field: value\" lines");
  spec.name.clear();
  for (const auto &entry : root)
    CIM_RETURN_IF_ERROR(readEntry(entry.first, entry.second));
  if (spec.name.empty())
    return invalidArgument(origin, ":1: no name; add \"name: ...\"");
  CIM_RETURN_IF_ERROR(withContext(spec.validate(), origin));
  return std::move(spec);
}

/// yaml-cpp recurses once per nesting level: refuse what no target needs
/// before it sees it. Anchors and tags are refused too.
absl::Status checkShape(std::string_view text, std::string_view origin) {
  if (text.size() > kMaxYamlBytes)
    return invalidArgument(origin, ":1: ", text.size(), " bytes; at most ",
                           kMaxYamlBytes, "; give a target description");
  int depth = 0, line = 1;
  bool quoted = false, comment = false;
  char quote = 0, previous = '\n';
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    line += c == '\n';
    bool control = static_cast<unsigned char>(c) < 0x20 && c != '\n' &&
                   c != '\r' && c != '\t';
    if (control)
      return invalidArgument(origin, ":", line,
                             ": control character; write plain text");
    if (comment) {
      comment = c != '\n';
      if (!comment)
        previous = '\n';
      continue;
    }
    if (quoted) {
      if (c == '\\' && quote == '"')
        ++i;
      else if (c == quote)
        quoted = false;
      continue;
    }
    // Indicators mean something only where a value or key begins.
    bool blank = c == ' ' || c == '\t' || c == '\r';
    char last = previous;
    bool spaced = i == 0 || text[i - 1] == ' ' || text[i - 1] == '\n' ||
                  text[i - 1] == '\t';
    if (!blank)
      previous = c;
    bool start = last == '\n' || last == ':' || last == ',' || last == '{' ||
                 last == '[' || last == '-';
    if (c == '#' && spaced)
      comment = true;
    else if (start && (c == '"' || c == '\''))
      quoted = true, quote = c;
    else if (start && (c == '&' || c == '*' || c == '!' || c == '?' ||
                       c == '|' || c == '>' || c == '%'))
      return invalidArgument(origin, ":", line,
                             ": anchors, tags, block texts and complex keys "
                             "are not used here; write \"field: value\" lines");
    depth += (c == '{' || c == '[') - (c == '}' || c == ']');
    if (depth > kMaxNesting)
      return invalidArgument(origin, ":", line, ": nested too deep; at most ",
                             kMaxNesting, " levels; flatten it");
  }
  return absl::OkStatus();
}

/// A double-quoted YAML string; UTF-8 stays as it is.
std::string quote(const std::string &text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\')
      quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      absl::StrAppend(&quoted, "\\x", absl::Hex(c, absl::kZeroPad2));
    else
      quoted += c;
  }
  return quoted + "\"";
}

} // namespace

absl::StatusOr<TargetSpec> TargetSpec::fromYaml(std::string_view text,
                                                std::string_view origin) {
  CIM_RETURN_IF_ERROR(checkShape(text, origin));
  try {
    return Reader(origin).read(text);
  } catch (const YAML::Exception &e) {
    return invalidArgument(origin, ":", e.mark.is_null() ? 1 : e.mark.line + 1,
                           ": not valid YAML: ", e.msg, "; correct it");
  } catch (const std::exception &e) {
    return invalidArgument(origin, ":1: not valid YAML: ", e.what(),
                           "; correct it");
  }
}

absl::StatusOr<TargetSpec> TargetSpec::load(const std::string &nameOrPath) {
  for (const Preset &preset : embeddedPresets())
    if (preset.name == nameOrPath)
      return fromYaml(preset.text, absl::StrCat(nameOrPath, ".yaml"));
  bool looksLikePath = nameOrPath.find_first_of("/.") != std::string::npos;
  absl::StatusOr<std::string> text = readFile(nameOrPath, kMaxYamlBytes);
  if (absl::IsNotFound(text.status()) && !looksLikePath)
    return absl::NotFoundError(absl::StrCat(
        nameOrPath, ": unknown target; known are ",
        absl::StrJoin(presets(), ", "), "; give one of them or a YAML file"));
  CIM_RETURN_IF_ERROR(text.status());
  return fromYaml(*text, nameOrPath);
}

std::vector<std::string> TargetSpec::presets() {
  std::vector<std::string> names;
  for (const Preset &preset : embeddedPresets())
    names.emplace_back(preset.name);
  std::sort(names.begin(), names.end());
  return names;
}

std::string TargetSpec::toYaml() const {
  std::string yaml = absl::StrCat("name: ", quote(name), "\n");
  if (!description.empty())
    absl::StrAppend(&yaml, "description: ", quote(description), "\n");
  for (const TargetField &field : targetFields()) {
    std::string key(field.key);
    std::string value = field.isBool() ? field.get(*this) ? "true" : "false"
                                       : formatNumber(field.get(*this));
    auto from = provenance.find(key);
    absl::StrAppend(&yaml, key, ": {value: ", value, ", provenance: ",
                    cim::name(from == provenance.end() ? Provenance::Assumed
                                                       : from->second));
    if (auto note = notes.find(key); note != notes.end())
      absl::StrAppend(&yaml, ", note: ", quote(note->second));
    absl::StrAppend(&yaml, "}\n");
  }
  return yaml;
}

} // namespace cim
