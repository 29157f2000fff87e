// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "cim/Alloc/Csv.h"

#include <charconv>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "cim/Support/Status.h"

namespace cim::alloc {
namespace {

enum Column { id, lower, upper, size, alignment, hint, offset, gaps };
constexpr int kColumns = 8;

struct Spelling {
  std::string_view name;
  Column column;
  bool inclusive = false;
};
constexpr Spelling kSpellings[] = {
    {"id", id},        {"buffer", id},
    {"buffer_id", id}, {"lower", lower},
    {"start", lower},  {"begin", lower},
    {"upper", upper},  {"end", upper, true},
    {"size", size},    {"alignment", alignment},
    {"hint", hint},    {"offset", offset},
    {"gaps", gaps},
};

/// A text for a message: one line, not too long.
std::string quote(std::string_view text) {
  constexpr size_t kMax = 40;
  std::string result = "'";
  for (char c : text.substr(0, kMax))
    result += static_cast<unsigned char>(c) < ' ' || c == 127 ? '?' : c;
  return result + (text.size() > kMax ? "...'" : "'");
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  size_t begin = text.find_first_not_of(kBlank);
  if (begin == text.npos)
    return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

std::optional<int64_t> parseInteger(std::string_view text) {
  int64_t value = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

class Reader {
public:
  Reader(std::string_view text, std::string_view file)
      : text(text), file(file) {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (text.starts_with(kByteOrderMark))
      position = kByteOrderMark.size();
  }

  absl::StatusOr<CsvProblem> read() {
    std::vector<std::string> fields;
    while (position < text.size()) {
      recordLine = line;
      CIM_RETURN_IF_ERROR(readRecord(fields));
      if (fields.size() == 1 && trim(fields[0]).empty())
        continue; // an empty line
      if (problem.header.empty()) {
        CIM_RETURN_IF_ERROR(readHeader(fields));
        problem.header = fields;
        continue;
      }
      CIM_RETURN_IF_ERROR(readBuffer(fields));
      problem.rows.push_back(fields);
      problem.lines.push_back(recordLine);
    }
    recordLine = line;
    if (problem.header.empty())
      return error("no header line; the file is empty; begin it with "
                   "id,lower,upper,size");
    return std::move(problem);
  }

private:
  template <typename... Args>
  absl::Status error(const Args &...args) const {
    return invalidArgument(file, ":", recordLine, ": ", args...);
  }

  absl::Status readRecord(std::vector<std::string> &fields) {
    fields.assign(1, "");
    bool quoted = false, wasQuoted = false;
    while (position < text.size()) {
      char c = text[position++];
      if (c == '\n')
        ++line;
      if (quoted) {
        if (c != '"')
          fields.back() += c;
        else if (position < text.size() && text[position] == '"')
          fields.back() += text[position++];
        else
          quoted = false;
        continue;
      }
      if (c == '\n')
        return absl::OkStatus();
      if (c == '\r' && (position == text.size() || text[position] == '\n'))
        continue;
      if (c == ',') {
        fields.emplace_back();
        wasQuoted = false;
      } else if (c == '"' && fields.back().empty() && !wasQuoted) {
        quoted = wasQuoted = true;
      } else if (c == '\0') {
        return error("a zero byte; give a text file");
      } else if (c == '"' || wasQuoted) {
        return error("text beside a quoted field ", quote(fields.back()),
                     "; quote the whole field and double quotes inside it");
      } else {
        fields.back() += c;
      }
    }
    if (quoted)
      return error("a quoted field is not closed; add the closing quote");
    return absl::OkStatus();
  }

  absl::Status readHeader(const std::vector<std::string> &fields) {
    for (int &index : columns)
      index = -1;
    for (size_t i = 0; i < fields.size(); ++i) {
      std::string_view name = trim(fields[i]);
      const Spelling *found = nullptr;
      for (const Spelling &spelling : kSpellings)
        if (spelling.name == name)
          found = &spelling;
      if (!found)
        return error("unknown column ", quote(name),
                     "; columns are id, lower, upper (or start, end), size, "
                     "alignment, hint, offset, gaps");
      if (columns[found->column] != -1)
        return error("column ", quote(name),
                     " is given twice, maybe under two names; remove one");
      columns[found->column] = static_cast<int>(i);
      if (found->column == upper)
        inclusive = found->inclusive;
    }
    constexpr std::string_view kRequired[] = {"id", "lower", "upper", "size"};
    for (int i = 0; i < 4; ++i)
      if (columns[i] == -1)
        return error("no column ", quote(kRequired[i]), "; add it");
    return absl::OkStatus();
  }

  absl::Status readBuffer(const std::vector<std::string> &fields) {
    if (fields.size() != problem.header.size())
      return error(fields.size(), " fields; the header has ",
                   problem.header.size(), "; make them equal");
    Buffer buffer;
    std::optional<int64_t> fixed, wanted, aligned = 1;
    CIM_RETURN_IF_ERROR(readId(fields[columns[id]]));
    CIM_RETURN_IF_ERROR(readNumber(fields, lower, "lower", buffer.lower));
    CIM_RETURN_IF_ERROR(readNumber(fields, upper, "upper", buffer.upper));
    CIM_RETURN_IF_ERROR(readNumber(fields, size, "size", buffer.size));
    if (inclusive && __builtin_add_overflow(buffer.upper, 1, &buffer.upper))
      return error("end ", buffer.upper,
                   "; the limit is 2^61; use smaller "
                   "times");
    CIM_RETURN_IF_ERROR(readOptional(fields, alignment, "alignment", aligned));
    CIM_RETURN_IF_ERROR(readOptional(fields, hint, "hint", wanted));
    CIM_RETURN_IF_ERROR(readOptional(fields, offset, "offset", fixed));
    buffer.alignment = aligned.value_or(1);
    if (wanted && *wanted != -1)
      buffer.hint = wanted;
    if (fixed && *fixed != -1)
      buffer.fixedOffset = fixed;
    if (columns[gaps] != -1)
      CIM_RETURN_IF_ERROR(readGaps(fields[columns[gaps]], buffer));
    problem.buffers.push_back(std::move(buffer));
    return absl::OkStatus();
  }

  absl::Status readId(const std::string &field) {
    if (trim(field).empty())
      return error("empty id; give every buffer an id of its own");
    auto [it, inserted] = lineOfId.emplace(field, recordLine);
    if (!inserted)
      return error("id ", quote(field), " is used in line ", it->second,
                   " already; ids must be unique");
    problem.ids.push_back(field);
    return absl::OkStatus();
  }

  absl::Status readNumber(const std::vector<std::string> &fields, Column column,
                          std::string_view name, int64_t &value) const {
    std::string_view field = trim(fields[columns[column]]);
    std::optional<int64_t> parsed = parseInteger(field);
    if (!parsed)
      return error(name, " is ", quote(field),
                   "; give a whole number of at most 64 bits");
    value = *parsed;
    return absl::OkStatus();
  }

  absl::Status readOptional(const std::vector<std::string> &fields,
                            Column column, std::string_view name,
                            std::optional<int64_t> &value) const {
    if (columns[column] == -1 || trim(fields[columns[column]]).empty())
      return absl::OkStatus();
    int64_t number = 0;
    CIM_RETURN_IF_ERROR(readNumber(fields, column, name, number));
    value = number;
    return absl::OkStatus();
  }

  absl::Status readGaps(std::string_view field, Buffer &buffer) const {
    while (!(field = trim(field)).empty()) {
      std::string_view gap = field.substr(0, field.find(' '));
      field.remove_prefix(gap.size());
      if (gap.find('@') != gap.npos)
        return error("gap ", quote(gap),
                     " keeps a part of the buffer; only "
                     "gaps a-b that free all of it are supported; split the "
                     "buffer instead");
      size_t dash = gap.find('-', 1);
      std::optional<int64_t> from, to;
      if (dash != gap.npos) {
        from = parseInteger(gap.substr(0, dash));
        to = parseInteger(gap.substr(dash + 1));
      }
      if (!from || !to || (inclusive && __builtin_add_overflow(*to, 1, &*to)))
        return error("gap ", quote(gap),
                     "; write gaps as a-b, separated by "
                     "spaces");
      buffer.gaps.push_back({*from, *to});
    }
    return absl::OkStatus();
  }

  std::string_view text;
  std::string_view file;
  size_t position = 0;
  int line = 1;
  int recordLine = 1;
  int columns[kColumns] = {};
  bool inclusive = false;
  std::map<std::string, int> lineOfId;
  CsvProblem problem;
};

void appendField(std::string &text, std::string_view field) {
  if (field.find_first_of(",\"\r\n") == field.npos) {
    text += field;
    return;
  }
  text += '"';
  for (char c : field) {
    if (c == '"')
      text += '"';
    text += c;
  }
  text += '"';
}

} // namespace

absl::StatusOr<CsvProblem> parseCsv(std::string_view text,
                                    std::string_view file) {
  return Reader(text, file).read();
}

absl::Status locate(const absl::Status &status, const CsvProblem &problem,
                    std::string_view file) {
  constexpr std::string_view kPrefix = "buffer ";
  std::string_view message(status.message().data(), status.message().size());
  size_t colon = message.find(": ");
  std::optional<int64_t> index;
  if (message.starts_with(kPrefix) && colon != message.npos)
    index =
        parseInteger(message.substr(kPrefix.size(), colon - kPrefix.size()));
  if (!index || *index < 0 ||
      *index >= static_cast<int64_t>(problem.lines.size()))
    return withContext(status, file);
  return absl::Status(status.code(),
                      absl::StrCat(toAbsl(file), ":", problem.lines[*index],
                                   toAbsl(message.substr(colon))));
}

std::string formatCsv(const CsvProblem &problem,
                      const std::vector<int64_t> &offsets) {
  size_t column = problem.header.size();
  for (size_t i = 0; i < problem.header.size(); ++i)
    if (trim(problem.header[i]) == "offset")
      column = i;
  std::string text;
  auto append = [&](const std::vector<std::string> &fields,
                    const std::string &last) {
    for (size_t i = 0; i < fields.size(); ++i) {
      if (i > 0)
        text += ',';
      appendField(text, i == column ? last : fields[i]);
    }
    if (column == fields.size())
      text += "," + last;
    text += '\n';
  };
  append(problem.header, "offset");
  for (size_t i = 0; i < problem.rows.size(); ++i)
    append(problem.rows[i], std::to_string(offsets[i]));
  return text;
}

} // namespace cim::alloc
