#include "report/html_text.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/error.h"
#include "base/utf8.h"

namespace committee::report {

namespace {

std::string gzip(std::string_view text) {
  constexpr int kGzipWindow = 15 + 16;
  z_stream stream{};
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw Error("the HTML report: zlib cannot start");
  }
  std::string out;
  std::array<char, 1 << 16> block;
  int state = Z_OK;
  while (state == Z_OK) {
    if (stream.avail_in == 0) {
      const size_t piece = std::min<size_t>(text.size(), 1u << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
      stream.avail_in = static_cast<uInt>(piece);
      text.remove_prefix(piece);
    }
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = block.size();
    state = deflate(&stream, text.empty() ? Z_FINISH : Z_NO_FLUSH);
    out.append(block.data(), block.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  if (state != Z_STREAM_END) throw Error("the HTML report: zlib cannot compress a table");
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? static_cast<uint8_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j) text += j <= count ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string html;
  while (!text.empty()) {
    const size_t good = find_invalid_utf8(text).value_or(text.size());
    for (const char c : text.substr(0, good)) {
      switch (c) {
        case '&':
          html += "&amp;";
          break;
        case '<':
          html += "&lt;";
          break;
        case '>':
          html += "&gt;";
          break;
        case '"':
          html += "&quot;";
          break;
        case '\'':
          html += "&#39;";
          break;
        default: {
          const auto code = static_cast<unsigned char>(c);
          const bool allowed = code >= 0x20 || c == '\n' || c == '\t';
          html += allowed && code != 0x7f ? std::string(1, c) : "\xEF\xBF\xBD";
        }
      }
    }
    text.remove_prefix(good);
    if (text.empty()) break;
    html += "\xEF\xBF\xBD";
    text.remove_prefix(1);
  }
  return html;
}

std::string json_in_script(std::string_view json) {
  std::string text;
  for (const char c : json) {
    if (c == '<' || c == '>' || c == '&') {
      text += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      text += c;
    }
  }
  return text;
}

std::string packed(std::string_view text) { return base64(gzip(text)); }

std::string number_cell(const std::string& shown, double number) {
  return fmt::format("<td class=\"number\" data-value=\"{}\">{}</td>", number, escaped(shown));
}

std::string cell(std::string_view text) { return "<td>" + escaped(text) + "</td>"; }

}  // namespace committee::report
