// Part of cim-compiler, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The .npy format: magic, version, a Python dictionary literal, data.
#include <algorithm>
#include <cstring>

#include "absl/strings/escaping.h"
#include "cim/Support/Npz.h"
#include "cim/Support/Status.h"

namespace cim {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr size_t kMaxHeader = 65536, kMaxRank = 64;
constexpr uint64_t kMaxBytes = uint64_t(1) << 48;

/// Parses "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }".
class HeaderParser {
public:
  explicit HeaderParser(std::string_view text) : text(text) {}

  std::string descr;
  bool fortran = false;
  std::vector<int64_t> shape;

  /// Returns what is wrong, or an empty string.
  std::string parse() {
    if (!eat('{'))
      return "no dictionary";
    bool seen[3] = {};
    while (!eat('}')) {
      std::string key;
      if (!parseString(key) || !eat(':'))
        return "malformed dictionary";
      bool ok = false;
      if (key == "descr") {
        if (peek() == '[')
          return "structured dtypes are not supported";
        seen[0] = true, ok = parseString(descr);
      } else if (key == "fortran_order") {
        seen[1] = true, ok = parseBool(fortran);
      } else if (key == "shape") {
        seen[2] = true, ok = parseShape();
      }
      if (!ok)
        return "malformed entry \"" + absl::CHexEscape(key) + "\"";
      if (!eat(',') && peek() != '}')
        return "malformed dictionary";
    }
    return seen[0] && seen[1] && seen[2] ? "" : "incomplete dictionary";
  }

private:
  char peek() {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\n'))
      text.remove_prefix(1);
    return text.empty() ? '\0' : text.front();
  }
  bool eat(char c) {
    if (peek() != c)
      return false;
    text.remove_prefix(1);
    return true;
  }
  bool parseString(std::string &s) {
    char quote = peek();
    if (quote != '\'' && quote != '"')
      return false;
    size_t end = text.find(quote, 1);
    if (end == std::string_view::npos)
      return false;
    s = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    return true;
  }
  bool parseBool(bool &b) {
    peek();
    for (bool value : {false, true}) {
      std::string_view word = value ? "True" : "False";
      if (text.substr(0, word.size()) == word) {
        text.remove_prefix(word.size());
        b = value;
        return true;
      }
    }
    return false;
  }
  bool parseShape() {
    if (!eat('('))
      return false;
    while (!eat(')')) {
      uint64_t n = 0;
      if (peek() < '0' || peek() > '9' || shape.size() == kMaxRank)
        return false;
      while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
        n = n * 10 + static_cast<uint64_t>(text.front() - '0');
        if (n > kMaxBytes)
          return false;
        text.remove_prefix(1);
      }
      if (!text.empty() && text.front() == 'L') // Written by Python 2.
        text.remove_prefix(1);
      shape.push_back(static_cast<int64_t>(n));
      if (!eat(',') && peek() != ')')
        return false;
    }
    return true;
  }

  std::string_view text;
};

/// Splits "<f4" into byte order and dtype; false if not supported.
bool splitDescr(const std::string &descr, bool &swap, std::string &dtype) {
  if (descr.empty())
    return false;
  char order = descr[0];
  bool hasOrder = order == '<' || order == '>' || order == '|' || order == '=';
  dtype = hasOrder ? descr.substr(1) : descr;
  swap = order == '>';
  static constexpr const char *known[] = {"b1", "i1", "i2", "i4", "i8",
                                          "u1", "u2", "u4", "u8", "f2",
                                          "f4", "f8", "V2"};
  return std::any_of(std::begin(known), std::end(known),
                     [&](const char *k) { return dtype == k; });
}

