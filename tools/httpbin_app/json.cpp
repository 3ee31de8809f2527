#include "httpbin_app/json.hpp"

#include <cstddef>

namespace httpbin {

namespace {

/// The length of the UTF-8 sequence that `text` begins with; 0 if it begins with none.
std::size_t utf8_length(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i != length; ++i) {
        if ((at(i) & 0xc0) != 0x80) return 0;
    }
    // Neither longer than needed, nor a surrogate, nor beyond U+10FFFF.
    const unsigned char second = at(1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return 0;
    if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return 0;
    return length;
}

/// A checker for one text, by recursive descent.
class Checker {
  public:
    explicit Checker(std::string_view text) : left_(text) {}

    bool whole_text() {
        if (!value(0)) return false;
        blanks();
        return left_.empty();
    }

  private:
    static constexpr int depth_max = 64;

    void blanks() {
        const auto end = left_.find_first_not_of(" \t\r\n");
        left_.remove_prefix(end == std::string_view::npos ? left_.size() : end);
    }
    bool take(std::string_view token) {
        if (!left_.starts_with(token)) return false;
        left_.remove_prefix(token.size());
        return true;
    }
    bool digits() {
        const auto end = left_.find_first_not_of("0123456789");
        const std::size_t count = end == std::string_view::npos ? left_.size() : end;
        left_.remove_prefix(count);
        return count != 0;
    }
    bool number() {
        take("-");
        if (!take("0") && !digits()) return false;
        if (take(".") && !digits()) return false;
        if (take("e") || take("E")) {
            if (!take("+")) take("-");
            return digits();
        }
        return true;
    }
    bool string() {
        if (!take("\"")) return false;
        while (!left_.empty()) {
            if (take("\"")) return true;
            if (take("\\")) {
                if (take("u")) {
                    if (left_.size() < 4 ||
                        left_.substr(0, 4).find_first_not_of("0123456789abcdefABCDEF") < 4)
                        return false;
                    left_.remove_prefix(4);
                } else if (left_.empty() ||
                           std::string_view("\"\\/bfnrt").find(left_[0]) == std::string_view::npos) {
                    return false;
                } else {
                    left_.remove_prefix(1);
                }
                continue;
            }
            const std::size_t length = utf8_length(left_);
            if (length == 0 || static_cast<unsigned char>(left_[0]) < 0x20) return false;
            left_.remove_prefix(length);
        }
        return false;
    }
    /// The members of an object or array, behind its opening bracket.
    bool members(std::string_view closing, bool named, int depth) {
        blanks();
        if (take(closing)) return true;
        for (;;) {
            blanks();
            if (named) {
                if (!string()) return false;
                blanks();
                if (!take(":")) return false;
            }
            if (!value(depth + 1)) return false;
            blanks();
            if (take(closing)) return true;
            if (!take(",")) return false;
        }
    }
    bool value(int depth) {
        if (depth > depth_max) return false;
        blanks();
        if (take("{")) return members("}", true, depth);
        if (take("[")) return members("]", false, depth);
        if (left_.starts_with('"')) return string();
        return take("true") || take("false") || take("null") || number();
    }

    std::string_view left_;
};

}  // namespace

void append_json(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    out.push_back('"');
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const char c = text[0];
        if (length == 0) {
            out.append("\\ufffd");
        } else if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (c == '\n') {
            out.append("\\n");
        } else if (length == 1 && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) {
            out.append("\\u00");
            out.push_back(digits[static_cast<unsigned char>(c) >> 4]);
            out.push_back(digits[static_cast<unsigned char>(c) & 15]);
        } else {
            out.append(text.substr(0, length));
        }
        text.remove_prefix(length == 0 ? 1 : length);
    }
    out.push_back('"');
}

bool is_json(std::string_view text) { return Checker(text).whole_text(); }

}  // namespace httpbin