/// Copies column-major data to row-major order.
void fromFortran(const std::vector<int64_t> &shape, size_t item,
                 std::string_view from, char *to) {
  size_t rank = shape.size();
  std::vector<size_t> stride(rank), index(rank, 0);
  size_t step = item;
  for (size_t i = 0; i < rank; ++i) {
    stride[i] = step;
    step *= static_cast<size_t>(shape[i]);
  }
  size_t source = 0;
  for (size_t at = 0; at < from.size(); at += item) {
    std::memcpy(to + at, from.data() + source, item);
    for (size_t i = rank; i-- > 0;) {
      source += stride[i];
      if (++index[i] < static_cast<size_t>(shape[i]))
        break;
      source -= stride[i] * index[i];
      index[i] = 0;
    }
  }
}

} // namespace

unsigned NpyArray::itemBytes() const {
  return dtype.size() == 2 ? static_cast<unsigned>(dtype[1] - '0') : 0;
}

absl::StatusOr<NpyArray> parseNpy(std::string_view bytes,
                                  std::shared_ptr<const void> keepAlive,
                                  std::string_view origin) {
  auto error = [&](const auto &...what) {
    return invalidArgument(origin, ": ", what...);
  };
  if (bytes.size() < 10 || bytes.substr(0, 6) != kMagic)
    return error("not a .npy array; save it with numpy.save or numpy.savez");
  unsigned major = static_cast<uint8_t>(bytes[6]);
  if (major < 1 || major > 3)
    return error(".npy version ", major, "; 1 to 3 are read; save it again");
  size_t prefix = major == 1 ? 10 : 12;
  uint32_t headerBytes = 0;
  if (bytes.size() < prefix)
    return error("truncated .npy header; save it again");
  std::memcpy(&headerBytes, bytes.data() + 8, prefix - 8);
  if (headerBytes > kMaxHeader || headerBytes > bytes.size() - prefix)
    return error(".npy header of ", headerBytes, " bytes; at most ", kMaxHeader,
                 " and inside the file; save it again");
  HeaderParser header(bytes.substr(prefix, headerBytes));
  if (std::string what = header.parse(); !what.empty())
    return error("bad .npy header: ", what, "; save a plain array");
  NpyArray array;
  bool swap = false;
  if (!splitDescr(header.descr, swap, array.dtype))
    return error("dtype \"", absl::CHexEscape(header.descr),
                 "\" is not supported; use bool, int8..64, uint8..64 or "
                 "float16..64");
  uint64_t need = array.itemBytes();
  for (int64_t size : header.shape) {
    if (size > 0 && need > kMaxBytes / static_cast<uint64_t>(size))
      return error("array of more than 2^48 bytes; it is damaged");
    need *= static_cast<uint64_t>(size);
  }
  array.bytes = bytes.substr(prefix + headerBytes);
  if (array.bytes.size() != need)
    return error("array needs ", need, " bytes of data; the file has ",
                 array.bytes.size(), "; save it again");
  array.shape = std::move(header.shape);
  array.keepAlive = std::move(keepAlive);
  size_t item = array.itemBytes();
  bool reorder = header.fortran && array.shape.size() > 1 && need > 0;
  if (!reorder && !(swap && item > 1))
    return array;
  auto owned = std::make_shared<std::string>(array.bytes);
  if (reorder)
    fromFortran(array.shape, item, array.bytes, owned->data());
  if (swap)
    for (size_t at = 0; at < owned->size(); at += item)
      std::reverse(owned->data() + at, owned->data() + at + item);
  array.bytes = *owned;
  array.keepAlive = std::move(owned);
  return array;
}

std::string npyHeader(const NpyArray &array) {
  std::string order = array.itemBytes() == 1 ? "|" : "<";
  std::string text = "{'descr': '" + order + array.dtype +
                     "', 'fortran_order': False, 'shape': (";
  for (size_t i = 0; i < array.shape.size(); ++i)
    absl::StrAppend(&text, i ? ", " : "", array.shape[i]);
  text += array.shape.size() == 1 ? ",), }" : "), }";
  constexpr size_t prefix = 10;
  text.append(63 - (prefix + text.size()) % 64, ' ');
  text += '\n';
  std::string header(kMagic);
  header += '\x01';
  header += '\0';
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

} // namespace cim
